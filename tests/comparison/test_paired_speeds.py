"""Speeds by the processor's time or the wall's, and peaks of memory, from made-up records."""

import re

import pytest
from support import factories, run_pairs

from labeleff.comparison import regression_report
from labeleff.comparison.matching import match
from labeleff.comparison.paired_speeds import _timed_pretrainings
from labeleff.comparison.speed_changes import speed_changes
from labeleff.records import conditions
from labeleff.reporting.results import load
from labeleff.study.gate import criteria


def slowed(factor):
    """A machine that gives the run a share of its time alone: the clock's seconds grow, in all of the cells."""

    def change(record):
        record = run_pairs.at_speed(factor, 2)(record)
        return record.model_copy(update={"seconds": record.seconds / factor})

    return change


def changes(base, new):
    found = speed_changes(match(load(base), load(new)), criteria(None))
    return {item.subject.name: item for item in found}


def calm(path, *changed, **more):
    return run_pairs.folder(path, run_pairs.at_speed(1.0, 1), *changed, run_pairs.with_processor_time(), **more)


def busy(path, *changed, left=0.8, **more):
    """A run that had the share `left` of the machine, in all of its cells."""
    return run_pairs.folder(path, slowed(left), *changed, run_pairs.with_processor_time(left), pretrainings=[], **more)


@pytest.mark.parametrize("name", ["throughput[scratch/finetune]", "time[rotation/linear]"])
def test_a_machine_that_was_busy_all_the_time_is_no_slower_code(tmp_path, name):
    item = changes(calm(tmp_path / "base"), busy(tmp_path / "new"))[name]
    assert abs(item.difference) < 0.02
    assert item.p_worse() > 0.05
    assert item.judged
    assert re.fullmatch(r"by processor time; by the clock [\d.,]+ -> [\d.,]+, (-(19|20)|\+2[45])\.\d %", item.notes[-1])


@pytest.mark.parametrize(
    ("left", "speed", "found"), [(0.8, 0.9, True), (0.8, 1.0, False), (0.1, 0.9, False), (0.1, 0.7, True)]
)
def test_slower_code_is_found_beside_others_and_more_of_it_in_a_crowd(tmp_path, left, speed, found):
    new = busy(tmp_path / "new", run_pairs.at_speed(speed, 3), left=left)
    item = changes(calm(tmp_path / "base"), new)["throughput[scratch/finetune]"]
    assert item.difference == pytest.approx(speed - 1, abs=0.02)
    assert (item.p_worse() < 0.001) == found
    assert item.notes[-1].endswith("; a crowded machine, 10.0 times its processor time") == (left == 0.1)


def test_a_load_when_it_began_matters_by_the_wall_alone(tmp_path):
    known = factories.run_entry(factories.study()).environment
    run = {"environment": known | {"load_average": 9.0}}
    found = changes(calm(tmp_path / "base"), busy(tmp_path / "new", run=run))
    assert found["throughput[scratch/finetune]"].judged
    old = run_pairs.folder(tmp_path / "old", run_pairs.at_speed(1.0, 1))
    found = changes(old, busy(tmp_path / "new", run=run))
    assert not found["throughput[scratch/finetune]"].judged


def test_where_one_cell_lacks_it_the_clock_on_the_wall_counts(tmp_path):
    old = run_pairs.folder(tmp_path / "old", run_pairs.at_speed(1.0, 1))
    partly = run_pairs.folder(
        tmp_path / "partly", run_pairs.at_speed(1.0, 1), run_pairs.with_processor_time(), forgets_processor(50, 1)
    )
    new = busy(tmp_path / "new")
    for base in (old, partly):
        item = changes(base, new)["throughput[scratch/finetune]"]
        assert item.difference == pytest.approx(-0.2, abs=0.02)
        assert item.p_worse() < 0.001
        assert not item.notes


def forgets_processor(n, draw):
    def change(record):
        if (record.cell.n, record.cell.draw) != (n, draw) or record.training is None:
            return record
        windows = [w.model_copy(update={"processor_seconds": None}) for w in record.training.windows]
        training = record.training.model_copy(update={"windows": windows})
        return record.model_copy(update={"training": training, "processor_seconds": None})

    return change


def on_cuda():
    of = factories.study()
    conditions = factories.run_entry(of).conditions.model_copy(update={"device": "NVIDIA H100"})
    return {"conditions": conditions}


def test_on_an_accelerator_the_clock_on_the_wall_counts(tmp_path):
    found = changes(calm(tmp_path / "base", run=on_cuda()), busy(tmp_path / "new", run=on_cuda()))
    item = found["throughput[scratch/finetune]"]
    assert item.difference == pytest.approx(-0.2, abs=0.02)
    assert not item.notes


def test_the_report_says_by_which_clock(tmp_path):
    def text(base, new):
        outcome = run_pairs.outcome(base, new)
        sides = (conditions.Origin("a", None, False, "2026", "m"),) * 2
        return regression_report.document(outcome, *sides)

    base = calm(tmp_path / "base")
    assert "Speeds are by processor time, which both sides have" in text(base, busy(tmp_path / "new"))
    old = run_pairs.folder(tmp_path / "old", run_pairs.at_speed(1.0, 1))
    assert "processor time" not in text(base, old)


def test_more_memory_is_worse(tmp_path):
    base = run_pairs.folder(tmp_path / "base", run_pairs.with_memory())
    outcome = run_pairs.outcome(base, run_pairs.folder(tmp_path / "new", run_pairs.with_memory(1.2)))
    for name in ("memory[scratch/finetune]", "memory[rotation/linear]"):
        row = run_pairs.row(outcome, name)
        assert row.verdict == "worse"
        assert row.change.difference == pytest.approx(0.2)
        assert row.change.base == pytest.approx(50_000_000 / 2**20)
    less = run_pairs.outcome(base, run_pairs.folder(tmp_path / "less", run_pairs.with_memory(0.8)))
    assert run_pairs.row(less, "memory[scratch/finetune]").verdict == "better"
    same = run_pairs.outcome(base, run_pairs.folder(tmp_path / "same", run_pairs.with_memory(1.01)))
    assert run_pairs.row(same, "memory[scratch/finetune]").verdict == "same"


def test_a_rule_may_name_memory(tmp_path):
    base = run_pairs.folder(tmp_path / "base", run_pairs.with_memory())
    new = run_pairs.folder(tmp_path / "new", run_pairs.with_memory(1.2))
    for rule, status in (("memory > 10%", 3), ("memory > 30%", 0)):
        assert run_pairs.outcome(base, new, criteria(None, [rule])).status == status


def test_peaks_of_a_process_so_far_are_not_compared(tmp_path):
    own = run_pairs.folder(tmp_path / "own", run_pairs.with_memory())
    so_far = run_pairs.folder(tmp_path / "so far", run_pairs.with_memory(1.2, own=False))
    assert not [name for name in changes(own, so_far) if name.startswith("memory")]
    accelerator = [
        run_pairs.folder(tmp_path / f"{factor}", run_pairs.with_memory(factor, own=False), run=on_cuda())
        for factor in (1.0, 1.2)
    ]
    found = changes(*accelerator)
    assert found["memory[scratch/finetune]"].difference == pytest.approx(0.2)
    assert found["memory[rotation]"].difference == 0


def test_two_pretexts_of_one_name_and_a_tail_beside_all_images_are_timed_apart(tmp_path):
    arms = [
        "scratch/linear",
        *({"pretext": {"name": "rotation", "holdout": h}, "protocol": "linear"} for h in (0.1, 0.2)),
    ]
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    tails = [1, {"ratio": 10, "unlabelled": "tail"}]
    of = factories.study(arms=arms, baseline="scratch/linear", budget={"rotation": row}, imbalance=tails)
    entries = [factories.run_entry(of), *factories.pretrainings(of), *factories.cell_records(of)]
    timed = _timed_pretrainings(load(factories.write(tmp_path, entries)))
    assert len(timed) == 4
    assert {one.arm for one in timed} == {"rotation(holdout=0.1)", "rotation(holdout=0.2)"}
    assert sum("imbalance=10 tail" in one.task for one in timed) == 2
