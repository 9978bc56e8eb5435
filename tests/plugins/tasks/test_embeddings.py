"""The task of embeddings: files joined to training and test items, and a study on it from plan to report."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import labeleff
from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.commands.check.runner import run_checks
from labeleff.commands.probe import study_table
from labeleff.errors import DataError, OptionError, StudyError
from labeleff.plugins.encoders.rows import stored_rows
from labeleff.plugins.tasks.embeddings import one_two_five, parse_files, target_kind
from labeleff.training.examples import Source, load_task

COUNT, CLASSES = 120, 3
LABELS = np.arange(COUNT) % CLASSES
IDS = np.array([f"item {i:03}" for i in range(COUNT)])


def features(noise, dim, seed):
    rng = np.random.default_rng(seed)
    return (np.eye(CLASSES)[LABELS] @ rng.normal(size=(CLASSES, dim)) + noise * rng.normal(size=(COUNT, dim))).astype(
        np.float16
    )


@pytest.fixture
def files(tmp_path):
    """Two encoders' files, the second in another order, and a table of labels with names."""
    order = np.random.default_rng(9).permutation(COUNT)
    np.savez(tmp_path / "good.npz", features=features(0.3, 6, 0), ids=IDS)
    np.savez(tmp_path / "poor.npz", features=features(2.0, 4, 1)[order], ids=IDS[order])
    rows = [f"{one},{'abc'[label]}" for one, label in zip(IDS, LABELS, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,label", *rows]))
    return tmp_path


def spec(folder, **options):
    given = {"files": f"good={folder}/good.npz;poor={folder}/poor.npz", "labels": f"{folder}/labels.csv", **options}
    return lookup.complete("task", "embeddings/classify", given)


def load(files, **options):
    return load_task(spec(files, **options), Source(files, offline=True))


def test_items_are_joined_divided_and_looked_up(files):
    task = load(files)
    assert (len(task.train), len(task.test), task.classes) == (96, 24, ("a", "b", "c"))
    assert sorted([*task.train.inputs[:, 0].tolist(), *task.test.inputs[:, 0].tolist()]) == list(range(COUNT))
    assert np.bincount(task.test.labels).tolist() == [8, 8, 8]
    assert task.ids == tuple(IDS[task.train.inputs[:, 0]])
    for name, expected in (("good", features(0.3, 6, 0)), ("poor", features(2.0, 4, 1))):
        rows = stored_rows(task, name)
        np.testing.assert_array_equal(rows(task.train.inputs), expected[task.train.inputs[:, 0]].astype(np.float32))
        assert rows.dim == expected.shape[1]
    with pytest.raises(StudyError, match=r"embedding 'other': .* has good, poor"):
        stored_rows(task, "other")


def test_the_order_of_files_changes_nothing_and_numbers_and_labels_do(files):
    first = load(files).fingerprint
    with np.load(files / "good.npz") as old:
        turned = {name: old[name][::-1] for name in old}
    np.savez(files / "good.npz", **turned)
    assert load(files).fingerprint == first
    turned["features"][5, 0] += 1
    np.savez(files / "good.npz", **turned)
    assert load(files).fingerprint != first


def test_own_splits_and_repeated_items_are_said(files):
    array = features(0.3, 6, 0)
    array[100] = array[3]
    split = np.where(np.arange(COUNT) < 90, "train", "test")
    np.savez(files / "good.npz", features=array, ids=IDS, labels=LABELS, split=split)
    task = load_task(spec(files, files=f"good={files}/good.npz", labels=""), Source(files, offline=True))
    assert (len(task.train), len(task.test), task.classes) == (90, 30, ("0", "1", "2"))
    assert "good: 1 test items are training items again: 'item 100'" in task.provenance
    assert "1 of 120 rows equal to an earlier row: 'item 100'" in task.provenance
    with pytest.raises(
        OptionError, match=r"held_out: found 7, but .*good.npz says which items .*; leave held_out out, or"
    ):
        load_task(spec(files, files=f"good={files}/good.npz", labels="", held_out=7), Source(files, offline=True))


def test_a_number_of_test_items_goes_before_the_split_of_a_file_without_the_labels(files):
    split = np.where(np.arange(COUNT) < 90, "train", "test")
    np.savez(files / "good.npz", features=features(0.3, 6, 0), ids=IDS, split=split)
    own, asked = load(files), load(files, held_out=6)
    assert (len(own.test), len(asked.test)) == (30, 6)
    assert "good.npz: its split is used" in own.provenance
    assert "good.npz: its split isn't used, as held_out is 6" in asked.provenance


def test_what_weakens_the_data_is_in_records_and_at_the_top_of_the_report(files):
    array = features(0.3, 6, 0)
    array[100], array[2] = array[3], array[1]
    split = np.where(np.arange(COUNT) < 90, "train", "test")
    group = np.where(np.arange(COUNT) == 95, "p0", np.char.add("p", np.arange(COUNT).astype(str)))
    np.savez(files / "good.npz", features=array, ids=IDS, labels=LABELS, split=split, group=group)
    options = spec(files, files=f"good={files}/good.npz", labels="").options
    arms = [{"pretext": {"name": "embedding", "of": "good"}, "protocol": one} for one in ("linear", "knn")]
    task = {"name": "embeddings/classify", **options}
    changes = {"tasks": [task], "arms": arms, "baseline": "embedding/linear", "rungs": [6, 12], "draws": 1}
    results = labeleff.run(study(files, **changes), files / "run")
    [fact] = [facts["weak_points"] for facts in results.run.tasks.values()]
    assert [text.partition("**:")[0] for text in fact] == [
        "**Test items in training",
        "**Groups on both sides",
        "**Repeated training items",
    ]
    text = labeleff.report(files / "run").read_text()
    weak = text.split("## Weak points")[1].splitlines()
    assert weak[2].startswith(
        "- **Test items in training**: test items with the numbers of a training item in good: 1 of"
    )
    (files / "labels.csv").write_text("\n".join(["id,label", *(f"{one},{i % 3}" for i, one in enumerate(IDS))]))
    assert load_task(spec(files, files=f"poor={files}/poor.npz"), Source(files)).weak_points == ()


def test_targets_that_are_no_classes_are_refused(files):
    (files / "labels.csv").write_text("\n".join(["id,label", *(f"{one},{i / 7}" for i, one in enumerate(IDS))]))
    with pytest.raises(DataError, match="found real targets, expected one class per item; embeddings/regress"):
        load(files)


def several(files):
    """Labels as lists: an item's class, and every fourth also 'odd'."""
    marks = [f"{'abc'[label]}{'|odd' if i % 4 == 0 else ''}" for i, label in enumerate(LABELS)]
    (files / "labels.csv").write_text("\n".join(["id,label", *(f"{i},{m}" for i, m in zip(IDS, marks, strict=True))]))


def values(files):
    lines = [f"{one},{1990 + LABELS[i] + i / 999:.3f}" for i, one in enumerate(IDS)]
    (files / "labels.csv").write_text("\n".join(["id,label", *lines]))


@pytest.mark.parametrize(
    ("write", "task", "protocols", "metric", "chance"),
    [
        (several, "embeddings/multilabel", ("linear", "ridge", "knn", "mlp"), "map", 0.3),
        (values, "embeddings/regress", ("ridge", "knn"), "r2", 0.0),
    ],
)
def test_several_labels_and_values_are_measured_and_reported_on(files, write, task, protocols, metric, chance):
    write(files)
    arms = [{"pretext": {"name": "embedding", "of": of}, "protocol": p} for of in ("poor", "good") for p in protocols]
    table = {"name": task, **spec(files).options}
    changes = {"tasks": [table], "arms": arms, "baseline": f"embedding(of=poor)/{protocols[0]}"}
    results = labeleff.run(study(files, **changes), files / "run")
    assert not results.failed
    [facts] = results.run.tasks.values()
    assert (facts["metric"], facts["chance"]) == (metric, pytest.approx(chance, abs=0.06))
    means = {}
    for r in results.cells:
        means.setdefault((r.cell.pretext.options["of"], r.cell.n), []).append(r.metrics[metric])
    assert np.mean(means["good", 48]) > max(np.mean(means["poor", 48]), 0.5)
    measured = results.measured
    assert all(0 <= v <= 1 for runs in measured.runs.values() for rung in runs.values() for v in rung.values())
    [setting] = measured.settings.values()
    for record in results.cells:
        rung = measured.at(results.places[0], results.study.arm_of(record.cell))[record.cell.n]
        shown = setting.units.value(rung[record.cell.draw, record.cell.seed])
        assert shown == pytest.approx(record.metrics[metric])
    text = labeleff.report(files / "run").read_text()
    assert f"### {'mAP' if metric == 'map' else 'R2'} on the test split" in text
    assert ("**Worse than guessing**: some R2 values are under 0" in text) == (
        min(r.metrics[metric] for r in results.cells) < 0
    )


@pytest.mark.parametrize("protocol", ["linear", "mlp"])
def test_protocols_that_do_not_know_the_targets_are_refused(files, protocol):
    values(files)
    table = {"name": "embeddings/regress", **spec(files).options}
    arms = [{"pretext": {"name": "embedding", "of": "good"}, "protocol": protocol}]
    with pytest.raises(StudyError, match=f"{protocol!r} can't be used on embeddings/regress; choose one of ridge, knn"):
        labeleff.run(study(files, tasks=[table], arms=arms, baseline=f"embedding/{protocol}"), files / "run")


@pytest.mark.parametrize(("write", "kind", "task"), [(several, "several", "multilabel"), (values, "real", "regress")])
def test_the_kind_of_targets_chooses_the_task(files, write, kind, task, capsys):
    write(files)
    given = spec(files).options
    assert target_kind(given) == ("classes" if kind == "several" else "real")  # "a|odd" may be one class's name
    table = study_table({**given, "target": kind}, rungs=[6])
    assert table["tasks"][0]["name"] == f"embeddings/{task}"
    assert {arm["protocol"] for arm in table["arms"]} == {"ridge" if kind == "real" else "linear", "knn"}
    assert study_table({**given, "target": kind})["rungs"][0] == 10
    assert run_checks(f"embeddings/{task}", None, given, Source(files, offline=True)), capsys.readouterr()


def test_files_are_named():
    assert list(parse_files("a=x.npz; b-2=y.h5:clip")) == ["a", "b-2"]
    assert parse_files("b=y.h5:clip")["b"][1] == "clip"
    for text in ("x.npz", "a=", "=x.npz", "a b=x", "a=x;a=y", "a=x;;b=y"):
        with pytest.raises(OptionError, match="files: found"):
            parse_files(text)


def test_ladders():
    assert one_two_five(20, 1438) == [20, 50, 100, 200, 500, 1000]
    assert one_two_five(10, 960) == [10, 20, 50, 100, 200, 500, 960]
    assert one_two_five(5, 3) == [3]


def test_the_contract_of_tasks_holds(files, capsys):
    assert run_checks("embeddings/classify", None, spec(files).options, Source(files, offline=True)), (
        capsys.readouterr()
    )
    with pytest.raises(OptionError, match="nothing to check"):
        run_checks("rows", None, {}, Source(files, offline=True))


def study(files, **changes):
    arms = [
        {"pretext": {"name": "embedding", "of": of}, "protocol": protocol}
        for of in ("poor", "good")
        for protocol in ("linear", "knn")
    ]
    task = {"name": "embeddings/classify", **spec(files).options}
    table = {"name": "mine", "tasks": [task], "encoders": ["rows"], "arms": arms, "rungs": [6, 12, 48], "draws": 2}
    return table | {"baseline": "embedding(of=poor)/linear"} | changes


def test_a_study_measures_resumes_and_reports(files):
    results = labeleff.run(study(files), files / "run")
    assert not results.failed
    assert len(results.cells) == 4 * 3 * 2
    means = {
        of: np.mean([r.metrics["accuracy"] for r in results.cells if r.cell.pretext.options["of"] == of])
        for of in ("good", "poor")
    }
    assert means["good"] > means["poor"] + 0.1
    before = (files / "run" / "records.jsonl").read_bytes()
    again = labeleff.run(study(files), files / "run")
    assert [r.key for r in again.cells] == [r.key for r in results.cells]
    assert len((files / "run" / "records.jsonl").read_bytes()) < 1.5 * len(before)
    text = labeleff.report(files / "run").read_text()
    assert "test items" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ["scratch/linear"], "baseline": "scratch/linear"}, "pretext 'scratch' has no features"),
        ({"encoders": ["resnet9"]}, "encoder 'resnet9' works on images, but embeddings/classify has items"),
        (
            {
                "arms": [{"pretext": {"name": "embedding", "of": "good"}, "protocol": "finetune"}],
                "baseline": "embedding/finetune",
                "budget": {"finetune": {"lr": 0.1, "batch": 8, "epochs": 1}},
            },
            "protocol 'finetune' trains the encoder",
        ),
    ],
)
def test_studies_that_cannot_be(files, changes, message):
    with pytest.raises(StudyError, match=message):
        labeleff.run(study(files, **changes), files / "run")


def test_an_arm_without_a_file_is_refused_before_anything_is_measured(files):
    arms = [{"pretext": {"name": "embedding", "of": "clip"}, "protocol": "linear"}]
    with pytest.raises(StudyError, match="embedding 'clip'"):
        labeleff.run(study(files, arms=arms, baseline="embedding/linear", rungs=[6]), files / "run")


def test_specs_leave_out_options_that_are_not_given(files):
    assert set(spec(files).options) == {"files", "labels"}
    assert dataclasses.is_dataclass(load(files).features["good"])
    assert Spec(name="rows").label == "rows"
