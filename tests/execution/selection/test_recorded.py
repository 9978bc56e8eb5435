import json

import numpy as np
import pytest
from support import factories

from labeleff.errors import LadderError, RecordError
from labeleff.execution.draws import draw_order, indices_sha256, read_draws, rung_indices
from labeleff.execution.selection.recorded import check_recorded, export_selected, selected_labels
from labeleff.records.entries import Asked, Record
from labeleff.training.examples import Source, load_task


@pytest.fixture
def study():
    tasks = [{"name": "toy/classify", "train": 100, "test": 20}]
    budget = {"finetune": {"lr": 0.05, "batch": 32, "epochs": 1}}
    changes = {"tasks": tasks, "budget": budget, "rungs": [20, 30, 50], "draws": 1, "arms": ["scratch/finetune"]}
    return factories.study(selection="margin", **changes)


def drawn(cell):
    return np.arange(0, 2 * cell.n, 2)


@pytest.fixture
def ladder(study):
    return [cell for cell in study.cells() if cell.selection]


def record(cell, labels, asked=None, n=None):
    asked = None if asked is None else Asked(n=n, indices=asked, pool=80, seconds=1.0, processor_seconds=1.0)
    return Record(
        run="r1", key=cell.key, cell=cell, status="ok", asked=asked, indices_sha256=indices_sha256(np.array(labels))
    )


def test_labels_are_those_of_the_draw_and_all_that_was_asked(ladder):
    low, middle, top = ladder
    first = list(range(0, 40, 2))
    records = {low.key: record(low, first, list(range(41, 51)), 30), middle.key: record(middle, [])}
    assert selected_labels(low, {}, drawn).tolist() == first
    assert selected_labels(middle, records, drawn).tolist() == first + list(range(41, 51))
    assert selected_labels(top, records, drawn) is None, "the middle asked nothing"
    assert selected_labels(middle, {low.key: record(low, first, list(range(41, 61)), 40)}, drawn) is None


def test_other_labels_in_a_record_are_named(ladder):
    low, middle, _ = ladder
    first = list(range(0, 40, 2))
    asked = list(range(41, 51))
    good = {low.key: record(low, first, asked, 30), middle.key: record(middle, first + asked)}
    check_recorded(ladder, good, drawn)
    with pytest.raises(RecordError, match=r"n=30, draw 0, seed 0: its record has labels of SHA-256"):
        check_recorded(ladder, good | {middle.key: record(middle, [*first, *asked[1:], 99])}, drawn)
    with pytest.raises(RecordError, match=r"n=20.*asked for 10 examples, 9 of them new, expected 10"):
        check_recorded(ladder, {low.key: record(low, first, [0, *asked[1:]], 30)}, drawn)
    with pytest.raises(RecordError, match=r"n=20.*asked for 9 examples, 9 of them new, expected 10"):
        check_recorded(ladder, {low.key: record(low, first, asked[1:], 30)}, drawn)


def test_lists_are_written_in_the_form_of_a_draws(study, ladder, tmp_path):
    task = load_task(study.tasks[0], Source(tmp_path))
    low, middle, _ = ladder
    order = draw_order(task.strata.numpy(), 0, subset="stratified", task="toy/classify")
    first = rung_indices(order, 20).tolist()
    asked = [place for place in range(99, 0, -1) if place not in first][:10]
    records = {low.key: record(low, first, asked, 30), middle.key: record(middle, first + asked)}
    label = study.tasks[0].label
    written = export_selected(study, records, tmp_path / "lists", task, label)
    [paths] = written.values()
    assert [path.name for path in paths] == ["draw0-n20-seed0.txt", "draw0-n30-seed0.txt"]
    assert [int(line) for line in paths[1].read_text().split()] == sorted(first + asked)
    manifest = json.loads((paths[0].parent / "manifest.json").read_text())
    assert manifest["files"]["draw0-n30-seed0.txt"]["sha256"] == indices_sha256(np.array(first + asked))
    assert sum(manifest["files"]["draw0-n30-seed0.txt"]["counts"]) == 30
    plain = tmp_path / "plain" / "toy-classify" / "draw0-n30.txt"
    plain.parent.mkdir(parents=True)
    plain.write_text(paths[1].read_text())
    assert read_draws(tmp_path / "plain", "toy/classify", 0, 30, pool=100).tolist() == sorted(first + asked)
    assert export_selected(study, {}, tmp_path / "none", task, label) == {}
    (tmp_path / "file").write_text("")
    with pytest.raises(LadderError, match="can't be written"):
        export_selected(study, records, tmp_path / "file", task, label)
