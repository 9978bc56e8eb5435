import errno
import os

import pytest
from support import factories
from support.study_shards import CELLS, STUDY, shard
from typer.testing import CliRunner

from labeleff import files
from labeleff.commands.cli import app
from labeleff.commands.merge import merge_into
from labeleff.errors import ConditionError, RecordError
from labeleff.records.folders import FILE_NAME
from labeleff.records.jsonl import read_records


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_all_parts_give_the_whole_with_a_report(tmp_path):
    parts = [shard(tmp_path / f"part{i}", i) for i in range(3)]
    done = invoke("merge", *parts, "--out", tmp_path / "all")
    assert done.exit_code == 0, done.output
    assert f"{len(CELLS)} cells from 3 folders\n" in done.output
    assert "report.md" in done.output
    assert (tmp_path / "all" / "report.md").exists()
    assert not list((tmp_path / "all").glob(".*"))


def test_what_is_missing_is_counted_with_the_command_that_measures_it(tmp_path):
    command = ["labeleff", "run", "known", "--shard", "1/3"]
    part = shard(tmp_path / "part", 0, command=command)
    done = invoke("merge", part, "--out", "all")
    assert done.exit_code == 1
    missing = len(CELLS) - len(read_records(part).cells)
    assert f"{missing} of {len(CELLS)} cells are missing; measure them: labeleff run known --out all" in done.output


def test_failed_cells_are_told(tmp_path):
    records = list(CELLS.values())
    entries = [factories.run_entry(STUDY), factories.failed(records[0]), *records[1:]]
    done = invoke("merge", factories.write(tmp_path / "a", entries), "--out", "all")
    assert done.exit_code == 1
    assert f"1 of {len(CELLS)} cells failed; measure them again: " in done.output
    assert "--out all --retry-failed" in done.output


def test_merging_again_adds_to_what_is_there(tmp_path):
    parts = [shard(tmp_path / f"part{i}", i) for i in range(3)]
    merge_into(parts[:1], tmp_path / "all")
    counts, *lacks = merge_into(parts[1:], tmp_path / "all")
    assert not lacks
    assert counts.startswith(f"{len(CELLS)} cells from 3 folders")
    before = (tmp_path / "all" / FILE_NAME).read_bytes()
    merge_into(parts, tmp_path / "all")
    assert (tmp_path / "all" / FILE_NAME).read_bytes() == before


def test_a_folder_may_be_merged_into_itself(tmp_path):
    parts = [shard(tmp_path / f"part{i}", i) for i in range(3)]
    merge_into(parts, parts[1])
    assert read_records(parts[1]).cells.keys() == CELLS.keys()


def test_refused_parts_leave_no_folder(tmp_path):
    usual = factories.run_entry(STUDY).conditions
    other = shard(tmp_path / "b", 1, conditions=usual.model_copy(update={"torch": "2.16"}))
    with pytest.raises(ConditionError):
        merge_into([shard(tmp_path / "a", 0), other], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    parts = [shard(tmp_path / f"part{i}", i) for i in range(2)]
    merge_into(parts[:1], tmp_path / "all")
    before = (tmp_path / "all" / FILE_NAME).read_bytes()

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(RecordError, match=r"all/records.jsonl: can't be written: No space left .*nothing was merged"):
        merge_into(parts, tmp_path / "all")
    assert (tmp_path / "all" / FILE_NAME).read_bytes() == before


def test_trained_readers_come_along(tmp_path):
    part = shard(tmp_path / "part", 0)
    key = next(iter(read_records(part).cells))
    (part / "models").mkdir()
    (part / "models" / f"{key}.safetensors").write_bytes(b"reader")
    (part / "models" / "foreign.safetensors").write_bytes(b"other")
    merge_into([part], tmp_path / "all")
    assert [path.name for path in (tmp_path / "all" / "models").iterdir()] == [f"{key}.safetensors"]
