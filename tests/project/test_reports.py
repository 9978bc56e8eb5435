"""Committed reports against their records; figures are left out, as their bytes follow matplotlib's version."""

import importlib.util
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labeleff.commands.reproduce import evidence, paper, report2021
from labeleff.comparison import board
from labeleff.records.folders import measured
from labeleff.reporting import output_files, study_report
from labeleff.reporting.figures.look import Look
from labeleff.reporting.findings import find
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.output_files import PAGE
from labeleff.reporting.study_report import build

pytestmark = pytest.mark.xdist_group("reports")  # they share what is computed once
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


def listed():
    """Cells of the committed index, a row per study."""
    table = [line for line in (REPORTS / "index.md").read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]


@pytest.fixture(scope="module")
def kept():
    """Findings that tests of this module have computed."""
    return []


@pytest.fixture
def found_once(monkeypatch, kept):
    """Findings of the same measurements are computed once, which takes seconds; `look` says only how they're drawn."""

    def find_once(measured):
        for one in kept:
            if replace(one.measured, look=measured.look) == measured:
                return replace(one, measured=measured)
        kept.append(find(measured))
        return kept[-1]

    for module in (board, evidence, study_report):
        monkeypatch.setattr(module, "find", find_once)


def test_the_findings_of_the_paper_are_those_of_the_records(monkeypatch, found_once):
    monkeypatch.chdir(REPORTS.parent)
    kept, _ = measured([Path("reports") / path.name for path in sorted(REPORTS.iterdir())])
    committed = [line for line in (REPORTS / "findings.md").read_text().splitlines() if line.startswith("|")]
    assert [line for line in paper.document(kept).splitlines() if line.startswith("|")] == committed


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_committed_report_is_what_its_records_give(folder, tmp_path, monkeypatch, found_once):
    monkeypatch.setattr(board, "report", lambda *_: {PAGE: b""})  # the page of what is compared here
    monkeypatch.setattr(output_files, "draw", lambda figures, _: {f"figures/{name}.png": b"" for name in figures})
    shutil.copy(folder / "records.jsonl", tmp_path)
    build(tmp_path, ReportOptions(look=Look(every=True)))
    for name in ("report.md", "details.md"):
        assert (tmp_path / name).read_text() == (folder / name).read_text()
    tables = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert tables == sorted(path.name for path in folder.glob("*.csv"))
    for name in tables:
        ours, theirs = (pd.read_csv(io.StringIO((where / name).read_text())) for where in (tmp_path, folder))
        if name == "curves.csv":
            ours, theirs = (without_searches(table, theirs) for table in (ours, theirs))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {path.name for path in (folder / "figures").iterdir()}
    check_row(folder)


def check_row(folder):
    """The committed index says of a report what the board says, whose site has a page of it."""
    studies = board.read([folder])
    assert [board.cells(study) for study in studies] == [row for row in listed() if row[-1] == folder.name]
    assert {"index.html", "board.json", f"{folder.name}/report.html"} == set(board.files(studies))


def test_the_index_lists_all_reports_as_the_board_writes_it():
    inside, _ = measured(sorted(REPORTS.iterdir()))  # runs inside a folder among them
    assert [row[-1] for row in listed()] == [folder.name for folder in inside]
    assert set(FOLDERS) < set(inside)
    assert board.listed(listed()).decode() == (REPORTS / "index.md").read_text()


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
