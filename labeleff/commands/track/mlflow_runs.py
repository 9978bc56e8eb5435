"""Tracks as MLflow runs: one for the folder, and under it one per track.

Runs carry a key of their folder and a digest of their content. Where the store has the digest nothing is written; else
everything is written again, and then what an earlier call wrote for the folder is deleted (MLflow keeps it in its
trash). So a run that was continued, or tracked twice, exists once.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from labeleff.commands.track.series import Points, Tracks

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

KEY, DIGEST, PARENT = "labeleff.folder", "labeleff.digest", "mlflow.parentRunId"
FOLDER = "mlflow"
MOST = 1_000
"""Metrics that MLflow takes at once."""
MOST_FACTS = 100
"""Parameters that MLflow takes at once."""
LONGEST = 500
"""Most characters of a parameter's value that every store takes."""


def write(content: Tracks, out: Path) -> str:
    """Write the tracks where MLFLOW_TRACKING_URI says, else into a database in `out`/mlflow; returns where they are."""
    client, where = _client(out)
    experiment = _experiment(client, content, out)
    ours = f"tags.`{KEY}` = '{content.key}'"
    old = [item.info.run_id for item in _search(client, experiment, ours)]
    digest = hashlib.sha256(json.dumps(asdict(content), sort_keys=True).encode()).hexdigest()
    if len(old) == len(content.tracks) + 1 and _search(client, experiment, f"{ours} AND tags.`{DIGEST}` = '{digest}'"):
        return where
    whole = _run(client, experiment, content, content.study, content.facts, {}, {})
    for track in content.tracks:
        _run(client, experiment, content, track.name, {**content.facts, **track.facts}, track.series, {PARENT: whole})
    client.set_tag(whole, DIGEST, digest)
    for run in old:
        client.delete_run(run)
    return where


def _client(out: Path) -> tuple[MlflowClient, str]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a benchmark sends nothing without being asked to
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it reports every table that it makes
    where = os.environ.get("MLFLOW_TRACKING_URI")
    if not where:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        where = f"sqlite:///{(out / FOLDER).resolve()}/mlflow.db"
    return MlflowClient(tracking_uri=where), where


def _experiment(client: MlflowClient, content: Tracks, out: Path) -> str:
    """Find or make the experiment named by MLFLOW_EXPERIMENT_NAME, else by the study; returns its id."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or content.study
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    local = not os.environ.get("MLFLOW_TRACKING_URI")
    artifacts = (out / FOLDER / "artifacts").resolve().as_uri() if local else None
    return str(client.create_experiment(name, artifact_location=artifacts))


def _search(client: MlflowClient, experiment: str, query: str) -> list[Run]:
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], query, page_token=token)
        runs += list(page)
        token = page.token
        if not token:
            return runs


def _run(
    client: MlflowClient,
    experiment: str,
    content: Tracks,
    name: str,
    facts: Mapping[str, str],
    series: Mapping[str, Points],
    tags: Mapping[str, str],
) -> str:
    """Write a whole run; returns its id."""
    from mlflow.entities import Param

    start_ms, end_ms = (
        round(1000 * datetime.datetime.fromisoformat(t).timestamp()) for t in (content.started, content.ended)
    )
    run = client.create_run(experiment, start_ms, {KEY: content.key, **tags}, name).info.run_id
    params = [Param(key, value[:LONGEST]) for key, value in facts.items()]
    for start in range(0, len(params), MOST_FACTS):
        client.log_batch(run, params=params[start : start + MOST_FACTS])
    metrics = list(_metrics(series, start_ms))
    for start in range(0, len(metrics), MOST):
        client.log_batch(run, metrics=metrics[start : start + MOST])
    if content.complete:
        client.set_terminated(run, "FINISHED", end_ms)
    return str(run)


def _metrics(series: Mapping[str, Points], when: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name, points in series.items():
        for step, value in points:
            yield Metric(name, value, when, step)
