"""Tables of runs, valid ones and over a hundred malformed ones, with place and text of the error."""

from __future__ import annotations

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


def with_column(name: str, cells, rows=ROWS):
    return [[*HEADER, name], *([*row, str(cell)] for row, cell in zip(rows, cells, strict=True))]


PERCENT = [[*row[:3], f"{100 * float(row[3]):.1f}"] for row in ROWS]


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
    "no header, percent": ("a;100;0;50,5\nb;100;0;60,5\n", 1, "arm", "no header"),
    "no column of values": (table(header=["arm", "n", "run", "train_acc"]), 1, "accuracy", "this one too"),
    "two columns of values": (
        table([[*r, r[3]] for r in ROWS], ["arm", "n", "run", "val_acc", "test_acc"]),
        1,
        "accuracy",
        "give --column accuracy=val_acc or --column accuracy=test_acc",
    ),
    "no arm": (
        table(header=["x", "n", "run", "accuracy"]).replace("scratch", "1").replace("rotation", "2"),
        1,
        "arm",
        "",
    ),
    "no label count": (table(header=["arm", "size of it", "run", "accuracy"]), 1, "n", "found the columns"),
    "column twice": (table([[*r, r[1]] for r in ROWS], ["arm", "n", "run", "accuracy", "n"]), 1, "n", "twice"),
    "rows per epoch": (
        table([[*r, str(e)] for r in ROWS for e in range(3)], [*HEADER, "epoch"]),
        3,
        "run",
        "keep one row per run: its last one",
    ),
    "other delimiter": (table(delimiter="|"), 1, "arm", "found the columns 'arm|n|run|accuracy'"),
    "rows of other delimiter": (line_of(4, "scratch;200;0;0.55"), 4, "n", "the header is separated by comma"),
    "short": (line_of(5, "scratch,200,1"), 5, "accuracy", "found 3 fields, expected 4"),
    "long": (line_of(5, "scratch,200,1,0.56,"), 5, "5", "found 5 fields, expected 4"),
    "decimal comma splits": (line_of(5, "scratch,200,1,0,56"), 5, "5", "point, not a comma"),
    "quote not closed": (cell(3, 0, '"scratch'), 3, "1", "unexpected end of data"),
    "quote not closed late": (cell(11, 3, '"0.63'), 11, "4", "unexpected end of data"),
    "text after quote": (cell(6, 1, '"400"0'), 6, "2", "expected after"),
    "line break in name": (cell(6, 0, '"scratch\nx"'), 6, "arm", "is a quote missing?"),
    "control character": (cell(6, 0, "scr\0atch"), 6, "arm", "without line breaks and control characters"),
    "latin-1": (cell(6, 0, "größe").encode("latin-1"), 6, "character 3", "0xf6, which isn't UTF-8"),
    "latin-1 below a mark": (b"\xef\xbb\xbfarm,n,\xc3\xa4,\xe4", 1, "character 9", "0xe4, which isn't UTF-8"),
    "line break in header": (table(header=["arm", "n", "run", '"accuracy\nx"']), 1, "4", "without line breaks"),
    "utf-16, damaged": (table().encode("utf-16")[:-1], 1, "character 1", "found UTF-16 that breaks off"),
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
            "1.5",
            "1.000",
            "1e-3",
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
        *["", " ", "1 00", "9" * 16, "9" * 5000],
    ],
    "run": [*["-1", "first", "0.5", "nan", "1e2", "#1", "True", "a0"], "", "9" * 20, "0 1"],
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
            "£0.5",
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
