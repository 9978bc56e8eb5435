"""Patterns of subjects, strictly parsed: `accuracy@500[rotation/finetune]`.

    pattern  = name [ "@" ( label count | "*" ) ] [ "[" arm [ "," task [ "," encoder ] ] "]" ]

Without `@` the whole ladder is meant, `@*` is every rung. Arm, task and encoder may hold `*`; task and encoder are
named in full or without options. Commas inside parentheses belong to a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from labeleff.errors import OptionError
from labeleff.tracking.quantities import Subject

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
COUNT = re.compile(r"[0-9]+")
SPACE = re.compile(r"\s*")


@dataclass
class Reader:
    """A text and how far it has been read; complaints name the character, from 1."""

    text: str
    where: str
    """What complaints begin with."""
    at: int = 0

    def skip(self) -> None:
        """Go over spaces."""
        found = SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        """What the pattern matches here; complains where it matches nothing."""
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self.complaint(expected)
        self.at = found.end()
        return found.group()

    def take_if(self, mark: str) -> bool:
        """Go over `mark` where it stands here."""
        here = self.text.startswith(mark, self.at)
        self.at += len(mark) if here else 0
        return here

    def end(self, expected: str) -> None:
        """Complain unless everything was read."""
        self.skip()
        if self.at < len(self.text):
            raise self.complaint(expected)

    def complaint(self, expected: str) -> OptionError:
        """What stands here, and what should."""
        rest = self.text[self.at :].split(maxsplit=1)
        found = repr(rest[0]) if rest else "the end"
        return OptionError(f"{self.where} {self.text!r}, character {self.at + 1}: found {found}, expected {expected}")


@dataclass(frozen=True)
class Pattern:
    """Which subjects are meant."""

    metric: str
    n: int | str | None
    """A label count, `*` for every one, None for the whole ladder."""
    arm: str = "*"
    task: str = "*"
    encoder: str = "*"

    def matches(self, subject: Subject) -> bool:
        """Whether the subject is meant."""
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
        """How little it says: of two patterns that match, the one of less width is meant."""
        return (self.n == "*") + sum(3 * ("*" in part) for part in (self.arm, self.task, self.encoder))


def read_pattern(reader: Reader) -> Pattern:
    """The pattern that begins here."""
    reader.skip()
    metric = reader.take(NAME, "a quantity's name, e.g. accuracy")
    n: int | str | None = None
    if reader.take_if("@"):
        n = "*" if reader.take_if("*") else int(reader.take(COUNT, "a label count or *"))
    return Pattern(metric, n, *(_selected(reader) if reader.take_if("[") else ()))


def _selected(reader: Reader) -> list[str]:
    """Up to three names before the closing bracket."""
    parts: list[str] = []
    part, depth, start = "", 0, reader.at
    while not reader.take_if("]"):
        if reader.at >= len(reader.text):
            raise reader.complaint("] after arm, task, encoder")
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
        raise reader.complaint("[arm], [arm, task] or [arm, task, encoder], each a name or *")
    return parts


def parse_pattern(text: str, where: str) -> Pattern:
    """The pattern that is the whole text; OptionError, beginning with `where` and naming the character, for others."""
    reader = Reader(text, where)
    found = read_pattern(reader)
    reader.end("the end of the pattern")
    return found
