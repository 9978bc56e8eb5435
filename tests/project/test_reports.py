"""Committed reports against their records; figures are left out, as their bytes follow matplotlib's version."""

import importlib.util
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labeleff.commands.reproduce import report2021
from labeleff.reporting.study_report import build

REPORTS = Path(__file__).parents[2] / "reports"
FOLDERS = sorted(path.parent for path in REPORTS.glob("*/records.jsonl"))


def test_there_are_reports():
    assert FOLDERS


SEARCHED = ("parameters", "standard_errors", "formula", "rss", "p_value", "leave_one_out", "residual_max")
"""Columns of curves.csv that a search computes, whose last digits differ between machines."""


def without_searches(table, expected):
    """Drop the columns that a search computes, after comparing them to three digits."""
    for name in ("parameters", "standard_errors"):
        for ours, theirs in zip(table[name].fillna("{}"), expected[name].fillna("{}"), strict=True):
            assert json.loads(ours) == pytest.approx(json.loads(theirs), rel=1e-3)
    for name in ("rss", "p_value", "leave_one_out", "residual_max"):
        np.testing.assert_allclose(table[name].astype(float), expected[name].astype(float), rtol=1e-3, atol=1e-9)
    return table.drop(columns=list(SEARCHED))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_committed_report_is_what_its_records_give(folder, tmp_path):
    shutil.copy(folder / "records.jsonl", tmp_path)
    build(tmp_path)
    assert (tmp_path / "report.md").read_text() == (folder / "report.md").read_text()
    tables = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert tables == sorted(path.name for path in folder.glob("*.csv"))
    for name in tables:
        ours, theirs = (pd.read_csv(io.StringIO((where / name).read_text())) for where in (tmp_path, folder))
        if name == "curves.csv":
            ours, theirs = (without_searches(table, theirs) for table in (ours, theirs))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {path.name for path in (folder / "figures").iterdir()}


def test_the_report_of_2021_measured_again_is_what_its_records_give(tmp_path):
    folder = REPORTS / "reproduce-report"
    for part in ("as-published", "soundly"):
        (tmp_path / part).mkdir()
        for name in ("records.jsonl", "question.json"):
            shutil.copy(folder / part / name, tmp_path / part)
    report2021.build(tmp_path)
    assert (tmp_path / "report.md").read_text() == (folder / "report.md").read_text()
    assert (tmp_path / "rows.csv").read_text() == (folder / "rows.csv").read_text()


def program(name):
    """Import a module of benchmarks/, which isn't a package."""
    path = REPORTS.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def test_chosen_ladders_are_what_the_records_of_the_fixed_one_give(monkeypatch):
    monkeypatch.syspath_prepend(REPORTS.parent / "benchmarks")
    replay, folder = program("auto_ladder"), REPORTS / "auto-ladder"
    played = replay.games()
    assert replay.document(played) + "\n" == (folder / "replay.md").read_text()
    texts = replay.to_csv(list(replay.rows(played))), (folder / "replay.csv").read_text()
    ours, theirs = (pd.read_csv(io.StringIO(text)) for text in texts)
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)
