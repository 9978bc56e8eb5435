"""A study with noise and imbalance as axes, from its file to its report: as a process, in shards, exported, refused."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pandas as pd
from support import toy_study

from labeleff.execution.draws import draw_path
from labeleff.execution.given_labels.exported_lists import export
from labeleff.execution.launch import measure
from labeleff.records.entries import Record
from labeleff.records.jsonl import read_records
from labeleff.records.merge import merge, read_source
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.shards import Shard
from labeleff.study.loading import load_study

ARMS = 'arms = ["scratch/finetune", "rotation/linear"]'
AXES = "allow_missing_classes = true\nnoise = { rate = [0.0, 0.3] }\nimbalance = [1, 4]\n"


def write(folder, axes=AXES):
    path = folder / "noisy.toml"
    arms = 'arms = ["scratch/finetune", "rotation/finetune", "rotation/linear", "rotation/knn"]'
    assert arms in toy_study.TEXT
    path.write_text(axes + toy_study.TEXT.replace(arms, ARMS))
    return path


def cells(folder):
    return list(read_records(folder).cells.values())


def test_a_noisy_study_runs_and_reports(command, tmp_path):
    study = write(tmp_path)
    plan = command("plan", study)
    assert "32 cells" in plan.stdout, plan.stderr
    assert "toy/classify(imbalance=4, label_noise=0.3, size=16, test=100, train=200)" in plan.stdout
    done = command("run", study, "--out", "whole", "--quiet")
    assert done.returncode == 0, done.stderr
    records = cells(tmp_path / "whole")
    assert [record.status for record in records] == ["ok"] * 32
    _check_wrong_labels(records)
    assert {"accuracy", "balanced_accuracy"} == set(
        next(record.metrics for record in records if record.cell.imbalance is not None)
    )
    assert all(set(record.metrics) == {"accuracy"} for record in records if record.cell.imbalance is None)
    table = pd.read_csv(tmp_path / "whole/noise.csv")
    assert len(table) == 2 * 3 * 2, "arms, conditions beside the plain one, rungs"
    assert "## What noise and imbalance cost in labels" in (tmp_path / "whole/report.md").read_text()

    _check_plain_cells(command, tmp_path, records)
    _check_shards(tmp_path, records)
    _check_lists(study, tmp_path, records)
    again = command("compare", "whole", "whole")
    assert again.returncode == 0, again.stderr
    assert re.search(r"same: of (\d{2,}) numbers \1 same", again.stdout)


def _check_wrong_labels(records):
    """All arms of a draw have the same share of wrong labels, near the rate, and none without noise."""
    shares = {}
    for record in records:
        cell = record.cell
        shares.setdefault((cell.n, cell.draw, str(cell.imbalance), cell.noise), set()).add(record.wrong_labels)
    assert all(len(share) == 1 for share in shares.values())
    noisy = [share.pop() for (*_, noise), share in shares.items() if noise is not None]
    assert 0.15 < np.mean(noisy) < 0.45
    assert all(record.wrong_labels is None for record in records if record.cell.noise is None)


def _check_plain_cells(command, folder, records):
    """Cells without noise and imbalance are those of a study without the axes: found again, nothing is measured."""
    plain = write(folder, "allow_missing_classes = true\n")
    left = command("plan", plain, "--out", "whole")
    assert "8 cells and 1 pretrainings, 8 cells measured" in left.stdout
    assert len(records) == 32


def _check_shards(folder, records):
    """Shards measure the same numbers, and are merged without a conflict."""
    study = load_study(str(write(folder)))
    for index in (1, 2):
        options = RunOptions(folder=folder / f"part{index}", data=folder, cache=folder / "cache", quiet=True)
        assert not measure(study, dataclasses.replace(options, shard=Shard(index, 2), device="cpu", jobs=1))
    merged = merge([read_source(folder / f"part{index}") for index in (1, 2)])
    theirs = {entry.key: entry.metrics for entry in merged.entries if isinstance(entry, Record)}
    assert {record.key: record.metrics for record in records} == theirs


def _check_lists(path, folder, records):
    """The exported lists are the labels that were used, with the classes that training was told."""
    study = load_study(str(path))
    export(study, folder / "lists", folder, offline=True)
    spec = study.tasks[0]
    by_condition = itertools.product(study.label_conditions, (0, 1), study.rungs)
    for labels, draw, n in by_condition:
        listed = draw_path(folder / "lists", labels.named(spec).label, draw, n)
        manifest = json.loads((listed.parent / "manifest.json").read_text())["files"][listed.name]
        [used] = {r.indices_sha256 for r in records if _is(r.cell, labels, draw, n)}
        assert manifest["sha256"] == used
        told = listed.with_suffix(".labels.txt")
        assert told.exists() == (labels.noise is not None)
        if labels.noise is not None:
            assert manifest["wrong_labels"] in {r.wrong_labels for r in records if _is(r.cell, labels, draw, n)}
            assert len(told.read_text().splitlines()) == n


def _is(cell, labels, draw, n):
    return (cell.noise, cell.imbalance, cell.draw, cell.n) == (labels.noise, labels.imbalance, draw, n)


def test_a_table_of_labels_and_a_tail_that_is_too_short(command, tmp_path):
    study = write(tmp_path, 'noise = [{ rate = 0.0 }, { kind = "file:given.csv" }]\nallow_missing_classes = true\n')
    missing = command("run", study, "--out", "run", "--quiet")
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "given.csv: can't be read" in missing.stderr
    (tmp_path / "given.csv").write_text("3\n" * 199)
    short = command("run", study, "--out", "run", "--quiet")
    assert (short.returncode, "found 199 labels, expected 200" in short.stderr) == (2, True)
    (tmp_path / "given.csv").write_text("3\n" * 200)
    done = command("run", study, "--out", "run", "--quiet")
    assert done.returncode == 0, done.stderr
    wrong = {record.wrong_labels for record in cells(tmp_path / "run") if record.cell.noise is not None}
    assert all(0.8 < share <= 1 for share in wrong)
    assert "given.csv" in (tmp_path / "run/report.md").read_text()

    tail = command("run", write(tmp_path, "imbalance = 8\nallow_missing_classes = true\n"), "--out", "tail", "--quiet")
    assert tail.returncode == 0, tail.stderr
    longer = command("run", tmp_path / "noisy.toml", "--set", "rungs=[20,180]", "--out", "tail", "--quiet")
    assert longer.returncode == 2
    assert "180 labels asked for, but imbalance 8 leaves 8" in longer.stderr
