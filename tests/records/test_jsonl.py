"""The records file: reading, torn lines, appending, and garbage collection paused for a stretch."""

import errno
import gc
import itertools
import json
import multiprocessing
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import factories
from support.written_records import CELLS, record, write

from labeleff.errors import RecordError
from labeleff.files import without_collection
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.folders import FILE_NAME
from labeleff.records.jsonl import Records, RecordWriter, open_records, read_records


def failing():
    with without_collection():
        assert not gc.isenabled()
        raise ValueError("x")


@pytest.mark.parametrize("before", [True, False])
def test_it_is_as_it_was(before):
    (gc.enable if before else gc.disable)()
    try:
        with pytest.raises(ValueError, match="x"):
            failing()
        assert gc.isenabled() == before
    finally:
        gc.enable()


def test_round_trip_keeps_every_digit(tmp_path):
    write(tmp_path, record(0, 1 / 3), record(1, 0.1))
    found = read_records(tmp_path).cells
    assert found[CELLS[0].key].metrics["accuracy"] == 1 / 3
    assert found[CELLS[0].key].cell == CELLS[0]
    assert found[CELLS[0].key].cell.key == CELLS[0].key


def test_a_folder_may_be_given_as_text(tmp_path):
    write(tmp_path, record(0))
    assert read_records(str(tmp_path)).cells == read_records(tmp_path).cells != {}


def test_what_failed_is_read_back_with_its_reason(tmp_path):
    cell = CELLS[0]
    encoder = PretrainingRecord.failed("r", cell.pretraining, "no")
    lost = Record.failed("r", cell, "no", "why", pretraining="p")
    write(tmp_path, encoder, lost)
    found = read_records(tmp_path)
    assert (found.pretrainings[cell.pretraining.key], found.cells[cell.key]) == (encoder, lost)
    assert (lost.status, lost.detail, lost.pretraining, lost.metrics) == ("failed", "why", "p", {})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000))
def test_a_file_cut_at_any_byte_keeps_every_whole_line(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut")
    write(folder, record(0), record(1), record(2))
    path = folder / FILE_NAME
    content = path.read_bytes()
    cut %= len(content) + 1
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert len(read_records(folder).cells) == whole
    write(folder, record(3))
    assert len(read_records(folder).cells) == whole + 1
    assert path.read_bytes().endswith(b"\n")


def test_last_line_of_a_key_counts(tmp_path):
    failed = record(0).model_copy(update={"status": "failed", "metrics": {}})
    write(tmp_path, failed, record(0, 0.2), record(0, 0.2))
    assert read_records(tmp_path).cells[CELLS[0].key].metrics == {"accuracy": 0.2}


def test_two_results_of_one_cell_are_refused(tmp_path):
    """As in a file joined of those of two runs."""
    write(tmp_path, record(0, 0.1), record(1), record(0, 0.2))
    with pytest.raises(RecordError, match=r"lines 1 and 3: found {'accuracy': 0.1} and {'accuracy': 0.2} of one cell"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{not json", "not a record"),
        (b'{"type":"cell"}', "not a record"),
        (b'{"type":"soup"}', "not a record"),
        (b"\xff\xfe", "not a record"),
        (b"", "not a record"),
    ],
)
def test_a_damaged_line_in_the_middle_is_named(tmp_path, line, message):
    write(tmp_path, record(0), record(1))
    path = tmp_path / FILE_NAME
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first + b"\n" + line + b"\n" + second + b"\n")
    with pytest.raises(RecordError, match=rf"records\.jsonl, line 2: {message}"):
        read_records(tmp_path)


def test_a_cell_under_the_key_of_another_is_named(tmp_path):
    write(tmp_path, record(0), record(1))
    path = tmp_path / FILE_NAME
    path.write_text(path.read_text().replace(CELLS[1].key, CELLS[0].key))
    with pytest.raises(
        RecordError, match=rf"records\.jsonl, line 2: its key is {CELLS[0].key}, expected {CELLS[1].key}"
    ):
        read_records(tmp_path)


def test_what_auto_meant_is_kept_for_encoders_that_a_later_run_leaves_out():
    """As where half of a study is measured as one of its own, in the same folder, and then the whole goes on."""
    study = factories.study()
    usual = factories.run_entry(study).conditions
    whole, part = (
        factories.run_entry(study, run, conditions=usual.model_copy(update={"precision": kinds}))
        for run, kinds in (("r1", {"a": "bf16", "b": "bf16"}), ("r2", {"b": "fp32"}))
    )
    first, second = itertools.islice(factories.cell_records(study), 2)
    measured = [whole, first, part, second.model_copy(update={"run": "r2"})]
    assert Records(measured).precision == {"a": "bf16", "b": "fp32"}
    assert Records(measured[:3]).precision == {"a": "bf16", "b": "bf16"}, "the second run has measured nothing"


def test_a_newer_schema_is_refused(tmp_path):
    write(tmp_path, record(0))
    path = tmp_path / FILE_NAME
    table = json.loads(path.read_text())
    table["schema_version"] = 99
    path.write_text(json.dumps(table) + "\n")
    with pytest.raises(RecordError, match="schema version 99"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2, "novel": 1}, "schema version 2, but this labeleff reads up to 1; upgrade labeleff"),
        ({"schema_version": 2, "type": "novel"}, "schema version 2, but this labeleff reads up to 1; upgrade labeleff"),
        ({"novel": 1}, r"\(at cell\.novel\).*A later labeleff may have written it: upgrade this one"),
        ({"type": "novel"}, "A later labeleff may have written it: upgrade this one, else restore the file"),
        ({"status": "well"}, "Restore the file, or delete that line to measure its cell again"),
    ],
)
def test_a_line_of_a_later_version_is_no_damage_to_be_deleted(tmp_path, changes, message):
    write(tmp_path, record(0))
    path = tmp_path / FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | changes) + "\n")
    with pytest.raises(RecordError, match=rf"records\.jsonl, line 1: .*{message}"):
        read_records(tmp_path)


class FullDisk:
    """A file that takes half a line and then has no room."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, data):
        self._stream.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_entries_that_are_written_together_are_synced_once(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    with open_records(tmp_path) as (_, writer):
        monkeypatch.setattr(os, "fsync", lambda number: synced.append(number) or fsync(number))
        writer.write(*(record(index) for index in range(5)))
        assert len(synced) == 1
    assert len(read_records(tmp_path).cells) == 5


def test_a_full_disk_leaves_no_half_line(tmp_path):
    write(tmp_path, record(0))
    with (tmp_path / FILE_NAME).open("ab", buffering=0) as stream:
        writer = RecordWriter(tmp_path, FullDisk(stream))
        with pytest.raises(RecordError, match="No space left"):
            writer.write(record(1))
    content = (tmp_path / FILE_NAME).read_bytes()
    assert content.count(b"\n") == 1
    assert content.endswith(b"\n")
    write(tmp_path, record(1))
    assert len(read_records(tmp_path).cells) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="file/out: can't be written"), open_records(tmp_path / "file" / "out"):
        pass


def _hold(folder, ready, done):
    with open_records(folder):
        ready.set()
        done.wait(600)


def test_two_runs_on_one_folder_are_kept_apart(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, done))
    holder.start()
    assert ready.wait(300)
    try:
        with pytest.raises(RecordError, match="another labeleff run is writing here"), open_records(tmp_path):
            pass
    finally:
        done.set()
        holder.join()
    assert holder.exitcode == os.EX_OK
    write(tmp_path, record(0))
