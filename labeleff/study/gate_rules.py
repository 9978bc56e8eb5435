"""Rules of a gate, parsed: `utility@1000 < -0.2`, `throughput < -5%`, `accuracy@* worse`.

    pattern  = name [ "@" ( label count | "*" ) ] [ "[" arm [ "," task [ "," encoder ] ] "]" ]

Without `@` the whole ladder is meant, `@*` is every rung. Arm, task and encoder may hold `*`; task and encoder are
named in full or without options. Commas inside parentheses belong to a name.

    rule  = pattern ( "<" | ">" ) number [ "%" ] [ "point" ]  |  [ pattern ] "worse"

A rule is about NEW - BASE. It fails where the difference lies beyond the bound with evidence: not the point alone but
the near end of its interval too (where the rule covers several numbers, by p values adjusted for that). With `point`
the point alone counts, which also judges single runs. `worse` fails where the verdict on a number is worse.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from labeleff.errors import OptionError
from labeleff.study.quantities import Quantity, Subject, quantity

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
COUNT = re.compile(r"[0-9]+")
SPACE = re.compile(r"\s*")


@dataclass
class Reader:
    """A text and how far it has been read; errors name the character, from 1."""

    text: str
    where: str
    """Beginning of error messages."""
    at: int = 0
    """Place of the next character, from 0."""

    def skip(self) -> None:
        """Skip spaces."""
        spaces = SPACE.match(self.text, self.at)
        self.at = spaces.end() if spaces else self.at

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        """Read the text that the pattern matches at this place; OptionError where it matches nothing."""
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self.error(expected)
        self.at = match.end()
        return match.group()

    def take_if(self, mark: str) -> bool:
        """Read `mark` if it comes next; returns whether it does."""
        comes = self.text.startswith(mark, self.at)
        self.at += len(mark) if comes else 0
        return comes

    def end(self, expected: str) -> None:
        """Raise OptionError unless everything was read."""
        self.skip()
        if self.at < len(self.text):
            raise self.error(expected)

    def error(self, expected: str) -> OptionError:
        """The OptionError that names the text at this place, and what was expected."""
        words = self.text[self.at :].split(maxsplit=1)
        found = repr(words[0]) if words else "the end"
        return OptionError(f"{self.where} {self.text!r}, character {self.at + 1}: found {found}, expected {expected}")


@dataclass(frozen=True)
class Pattern:
    """A pattern that selects subjects."""

    metric: str
    n: int | str | None
    """A label count, `*` for every one, None for the whole ladder."""
    arm: str = "*"
    task: str = "*"
    encoder: str = "*"

    def matches(self, subject: Subject) -> bool:
        """Whether the pattern selects the subject."""
        rung = subject.n is not None if self.n == "*" else subject.n == self.n
        parts = ((self.task, subject.task), (self.encoder, subject.encoder))
        return (
            rung
            and self.metric == subject.metric
            and fnmatchcase(subject.arm, self.arm)
            and all(fnmatchcase(label, part) or fnmatchcase(label.partition("(")[0], part) for part, label in parts)
        )

    @property
    def width(self) -> int:
        """How general the pattern is: of two that match, the one of smaller width applies."""
        return (self.n == "*") + sum(3 * ("*" in part) for part in (self.arm, self.task, self.encoder))


def read_pattern(reader: Reader) -> Pattern:
    """Read the pattern that begins at the reader's place."""
    reader.skip()
    metric = reader.take(NAME, "a quantity's name, e.g. accuracy")
    n: int | str | None = None
    if reader.take_if("@"):
        n = "*" if reader.take_if("*") else int(reader.take(COUNT, "a label count or *"))
    return Pattern(metric, n, *(_read_names(reader) if reader.take_if("[") else ()))


def _read_names(reader: Reader) -> list[str]:
    """Read up to three names before the closing bracket."""
    parts: list[str] = []
    part, depth, start = "", 0, reader.at
    while not reader.take_if("]"):
        if reader.at >= len(reader.text):
            raise reader.error("] after arm, task, encoder")
        mark = reader.text[reader.at]
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if mark == "," and depth == 0:
            parts, part = [*parts, part.strip()], ""
        else:
            part += mark
        reader.at += 1
    parts.append(part.strip())
    if len(parts) > 3 or not all(parts):
        reader.at = start
        raise reader.error("[arm], [arm, task] or [arm, task, encoder], each a name or *")
    return parts


def parse_pattern(text: str, where: str) -> Pattern:
    """Parse a text as one pattern; OptionError, beginning with `where` and naming the character, where it isn't."""
    reader = Reader(text, where)
    result = read_pattern(reader)
    reader.end("the end of the pattern")
    return result


NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Rule:
    """One rule; `bound` None stands for the verdict worse."""

    text: str
    pattern: Pattern | None
    """Pattern of the numbers it covers; None: every number."""
    bound: float | None
    """Bound of NEW - BASE, a share of BASE for relative quantities; on the side of worse, or 0."""
    point: bool = False
    """Whether the point counts without its interval."""

    def covers(self, subject: Subject) -> bool:
        """Whether the rule is about the subject."""
        return self.pattern is None or self.pattern.matches(subject)


def parse_rule(text: str, where: str = "--fail-on") -> Rule:
    """Parse a text as a rule; OptionError beginning with `where`, with the character, what was found and expected."""
    reader = Reader(text, where)
    reader.skip()
    name = NAME.match(text, reader.at)
    if name is not None and name.group() == "worse":
        reader.at = name.end()
        reader.end("the end of the rule")
        return Rule(text.strip(), None, None)
    pattern = read_pattern(reader)
    reader.skip()
    if reader.take_if("worse"):
        reader.end("the end of the rule")
        return Rule(text.strip(), pattern, None)
    return _read_bound(reader, pattern)


def _read_bound(reader: Reader, pattern: Pattern) -> Rule:
    what = quantity(pattern.metric)
    better = "higher" if what.higher else "lower"
    if not reader.take_if("<" if what.higher else ">"):
        mark = "<" if what.higher else ">"
        raise reader.error(f"{mark} or worse ({what.name} is better when {better})")
    reader.skip()
    start = reader.at
    bound = read_amount(reader, what)
    if bound * what.sign > 0:
        reader.at = start
        side = "at most" if what.higher else "at least"
        raise reader.error(f"{side} 0, as the bound is one of NEW - BASE")
    reader.skip()
    point = reader.take_if("point")
    reader.end("point or the end of the rule")
    return Rule(reader.text.strip(), pattern, bound, point)


def read_amount(reader: Reader, what: Quantity) -> float:
    """Read a number or, for a relative quantity, a percentage as a share.

    Raises OptionError for the other kind, and for a change that no two values of the quantity can have.
    """
    start = reader.at
    number = float(reader.take(NUMBER, "a percentage, e.g. 5%" if what.relative else "a number"))
    percent = reader.take_if("%")
    if not math.isfinite(number) or percent != what.relative:
        reader.at = start
        raise reader.error(_expected(what))
    if what.relative and number <= -100:
        reader.at = start
        raise reader.error("a percentage over -100%")
    if not what.relative and abs(number) >= what.widest:
        reader.at = start
        most = f"{what.widest:g}"
        raise reader.error(
            f"a number between -{most} and {most}, the most {what.name} can change by: 0.01 is one point"
        )
    return number / 100 if percent else number


def _expected(what: Quantity) -> str:
    if what.relative:
        return f"a percentage, as {what.name} is compared as a ratio, e.g. 5%"
    return f"a plain number, as differences of {what.name} are compared as they are, e.g. {what.margin:g}"


def parse_amount(value: float | str, what: Quantity, where: str) -> float:
    """Parse a margin of 0 or more from a number or from `5%`; OptionError beginning with `where` for anything else."""
    reader = Reader(value if isinstance(value, str) else f"{value!r}", where)
    reader.skip()
    amount = read_amount(reader, what)
    reader.end("the end of the number")
    if amount < 0:
        raise OptionError(f"{where}: found {value}, expected 0 or more")
    return amount
