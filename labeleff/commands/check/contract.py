"""`labeleff check`: does a plug-in keep its contract? One file a kind; a check is a function that says what it found.

A check gets its subject and returns a clause for people, or raises `Broken` with the reason. Whatever else it raises is
the plug-in's and counts as broken too. All of it runs on the CPU, in float32, on a few small images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from labeleff.catalogue.declaration import Kind, OptionValue, Plugin
from labeleff.training.examples import Source


class Broken(Exception):
    """The contract is broken; the text says what was found and what was expected."""


class Doubtful(Exception):
    """Allowed, but hardly meant."""


@dataclass(frozen=True)
class Subject:
    """What is checked: the plug-in, its function, the options it is called with, and where data may be kept."""

    kind: Kind
    plugin: Plugin
    function: Callable[..., Any]
    options: Mapping[str, OptionValue]
    source: Source


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    status: Literal["ok", "warning", "FAILED"]
    text: str


Check = tuple[str, Callable[[Subject], str]]
"""Name of a check, and the check."""


def findings(checks: Sequence[Check], subject: Subject) -> Iterator[Finding]:
    """Every check's finding, as soon as it is known; the first check is a condition of all others."""
    for number, (name, check) in enumerate(checks):
        try:
            yield Finding(name, "ok", check(subject))
        except Doubtful as doubt:
            yield Finding(name, "warning", str(doubt))
        except Exception as error:  # noqa: BLE001  what other people's code raises is what is looked for
            yield Finding(name, "FAILED", _reason(error))
            if number == 0:
                return


def _reason(error: Exception) -> str:
    """In one line: the reason of a check, or the error of a plug-in with the line of code that raised it."""
    text = " ".join(str(error).split())
    if isinstance(error, Broken):
        return text
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace is not None else ""
    return f"{type(error).__name__}: {text}{where}"
