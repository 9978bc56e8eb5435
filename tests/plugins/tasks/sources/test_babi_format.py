"""The parser: official text is read, and 200 damaged files give an error with file and line, or are read right."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.errors import DataError
from labeleff.plugins.tasks.sources.babi_format import LONGEST, Question, parse
from labeleff.plugins.tasks.sources.babi_simulation import generate

GOOD = b"""1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Mary got the football there.
5 What is Mary carrying?\tfootball,milk\t4 1
1 The kitchen is north of the office.
2 How do you go from the kitchen to the office?\ts,e\t1
"""


def test_stories_grow_and_start_again():
    first, second, third = parse(GOOD, "f")
    assert first.story == ("Mary moved to the bathroom.", "John went to the hallway.")
    assert (first.text, first.answer, first.facts, first.line) == ("Where is Mary?", "bathroom", (0,), 3)
    assert second.story == (*first.story, "Mary got the football there.")
    assert (second.answer, second.facts) == ("football,milk", (2, 0))
    assert (third.story, third.answer) == (("The kitchen is north of the office.",), "s,e")


@pytest.mark.parametrize("change", [lambda c: c.replace(b"\n", b"\r\n"), lambda c: b"\xef\xbb\xbf" + c])
def test_other_line_ends_and_a_byte_order_mark_make_no_difference(change):
    assert parse(change(GOOD), "f") == parse(GOOD, "f")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"2 John", b"3 John", "line 2: found line number 3, expected 1 or 2"),
        (b"2 John", b"02 John", "line 2: found line number 02, expected 1 or 2"),
        (b"1 Mary moved", b"2 Mary moved", "line 1: found line number 2, expected 1"),
        (b"2 John went", b"John went", "line 2: found 'John went to the hallway.', expected a line number"),
        (b"2 John went to the hallway.\n", b"\n", "line 2: found '', expected a line number"),
        (b"? \tbathroom\t1", b"? bathroom 1", "line 3: found 'Where is Mary.*, expected a sentence that ends in '.'"),
        (b"? \tbathroom\t1", b"?", "line 3: .*expected a tab, the answer, a tab"),
        (b"\tbathroom\t1", b"\tbathroom 1", "line 3: found 1 tabs, expected 2"),
        (b"\tbathroom\t1", b"\tbathroom\t1\t2", "line 3: found 3 tabs, expected 2"),
        (b"\tbathroom\t1", b"\t\t1", "line 3: found the answer ''"),
        (b"football,milk", b"football,,milk", "line 5: found the answer"),
        (b"\tbathroom\t1", b"\tbathroom\t", "line 3: found the supporting facts ''"),
        (b"\tbathroom\t1", b"\tbathroom\t7", "line 3: found supporting fact 7, .* they are 1 to 2"),
        (b"\t4 1", b"\t3 1", "line 5: found supporting fact 3"),
        (b"hallway.", b"hallway", "line 2: found 'John went to the hallway', expected a sentence that ends in '.'"),
        (b"hallway.", b"hallway. He left.", "line 2: .*expected one sentence a line"),
        (b"hallway.", b"hall\x00way.", "line 2: .*expected printable characters"),
        (b"hallway.", b"hall\xffway.", "line 2: found the byte 0xff at character 24, expected UTF-8 text"),
        (b"hallway.", b"hall" + b"w" * LONGEST + b".", "line 2: found 1,0.. bytes, expected 1,000 at most"),
        (b"5 What is Mary carrying?\tfootball,milk\t4 1\n", b"", "line 5: found the start of a story, .*statement 4"),
    ],
)
def test_errors_name_file_line_found_and_expected(old, new, message):
    assert old in GOOD
    with pytest.raises(DataError, match=rf"^qa\.txt, {message}"):
        parse(GOOD.replace(old, new, 1), "qa.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^f: found an empty file"),
        (b"1 Mary moved to the bathroom.\n", "^f: found no question"),
        (GOOD[:-1], "^f, line 7: found no end of line, .*cut short"),
        (GOOD + b"3 Mary left.\n", "^f, line 8: found the end of the file"),
    ],
)
def test_errors_of_whole_files(content, message):
    with pytest.raises(DataError, match=message):
        parse(content, "f")


def _mutated(content: bytes, dice: random.Random) -> bytes:
    """One damage of a kind: cut, wrong number, missing tab, bad UTF-8, huge line, lost, doubled or swapped line."""
    lines = content.split(b"\n")[:-1]
    at = dice.randrange(len(lines))
    line = lines[at]
    kind = dice.randrange(10)
    if kind == 0:
        return content[: dice.randrange(len(content))]
    if kind == 1:
        lines[at] = line[: dice.randrange(len(line))]
    elif kind == 2:
        lines[at] = re.sub(rb"^[0-9]+", str(dice.choice([0, 7, 99, 123456789])).encode(), line)
    elif kind == 3:
        at = dice.choice([i for i, text in enumerate(lines) if b"\t" in text])
        lines[at] = lines[at].replace(b"\t", dice.choice([b"", b" "]), dice.choice([1, 2]))
    elif kind == 4:
        place = dice.randrange(len(line))
        lines[at] = line[:place] + dice.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00"]) + line[place:]
    elif kind == 5:
        lines[at] = line + b" very" * dice.choice([300, 100_000])
    elif kind == 6:
        del lines[at]
    elif kind == 7:
        lines.insert(at, line)
    elif kind == 8:
        other = dice.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        place = dice.randrange(len(line))
        lines[at] = line[:place] + bytes([dice.randrange(32, 127)]) + line[place + 1 :]
    return b"".join(text + b"\n" for text in lines)


def _plainly_right(content: bytes) -> list[tuple[list[str], str, str]]:
    """What a file says, read without any check."""
    story: list[str] = []
    found = []
    for line in content.decode().splitlines():
        number, _, text = line.partition(" ")
        if number == "1":
            story = []
        if "\t" in text:
            question, answer, _ = text.split("\t")
            found.append((list(story), question.strip(), answer.strip()))
        else:
            story.append(text.strip())
    return found


def outcome(content: bytes, source: str) -> list[Question] | DataError:
    try:
        return parse(content, source)
    except DataError as error:
        return error


@pytest.mark.parametrize("number", range(200))
def test_a_damaged_file_is_an_error_with_its_line_or_is_read_right(number):
    dice = random.Random(number)
    damaged = _mutated(generate(dice.choice([1, 2, 3]), "train", 20), dice)
    found = outcome(damaged, "dir/qa.txt")
    if isinstance(found, DataError):
        where = r"dir/qa\.txt, line [0-9]+" if b"?" in damaged else r"dir/qa\.txt(, line [0-9]+)?"
        assert re.match(f"{where}: found .+, expected .+", str(found), re.DOTALL)
        assert len(str(found)) < 300
    else:
        assert [(list(q.story), q.text, q.answer) for q in found] == _plainly_right(damaged)


@given(st.binary(max_size=300))
def test_nothing_but_data_errors_for_any_bytes(content):
    assert isinstance(outcome(content, "f"), DataError)


def test_most_damage_is_found():
    dice = [random.Random(number) for number in range(200)]
    found = [outcome(_mutated(generate(d.choice([1, 2, 3]), "train", 20), d), "f") for d in dice]
    assert sum(isinstance(item, DataError) for item in found) >= 150
