"""Committed reports are what their records give; figures are left out, as their bytes follow matplotlib's version."""

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest

from labeleff.report import build

REPORTS = Path(__file__).parent.parent / "reports"
FOLDERS = sorted(path.parent for path in REPORTS.glob("*/records.jsonl"))


def test_there_are_reports():
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_committed_report_is_what_its_records_give(folder, tmp_path):
    shutil.copy(folder / "records.jsonl", tmp_path)
    build(tmp_path)
    assert (tmp_path / "report.md").read_text() == (folder / "report.md").read_text()
    tables = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert tables == sorted(path.name for path in folder.glob("*.csv"))
    for name in tables:
        ours, theirs = (pd.read_csv(io.StringIO((where / name).read_text())) for where in (tmp_path, folder))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-6)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {path.name for path in (folder / "figures").iterdir()}
