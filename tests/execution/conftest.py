import pytest

from labeleff.execution.launch import measure
from labeleff.records.jsonl import read_records
from labeleff.scheduling.run_options import RunOptions


@pytest.fixture
def go(tmp_path):
    """Measure a study into a folder; returns its failed records, and all of them."""

    def measured(study, folder="out", **changes):
        options = {
            "folder": tmp_path / folder,
            "command": ["labeleff"],
            "jobs": 1,
            "cores": 1,
            "device": "cpu",
            "data": tmp_path / "data",
            "cache": tmp_path / "cache",
            "quiet": True,
        }
        failed = measure(study, RunOptions(**(options | changes)))
        return failed, read_records(tmp_path / folder)

    return measured
