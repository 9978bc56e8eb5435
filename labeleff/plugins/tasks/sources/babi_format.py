"""Strict reader of the bAbI text format; errors give file, line, found and expected.

A line is a number, a space and a sentence. Numbers count 1, 2, 3, ... and start again at 1 with every story. A
statement ends in a full stop. A question ends in a question mark and is followed by a tab, its answer (words
joined by commas), a tab, and the numbers of the statements that support it. The story of a question is every
statement above it under the same count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from labeleff.errors import DataError

LONGEST = 1000
"""Most bytes of a line; the longest of the official files has under 100."""

_NUMBERED = re.compile(r"([0-9]{1,6}) (\S.*)", re.DOTALL)
_ANSWER = re.compile(r"[^\W_]+(?:,[^\W_]+)*")
_FACTS = re.compile(r"[0-9]{1,6}(?: [0-9]{1,6})*")


@dataclass(frozen=True)
class Question:
    """A question with the statements before it, as they stand in the file."""

    story: tuple[str, ...]
    text: str
    answer: str
    """Words of the answer joined by commas, e.g. `football,milk`."""
    facts: tuple[int, ...]
    """Places of the supporting statements in `story`, from 0."""
    line: int
    """Line of the file, from 1."""


@dataclass(frozen=True)
class _Place:
    source: str
    line: int

    def fail(self, found: str, expected: str) -> NoReturn:
        raise DataError(f"{self.source}, line {self.line}: found {found}, expected {expected}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def parse(content: bytes, source: str) -> list[Question]:
    """Parse every question of a file's `content`, in order; `source` names the file in errors.

    Lines may end in LF or CRLF. Raises DataError where anything deviates from the format.
    """
    questions: list[Question] = []
    story: dict[int, str] = {}
    number = 0
    ends_with_question = True
    for line, text in enumerate(_lines(content, source), start=1):
        place = _Place(source, line)
        last, (number, sentence) = number, _split_number(text, number, place)
        if number == 1:
            if not ends_with_question:
                place.fail("the start of a story", f"a question first: the story above ends with statement {last}")
            story = {}
        ends_with_question = "\t" in sentence
        if ends_with_question:
            questions.append(_question(sentence, story, place))
        else:
            story[number] = _statement(sentence, place)
    if not questions:
        raise DataError(f"{source}: found no question, expected stories with questions")
    if not ends_with_question:
        _Place(source, line).fail("the end of the file", "a question first: the last story ends with a statement")
    return questions


def _lines(content: bytes, source: str) -> list[str]:
    """Split a file into lines without their ends."""
    if not content:
        raise DataError(f"{source}: found an empty file, expected stories with questions")
    raw = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if raw.pop():
        _Place(source, len(raw) + 1).fail("no end of line", "one after the last line; is the file cut short?")
    lines = []
    for line, data in enumerate(raw, start=1):
        place = _Place(source, line)
        if len(data) > LONGEST:
            place.fail(f"{len(data):,} bytes", f"{LONGEST:,} at most")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            place.fail(f"the byte 0x{data[error.start]:02x} at character {error.start + 1}", "UTF-8 text")
        lines.append(text.removesuffix("\r"))
    return lines


def _split_number(text: str, last: int, place: _Place) -> tuple[int, str]:
    match = _NUMBERED.fullmatch(text)
    if match is None:
        place.fail(_shown(text), "a line number, a space and a sentence")
    number = int(match[1])
    allowed = {1, last + 1}
    if number not in allowed or match[1].startswith("0"):
        place.fail(f"line number {match[1]}", " or ".join(map(str, sorted(allowed))))
    return number, match[2]


def _sentence(text: str, end: str, place: _Place) -> str:
    """Check a sentence: printable characters, whose one mark is its `end`; trailing spaces are removed."""
    stripped = text.rstrip(" ")
    if not stripped.isprintable():
        place.fail(_shown(text), "printable characters")
    if not stripped.endswith(end) or not stripped[:-1].strip():
        place.fail(_shown(text), f"a sentence that ends in {end!r}")
    if any(mark in stripped[:-1] for mark in ".?"):
        place.fail(_shown(text), "one sentence a line")
    return stripped


def _statement(text: str, place: _Place) -> str:
    if text.rstrip(" ").endswith("?"):
        place.fail(_shown(text), "a tab, the answer, a tab and supporting facts after a question")
    return _sentence(text, ".", place)


def _question(text: str, story: dict[int, str], place: _Place) -> Question:
    fields = text.split("\t")
    if len(fields) != 3:
        place.fail(f"{len(fields) - 1} tabs", "2: question, answer, supporting facts")
    question, answer, facts = fields
    if not _ANSWER.fullmatch(answer.strip(" ")):
        place.fail(f"the answer {_shown(answer)}", "words of letters and digits, joined by commas")
    if not _FACTS.fullmatch(facts.strip(" ")):
        place.fail(f"the supporting facts {_shown(facts)}", "numbers of statements, with spaces between")
    places = {number: i for i, number in enumerate(story)}
    numbers = [int(fact) for fact in facts.split()]
    for fact in numbers:
        if fact not in places:
            place.fail(f"supporting fact {fact}", f"the number of a statement above; they are {_span(story)}")
    return Question(
        tuple(story.values()),
        _sentence(question, "?", place),
        answer.strip(" "),
        tuple(places[fact] for fact in numbers),
        place.line,
    )


def _span(story: dict[int, str]) -> str:
    return f"{min(story)} to {max(story)}" if story else "none"
