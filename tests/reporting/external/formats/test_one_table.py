"""One table in every format: the same runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.malformed_tables import HEADER, ROWS, table

from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.reading import Reading


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def runs(*paths, **options):
    """Runs by task and arm."""
    return read_runs([Path(path) for path in paths], Reading(**options)).groups


@pytest.fixture
def expected():
    Path("runs.csv").write_text(table())
    return runs("runs.csv")


def records():
    return [dict(zip(HEADER, row, strict=True)) for row in ROWS]


def nested() -> dict:
    found: dict = {}
    for arm, n, _, value in ROWS:
        found.setdefault(arm, {}).setdefault(n, []).append(float(value))
    return found


def lines(separator, end, rows=ROWS):
    return "".join(f"{separator.join(row)}{end}" for row in rows)


TEXTS = {
    "excel.csv": "sep=;\n" + table(delimiter=";").replace(".", ","),
    "r.csv": lines(",", "\n", [HEADER, *([str(at), *row] for at, row in enumerate(ROWS, start=1))]),
    "numpy.txt": "# " + table(delimiter="\t"),
    "paper.md": "# Ours\n\n" + lines(" | ", "\n", [HEADER, ["---"] * 4, *ROWS]),
    "paper.tex": rf"\begin{{tabular}}{{llll}} {lines(' & ', chr(92) * 2, [HEADER, *ROWS])} \end{{tabular}}",
    "records.json": json.dumps(records()),
    "lines.jsonl": "\n".join(map(json.dumps, records())),
    "nested.json": json.dumps(nested()),
    "columns.json": json.dumps({name: [row[at] for row in ROWS] for at, name in enumerate(HEADER)}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text(expected, name):
    Path(name).write_text(TEXTS[name])
    assert runs(name) == expected


def test_workbooks_and_parquet(expected):
    openpyxl, pa = pytest.importorskip("openpyxl"), pytest.importorskip("pyarrow")
    book = openpyxl.Workbook()
    for row in [HEADER, *([arm, int(n), int(run), float(value)] for arm, n, run, value in ROWS)]:
        book.active.append(row)
    book.save("runs.xlsx")
    columns = {
        "arm": [row[0] for row in ROWS],
        "n": [int(row[1]) for row in ROWS],
        "run": [int(row[2]) for row in ROWS],
    }
    values = [float(row[3]) for row in ROWS]
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({**columns, "accuracy": values}), "runs.parquet")
    assert runs("runs.xlsx") == expected
    assert runs("runs.parquet") == expected


def test_an_arm_per_file(expected):
    for arm, curve in nested().items():
        Path(f"{arm}.json").write_text(json.dumps([{"n": n, "accuracies": values} for n, values in curve.items()]))
    assert runs("scratch.json", "rotation.json") == expected


def test_a_file_per_run(expected):
    for arm, n, run, value in ROWS:
        folder = Path(f"results/{arm}/train-{n}-{run}")
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps({"test": {"accuracy": float(value), "loss": 1.5}}))
    pattern = "{arm}/train-{n}-{run}/results.json"
    columns = {"accuracy": "test.accuracy"}
    assert runs(pattern=f"results/{pattern}", value="test.accuracy", columns=columns) == expected
    assert runs("results", pattern=pattern, value="test.accuracy", columns=columns) == expected


def test_a_store_of_mlflow(expected):
    for at, (arm, n, run, value) in enumerate(ROWS):
        folder = Path(f"mlruns/1/run{at}")
        for name, text in {"params/arm": arm, "params/n": n, "params/run": run, "metrics/acc": f"17 {value} 0"}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        (folder / "meta.yaml").write_text(f"run_id: run{at}\nstatus: 3\nlifecycle_stage: active\n")
    assert runs("mlruns") == expected


BLOCKS = [["method", "40", "400"], ["Random init"], ["linear", "31.0", "42.0"], ["tuned", "33.0", "54.0"], ["SimCLR"]]
BLOCKS += [["linear", "35.0", "46.0"], ["tuned", "37.0", "58.0"]]


def test_headings_in_every_format():
    openpyxl = pytest.importorskip("openpyxl")
    full = [row + [""] * (3 - len(row)) for row in BLOCKS]
    Path("blocks.csv").write_text(lines(",", "\n", full))
    for name, rows in (("blocks.md", full), ("short.md", BLOCKS)):
        Path(name).write_text("".join(f"| {' | '.join(row)} |\n" for row in [rows[0], ["---"] * 3, *rows[1:]]))
    spanned = [row if len(row) > 1 else [rf"\multicolumn{{3}}{{l}}{{\textit{{{row[0]}}}}}"] for row in BLOCKS]
    for name, rows in (("spanned.tex", spanned), ("blocks.tex", full)):
        text = lines(" & ", "\\\\\n", rows)
        Path(name).write_text(rf"\begin{{tabular}}{{lll}} {text} \end{{tabular}}")
    book = openpyxl.Workbook()
    for row in BLOCKS:
        book.active.append([float(cell) if "." in cell else cell for cell in row])
    book.save("blocks.xlsx")
    for span in ("A2:C2", "A5:C5"):
        book.active.merge_cells(span)
    book.save("merged.xlsx")
    expected = runs("blocks.csv")
    arms = ["Random init: linear", "Random init: tuned", "SimCLR: linear", "SimCLR: tuned"]
    assert [arm for _, arm in expected] == arms
    assert [len(rung) for rungs in expected.values() for rung in rungs.values()] == [1] * 8
    for name in ("blocks.md", "short.md", "blocks.tex", "spanned.tex", "blocks.xlsx", "merged.xlsx"):
        assert runs(name) == expected, name
