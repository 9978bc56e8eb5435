"""What of a records file belongs to its study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import factories

from labeleff.errors import RecordError, StudyError
from labeleff.reporting.findings import compare_arms
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import load
from labeleff.study.cell import Cell
from labeleff.study.loading import parse_study


def test_a_study_survives_its_records() -> None:
    of = factories.study()
    again = parse_study(of.model_dump(mode="json"), "record")
    assert again == of
    assert [cell.key for cell in again.cells()] == [cell.key for cell in of.cells()]


def test_only_the_newest_study_counts(tmp_path: Path) -> None:
    old, new = factories.study(rungs=[30, 60]), factories.study()
    folder = factories.write(
        tmp_path,
        [
            factories.run_entry(old, "r0"),
            *factories.cell_records(old, "r0"),
            factories.run_entry(new),
            *factories.cell_records(new)[:7],
        ],
    )
    results = load(folder)
    assert (len(results.cells), results.cell_count, results.foreign) == (7, 54, 18)
    assert [run.run for run in results.runs] == ["r1"]


def test_runs_by_arm_leave_failed_cells_out(tmp_path: Path) -> None:
    of = factories.study()
    records = factories.cell_records(of)
    records[1] = factories.failed(records[1])
    results = load(factories.write(tmp_path, [factories.run_entry(of), *records]))
    (place,) = results.places
    assert place == Place(of.tasks[0].label, of.encoders[0].label)
    runs = results.arm_runs(place, "scratch/finetune")
    assert list(runs) == factories.RUNGS
    assert sorted(runs[20]) == [(0, 0), (2, 0)]
    assert results.title(place) == "toy/classify, resnet9"


def test_published_draws_are_matched_without_their_hashes(tmp_path: Path) -> None:
    of = factories.study(draws_from="draws")
    records = []
    for record in factories.cell_records(of):
        cell = Cell.model_validate({**record.cell.model_dump(), "indices_sha256": "ab" * 32})
        records.append(record.model_copy(update={"cell": cell, "key": cell.key}))
    results = load(factories.write(tmp_path, [factories.run_entry(of), *records]))
    assert (len(results.cells), results.foreign) == (54, 0)


def test_utility_against_any_arm(tmp_path: Path) -> None:
    results = load(factories.folder(tmp_path))
    found = {item.arm: item for item in compare_arms(replace(results.measured, baseline="rotation/finetune"))}
    assert set(found) == {"scratch/finetune", "rotation/linear"}
    assert found["scratch/finetune"].points[-1].sign <= 0
    for item in compare_arms(results.measured):
        saved = factories.SAVED[item.arm]
        for point in item.points:
            low, high = -1 if point.low is None else point.low, point.high
            assert low * 0.8 <= saved / point.n
            assert high is None or saved / point.n <= high * 1.25


def test_folders_without_a_study_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"records\.jsonl: no run found"):
        load(tmp_path)
    entry = factories.run_entry(factories.study(), study={"name": "x", "colour": "red"})
    with pytest.raises(StudyError, match=r"records\.jsonl, study of run r1: "):
        load(factories.write(tmp_path, [entry]))
