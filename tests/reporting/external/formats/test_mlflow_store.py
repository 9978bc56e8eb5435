"""MLflow's file store, read without MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.files import read_grids
from labeleff.reporting.external.formats.mlflow_store import is_store, read
from labeleff.reporting.external.reading import Reading


def put(path: Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(store: Path, name: str, acc: str, *, n=50, status=3, stage="active"):
    folder = store / "12" / name
    meta = (
        f"artifact_uri: file:///x\nlifecycle_stage: {stage}\nrun_id: {name}\nrun_name: brisk-{name}\nstatus: {status}\n"
    )
    put(folder / "meta.yaml", meta)
    put(folder / "params" / "n", f"{n}")
    put(folder / "params" / "arm", "ssl")
    put(folder / "metrics" / "test" / "acc", acc)
    put(folder / "tags" / "note", "first\n")
    put(folder / "tags" / "mlflow.user", "me")


@pytest.fixture
def store(tmp_path):
    put(tmp_path / "mlruns" / "12" / "meta.yaml", "name: 'few labels'\n")
    return tmp_path / "mlruns"


def test_runs(store):
    run(store, "b1", "1700000000000 0.61 0\n")
    run(store, "b2", "1700000000000 0.70 1\n1700000000001 0.62 0\n1700000000002 0.71 1\n", n=100)
    run(store, "b3", "1700000000000 0.1 0\n", stage="deleted")
    found = read(store, "mlruns")
    assert found.fields == (
        *("run_id", "run_name", "experiment", "status", "params.arm", "params.n"),
        *("metrics.test/acc", "tags.note"),
    )
    assert found.rows[0].cells == ("b1", "brisk-b1", "few labels", "FINISHED", "ssl", "50", "0.61", "first")
    assert found.rows[1].cells[5:7] == ("100", "0.71")
    assert found.rows[0].place == "run 12/b1"
    assert found.notes == (
        "2 runs of MLflow",
        "1 deleted run left out",
        "of metrics logged at several steps the last value was read (test/acc)",
    )


def test_a_store_an_experiment_and_a_run_are_read(store):
    run(store, "b1", "1700000000000 0.61 0\n")
    for folder in (store, store / "12", store / "12" / "b1"):
        assert len(read(folder, "x").rows) == 1
    assert not is_store(store.parent / "other")
    with pytest.raises(RunsError, match=r"found a folder, expected a file, or MLflow's mlruns; .*--from"):
        read_grids([store.parent], Reading())


def test_names_are_plain_and_failed_runs_are_refused(store):
    run(store, "b1", "1700000000000 0.61 0\n")
    run(store, "b2", "1700000000000 0.3 0\n", status=4)
    with pytest.raises(
        RunsError, match=r"run 12/b2, column 'status': found 'FAILED' \(1 run of 2: FAILED\), .*--skip-empty"
    ):
        read_grids([store], Reading())
    (found,) = read_grids([store], Reading(skip_empty=True, columns={"accuracy": "metrics.test/acc"}))
    assert found.fields[4:] == ("arm", "n", "metrics.test/acc", "note")
    assert found.notes[-1] == "1 run that didn't finish (FAILED) left out"
    assert len(found.sha256) == 64


def test_a_damaged_metric_and_an_empty_store(store):
    run(store, "b1", "1700000000000 0.61\n")
    assert read(store, "x").rows[0].cells[6] == "0.61"
    run(store, "b1", "now 0.61 0\n")
    with pytest.raises(RunsError, match=r"acc, line 1: found 'now 0\.61 0', expected time, value and step"):
        read(store, "x")
    run(store, "b1", "", stage="deleted")
    with pytest.raises(RunsError, match=r"^x: found no runs of MLflow, expected some \(1 run deleted\)"):
        read(store, "x")
