"""MLflow's store, read back by its own client."""

import importlib.util
import warnings

import pytest
from support import factories

from labeleff.commands.track import mlflow_runs
from labeleff.commands.track.series import tracks
from labeleff.reporting.results import load

if any(importlib.util.find_spec(name) is None for name in ("mlflow", "sqlalchemy", "alembic")):
    pytest.skip("MLflow isn't installed", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, on its newest dependencies


def runs(where, **asked):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=where)
    [experiment] = [item for item in client.search_experiments() if item.name == "known"]
    return client, {run.info.run_name: run for run in client.search_runs([experiment.experiment_id], **asked)}


def test_written_read_back_gone_on_with_and_there_once(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    of = factories.study(rungs=[50, 100], draws=2)
    entries = [factories.run_entry(of), *factories.pretrainings(of)]
    cells = factories.cell_records(of)
    part = tracks(load(factories.write(tmp_path, [*entries, *cells[:-1]])), "r1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        where = mlflow_runs.write(part, tmp_path)
    assert where == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    client, first = runs(where)
    assert first.keys() == {"known", *(track.name for track in part.tracks)}
    assert first["known"].info.status == "RUNNING"
    for track in part.tracks:
        run = first[track.name]
        assert run.data.tags["mlflow.parentRunId"] == first["known"].info.run_id
        assert run.data.params["environment.cpu"] == "a processor"
        assert run.data.metrics.keys() == track.series.keys()
        for name in (name for name in ("accuracy", "utility_low", "loss") if name in track.series):
            history = client.get_metric_history(run.info.run_id, name)
            assert sorted((item.step, item.value) for item in history) == list(track.series[name])
    mlflow_runs.write(part, tmp_path)
    ids = {name: run.info.run_id for name, run in runs(where)[1].items()}
    assert ids == {name: run.info.run_id for name, run in first.items()}
    mlflow_runs.write(tracks(load(factories.write(tmp_path, [*entries, *cells])), "r1"), tmp_path)
    last = runs(where)[1]
    assert last.keys() == first.keys()
    assert not {run.info.run_id for run in last.values()} & set(ids.values())
    assert last["known"].info.status == "FINISHED"
