"""The checks of a contract: what one is, what it finds, how they run.

A check is a function of its subject that returns a clause for people, or raises `Breach` with the reason. Any other
exception comes from the plug-in and counts as one too. Checks run on the CPU, in float32, on a few small images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from labeleff.catalogue.declaration import Kind, OptionValue, Plugin
from labeleff.training.examples import Source


class Breach(Exception):
    """A breach of the contract; the text says what was found and what was expected."""


class Doubtful(Exception):
    """A result that the contract allows but that is hardly meant."""


@dataclass(frozen=True)
class Subject:
    """The plug-in to check, with its function, the options it is called with, and the source of data."""

    kind: Kind
    plugin: Plugin
    function: Callable[..., Any]
    options: Mapping[str, OptionValue]
    source: Source


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    status: Literal["ok", "warning", "FAILED"]
    text: str


Check = tuple[str, Callable[[Subject], str]]
"""The name of a check with its function."""
LOADS = "loads"
"""Name of the check without which no other of a task can be made."""


def findings(checks: Sequence[Check], subject: Subject) -> Iterator[Finding]:
    """Run the checks and yield each finding as it comes; the others are left out where the first or LOADS fails."""
    for number, (name, check) in enumerate(checks):
        try:
            yield Finding(name, "ok", check(subject))
        except Doubtful as doubt:
            yield Finding(name, "warning", str(doubt))
        except Exception as error:  # noqa: BLE001  the errors of other people's code are the findings
            yield Finding(name, "FAILED", _reason(error))
            if number == 0 or name == LOADS:
                return


def _reason(error: Exception) -> str:
    """Describe in one line the reason of a check, or a plug-in's error with the line of code that raised it."""
    text = " ".join(str(error).split())
    if isinstance(error, Breach):
        return text
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace is not None else ""
    return f"{type(error).__name__}: {text}{where}"
