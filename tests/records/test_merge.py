"""Folders merged: order, repeats, conflicts, unlike studies and conditions."""

import pytest
from support import factories
from support.study_shards import CELLS, STUDY, shard

from labeleff.errors import ConditionError, RecordError
from labeleff.records.entries import LabelsEntry, Record, RunEntry
from labeleff.records.merge import merge, read_source, whole_command


def merge_folders(*folders):
    return merge([read_source(folder) for folder in folders])


def cells(found):
    return {entry.key: entry.metrics for entry in found.entries if isinstance(entry, Record)}


def test_parts_are_the_whole_in_any_order(tmp_path):
    parts = [shard(tmp_path / str(i), i) for i in range(3)]
    found = merge_folders(*parts)
    assert cells(found) == {key: record.metrics for key, record in CELLS.items()}
    assert found.repeated == 0
    assert cells(merge_folders(*reversed(parts))) == cells(found)
    assert [e.run for e in found.entries if isinstance(e, RunEntry)] == ["r0", "r1", "r2"]


def test_what_was_measured_twice_alike_stays_once(tmp_path):
    one, two = shard(tmp_path / "a", 0), shard(tmp_path / "b", 0, name="r9", started="2026-02-02T00:00:00+00:00")
    found = merge_folders(one, two)
    assert found.repeated == len(cells(found))
    assert all(home == one for home in found.homes.values())


def test_a_conflict_names_both_files_and_the_cell(tmp_path):
    one = shard(tmp_path / "a", 0)
    record = next(r for r in CELLS.values() if r.key in cells(merge_folders(one)))
    other = record.model_copy(update={"metrics": {"accuracy": 0.123}})
    two = factories.write(tmp_path / "b", [factories.run_entry(STUDY, "r9"), other])
    with pytest.raises(RecordError) as caught:
        merge_folders(one, two)
    said = str(caught.value)
    for part in (record.key, "accuracy 0.123", str(one / "records.jsonl"), str(two / "records.jsonl"), "1 conflict,"):
        assert part in said
    assert f"n={record.cell.n}, draw {record.cell.draw}, seed {record.cell.seed}" in said


def test_other_encoders_under_one_key_are_a_conflict(tmp_path):
    made = factories.pretrainings(STUDY)[0]
    folders = [
        factories.write(
            tmp_path / name,
            [factories.run_entry(STUDY, name), made.model_copy(update={"encoder_sha256": name * 64})],
        )
        for name in "ab"
    ]
    with pytest.raises(RecordError, match=f"pretraining {made.key}"):
        merge_folders(*folders)


def test_other_labels_of_one_draw_are_a_conflict(tmp_path):
    folders = [
        factories.write(
            tmp_path / name,
            [
                factories.run_entry(STUDY, name),
                LabelsEntry(task="t", draw=1, n=20, subset="stratified", indices_sha256=name, indices=[place]),
            ],
        )
        for place, name in enumerate("ab")
    ]
    with pytest.raises(RecordError, match=r"labels of t, draw 1, n=20: a in .*, b in "):
        merge_folders(*folders)


def test_a_failed_cell_gives_way_to_a_finished_one(tmp_path):
    record = next(iter(CELLS.values()))
    good = factories.write(tmp_path / "good", [factories.run_entry(STUDY, "g"), record])
    bad = factories.write(tmp_path / "bad", [factories.run_entry(STUDY, "b"), factories.failed(record)])
    for order in ((good, bad), (bad, good)):
        assert cells(merge_folders(*order)) == {record.key: record.metrics}


def test_another_study_is_refused_with_what_differs(tmp_path):
    other = factories.folder(tmp_path / "other", draws=2)
    with pytest.raises(RecordError, match=r"other/records.jsonl: holds another study than .*draws 3 -> 2"):
        merge_folders(shard(tmp_path / "a", 0), other)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"torch": "2.16"}, "torch is 2.15 in"), ({"device": "a GPU"}, "device is cpu in"), ({"data": {}}, None)],
)
def test_unlike_conditions_are_refused_with_their_name(tmp_path, change, said):
    usual = factories.run_entry(STUDY).conditions
    folders = shard(tmp_path / "a", 0), shard(tmp_path / "b", 1, conditions=usual.model_copy(update=change))
    if said is None:
        merge_folders(*folders)  # nothing that both know differs
        return
    with pytest.raises(ConditionError, match=said):
        merge_folders(*folders)


def test_runs_that_measured_nothing_bind_no_folder(tmp_path):
    """As a part that was begun on another device, ended before its first cell, and begun again."""
    one, two = shard(tmp_path / "a", 0), shard(tmp_path / "b", 1)
    usual = factories.run_entry(STUDY).conditions
    begun = factories.run_entry(STUDY, "begun", conditions=usual.model_copy(update={"device": "a GPU"}))
    path = one / "records.jsonl"
    path.write_text(f"{begun.model_dump_json()}\n{path.read_text()}")
    assert len(cells(merge_folders(one, two))) == len(cells(merge_folders(one))) + len(cells(merge_folders(two)))


def test_a_torn_last_line_is_left_out_and_told(tmp_path):
    folder = shard(tmp_path / "a", 0)
    whole = len(cells(merge_folders(folder)))
    path = folder / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert read_source(folder).torn
    assert len(cells(merge_folders(folder))) == whole - 1


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"nothing/records\.jsonl: no run found"):
        read_source(tmp_path / "nothing")


def test_the_command_for_the_rest_is_the_shards_without_what_made_it_one():
    command = ["labeleff", "run", "s", "--shard", "2/3", "-o", "x", "--set", "draws=3", "--out=y", "--shard=1/3"]
    runs = [factories.run_entry(STUDY, command=command)]
    assert " ".join(whole_command(runs, "all")) == "labeleff run s --set draws=3 --out all"
