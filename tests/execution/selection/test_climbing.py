import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch

from labeleff.errors import InterruptedRunError, RecordError
from labeleff.execution.draws import indices_sha256
from labeleff.execution.launch import measure
from labeleff.execution.selection import climbing, views
from labeleff.execution.selection.recorded import selected_labels
from labeleff.execution.workplace import Workplace
from labeleff.plugins.strategies import margin
from labeleff.records.jsonl import RecordWriter, read_records
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.shards import Shard
from labeleff.study.loading import parse_study
from labeleff.training.examples import Examples, Task

TABLE = {
    "name": "chosen",
    "tasks": [{"name": "toy/classify", "train": 200, "test": 100, "size": 16}],
    "encoders": [{"name": "resnet9", "width": 0.0625, "dim": 16}],
    "arms": ["scratch/finetune", "scratch/joint", "scratch/linear", "scratch/knn"],
    "rungs": [20, 30, 50],
    "selection": ["random", "margin", "coreset", "typiclust"],
    "budget": {name: {"lr": 0.05, "batch": 16, "steps": {"min": 4, "max": 4}} for name in ("finetune", "joint")},
    "draws": 1,
}


def study(**changes):
    table = TABLE | changes
    used = " ".join(table["arms"])
    budget = {name: row for name, row in table["budget"].items() if name in used}
    return parse_study(table | {"budget": budget}, "the test's study")


def drawn_by(records):
    by_draw = {(entry.draw, entry.n): entry.indices for entry in records.labels.values()}
    return lambda cell: np.array(by_draw[cell.draw, cell.n])


def choices(records):
    """What every rung asked, by arm and label count."""
    return {(r.cell.arm, r.cell.draw, r.cell.n): r.asked.indices for r in records.cells.values() if r.asked}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("chosen")
    options = {"command": ["labeleff"], "jobs": 1, "cores": 1, "device": "cpu", "quiet": True}
    options |= {name: folder / name for name in ("folder", "data", "cache")}
    failed = measure(study(draws=2), RunOptions(**options))
    assert failed == []
    return read_records(folder / "folder")


def test_the_first_rung_is_that_of_random_and_gives_its_number(measured):
    first = {}
    for record in measured.cells.values():
        if record.cell.n == 20:
            first.setdefault((record.cell.arm.partition("@")[0], record.cell.draw), []).append(record)
    assert len(first) == 4 * 2
    for drawn, *chosen in first.values():
        for record in chosen:
            assert record.indices_sha256 == drawn.indices_sha256
            assert record.metrics == drawn.metrics
            assert record.calibration == pytest.approx(drawn.calibration, rel=1e-4)
            assert "brier" in record.calibration


def test_ladders_are_nested_and_records_hold_what_was_asked(measured):
    drawn = drawn_by(measured)
    for of in (cell for cell in study(draws=2).cells() if cell.selection):
        record, labels = measured.cells[of.key], selected_labels(of, measured.cells, drawn)
        assert record.indices_sha256 == indices_sha256(labels)
        assert len(set(labels.tolist())) == of.n
        if of.rung_below is not None:
            assert set(selected_labels(of.rung_below, measured.cells, drawn)) < set(labels)
        assert (record.asked is None) == (of.n == 50)
        if record.asked is not None:
            assert record.asked.pool == 200 - of.n
            assert record.asked.seconds > 0
            assert record.asked.processor_seconds > 0


def test_arms_choose_for_themselves_and_draws_differ(measured):
    found = choices(measured)
    assert len(found) == 4 * 3 * 2 * 2
    for draw, strategy in itertools.product(range(2), ("margin", "coreset", "typiclust")):
        asked = {tuple(sorted(v)) for (arm, d, n), v in found.items() if d == draw and n == 20 and strategy in arm}
        assert len(asked) >= 2
    assert found["scratch/finetune@margin", 0, 20] != found["scratch/finetune@margin", 1, 20]


def with_task(monkeypatch, change):
    """Let every process that loads a task see it changed."""
    usual = Workplace.load

    @functools.cache
    def changed(place, label, loaded):
        loaded.task = change(loaded.task)
        return loaded

    monkeypatch.setattr(Workplace, "load", lambda place, spec: changed(place, spec.label, usual(place, spec)))


def replaced(task: Task, split: str, **parts) -> Task:
    examples = getattr(task, split)
    return dataclasses.replace(task, **{split: Examples(parts.get("inputs", examples.inputs), parts["labels"])})


def test_no_choice_sees_a_label_that_is_not_bought(go, measured, monkeypatch):
    """Labels of all examples that no ladder bought are shuffled once the draw is made: the choices stay."""
    one = study()
    drawn, bought = drawn_by(measured), set()
    for cell in (cell for cell in study(draws=2).cells() if cell.selection and cell.n == 50 and cell.draw == 0):
        bought |= set(selected_labels(cell, measured.cells, drawn).tolist())
    free = torch.tensor([place for place in range(200) if place not in bought])
    assert len(free) > 20

    def shuffled(place, cell):
        """The labels of the draw are those of the true task: it may balance classes, a selection may not."""
        labels = torch.from_numpy(drawn(cell)).numpy()
        return climbing.as_chosen(place.load(cell.task).task, labels, allow_missing_classes=True)

    def change(task):
        labels = task.train.labels.clone()
        labels[free] = labels[free.roll(1)]
        assert not torch.equal(labels, task.train.labels)
        return replaced(task, "train", labels=labels)

    with_task(monkeypatch, change)
    monkeypatch.setattr(Workplace, "labels", shuffled)
    only = [arm for arm in one.arm_names if "@" in arm]
    failed, records = go(study(arms=["scratch/finetune", *only], selection=["random"]), "shuffled")
    assert not failed
    expected = {key: value for key, value in choices(measured).items() if key[1] == 0}
    assert choices(records) == expected


def test_no_choice_sees_a_test_image(go, measured, monkeypatch):
    def change(task):
        return replaced(task, "test", inputs=255 - task.test.inputs, labels=task.test.labels.flip(0))

    with_task(monkeypatch, change)
    failed, records = go(study(), "other-test")
    assert not failed
    assert choices(records) == {key: value for key, value in choices(measured).items() if key[1] == 0}
    one, other = (
        {r.key: r.metrics["accuracy"] for r in of.cells.values() if r.key in records.cells}
        for of in (measured, records)
    )
    assert one != other, "the scores do see them"


def cut_after(monkeypatch, count):
    usual, left = RecordWriter.write, [count]

    def write(writer, *entries):
        usual(writer, *entries)
        for entry in entries:
            left[0] -= entry.type == "cell" and entry.cell.selection is not None
        if left[0] <= 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(RecordWriter, "write", write)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_resumed_run_goes_on_from_what_was_asked(go, measured, monkeypatch, count):
    few = study(arms=["scratch/finetune"])
    with monkeypatch.context() as cut:
        cut_after(cut, count)
        with pytest.raises(InterruptedRunError):
            go(few)
    fits, usual = [], views.fit_cell

    def counted(place, cell, labels, progress):
        fits.append(cell)
        return usual(place, cell, labels, progress)

    monkeypatch.setattr(views, "fit_cell", counted)
    failed, records = go(few)
    assert not failed
    assert len(fits) == 3 * 3 - count, "no rung that is recorded is trained again"
    expected = {k: v for k, v in choices(measured).items() if k[1] == 0 and k[0].startswith("scratch/finetune")}
    assert choices(records) == expected
    assert all(record.metrics == measured.cells[key].metrics for key, record in records.cells.items())


def test_a_ladder_that_grows_asks_its_last_rung_again_and_keeps_its_number(go, measured):
    short = study(arms=["scratch/finetune", "scratch/linear"], rungs=[20, 30])
    go(short)
    failed, records = go(study(arms=["scratch/finetune", "scratch/linear"]))
    assert not failed
    expected = {k: v for k, v in choices(measured).items() if k[1] == 0 and k[0].startswith(("scratch/f", "scratch/l"))}
    assert choices(records) == expected
    assert all(record.metrics == measured.cells[key].metrics for key, record in records.cells.items())


def test_records_that_were_changed_are_refused(go, tmp_path):
    few = study(arms=["scratch/finetune"], selection=["random", "margin"])
    go(few)
    path = tmp_path / "out" / "records.jsonl"
    text = path.read_text()
    _, records = go(few)
    asked = next(r.asked.indices for r in records.cells.values() if r.asked and r.cell.n == 20)
    others = sorted(set(range(200)) - set(drawn_by(records)(next(few.cells())).tolist()) - set(asked))
    listed = ",".join(map(str, asked))
    assert listed in text
    path.write_text(text.replace(listed, ",".join(map(str, [others[0], *asked[1:]]))))
    with pytest.raises(RecordError, match=r"scratch/finetune@margin, n=30, draw 0, seed 0: its record has labels"):
        go(few)
    path.write_text(text.replace(listed, ",".join(map(str, [asked[1], *asked[1:]]))))
    with pytest.raises(RecordError, match=r"n=20.*its record asked for 10 examples, 9 of them new, expected 10"):
        go(few)


def test_parts_of_a_job_array_choose_what_one_run_chooses(go, measured):
    few = study(arms=["scratch/finetune", "scratch/linear"])
    parts = [go(few, f"part{index}", shard=Shard(index, 2))[1] for index in (1, 2)]
    assert all(part.cells for part in parts)
    assert sorted(key for part in parts for key in part.cells) == sorted(cell.key for cell in few.cells())
    found = {key: value for part in parts for key, value in choices(part).items()}
    assert found == {key: choices(measured)[key] for key in found}
    assert len(found) == 2 * 3 * 2


def test_a_rung_that_fails_fails_the_rungs_above_with_its_reason(go, monkeypatch):
    few, usual = study(arms=["scratch/finetune"], selection=["random", "margin"]), views.fit_cell

    def failing(place, cell, labels, progress):
        if cell.n == 30:
            raise ValueError("no luck")
        return usual(place, cell, labels, progress)

    with monkeypatch.context() as patch:
        patch.setattr(views, "fit_cell", failing)
        failed, _ = go(few)
    assert [(record.cell.n, record.reason) for record in failed] == [
        (30, "ValueError: no luck"),
        (50, "nothing was selected at n=30: ValueError: no luck"),
    ]
    failed, records = go(few, retry_failed=True)
    assert not failed
    assert all(record.status == "ok" for record in records.cells.values())


@pytest.mark.parametrize(
    ("chosen", "text"),
    [([0, 0], "2 positions, "), ([-1, 500], "2 positions, 0 of them new"), ([], "0 positions, 0 of them new")],
)
def test_a_strategy_that_breaks_its_contract_spares_the_rung_that_asked(go, monkeypatch, chosen, text):
    monkeypatch.setattr(margin, "choose", lambda *_: torch.tensor(chosen, dtype=torch.int64))
    failed, records = go(study(arms=["scratch/finetune", "scratch/knn"], selection=["random", "margin"]))
    assert [record.cell.n for record in failed] == [30, 50] * 2
    assert all(
        f"nothing was selected at n=20: PluginError: selection 'margin': found {text}" in r.reason for r in failed
    )
    assert {r.status for r in records.cells.values() if r.cell.n == 20} == {"ok"}


def test_classes_may_be_missing_only_above_the_first_rung(go, monkeypatch):
    """Nothing balances a selection: of the classes that are missing the records have the names."""

    usual = climbing._with

    def of_class_0(task, labels, asked):
        """Take what was asked to be of class 0, as a selection without balance may."""
        same = (task.train.labels == 0).nonzero()[:, 0].tolist()
        new = [place for place in same if place not in labels.indices][: len(asked.indices)]
        return usual(task, labels, asked.model_copy(update={"indices": new}))

    monkeypatch.setattr(climbing, "_with", of_class_0)
    table = {"rungs": [5, 15], "allow_missing_classes": True, "arms": ["scratch/finetune"]}
    failed, records = go(study(**table, selection=["random", "margin"]))
    assert not failed
    missing = {r.cell.n: r.missing_classes for r in records.cells.values() if r.cell.selection}
    assert len(missing[5]) == 5
    assert 4 <= len(missing[15]) <= 5


def test_with_one_rung_every_selection_is_the_draw(go):
    _, records = go(study(rungs=[20], allow_one_rung=True))
    values = {}
    for record in records.cells.values():
        values.setdefault(record.cell.arm.partition("@")[0], set()).add(
            (record.indices_sha256, record.metrics["accuracy"])
        )
    assert all(len(one) == 1 for one in values.values())
    assert choices(records) == {}


def test_a_predictor_without_parts_is_named(go, monkeypatch):
    usual = views.fit_cell

    def whole(place, cell, labels, progress):
        fitted = usual(place, cell, labels, progress)
        return type(fitted)(fitted.predictor.forward, fitted.training, fitted.metrics)

    monkeypatch.setattr(views, "fit_cell", whole)
    failed, _ = go(study(arms=["scratch/finetune"], selection=["random", "margin"]))
    assert "found a predictor of type method, expected Sequential(encoder, head)" in failed[0].reason


@pytest.mark.parametrize("protocol", ["linear", "mlp", "ridge", "knn"])
def test_strategies_read_probabilities_whatever_a_protocols_scores_are(go, monkeypatch, protocol):
    usual, seen = margin.choose, []

    def noting(pool, count):
        seen.append(pool.probabilities)
        return usual(pool, count)

    monkeypatch.setattr(margin, "choose", noting)
    failed, _ = go(study(arms=["scratch/finetune", f"scratch/{protocol}"], selection=["random", "margin"]))
    assert not failed
    assert seen
    assert all((one >= 0).all() and torch.allclose(one.sum(1), torch.ones(len(one))) for one in seen)
