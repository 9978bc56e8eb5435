"""Folders with records, and what is said of those without."""

from pathlib import Path

import pytest
from support.written_records import record, write
from typer.testing import CliRunner

from labeleff.commands.cli import app
from labeleff.records.folders import BENCH, inside, measured, no_run

BENCHMARK = """{
 "machine_info": {"system": "Linux", "machine": "x86_64", "python_version": "3.12.1",
  "cpu": {"brand": "a", "count": 2}},
 "commit_info": {"id": "NUMBER", "dirty": false},
 "benchmarks": [{"fullname": "rotation", "stats": {"median": 0.5, "q1": 0.4, "q3": 0.6}}],
 "datetime": "2026-01-0NUMBERT00:00:00", "version": "5.0.0"
}"""


@pytest.fixture
def nested(tmp_path):
    for name in ("second", "first"):
        write(tmp_path / "both" / name, record(0))
    (tmp_path / "both" / "notes").mkdir()
    write(tmp_path / "one", record(1))
    return tmp_path


def test_a_folder_of_runs_stands_for_them(nested):
    both, one = nested / "both", nested / "one"
    assert inside(both) == [both / "first", both / "second"]
    found = [one, both / "first", both / "second"]
    assert measured([one, both, nested / "nothing"]) == (found, [nested / "nothing"])


def test_the_error_says_where_runs_are(nested):
    both = nested / "both"
    assert f"there are some in {both / 'first'}, {both / 'second'}" in str(no_run(both))
    assert "check the folder's name" in str(no_run(nested / "nothing"))


def benches(folder):
    for number in "12":
        path = folder / f"bench{number}" / BENCH
        path.parent.mkdir()
        path.write_text(BENCHMARK.replace("NUMBER", number))
    return [str(folder / f"bench{number}") for number in "12"]


def test_a_history_takes_folders_of_benchmarks_as_their_files(tmp_path):
    folders = benches(tmp_path)
    words = "history", *folders, "--out"
    shown = CliRunner().invoke(app, [*words, str(tmp_path / "a")])
    assert "2 runs, 1 series" in shown.output
    files = [str(Path(folder) / BENCH) for folder in folders]
    assert CliRunner().invoke(app, ["history", *files, "--out", str(tmp_path / "b")]).exit_code == 0
    assert (tmp_path / "a" / "bigger.json").read_bytes() == (tmp_path / "b" / "bigger.json").read_bytes()
    assert "`labeleff history` takes" in str(CliRunner().invoke(app, ["report", folders[0]]).exception)
