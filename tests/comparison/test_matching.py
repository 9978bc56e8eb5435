"""Cells side by side: refused under unlike conditions, missing, new, failed, and labels that aren't shared."""

from __future__ import annotations

import pytest
from support import factories, run_pairs

from labeleff.comparison.matching import match, refusal_text, study_changes
from labeleff.records.entries import Conditions
from labeleff.reporting.results import load


def conditions(**changes):
    fields = factories.run_entry(factories.study()).conditions.model_dump() | changes
    return {"conditions": Conditions(**fields)}


def test_the_same_folder_is_matched_whole(tmp_path):
    results = load(run_pairs.folder(tmp_path))
    found = match(results, results)
    assert len(found.pairs) == 3
    assert sum(len(rung) for pair in found.pairs.values() for rung in pair.new.values()) == 54
    assert found.refusals == found.absences == []
    assert found.lacking(next(iter(found.pairs)), None) is None


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"torch": "2.16"}, ("torch", "2.15", "2.16")),
        ({"device": "NVIDIA H100"}, ("device", "cpu", "NVIDIA H100")),
        ({"precision": {"resnet9(width=0.25)": "bf16"}}, ("precision of resnet9", "fp32", "bf16")),
        ({"data": {"toy/classify(test=1000, train=2000)": "cd" * 32}}, ("data of toy", "ab" * 32, "cd" * 32)),
    ],
)
def test_unlike_conditions_are_refused_with_their_number(tmp_path, changes, what):
    base = load(run_pairs.folder(tmp_path / "base"))
    labels = {"precision": {base.places[0].encoder: "bf16"}, "data": {base.places[0].task: "cd" * 32}}
    given = {key: labels.get(key, value) for key, value in changes.items()}
    found = match(base, load(run_pairs.folder(tmp_path / "new", run=conditions(**given))))
    assert found.pairs == {}
    assert [item.cells for item in found.refusals] == [18, 18, 18]
    named = found.refusals[0].unlike
    assert named[0].startswith(what[0])
    assert named[1:] == what[1:]
    assert "18 cells refused" in found.lacking(found.refusals[0].key, 50)


def test_only_the_cells_concerned_are_refused(tmp_path):
    tasks = [{"name": "toy/classify", "train": 2000, "test": 1000}, {"name": "toy/classify", "train": 3000}]
    of = factories.study(tasks=tasks)
    data = factories.run_entry(of).conditions.data
    other = {label: "cd" * 32 if "3000" in label else digest for label, digest in data.items()}
    base = load(run_pairs.folder(tmp_path / "base", of=of))
    new = load(run_pairs.folder(tmp_path / "new", of=of, run=conditions(data=other)))
    found = match(base, new)
    assert len(found.pairs) == len(found.refusals) == 3
    assert {place.task for place, _ in found.pairs} == {of.tasks[0].label}


def test_missing_new_and_failed_cells_are_told_apart(tmp_path):
    def change(record):
        broken = record.cell.n == 50 and record.cell.arm == "scratch/finetune" and record.cell.draw == 1
        return factories.failed(record) if broken else record

    base = load(run_pairs.folder(tmp_path / "base", keep=lambda record: record.cell.n != 100))
    new = load(run_pairs.folder(tmp_path / "new", change, keep=lambda record: record.cell.n != 1000))
    found = match(base, new)
    kinds = {(item.kind, item.n, item.key[1], item.cells) for item in found.absences}
    assert ("failed", 50, "scratch/finetune", 1) in kinds
    assert ("missing", 1000, "rotation/linear", 3) in kinds
    assert ("new", 100, "rotation/linear", 3) in kinds
    assert len(kinds) == 7
    [failed] = [item for item in found.absences if item.kind == "failed"]
    assert failed.reason == "the loss became NaN in step 12"
    assert found.lacking(failed.key, 50) == "1 cell failed in NEW"
    assert found.lacking(failed.key, None) == "1 cell failed in NEW, 3 cells missing in NEW"
    assert found.lacking(failed.key, 100) is None


def test_draws_of_other_labels_are_not_shared(tmp_path):
    def labels(mark):
        return lambda record: record.model_copy(update={"indices_sha256": f"{mark}{record.cell.draw}{record.cell.n}"})

    sides = [load(run_pairs.folder(tmp_path / mark, labels(mark))) for mark in "ab"]
    assert all(not pair.same_labels for pair in match(*sides).pairs.values())
    assert all(pair.same_labels for pair in match(sides[0], sides[0]).pairs.values())


def test_changes_of_the_study_are_named(tmp_path):
    budget = {"lr": 0.01, "batch": 32, "steps": {"min": 8, "max": 8}}
    other = factories.study(budget={"rotation": factories.study().budget["rotation"].model_dump(), "finetune": budget})
    sides = [load(run_pairs.folder(tmp_path / of.name, of=of)) for of in (factories.study(), other)]
    assert study_changes(*sides) == ["budget.finetune.lr 0.05 -> 0.01"]
    assert len(match(*sides).pairs) == 3


def test_a_refused_precision_says_how_to_pin_it():
    text = refusal_text(("precision of resnet9", "fp32", "bf16"))
    assert text.endswith("is fp32 in BASE and bf16 in NEW ('auto' goes by the processor; pin precision = \"fp32\")")
    assert refusal_text(("torch", "2.14", "2.15")) == "torch is 2.14 in BASE and 2.15 in NEW"
