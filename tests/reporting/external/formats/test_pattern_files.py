"""Folders of files by a pattern: values beside the fields of paths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.formats.files import read_grids
from labeleff.reporting.external.reading import Reading

PATTERN = "results/{arm}/train-{n}-{draw}/results.json"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, value):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(value if isinstance(value, str) else json.dumps(value))


def plain(_arm, _n):
    return {"accuracy": 0.5, "loss": 1.25}


def results(value=plain):
    for arm in ("a", "b"):
        for n in (50, 100):
            write(f"results/{arm}/train-{n}-0/results.json", value(arm, n))


def grid(pattern=PATTERN, paths=(), **options):
    (found,) = read_grids(paths, Reading(pattern=pattern, **options))
    return found


def test_a_value_by_name():
    results()
    found = grid(value="accuracy")
    assert (found.source, found.fields) == (PATTERN, ("arm", "n", "draw", "accuracy"))
    assert [row.cells for row in found.rows][:2] == [("a", "50", "0", "0.5"), ("a", "100", "0", "0.5")]
    assert found.rows[0].place == "results/a/train-50-0/results.json"
    assert found.notes == (f"4 files of {PATTERN}",)
    assert len(found.sha256) == 64


def test_a_folder_that_the_pattern_begins_in():
    results()
    assert grid("{arm}/train-{n}-{draw}/results.json", [Path("results")], value="loss").rows[0].cells[-1] == "1.25"
    with pytest.raises(OptionError, match=r"^--from: found the files x\.csv too"):
        grid(paths=[Path("x.csv")])


def test_the_only_value_needs_no_name():
    results(lambda _, n: {"accuracy": n / 1000, "seed": 3, "arm": "other"})
    found = grid()
    assert found.fields == ("arm", "n", "draw", "seed", "accuracy")
    assert found.rows[1].cells == ("a", "100", "0", "3", "0.1")


def test_nested_values_by_dots_and_lists_of_values():
    results(lambda _, __: {"test": {"accuracy": [0.5, 0.75]}, "train": {"accuracy": [1, 1]}})
    found = grid(value="test.accuracy")
    assert [row.cells for row in found.rows][:2] == [("a", "50", "0", "0.5"), ("a", "50", "0", "0.75")]
    assert found.rows[1].place == "results/a/train-50-0/results.json, the object, value 2"


def test_values_that_must_be_named():
    results()
    with pytest.raises(
        RunsError, match=r"^results/a/train-50-0/results\.json: found the values accuracy, loss, expected"
    ):
        grid()
    with pytest.raises(
        RunsError, match=r"column 'acuracy': found the values accuracy, loss, .*mean --value accuracy\?"
    ):
        grid(value="acuracy")


def test_files_without_the_value():
    results(lambda _, n: {"accuracy": None if n == 50 else 0.5, "x": 1})
    error = r"results/a/train-50-0/results\.json, column 'accuracy': found no value \(2 files of 4\), .*--skip-empty"
    with pytest.raises(RunsError, match=error):
        grid(value="accuracy")
    found = grid(value="accuracy", skip_empty=True)
    assert len(found.rows) == 2
    assert found.notes[1].startswith("2 files without accuracy left out: results/a/train-50-0/results.json, ")
    results(lambda _, n: {"accuracy": 0.5} if n == 50 else {"error": "diverged"})
    assert len(grid(value="accuracy", skip_empty=True).rows) == 2


def test_folders_without_a_file_are_told():
    results()
    Path("results/b/train-200-0").mkdir()
    assert grid(value="loss").notes[1] == "1 folder without such a file: results/b/train-200-0"


def test_metrics_of_lightning():
    text = "epoch,step,train_loss,val_acc,test_acc\n0,9,0.5,,\n0,9,,0.6,\n1,19,0.4,,\n1,19,,0.7,\n2,20,,,0.65\n"
    for n in (50, 100):
        write(f"logs/a/{n}/metrics.csv", text)
    found = grid("logs/{arm}/{n}/metrics.csv", value="test_acc")
    assert [row.cells for row in found.rows] == [("a", "50", "2", "20", "0.65"), ("a", "100", "2", "20", "0.65")]
    assert found.fields == ("arm", "n", "epoch", "step", "test_acc")
    assert found.rows[0].place == "logs/a/50/metrics.csv, line 6"
    epochs = grid("logs/{arm}/{n}/metrics.csv", value="val_acc")
    assert [row.cells[2:] for row in epochs.rows][:2] == [("0", "9", "0.6"), ("1", "19", "0.7")]


def test_files_whose_columns_differ():
    results(lambda arm, _: {"accuracy": 0.5, "seed": 1} if arm == "a" else {"accuracy": 0.5})
    with pytest.raises(RunsError, match=r"^results/b/train-50-0/results\.json, .*, column 'seed': found no such value"):
        grid(value="accuracy")
