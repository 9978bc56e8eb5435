"""The `[gate]` table of a study: rules that a comparison must not break, margins within which numbers are the same."""

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
"""The rule that holds where no other was given."""


class Gate(Frozen):
    """As it is written; a study without one is judged by `worse` and the default margins.

    fail_on: rules (tracking.rules). margins: by pattern, half widths of what counts as the same, a number or, for
    relative quantities, a percentage. noise: of `throughput`, `time` and `memory`, the standard deviation from one
    start of the same code to the next, in percent, as `labeleff noise` measures it.
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
    """Complaints as a study's, which pydantic lets through, with the table's name before them."""
    try:
        yield
    except OptionError as error:
        raise StudyError(f"gate.{error}") from error


def parse_margins(margins: Mapping[str, float | str], where: str) -> list[tuple[Pattern, float]]:
    """Patterns with their margins."""
    found = []
    for text, value in margins.items():
        pattern = parse_pattern(text, where)
        found.append((pattern, parse_amount(value, quantity(pattern.metric), f"{where}, {text}")))
    return found


def parse_noise(noise: Mapping[str, float | str], where: str) -> dict[str, float]:
    """Standard deviations of ln by quantity."""
    for name in noise:
        if name not in SPEED:
            raise OptionError(f"{where}: {UnknownNameError('quantity', name, SPEED)}")
    return {name: parse_amount(value, quantity(name), f"{where}, {name}") for name, value in noise.items()}


@dataclass(frozen=True)
class Criteria:
    """A gate, parsed."""

    rules: tuple[Rule, ...] = (Rule(WORSE, None, None),)
    margins: tuple[tuple[Pattern, float], ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)

    def margin(self, subject: Subject) -> float:
        """Half the width of what counts as the same: of the closest pattern, the last one where several are as close.

        Other than in a rule, a pattern without `@` speaks for rungs too, where no other does.
        """
        found = [(pattern.width, margin) for pattern, margin in self.margins if pattern.matches(subject)]
        wide = [
            (replace(p, n="*").width + 1, margin) for p, margin in self.margins if p.n is None and _at_rungs(p, subject)
        ]
        if not (found or wide):
            return quantity(subject.metric).margin
        least = min(width for width, _ in found + wide)
        return [margin for width, margin in found + wide if width == least][-1]

    def noise_of(self, what: Quantity) -> float:
        """Standard deviation of ln from one start of the same code to the next."""
        return self.noise.get(what.name, what.noise)


def _at_rungs(pattern: Pattern, subject: Subject) -> bool:
    return replace(pattern, n="*").matches(subject)


def criteria(
    gate: Gate | None, fail_on: Sequence[str] = (), margins: Sequence[str] = (), noise: Sequence[str] = ()
) -> Criteria:
    """A study's gate with a command's options over it: rules replace rules, margins and noise are added.

    Raises OptionError naming the option and the character.
    """
    table = gate or Gate()
    rules = [parse_rule(text) for text in fail_on] or [parse_rule(text, "gate.fail_on") for text in table.fail_on]
    given = parse_margins(table.margins, "gate.margins") + parse_margins(assignments(margins, "--margin"), "--margin")
    own = parse_noise(table.noise, "gate.noise") | parse_noise(assignments(noise, "--noise"), "--noise")
    return Criteria(tuple(rules), tuple(given), own)


def assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """`accuracy@50=0.05` by what stands before the last `=`; arms and options of tasks may hold one too."""
    expected = "NAME=AMOUNT, e.g. accuracy=0.01 or throughput=5%"
    return dict(pair(text, option, expected, last=True) for text in texts)
