"""Labels that cells get under noise and imbalance: the same for all arms, nested, never of the test split."""

import dataclasses
import importlib.metadata
import itertools

import pytest
import torch
from support import toy_study

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import as_toml
from labeleff.errors import ConditionError, LadderError
from labeleff.execution.cell_jobs import solve_cells
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.launch import measure
from labeleff.execution.preparation.fact_finding import choices, conditions
from labeleff.execution.pretraining import pretraining_jobs
from labeleff.execution.run_facts import settings_of
from labeleff.records.conditions import unlike
from labeleff.records.entries import Conditions
from labeleff.records.jsonl import read_records
from labeleff.scheduling.jobs import Pretrain, jobs_for
from labeleff.scheduling.run_options import RunOptions
from labeleff.study import arms
from labeleff.study.loading import load_study
from labeleff.training.examples import Source
from labeleff.training.kernels import bf16

OTHER = {"device": "an accelerator", "precision": {"resnet9": "bf16"}, "torch": "1.0", "data": {}}
ARMS = "arms=['scratch/finetune', 'rotation/finetune', {}]"
SIMCLR = "budget.simclr={lr=0.1, batch=8, steps={min=1, max=1}}"
RATES = "noise={rate=[0.0, 0.2, 0.6]}"


@pytest.fixture
def place(tmp_path):
    def made(*sets):
        study = load_study(str(toy_study.write(tmp_path)), ["allow_missing_classes=true", *sets])
        options = RunOptions(folder=tmp_path / "out", data=tmp_path, cache=tmp_path / "cache", device="cpu")
        return study, JobRunner(settings_of(study, options), Source(tmp_path, offline=True))

    return made


def told(runner, cell):
    """Classes by position of a cell's labelled examples."""
    chosen = runner.labels(cell)
    return dict(zip(chosen.indices.tolist(), runner.labelled(cell, chosen).examples.labels.tolist(), strict=True))


def test_all_arms_are_told_the_same_and_small_rungs_and_low_rates_are_parts_of_larger_ones(place):
    study, runner = place(RATES)
    true = runner.load(study.tasks[0]).task.train.labels.tolist()
    by_place = {}
    for cell in study.cells():
        labels = told(runner, cell)
        rate = 0.0 if cell.noise is None else cell.noise.rate
        assert by_place.setdefault((cell.n, cell.draw, rate), labels) == labels
        wrong = sum(true[at] != label for at, label in labels.items()) / cell.n
        assert runner.labels(cell).wrong == (None if cell.noise is None else pytest.approx(wrong))
    for draw, rate in itertools.product((0, 1), (0.0, 0.2, 0.6)):
        assert by_place[20, draw, rate].items() <= by_place[40, draw, rate].items()
        low = {at: label for at, label in by_place[40, draw, 0.2].items() if label != true[at]}
        assert low.items() <= by_place[40, draw, 0.6].items()
    assert by_place[40, 0, 0.6] != by_place[40, 0, 0.0]


def test_the_test_split_and_its_score_know_no_noise(place):
    study, runner = place(RATES)
    loaded = runner.load(study.tasks[0])
    before = loaded.task.test.labels.clone()
    for cell in study.cells():
        runner.labelled(cell, runner.labels(cell))
    assert torch.equal(loaded.task.test.labels, before)
    assert torch.equal(loaded.test_examples.labels, before)


def test_frozen_cells_of_several_conditions_get_the_number_that_each_gets_alone(place):
    study, runner = place(RATES, "imbalance=[1, 3]", ARMS.format("'scratch/linear', 'scratch/knn'"))
    for protocol in ("linear", "knn"):
        cells = [cell for cell in study.cells() if cell.protocol.name == protocol]
        together = solve_cells(runner, cells)
        assert [record.status for record in together] == ["ok"] * len(cells)
        for cell, record in zip(cells, together, strict=True):
            if cell.n == 40 and cell.draw == 0:
                [alone] = solve_cells(runner, [cell])
                assert record.metrics == pytest.approx(alone.metrics, abs=0.011), "one image of a hundred"
                assert ("balanced_accuracy" in record.metrics) == (cell.imbalance is not None)


@pytest.mark.parametrize(("unlabelled", "seen"), [("all", 200), ("tail", None)])
def test_pretexts_see_all_images_or_those_of_the_tail(place, monkeypatch, unlabelled, seen):
    study, runner = place(f"imbalance={{ratio=4, unlabelled='{unlabelled}'}}", ARMS.format("'rotation/linear'"))
    counts = []

    def spy(data, *_):
        counts.append(len(data.images))
        raise RuntimeError("enough")

    tail = len(runner.load(study.tasks[0]).pool(4.0))
    monkeypatch.setattr(pretraining_jobs.lookup, "resolve", lambda *_: spy)
    [pretraining] = study.pretrainings
    with pytest.raises(RuntimeError, match="enough"):
        pretraining_jobs.learn(runner, pretraining, None, None)
    assert tail < 120
    assert counts == [seen or tail]


def test_protocols_that_take_images_without_labels_get_those_of_the_tail(place):
    joint = ARMS.format("{pretext='scratch', protocol='joint'}")
    budget = ["budget.joint={lr=0.05, batch=16, steps={min=4, max=4}}"]
    study, runner = place(joint, *budget, "imbalance={ratio=4, unlabelled='tail'}")
    cell = next(cell for cell in study.cells() if cell.protocol.name == "joint")
    tail = len(runner.load(cell.task).pool(4.0))
    assert len(runner.labelled(cell, runner.labels(cell)).unlabelled) == tail - cell.n


def test_auto_is_what_the_run_was_told_in_every_process(place):
    study, runner = place()
    told_fp32, told_bf16 = (
        JobRunner(dataclasses.replace(runner.settings, precision={"resnet9": precision})).compute(next(study.cells()))
        for precision in ("fp32", "bf16")
    )
    assert (told_fp32.precision, told_bf16.precision) == ("fp32", "bf16")
    requested, _ = place("precision='fp32'")
    kept = JobRunner(dataclasses.replace(runner.settings, precision={"resnet9": "bf16"}))
    assert kept.compute(next(requested.cells())).precision == "fp32", "what a study asks for goes first"


def test_a_folder_goes_on_in_the_precision_that_it_has_and_ignores_runs_that_measured_nothing(tmp_path, monkeypatch):
    study = load_study(str(toy_study.write(tmp_path)), ["draws=1"])
    options = RunOptions(tmp_path / "out", ["labeleff"], 1, 1, "cpu", tmp_path, tmp_path / "cache", quiet=True)
    monkeypatch.setattr(bf16, "convolutions_gain", lambda: False)
    assert not measure(study, options)
    monkeypatch.setattr(bf16, "convolutions_gain", lambda: True)
    assert not measure(load_study(str(toy_study.write(tmp_path)), ["draws=2"]), options)
    records = read_records(options.folder)
    assert [run.conditions.precision for run in records.runs] == [{"resnet9": "fp32"}] * 2
    empty = records.runs[0].model_copy(update={"run": "nothing", "conditions": Conditions(**OTHER)})
    path = options.folder / "records.jsonl"
    path.write_text(f"{empty.model_dump_json()}\n{path.read_text()}")
    assert [run.run for run in read_records(options.folder).measured_runs] == [run.run for run in records.runs]
    assert not measure(load_study(str(toy_study.write(tmp_path)), ["draws=3"]), options)


def test_data_that_changed_since_the_run_began_are_refused(place):
    study, runner = place()
    [task] = study.tasks
    digest = runner.load(task).fingerprint
    assert JobRunner(dataclasses.replace(runner.settings, data={task.label: digest})).load(task).fingerprint == digest
    changed = JobRunner(dataclasses.replace(runner.settings, data={task.label: "0" * 64}))
    with pytest.raises(
        ConditionError, match=f"found data of SHA-256 {digest}, expected 0000.* files changed meanwhile"
    ):
        changed.load(task)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_block_says_itself_whether_classes_may_be_missing(tmp_path, allowed):
    block = {
        "tasks": [{"name": "babi/qa1", "size": "1k", "source": "generated"}],
        "encoders": ["memnet"],
        "arms": ["scratch/finetune"],
        "rungs": [3],
        "allow_missing_classes": allowed,
    }
    study = load_study(str(toy_study.write(tmp_path)), [f"stories.few={as_toml(block)}"])
    options = RunOptions(folder=tmp_path / "out", data=tmp_path, cache=tmp_path / "cache", device="cpu")
    runner = JobRunner(settings_of(study, options), Source(tmp_path, offline=True))
    chosen = choices(study.stories["few"], study.stories["few"].tasks[0], runner)
    if allowed:
        assert next(chosen)[3].missing
    else:
        with pytest.raises(LadderError, match="no example"):
            next(chosen)


def test_versions_of_optional_packages_are_conditions_and_part_of_an_encoders_place_in_the_cache(place, monkeypatch):
    study, runner = place("arms=['scratch/finetune', 'rotation/finetune', 'simclr/finetune']", SIMCLR)
    old, version = conditions(study, runner), importlib.metadata.version
    keys = {one.pretext.name: runner.cache_key(one) for one in study.pretrainings}
    assert old.libraries == {"lightly": ".".join(version("lightly").split(".")[:2])}
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.5.1" if name == "lightly" else version(name))
    assert list(unlike(old, conditions(study, runner))) == [("lightly", old.libraries["lightly"], "99.5")]
    same = {one.pretext.name: runner.cache_key(one) == keys[one.pretext.name] for one in study.pretrainings}
    assert same == {"rotation": True, "simclr": False}


def test_the_version_of_a_library_that_selects_labels_is_a_condition(place, monkeypatch):
    study, runner = place("selection=['random', 'margin']")
    assert conditions(study, runner).libraries == {}
    monkeypatch.setattr(arms, "check_strategy", lambda _: None)  # whether it is installed or not
    version = importlib.metadata.version
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: "0.7.2" if name == "scikit-activeml" else version(name)
    )
    study, runner = place("selection=['random', 'scikit-activeml:BADGE']")
    assert conditions(study, runner).libraries == {"scikit-activeml": "0.7"}


def test_a_plugin_whose_code_changed_since_the_run_began_ends_it(place, monkeypatch):
    study, runner = place()
    [job] = [job for job in jobs_for(study.cells(), lambda _: False) if isinstance(job, Pretrain)]
    began = {"pretext rotation": "no package, rotation.py 123"}
    changed = JobRunner(dataclasses.replace(runner.settings, plugins=began))
    monkeypatch.setattr(lookup, "origin", lambda *_: "no package, rotation.py 456")
    with pytest.raises(ConditionError, match=r"pretext rotation: found .* 456, expected .* 123 as when the run began"):
        next(changed.perform(job, lambda *_: None))
