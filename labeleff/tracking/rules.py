"""Rules of a gate, strictly parsed: `utility@1000 < -0.2`, `throughput < -5%`, `accuracy@* worse`.

    rule  = pattern ( "<" | ">" ) number [ "%" ] [ "point" ]  |  [ pattern ] "worse"

A rule is about NEW - BASE. It fails where the difference lies beyond the bound with evidence: not the point alone but
the near end of its interval too (where the rule covers several numbers, by p values adjusted for that). With `point`
the point alone counts, which also judges single runs. `worse` fails where the verdict on a number is worse.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from labeleff.errors import OptionError
from labeleff.tracking.patterns import NAME, Pattern, Reader, read_pattern
from labeleff.tracking.quantities import Quantity, Subject, quantity

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Rule:
    """One rule; `bound` None stands for the verdict worse."""

    text: str
    pattern: Pattern | None
    """None: every number."""
    bound: float | None
    """Of NEW - BASE, a share of BASE for relative quantities; on the side of worse, or 0."""
    point: bool = False

    def covers(self, subject: Subject) -> bool:
        """Whether the rule is about the subject."""
        return self.pattern is None or self.pattern.matches(subject)


def parse_rule(text: str, where: str = "--fail-on") -> Rule:
    """The rule that a text is; OptionError beginning with `where`, with the character, what was found and expected."""
    reader = Reader(text, where)
    reader.skip()
    found = NAME.match(text, reader.at)
    if found is not None and found.group() == "worse":
        reader.at = found.end()
        reader.end("the end of the rule")
        return Rule(text.strip(), None, None)
    pattern = read_pattern(reader)
    reader.skip()
    if reader.take_if("worse"):
        reader.end("the end of the rule")
        return Rule(text.strip(), pattern, None)
    return _bounded(reader, pattern)


def _bounded(reader: Reader, pattern: Pattern) -> Rule:
    what = quantity(pattern.metric)
    better = "higher" if what.higher else "lower"
    if not reader.take_if("<" if what.higher else ">"):
        mark = "<" if what.higher else ">"
        raise reader.complaint(f"{mark} or worse ({what.name} is better when {better})")
    reader.skip()
    start = reader.at
    bound = read_amount(reader, what)
    if bound * what.sign > 0:
        reader.at = start
        side = "at most" if what.higher else "at least"
        raise reader.complaint(f"{side} 0, as the bound is one of NEW - BASE")
    reader.skip()
    point = reader.take_if("point")
    reader.end("point or the end of the rule")
    return Rule(reader.text.strip(), pattern, bound, point)


def read_amount(reader: Reader, what: Quantity) -> float:
    """A number, or for a relative quantity a percentage as a share; complains about the other one."""
    start = reader.at
    number = float(reader.take(NUMBER, "a percentage, e.g. 5%" if what.relative else "a number"))
    percent = reader.take_if("%")
    if not math.isfinite(number) or percent != what.relative:
        reader.at = start
        raise reader.complaint(_expected(what))
    if what.relative and number <= -100:
        reader.at = start
        raise reader.complaint("a percentage over -100%")
    return number / 100 if percent else number


def _expected(what: Quantity) -> str:
    if what.relative:
        return f"a percentage, as {what.name} is compared as a ratio, e.g. 5%"
    return f"a plain number, as differences of {what.name} are compared as they are, e.g. {what.margin:g}"


def parse_amount(value: float | str, what: Quantity, where: str) -> float:
    """A margin of 0 or more, from a number or from `5%`; OptionError beginning with `where` for anything else."""
    reader = Reader(value if isinstance(value, str) else f"{value!r}", where)
    reader.skip()
    found = read_amount(reader, what)
    reader.end("the end of the number")
    if found < 0:
        raise OptionError(f"{where}: found {value}, expected 0 or more")
    return found
