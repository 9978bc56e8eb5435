"""Tables of runs: every dialect is read alike, and whatever is wrong is one error with its place."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grids import parse_runs
from support.malformed_tables import ARMS, HEADER, MALFORMED, PERCENT, ROWS, cell, table, with_column

from labeleff.curves.utility import utility
from labeleff.errors import LabeleffError, OptionError, RunsError, UnknownNameError
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.reading import Reading
from labeleff.stats.resampling import paired_differences


def parse(content: str | bytes, **options):
    return parse_runs(content.encode() if isinstance(content, str) else content, "runs.csv", Reading(**options))


def values(read) -> dict:
    """Accuracies by (task, arm) and label count, in the order of (draw, seed)."""
    return {
        group: {n: [round(rung[run], 9) for run in sorted(rung)] for n, rung in runs.items()}
        for group, runs in read.groups.items()
    }


GOOD = {
    (None, arm): {n: [round(value + run / 100, 9) for run in range(2)] for n, value in curve.items()}
    for arm, curve in ARMS.items()
}


def test_a_good_file():
    read = parse(table())
    assert values(read) == GOOD
    assert (read.scale, read.paired, read.tasks, read.arms) == ("fraction", False, [None], ["scratch", "rotation"])
    assert read.notes == (
        "2 arms x 3 label counts x 2 runs, one value per row",
        "fields are separated by comma",
        "accuracies are in 0..1: none is over 1",
        "no column draw: runs of different arms count as independent",
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("rows", [ROWS, PERCENT])
def test_every_dialect_reads_alike(delimiter, end, encoding, quoted, rows):
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([HEADER, *rows])
    content = (end + stream.getvalue().replace(end, end + end, 3) + end).encode(encoding)
    assert values(parse(content)) == GOOD
    assert parse(content, delimiter=delimiter) == parse(content)
    assert parse(content).sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_is_read_from_disk(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(table(), encoding="utf-8")
    assert values(read_runs([path], Reading())) == GOOD
    with pytest.raises(RunsError, match=r"none\.csv: can't be read: No such file"):
        read_runs([tmp_path / "none.csv"], Reading())
    with pytest.raises(RunsError, match="found a folder"):
        read_runs([tmp_path], Reading())


def test_columns_are_mapped_and_others_left_alone():
    header = ["", "method", "labels", "seed", "acc", "comment"]
    rows = [[str(at), *row, '"fine; a, b"'] for at, row in enumerate(ROWS)]
    columns = {"arm": "method", "n": "labels", "run": "seed", "accuracy": "acc"}
    read = parse(table(rows, header), columns=columns)
    assert values(read) == GOOD
    assert read.notes[2:] == (
        "columns not used: (without a name), comment",
        "accuracies are in 0..1: none is over 1",
        "no column draw: runs of different arms count as independent; the column seed isn't used",
    )
    assert parse(table(ROWS, ["arm", "n", "draw", "accuracy"]), columns={"run": "draw"}).paired


def test_a_column_that_is_mapped_isnt_read_twice():
    read = parse(table(ROWS, ["task", "n", "run", "accuracy"]), columns={"arm": "task"})
    assert read.tasks == [None]


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"accuracy": "n"}, "n and accuracy are both in 'n'"),
        ({"task": "arm"}, "arm and task are both in 'arm'"),
        ({"draw": "n"}, "n and draw are both in 'n'"),
        ({"run": " "}, "an empty name"),
    ],
)
def test_a_mapping_that_cant_be_meant(columns, text):
    with pytest.raises(OptionError, match=text):
        parse(table(), columns=columns)


def test_options_that_cant_be_used():
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        parse(table(), columns={"acuracy": "acc"})


def test_without_draws_nothing_is_paired():
    read = parse(table())
    first, second = (read.groups[None, arm] for arm in ARMS)
    assert paired_differences(first, second) == {}
    assert set(first[100]) == set(first[400])
    draws = [{draw for rung in runs.values() for draw, _ in rung} for runs in (first, second)]
    assert draws[0].isdisjoint(draws[1])
    # Equal seeds alone don't say that the labels were the same.
    header, *rows = with_column("seed", [row[2] for row in ROWS])
    assert parse(table(rows, header)).groups == read.groups


def test_draws_pair_the_arms():
    header, *rows = with_column("draw", [row[2] for row in ROWS])
    read = parse(table(rows, header))
    assert read.paired
    assert read.groups[None, "scratch"][100] == {(0, 0): 0.40, (1, 0): 0.41}
    assert sorted(paired_differences(*(read.groups[None, arm] for arm in ARMS))) == [100, 200]


def test_draws_and_seeds_are_kept():
    header, *rows = with_column("draw", [7] * 10)
    rows = [[*row, row[2]] for row in rows]
    read = parse(table(rows, [*header, "seed"]))
    assert read.groups[None, "scratch"][100] == {(7, 0): 0.40, (7, 1): 0.41}
    assert "or the same seed" in read.notes[-1]


def test_several_runs_of_a_draw_without_seeds_share_the_draw_alone():
    header, *rows = with_column("draw", [7] * 10)
    first, second = (set(runs[100]) for runs in parse(table(rows, header)).groups.values())
    assert {draw for draw, _ in first | second} == {7}
    assert len(first) == len(second) == 2
    assert first.isdisjoint(second)


def test_tasks_are_kept_apart():
    header, *rows = with_column("task", ["a"] * 10)
    read = parse(table([*rows, *([*row[:4], "b"] for row in rows)], header))
    assert read.tasks == ["a", "b"]
    assert read.groups["a", "scratch"] == read.groups["b", "scratch"]
    assert [(pair.task, pair.arm) for pair in read.against("scratch")] == [("a", "rotation"), ("b", "rotation")]


@given(st.randoms())
@settings(max_examples=20)
def test_the_order_of_rows_doesnt_matter(shuffler):
    for header, *rows in ([HEADER, *ROWS], with_column("draw", [int(row[2]) // 2 for row in ROWS])):
        shuffled = list(rows)
        shuffler.shuffle(shuffled)
        assert parse(table(shuffled, header)).groups == parse(table(rows, header)).groups


def test_utility_of_a_file():
    (pair,) = parse(table()).against("scratch")
    points = utility(pair.baseline_runs, pair.arm_runs, method="linear")
    # The arm's mean at 100 labels, 0.505, is 2/3 of the way from 0.405 to 0.555: 166.7 labels.
    assert points[0].utility == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("rows", "baseline", "text"),
    [
        (ROWS, "scrach", r"unknown baseline 'scrach'; did you mean 'scratch'\? \(known: rotation, scratch\)"),
        (ROWS[:6], "scratch", "found the one arm 'scratch', expected the baseline and at least one other"),
        (ROWS[4:], "scratch", r"found one label count \(400\), expected at least two"),
    ],
)
def test_what_utility_needs(rows, baseline, text):
    with pytest.raises(RunsError, match=rf"^runs\.csv, column for arm: .*{text}"):
        parse(table(rows)).against(baseline)


def test_a_task_without_the_baseline():
    header, *rows = with_column("task", ["a"] * 10)
    with pytest.raises(RunsError, match=r"task 'b': found 'rotation', expected the baseline 'scratch'"):
        parse(table([*rows, ["rotation", "100", "0", "0.5", "b"]], header)).against("scratch")


def test_scales():
    assert parse(table(PERCENT)).notes[2] == "accuracies are in percent: all are 0 or over 1"
    assert parse(table([["a", "5", "0", "0"], ["a", "5", "1", "50"]])).groups[None, "a"][5] == {(0, 0): 0, (1, 0): 0.5}
    assert parse(table([["a", "5", "0", "1"]])).groups[None, "a"] == {5: {(0, 0): 1.0}}
    both = table([["a", "5", "0", "0.5"], ["a", "5", "1", "50"]])
    assert parse(both, scale="percent").groups[None, "a"][5] == {(0, 0): 0.005, (1, 0): 0.5}
    assert parse(table([["a", "5", "0", "0.5"]]), scale="percent").groups[None, "a"] == {5: {(0, 0): 0.005}}


def test_there_are_many_malformed_files():
    assert len(MALFORMED) > 120


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_one_error_with_its_place(name):
    content, line, column, said = MALFORMED[name]
    with pytest.raises(RunsError) as caught:
        parse(content)
    text = str(caught.value)
    place = column if column.startswith("character") else rf"column '?{column}'?"
    assert re.match(rf"runs\.csv, line {line}, {place}: found ", text), text
    assert said in text
    assert "expected" in text
    assert "\n" not in text
    assert "\0" not in text
    assert len(text) < 300


def test_hints():
    wholes = {
        "1.000": "separator of thousands",
        "0": "leave rows without labels out",
    }
    for text, hint in wholes.items():
        with pytest.raises(RunsError, match=hint):
            parse(cell(2, 1, text))
    for text, hint in {"50%": "percent sign in every", "NaN": "wasn't measured", "": "wasn't measured"}.items():
        with pytest.raises(RunsError, match=hint):
            parse(cell(2, 3, text))
    with pytest.raises(RunsError, match=r"line 2, column 'acc': found 'x', expected a number"):
        parse(table([["a", "1", "1", "x"]], ["arm", "n", "run", "acc"]), columns={"accuracy": "acc"})
    with pytest.raises(RunsError, match=r"line 2, column 'accuracy': found '40.0', expected an accuracy in 0\.\.1, as"):
        parse(table(PERCENT), scale="fraction")
    assert parse(table([["a", "1", "1", "0.5"]], ["arm", "n", "run", "acc"])).notes[1] == "values from 'acc'"
    with pytest.raises(RunsError, match="column 'draws': found the columns 'arm', 'n', 'run', 'accuracy'"):
        parse(table(), columns={"draw": "draws"})


SNIPPETS = [*',;"\t\n\r 019.-ex%ä\0\ufeff', "nan", "100"]


@given(st.integers(0, 10**9))
@settings(max_examples=300, deadline=None)
def test_any_damage_is_an_error_of_ours_or_still_a_table(seed):
    source = random.Random(seed)
    text = table(source.choice([ROWS, PERCENT]), delimiter=source.choice(",;\t"))
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(text) + 1)
        text = text[:place] + source.choice(["", *SNIPPETS]) + text[place + source.randint(0, 3) :]
    try:
        read = parse(text)
    except LabeleffError as error:
        text, read = str(error), None
    if read is None:
        assert re.match(r"runs\.csv, line \d+, (column|character) ", text)
        return
    accuracies = [value for runs in read.groups.values() for rung in runs.values() for value in rung.values()]
    assert accuracies
    assert all(0 <= value <= 1 for value in accuracies)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_error_of_ours(content):
    with pytest.raises(RunsError, match=r"^runs\.csv, line \d+, (column|character) "):
        parse(content)


@pytest.mark.parametrize("percent", ["C", "D", "CD", ""])
def test_cells_that_excel_shows_in_percent_are_the_same_numbers(tmp_path: Path, percent: str) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["method", "labels", "acc", "std", "runs"])
    for arm, gain in (("scratch", 0.0), ("ssl", 0.05)):
        for n, mean in ((100, 0.412), (400, 0.551), (1600, 0.668)):
            book.active.append([arm, n, mean + gain, 0.031, 3])
    for column in percent:
        for row in range(2, 8):
            book.active[f"{column}{row}"].number_format = "0.0%"
    book.save(tmp_path / "t.xlsx")
    table = read_runs([tmp_path / "t.xlsx"], Reading())
    sds = [np.std(list(rung.values()), ddof=1) for runs in table.groups.values() for rung in runs.values()]
    assert np.allclose(sds, 0.031, rtol=0.01)
    said = any("percent signs that mean or spread alone have are counted" in note for note in table.notes)
    assert said == (len(percent) == 1)
