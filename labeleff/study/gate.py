"""The `[gate]` table of a study: rules that a comparison must keep, margins and noise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import Field, field_validator

from labeleff.catalogue.declaration import Frozen
from labeleff.errors import OptionError, StudyError, UnknownNameError
from labeleff.study.gate_rules import Pattern, Rule, parse_amount, parse_pattern, parse_rule
from labeleff.study.option_values import pair
from labeleff.study.quantities import SPEED, Quantity, Subject, quantity

WORSE = "worse"
"""Default rule of a gate."""


class Gate(Frozen):
    """The table as it is written; a study without one is judged by `worse` and the default margins.

    fail_on: rules (see `study.gate_rules`). margins: half widths within which numbers count as the same, by pattern, a
    number or, for relative quantities, a percentage. noise: standard deviations of `throughput`, `time` and `memory`
    from one start of the same code to the next, in percent, as `labeleff noise` measures them.
    """

    fail_on: list[str] = Field(default_factory=lambda: [WORSE], min_length=1)
    margins: dict[str, float | str] = Field(default_factory=dict)
    noise: dict[str, float | str] = Field(default_factory=dict)

    @field_validator("fail_on")
    @classmethod
    def _rules(cls, texts: list[str]) -> list[str]:
        with _as_study():
            for text in texts:
                parse_rule(text, "fail_on")
        return texts

    @field_validator("margins")
    @classmethod
    def _margins(cls, margins: dict[str, float | str]) -> dict[str, float | str]:
        with _as_study():
            parse_margins(margins, "margins")
        return margins

    @field_validator("noise")
    @classmethod
    def _noise(cls, noise: dict[str, float | str]) -> dict[str, float | str]:
        with _as_study():
            parse_noise(noise, "noise")
        return noise


@contextlib.contextmanager
def _as_study() -> Iterator[None]:
    """Turn OptionError into StudyError, which pydantic lets through, with the table's name before its text."""
    try:
        yield
    except OptionError as error:
        raise StudyError(f"gate.{error}") from error


def parse_margins(margins: Mapping[str, float | str], where: str) -> list[tuple[Pattern, float]]:
    """Parse margins to patterns with half widths; OptionError beginning with `where` for a bad one."""
    parsed = []
    for text, value in margins.items():
        pattern = parse_pattern(text, where)
        parsed.append((pattern, parse_amount(value, quantity(pattern.metric), f"{where}, {text}")))
    return parsed


def parse_noise(noise: Mapping[str, float | str], where: str) -> dict[str, float]:
    """Parse noise to standard deviations of ln, by quantity; OptionError beginning with `where` for a bad one."""
    for name in noise:
        if name not in SPEED:
            raise OptionError(f"{where}: {UnknownNameError('quantity', name, SPEED)}")
    return {name: parse_amount(value, quantity(name), f"{where}, {name}") for name, value in noise.items()}


@dataclass(frozen=True)
class Criteria:
    """A parsed gate."""

    rules: tuple[Rule, ...] = (Rule(WORSE, None, None),)
    margins: tuple[tuple[Pattern, float], ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)

    def margin(self, subject: Subject) -> float:
        """Half width within which the subject counts as the same: that of the closest pattern, the last among equals.

        Unlike in a rule, a pattern without `@` applies to rungs too, where no other pattern does.
        """
        exact = [(pattern.width, margin) for pattern, margin in self.margins if pattern.matches(subject)]
        wide = [
            (replace(p, n="*").width + 1, margin) for p, margin in self.margins if p.n is None and _at_rungs(p, subject)
        ]
        if not (exact or wide):
            return quantity(subject.metric).margin
        least = min(width for width, _ in exact + wide)
        return [margin for width, margin in exact + wide if width == least][-1]

    def noise_of(self, what: Quantity) -> float:
        """Standard deviation of ln from one start of the same code to the next."""
        return self.noise.get(what.name, what.noise)


def _at_rungs(pattern: Pattern, subject: Subject) -> bool:
    return replace(pattern, n="*").matches(subject)


def criteria(
    gate: Gate | None, fail_on: Sequence[str] = (), margins: Sequence[str] = (), noise: Sequence[str] = ()
) -> Criteria:
    """Parse a study's gate with a command's options over it: rules replace rules, margins and noise are added.

    Raises OptionError naming the option and the character.
    """
    table = gate or Gate()
    rules = [parse_rule(text) for text in fail_on] or [parse_rule(text, "gate.fail_on") for text in table.fail_on]
    half_widths = parse_margins(table.margins, "gate.margins")
    half_widths += parse_margins(assignments(margins, "--margin"), "--margin")
    deviations = parse_noise(table.noise, "gate.noise") | parse_noise(assignments(noise, "--noise"), "--noise")
    return Criteria(tuple(rules), tuple(half_widths), deviations)


def assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """Split texts like `accuracy@50=0.05` at the last `=`; arms and options of tasks may hold one too."""
    expected = "NAME=AMOUNT, e.g. accuracy=0.01 or throughput=5%"
    return dict(pair(text, option, expected, last=True) for text in texts)
