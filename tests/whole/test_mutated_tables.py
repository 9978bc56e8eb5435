"""Three hundred tables of one truth, mutated: each gives the right numbers, or one clear error of one line.

A table has a shape, names of columns, a scale, a unit of label counts and a format; and a damage, or none. Whatever is
read is compared with the truth; what isn't damaged has to be read.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from labeleff.errors import LabeleffError
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.runs_table import RunsTable

ARMS, NS, RUNS = ("scratch", "rotation", "simclr"), (40, 400, 4000), (0, 1, 2)
TRUTH = {
    key: 0.2003 + 0.2 * at_n + 0.05 * at_arm + 0.0107 * run
    for (at_arm, arm), (at_n, n), run in product(enumerate(ARMS), enumerate(NS), RUNS)
    for key in [(arm, n, run)]
}
"""Accuracies by arm, label count and run; all differ, and rise with labels."""
POOL, CLASSES = 40_000, 10
TABLES, FORMS_NEED = 300, {"xlsx": "openpyxl"}


@dataclass
class Table:
    """A table as rows of text, the first being its header, with the options that it is read with."""

    rows: list[list[str]]
    options: dict[str, object] = field(default_factory=dict)
    means: bool = False
    scores: Mapping[tuple[str, int, int], float] = field(default_factory=lambda: TRUTH)
    must_fail: bool = False
    """Whether nothing but an error is right."""


def value(score: float, scale: str, source: random.Random) -> str:
    """A score on a scale, as text with all its digits."""
    places = source.choice([4, 4, 5])
    return {
        "fraction": f"{score:.{places}f}",
        "percent": f"{100 * score:.{places - 2}f}",
        "signed percent": f"{100 * score:.{places - 2}f}%",
        "error": f"{1 - score:.{places}f}",
        "percent error": f"{100 - 100 * score:.{places - 2}f}",
    }[scale]


NAMES = {
    "arm": ["arm", "Method", "algorithm", "Model", "pretext", "params.method", "config.method"],
    "n": ["n", "labels", "n_labels", "train_size", "# labels", "num_labels", "config/n_labels"],
    "run": ["run", "seed", "trial", "Repeat", "fold"],
    "value": ["accuracy", "acc", "test_acc", "Top-1", "test/acc", "score", "metrics.test_acc"],
    "error": ["error", "test_err", "Error rate", "top1_err"],
    "task": ["task", "dataset", "Data set"],
}
UNITS: dict[str, tuple[dict[int, str], dict[str, object]]] = {
    "plain": ({40: "40", 400: "400", 4000: "4000"}, {}),
    "decimal": ({40: "40.0", 400: "400.0", 4000: "4000.0"}, {}),
    "kilo": ({40: "40", 400: "0.4k", 4000: "4k"}, {}),
    "percent": ({40: "0.1%", 400: "1%", 4000: "10%"}, {"pools": {None: POOL}}),
    "times": ({40: "0.001x", 400: "0.01x", 4000: "0.1x"}, {"pools": {None: POOL}}),
    "shots": ({40: "4-shot", 400: "40-shot", 4000: "400-shot"}, {"per_class": CLASSES}),
    "per class": ({40: "4", 400: "40", 4000: "400"}, {"per_class": CLASSES}),
    "two": ({40: "0.1% (40)", 400: "1% (400)", 4000: "10% (4k)"}, {}),
    "words": ({40: "40 labels", 400: "400 labels", 4000: "4000 labels"}, {}),
}


def long(name: Callable[[str], str], n: Mapping[int, str], shown: Callable[[float], str]) -> list[list[str]]:
    header = [name("arm"), name("n"), name("run"), name("value")]
    return [header, *([arm, n[at], str(run), shown(score)] for (arm, at, run), score in TRUTH.items())]


def with_tasks(name: Callable[[str], str], n: Mapping[int, str], shown: Callable[[float], str]) -> list[list[str]]:
    header, *rows = long(name, n, shown)
    return [[name("task"), *header], *(["svhn", *row] for row in rows)]


def run_columns(name: Callable[[str], str], n: Mapping[int, str], shown: Callable[[float], str]) -> list[list[str]]:
    rows = [[arm, n[at], *(shown(TRUTH[arm, at, run]) for run in RUNS)] for arm, at in product(ARMS, NS)]
    return [[name("arm"), name("n"), *(f"seed{run}" for run in RUNS)], *rows]


def by_arm(name: Callable[[str], str], n: Mapping[int, str], shown: Callable[[float], str]) -> list[list[str]]:
    rows = [[n[at], str(run), *(shown(TRUTH[arm, at, run]) for arm in ARMS)] for at, run in product(NS, RUNS)]
    return [[name("n"), name("run"), *ARMS], *rows]


def by_n(name: Callable[[str], str], n: Mapping[int, str], shown: Callable[[float], str]) -> list[list[str]]:
    rows = [[arm, *(shown(TRUTH[arm, at, run]) for at in NS)] for arm, run in product(ARMS, RUNS)]
    return [[name("arm"), *(n[at] for at in NS)], *rows]


def by_task_and_n(name: Callable[[str], str], n: Mapping[int, str], shown: Callable[[float], str]) -> list[list[str]]:
    header, *rows = by_n(name, n, shown)
    return [[header[0], *(f"svhn_{cell}" for cell in header[1:])], *rows]


SHAPES = {
    "long": long,
    "tasks": with_tasks,
    "runs": run_columns,
    "by arm": by_arm,
    "by n": by_n,
    "by both": by_task_and_n,
}
SPREADS = [
    "{m}±{s}",
    "{m} ± {s}",
    "{m} +- {s}",
    "{m} +/- {s}",
    "{m} ({s})",
    "{m} (±{s})",
    r"${m} \pm {s}$",
    "{m}% ± {s}%",
]


def averages(name: Callable[[str], str], n: Mapping[int, str], source: random.Random) -> Table:
    """A table of means in percent with standard deviations, in cells or in columns, long or wide by n."""
    stats = {
        (arm, at): (100 * np.mean(scores), 100 * np.std(scores, ddof=1))
        for arm, at in product(ARMS, NS)
        for scores in [[TRUTH[arm, at, run] for run in RUNS]]
    }
    cell = source.choice(SPREADS)
    text = {key: cell.format(m=f"{mean:.3f}", s=f"{sd:.3f}") for key, (mean, sd) in stats.items()}
    if source.random() < 0.4:
        rows = [[arm, *(text[arm, at] for at in NS)] for arm in ARMS]
        return Table([[name("arm"), *(n[at] for at in NS)], *rows], {"runs": 3}, means=True)
    if source.random() < 0.5:
        rows = [[arm, n[at], text[arm, at]] for arm, at in stats]
        return Table([[name("arm"), name("n"), name("value")], *rows], {"runs": 3}, means=True)
    spread, tally = source.choice(["std", "sd", "stdev"]), source.choice(["runs", "count", "k", "num_seeds"])
    rows = [[arm, n[at], f"{mean:.3f}", f"{sd:.3f}", "3"] for (arm, at), (mean, sd) in stats.items()]
    return Table(
        [[name("arm"), name("n"), source.choice(["mean", "accuracy", "acc_mean"]), spread, tally], *rows], means=True
    )


def made(source: random.Random) -> Table:
    """An undamaged table."""
    unit = source.choice(list(UNITS))
    n, options = UNITS[unit]
    scale = source.choice(["fraction", "percent", "signed percent", "fraction", "percent", "error", "percent error"])
    errors = "error" in scale

    def name(kind: str) -> str:
        return source.choice(NAMES["error" if kind == "value" and errors else kind])

    if source.random() < 0.25:
        scale, errors = "percent", False
        table = averages(name, n, source)
    else:
        places = source.choice([4, 4, 5])
        shown = {
            "fraction": lambda score: f"{score:.{places}f}",
            "percent": lambda score: f"{100 * score:.{places - 2}f}",
            "signed percent": lambda score: f"{100 * score:.{places - 2}f}%",
            "error": lambda score: f"{1 - score:.{places}f}",
            "percent error": lambda score: f"{100 - 100 * score:.{places - 2}f}",
        }[scale]
        table = Table(source.choice(list(SHAPES.values()))(name, n, shown))
    table.options |= options
    if errors and source.random() < 0.7:
        table.options["lower_is_better"] = True
    table.must_fail = errors and "lower_is_better" not in table.options
    return table


def reordered(table: Table, source: random.Random) -> None:
    """Shuffle rows and columns; rows that aren't numbered keep their order, which numbers their runs."""
    header, *rows = table.rows
    source.shuffle(rows)
    order = source.sample(range(len(header)), len(header))
    table.rows = [[row[at] for at in order] for row in (header, *rows)]


Damage = Callable[[Table, random.Random], None]


def blank(table: Table, source: random.Random) -> None:
    row = source.choice(table.rows[1:])
    row[source.randrange(len(row))] = source.choice(["", "-", "NaN", "n/a", "—"])


def text(table: Table, source: random.Random) -> None:
    row = source.choice(table.rows[1:])
    at = source.choice([at for at, cell in enumerate(row) if cell not in (*ARMS, "svhn")])
    row[at] = source.choice(["x", "0.5x?", "1.2.3", "see text", "61.7+0.8-0.5", row[at] + "*", row[at] + "?"])


def twice(table: Table, source: random.Random) -> None:
    table.rows.append(list(source.choice(table.rows[1:])))


def lost_column(table: Table, source: random.Random) -> None:
    at = source.randrange(len(table.rows[0]))
    table.rows = [row[:at] + row[at + 1 :] for row in table.rows]


def lost_row(table: Table, source: random.Random) -> None:
    del table.rows[source.randrange(1, len(table.rows))]


def epochs(table: Table, source: random.Random) -> None:
    header, *rows = table.rows
    table.rows = [["epoch", *header], *([str(epoch), *row] for row in rows for epoch in (1, 2, 3))]
    table.must_fail = True


def case(table: Table, source: random.Random) -> None:
    row = source.choice(table.rows[1:])
    at = next((at for at, cell in enumerate(row) if cell in ARMS), 0)
    row[at] = row[at].upper() if row[at] in ARMS else row[at]


def ragged(table: Table, source: random.Random) -> None:
    row = source.choice(table.rows[1:])
    row.insert(source.randrange(len(row)), "0.5")


def scale_slip(table: Table, source: random.Random) -> None:
    """A value a hundred times too large: it can't be told from a percentage but by its neighbours."""
    row = source.choice(table.rows[1:])
    at = next((at for at, cell in reversed(list(enumerate(row))) if re.fullmatch(r"0\.[0-9]+", cell)), None)
    if at is not None and not table.means:
        row[at] = f"{100 * float(row[at]):.3f}"


DAMAGES: Sequence[Damage] = (blank, text, twice, lost_column, lost_row, epochs, case, ragged, scale_slip)


def delimited(rows: list[list[str]], separator: str) -> str:
    return "".join(
        separator.join(f'"{cell}"' if separator in cell or '"' in cell else cell for cell in row) + "\n" for row in rows
    )


def decimal_commas(rows: list[list[str]]) -> str:
    shown = [[re.sub(r"(?<=[0-9])\.(?=[0-9])", ",", cell) for cell in row] for row in rows]
    return delimited(shown, ";")


FORMS: dict[str, Callable[[list[list[str]]], str | bytes]] = {
    "csv": lambda rows: delimited(rows, ","),
    "bom.csv": lambda rows: "\ufeff" + delimited(rows, ","),
    "sep.csv": lambda rows: "sep=;\n" + delimited(rows, ";"),
    "tsv": lambda rows: delimited(rows, "\t"),
    "comment.csv": lambda rows: "# exported\n" + delimited(rows, ",") + ",\n\n",
    "trailing.csv": lambda rows: delimited([[*row, "", ""] for row in rows], ","),
    "comma.csv": decimal_commas,
    "utf16.csv": lambda rows: delimited(rows, "\t").encode("utf-16"),
    "md": lambda rows: (
        "# T\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])
    ),
    "tex": lambda rows: (
        "\\begin{tabular}{lll}\n"
        + "".join(" & ".join(re.sub(r"(?<!\\)([%#_])", r"\\\1", cell) for cell in row) + " \\\\\n" for row in rows)
        + "\\end{tabular}\n"
    ),
    "json": lambda rows: json.dumps([dict(zip(rows[0], row, strict=False)) for row in rows[1:]]),
}


def rectangular(rows: list[list[str]]) -> bool:
    return len({len(row) for row in rows}) == 1


def written(table: Table, source: random.Random, folder: Path) -> Path:
    """Write the table in some format."""
    forms = [
        *(form for form in FORMS if form != "json" or rectangular(table.rows)),
        *(form for form, package in FORMS_NEED.items() if importlib.util.find_spec(package)),
    ]
    form = source.choice(forms)
    path = folder / f"t.{form}"
    if form == "xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        for row in table.rows:
            book.active.append([float(cell) if re.fullmatch(r"[0-9]+\.[0-9]+", cell) else cell for cell in row])
        book.save(path)
        return path
    content = FORMS[form](table.rows)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check_numbers(found: RunsTable, table: Table, *, whole: bool) -> None:
    """Compare what was read with the truth; `whole`: all of it has to be there."""
    for (_, arm), runs in found.groups.items():
        name = arm.lower() if arm.lower() in ARMS else arm
        assert name in ARMS, arm
        for n, rung in runs.items():
            truth = [TRUTH[name, n, run] for run in RUNS]
            scores = list(rung.values())
            if table.means:
                assert np.mean(scores) == pytest.approx(np.mean(truth), abs=2e-5)
                if whole or len(scores) > 1:  # without its column of spreads a mean counts as one run
                    assert np.std(scores, ddof=1) == pytest.approx(np.std(truth, ddof=1), rel=0.01)
                    assert len(scores) == len(RUNS)
            else:
                assert all(min(abs(score - true) for true in truth) < 1e-4 for score in scores), (arm, n, scores, truth)
    if whole:
        assert {(arm, n, len(rung)) for (_, arm), runs in found.groups.items() for n, rung in runs.items()} == {
            (arm, n, len(RUNS)) for arm, n in product(ARMS, NS)
        }


@pytest.mark.parametrize("seed", range(TABLES))
def test_the_right_numbers_or_a_clear_error(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    table = made(source)
    if source.random() < 0.6:
        reordered(table, source)
    damage = source.choice(DAMAGES) if source.random() < 0.5 else None
    if damage is not None:
        damage(table, source)
    path = written(table, source, tmp_path)
    try:
        found = read_runs([path], Reading(**table.options))  # type: ignore[arg-type]
    except LabeleffError as error:
        said = str(error).replace(f"{tmp_path}/", "")
        assert re.fullmatch(r"(t\.|--).+: found .+[,;] expected .+", said), said
        assert damage is not None or table.must_fail, (said, path.read_bytes()[:600])
    else:
        assert not table.must_fail, path.read_bytes()[:600]
        check_numbers(found, table, whole=damage is None)
