"""Disks that fill up or go away under a run: a clear end, nothing lost, and the same command goes on."""

import os
import re
import shutil
import subprocess

import pytest
from support import toy_study
from support.written_records import record, write

from labeleff.errors import RecordError
from labeleff.records.folders import FILE_NAME
from labeleff.records.jsonl import open_records, read_records

LIMITED = """import resource, runpy, sys
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
del sys.argv[1]
runpy.run_module("labeleff", run_name="__main__", alter_sys=True)
"""
"""Limits the size of the process's files: a write over it is cut short, and the next one fails."""


def unmeasured():
    """The environment without coverage, whose own file could not be written on such a disk."""
    return {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}


def test_a_disk_that_fills_up_within_a_record(tmp_path, command, python_server):
    study = tmp_path / "scratch.toml"
    text = re.sub(r"arms = .*", 'arms = ["scratch/finetune"]', toy_study.TEXT)
    study.write_text(re.sub(r"\[budget\.rotation\][^\[]*", "", text))
    words = ["run", study, "--offline", "--quiet", "--jobs", "1"]
    assert command(*words, "--out", "whole").returncode == 0
    whole = (tmp_path / "whole" / FILE_NAME).read_bytes().splitlines(keepends=True)
    first = next(place for place, line in enumerate(whole) if b'"type":"cell"' in line)
    limit = sum(map(len, whole[: first + 2])) + len(whole[first + 2]) // 2
    (tmp_path / "limited.py").write_text(LIMITED)
    environment = unmeasured() | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*python_server.python(environment), "limited.py", str(limit), *map(str, words), "--out", "full"],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 2, done.stderr
    assert "full/records.jsonl: can't be written: File too large; every earlier record is safe" in done.stderr
    assert "Traceback" not in done.stderr
    content = (tmp_path / "full" / FILE_NAME).read_bytes()
    assert content.endswith(b"\n")
    assert content.count(b"\n") in {first + 2, first + 3}  # commands differ in length
    assert command(*words, "--out", "full").returncode == 0
    found, expected = (read_records(tmp_path / name).cells for name in ("full", "whole"))
    assert {key: one.metrics for key, one in found.items()} == {key: one.metrics for key, one in expected.items()}


def written(folder, between):
    """Write a record, let something happen, write another."""
    with open_records(folder) as (_, writer):
        writer.write(record(0))
        between()
        writer.write(record(1))


def test_a_folder_that_vanishes_is_put_back_with_every_record(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(RecordError, match="was removed or replaced"):
        written(folder, lambda: shutil.rmtree(folder))
    assert len(read_records(folder).cells) == 1
    write(folder, record(1))
    assert len(read_records(folder).cells) == 2


def test_a_replaced_file_is_not_overwritten(tmp_path):
    (tmp_path / "other").write_text("other\n")
    with pytest.raises(RecordError, match=r"all that was recorded is in .*records-rescued\.jsonl"):
        written(tmp_path, lambda: (tmp_path / "other").replace(tmp_path / FILE_NAME))
    assert (tmp_path / FILE_NAME).read_text() == "other\n"
    assert (tmp_path / "records-rescued.jsonl").read_bytes().count(b"\n") == 1


class Slow:
    """A file that takes ten bytes at a time, as nearly full disks and network file systems may."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, data):
        return self._stream.write(data[:10])


def test_a_write_that_is_cut_short_goes_on(tmp_path):
    with open_records(tmp_path) as (_, writer):
        writer._stream = Slow(writer._stream)
        writer.write(record(0))
        writer.write(record(1))
    assert len(read_records(tmp_path).cells) == 2
