"""Tables of runs: every dialect is read alike, and whatever is wrong is one error with its place."""

from __future__ import annotations

import csv
import io
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.errors import LabeleffError, OptionError, RunsError, UnknownNameError
from labeleff.runs_csv import parse_runs, read_runs
from labeleff.stats import paired_differences
from labeleff.utility import utility

HEADER = ["arm", "n", "run", "accuracy"]
ARMS = {"scratch": {100: 0.40, 200: 0.55, 400: 0.70}, "rotation": {100: 0.50, 200: 0.62}}
ROWS = [
    [arm, str(n), str(run), f"{value + run / 100:.2f}"]
    for arm, curve in ARMS.items()
    for n, value in curve.items()
    for run in range(2)
]
"""Ten rows in lines 2-11 below the header."""


def table(rows=ROWS, header=HEADER, delimiter=",", end="\n") -> str:
    return end.join(delimiter.join(row) for row in [header, *rows]) + end


def parse(content: str | bytes, **options):
    return parse_runs(content.encode() if isinstance(content, str) else content, "runs.csv", **options)


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
PERCENT = [[*row[:3], f"{100 * float(row[3]):.1f}"] for row in ROWS]


def with_column(name: str, cells, rows=ROWS):
    return [[*HEADER, name], *([*row, str(cell)] for row, cell in zip(rows, cells, strict=True))]


def test_a_good_file():
    read = parse(table())
    assert values(read) == GOOD
    assert (read.scale, read.paired, read.tasks, read.arms) == ("fraction", False, [None], ["scratch", "rotation"])
    assert read.notes == (
        "accuracies are in 0..1: none is over 1",
        "fields are separated by comma",
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


def test_a_file_is_read_from_disk(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(table(), encoding="utf-8")
    assert values(read_runs(path)) == GOOD
    with pytest.raises(RunsError, match=r"none\.csv: can't be read: No such file"):
        read_runs(tmp_path / "none.csv")
    with pytest.raises(RunsError, match="can't be read"):
        read_runs(tmp_path)


def test_columns_are_mapped_and_others_left_alone():
    header = ["", "method", "labels", "seed", "acc", "comment"]
    rows = [[str(at), *row, '"fine; a, b"'] for at, row in enumerate(ROWS)]
    columns = {"arm": "method", "n": "labels", "run": "seed", "accuracy": "acc"}
    read = parse(table(rows, header), columns=columns)
    assert values(read) == GOOD
    assert read.notes[2:] == (
        "no column draw: runs of different arms count as independent; the column seed isn't used",
        "columns not used: (without a name), comment",
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
    with pytest.raises(OptionError, match=r"delimiter: found '\|'"):
        parse(table(), delimiter="|")
    with pytest.raises(OptionError, match="scale: found 'per mille'"):
        parse(table(), scale="per mille")


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
    assert "or the same seed" in read.notes[2]


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
    assert parse(table(PERCENT)).notes[0] == "accuracies are in percent: all are 0 or over 1"
    assert parse(table([["a", "5", "0", "0"], ["a", "5", "1", "50"]])).groups[None, "a"][5] == {(0, 0): 0, (1, 0): 0.5}
    assert parse(table([["a", "5", "0", "1"]])).groups[None, "a"] == {5: {(0, 0): 1.0}}
    both = table([["a", "5", "0", "0.5"], ["a", "5", "1", "50"]])
    assert parse(both, scale="percent").groups[None, "a"][5] == {(0, 0): 0.005, (1, 0): 0.5}
    assert parse(table([["a", "5", "0", "0.5"]]), scale="percent").groups[None, "a"] == {5: {(0, 0): 0.005}}


def cell(line: int, column: int, text: str) -> str:
    rows = [list(row) for row in ROWS]
    rows[line - 2][column] = text
    return table(rows)


def line_of(line: int, text: str) -> str:
    lines = table().splitlines()
    lines[line - 1] = text
    return "\n".join(lines)


MALFORMED = {
    "empty": ("", 1, "arm", "an empty file"),
    "blank": ("\n \n\n", 1, "arm", "an empty file"),
    "mark alone": (b"\xef\xbb\xbf", 1, "arm", "an empty file"),
    "header alone": ("arm,n,run,accuracy\n", 2, "arm", "no row after the header"),
    "no header": (table()[len("arm,n,run,accuracy\n") :], 1, "arm", "no header (the first row has the number"),
    "no header, percent": ("a;100;0;50,5\n", 1, "arm", "no header"),
    "other name": (table(header=["arm", "n", "run", "acc"]), 1, "accuracy", "Then map it: accuracy=acc"),
    "other case": (table(header=["Arm", "n", "run", "accuracy"]), 1, "arm", "did you mean 'Arm'"),
    "run by seed": (table(header=["arm", "n", "seed", "accuracy"]), 1, "run", "map it: run=seed"),
    "n by labels": (table(header=["arm", "labels", "run", "accuracy"]), 1, "n", "map it: n=labels"),
    "column twice": (table(header=["arm", "n", "n", "accuracy"]).replace("n,n", "n,n,run", 1), 1, "n", "twice"),
    "other delimiter": (table(delimiter="|"), 1, "arm", "found the columns 'arm|n|run|accuracy'"),
    "excel's first line": ("sep=;\n" + table(delimiter=";"), 1, "arm", "found the columns"),
    "rows of other delimiter": (line_of(4, "scratch;200;0;0.55"), 4, "n", "the header is separated by comma"),
    "short": (line_of(5, "scratch,200,1"), 5, "accuracy", "found 3 fields, expected 4"),
    "long": (line_of(5, "scratch,200,1,0.56,"), 5, "5", "found 5 fields, expected 4"),
    "decimal comma splits": (line_of(5, "scratch,200,1,0,56"), 5, "5", "point, not a comma"),
    "decimal comma quoted": (cell(5, 3, '"0,56"'), 5, "accuracy", "point, not a comma"),
    "decimal comma": (
        table([[*r[:3], r[3].replace(".", ",")] for r in ROWS], delimiter=";"),
        2,
        "accuracy",
        "point, not a comma",
    ),
    "quote not closed": (cell(3, 0, '"scratch'), 3, "1", "unexpected end of data"),
    "quote not closed late": (cell(11, 3, '"0.63'), 11, "4", "unexpected end of data"),
    "text after quote": (cell(6, 1, '"400"0'), 6, "2", "expected after"),
    "line break in name": (cell(6, 0, '"scratch\nx"'), 6, "arm", "is a quote missing?"),
    "control character": (cell(6, 0, "scr\0atch"), 6, "arm", "without line breaks and control characters"),
    "latin-1": (cell(6, 0, "größe").encode("latin-1"), 6, "character 3", "0xf6, which isn't UTF-8"),
    "latin-1 below a mark": (b"\xef\xbb\xbfarm,n,\xc3\xa4,\xe4", 1, "character 9", "0xe4, which isn't UTF-8"),
    "line break in header": (table(header=["arm", "n", "run", '"accuracy\nx"']), 1, "4", "without line breaks"),
    "utf-16": (table().encode("utf-16"), 1, "character 1", "found UTF-16"),
    "twin": (table([*ROWS, ROWS[0]]), 12, "run", "again (as in line 2)"),
    "twin name": (cell(4, 0, "Scratch"), 4, "arm", "'scratch' as in line 2"),
    "invisible twin": (cell(4, 0, "scr\u200batch"), 4, "arm", "'scratch' as in line 2"),
    "mixed, one percent": (cell(7, 3, "71"), 7, "accuracy", "'71' beside '0.40' in line 2"),
    "mixed, one fraction": (table([*PERCENT, ["x", "9", "9", "0.5"]]), 12, "accuracy", "'0.5' beside '40.0' in line 2"),
    "mixed, exactly 1": (table([*PERCENT, ["x", "9", "9", "1.0"]]), 12, "accuracy", "'1.0' beside '40.0' in line 2"),
    "mixed, just over": (cell(7, 3, "1.01"), 7, "accuracy", "is a decimal point missing?"),
}
# One a word: cells that hold no space.
CELLS = {
    "arm": ["", "  ", '""', '"\t"'],
    "n": [
        *[
            "0",
            "-100",
            "100.0",
            "1e3",
            "1.5",
            "1,000",
            "many",
            "nan",
            "inf",
            "+5",
            "0x10",
            "1_000",
            "٣",
            "½",
            "-0",
            "None",
            "--",
            "100%",
            "1e999",
        ],
        *["", " ", "1 000", "9" * 16, "9" * 5000],
    ],
    "run": [*["-1", "first", "0.5", "1.0", "nan", "1e2", "#1", "True", "a0"], "", "9" * 20, "0 1"],
    "accuracy": [
        *[
            "x",
            "-0.1",
            "100.5",
            "1e3",
            "1e999",
            "nan",
            "NaN",
            "-nan",
            "inf",
            "-inf",
            "Infinity",
            "NA",
            "n/a",
            "None",
            "null",
            "50%",
            "0.5.5",
            "0,5e",
            "..",
            ".",
            "-",
            "+",
            "e5",
        ],
        *[
            "1e",
            "0x1p-1",
            "0.5f",
            "٠.٥",
            "1_0",
            "True",
            "=1/2",
            "$0.5",
            "~0.5",
            "0.5±0.1",
            "(0.5)",
            "1e-",
            "1e0000005",
            "½",
            "101",
            "-1e-9",
        ],
        *["", " ", "0. 5", "0.5 0.6"],
    ],
}
for name, bad in CELLS.items():
    for at, text in enumerate(bad):
        quoted = f'"{text}"' if "," in text else text
        line = 2 + (3 * at) % len(ROWS)
        said = "an empty cell" if not text.strip('" \t') else "found "
        MALFORMED[f"{name} {text[:20]!r}"] = (cell(line, HEADER.index(name), quoted), line, name, said)
for name in ("draw", "seed", "task"):
    for text in ("", " ", "-1", "x", "1.5", "nan") if name != "task" else ("", " ", "a\0"):
        header, *rows = with_column(name, [row[2] for row in ROWS])
        rows[4][4] = text
        MALFORMED[f"{name} {text!r}"] = (table(rows, header), 6, name, "found ")
header, *rows = with_column("draw", [0] * 10)
MALFORMED["draw and seed twice"] = (
    table([[*row, "5"] for row in rows], [*header, "seed"]), 3, "seed", "again (as in line 2)"
)  # fmt: skip


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
        "100.0": "write 100$",
        "1e3": "write 1000$",
        '"1,000"': "separators of thousands",
        "1.000": "separators of thousands",
    }
    for text, hint in wholes.items():
        with pytest.raises(RunsError, match=hint):
            parse(cell(2, 1, text))
    for text, hint in {"50%": "percent sign", "NaN": "wasn't measured", "": "wasn't measured"}.items():
        with pytest.raises(RunsError, match=hint):
            parse(cell(2, 3, text))
    with pytest.raises(RunsError, match=r"line 2, column 'acc': found 'x', expected a number"):
        parse(table([["a", "1", "1", "x"]], ["arm", "n", "run", "acc"]), columns={"accuracy": "acc"})
    with pytest.raises(RunsError, match=r"line 2, column 'accuracy': found '40.0', expected an accuracy in 0\.\.1, as"):
        parse(table(PERCENT), scale="fraction")
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
