"""Changes of speed: ratios cell by cell, the noise between starts, drift within one, other machines."""

from __future__ import annotations

import numpy as np
import pytest
from support import factories, run_pairs

from labeleff.comparison.change import Exact, Student
from labeleff.comparison.matching import match
from labeleff.comparison.paired_speeds import SpeedPairs
from labeleff.comparison.speed_changes import speed_changes
from labeleff.reporting.results import load
from labeleff.study.gate import criteria
from labeleff.study.quantities import Subject, quantity


def changes(base, new, *noise):
    found = speed_changes(match(load(base), load(new)), criteria(None, noise=noise))
    return {item.subject.name: item for item in found}


def timed(seconds):
    return lambda record: record.model_copy(update={"seconds": seconds * record.seconds})


def test_a_slower_step_is_found(tmp_path):
    base = run_pairs.folder(tmp_path / "base", run_pairs.at_speed(1.0, 1))
    new = run_pairs.folder(tmp_path / "new", run_pairs.at_speed(0.9, 2), timed(1.1))
    found = changes(base, new)
    item = found["throughput[scratch/finetune]"]
    assert item.difference == pytest.approx(-0.1, abs=0.01)
    assert item.base == pytest.approx(980, rel=0.02)
    assert (item.pairs, item.pairing, item.judged) == (18, "cell", True)
    assert item.p_worse() < 0.001
    assert found["time[scratch/finetune]"].difference == pytest.approx(0.1)
    assert not found["time[scratch/finetune]"].quantity.higher
    assert "throughput[rotation/linear]" not in found


def test_the_noise_between_starts_widens_every_interval(tmp_path):
    base = run_pairs.folder(tmp_path / "base", run_pairs.at_speed(1.0, 1))
    new = run_pairs.folder(tmp_path / "new", run_pairs.at_speed(1.0, 2))
    widths = []
    for noise in ("0.1%", "2%", "8%"):
        low, high = changes(base, new, f"throughput={noise}")["throughput[scratch/finetune]"].interval(0.9)
        widths.append(high - low)
    assert widths[0] < 0.5 * widths[1] < 0.25 * widths[2]
    assert widths[1] == pytest.approx(2 * 1.645 * 2**0.5 * 0.02, rel=0.1)


def test_a_machine_that_changed_its_speed_within_a_start_is_not_believed(tmp_path):
    def half_slow(record):
        return run_pairs.at_speed(0.6 if record.cell.n > 100 else 1.0, 1)(record)

    base = run_pairs.folder(tmp_path / "base", run_pairs.at_speed(1.0, 1))
    item = changes(base, run_pairs.folder(tmp_path / "new", half_slow))["throughput[scratch/finetune]"]
    assert item.difference < -0.2
    assert item.p_worse() > 0.02

    def burst(record):
        slow = record.cell.n == 100 and record.cell.draw < 2
        return run_pairs.at_speed(0.6 if slow else 0.9, 2)(record)

    item = changes(base, run_pairs.folder(tmp_path / "burst", burst))["throughput[scratch/finetune]"]
    assert item.difference == pytest.approx(-0.1, abs=0.02)
    assert item.p_worse() < 0.001


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"cpu": "another"}, "cpu a processor in BASE, another in NEW"),
        ({"cores": 8}, "cores 2 in BASE, 8 in NEW"),
        ({"jobs": 4}, "jobs unknown in BASE, 4 in NEW"),
    ],
)
def test_another_machine_is_marked(tmp_path, environment, said):
    known = factories.run_entry(factories.study()).environment
    base = run_pairs.folder(tmp_path / "base")
    new = run_pairs.folder(
        tmp_path / "new",
        run_pairs.at_speed(0.9),
        timed(1.1),
        run={"environment": known | environment},
        pretrainings=[],
    )
    for item in changes(base, new).values():
        assert not item.judged
        assert item.notes[0] == f"not judged: another machine: {said}"


def test_a_busy_machine_is_marked(tmp_path):
    known = factories.run_entry(factories.study()).environment
    calm, full = ({"environment": known | {"load_average": load}} for load in (2.9, 3.1))
    base = run_pairs.folder(tmp_path / "base", run_pairs.at_speed(1.0, 1), run=calm)
    busy = run_pairs.folder(tmp_path / "new", run_pairs.at_speed(0.5, 2), run=full)
    item = changes(base, busy)["throughput[scratch/finetune]"]
    assert not item.judged
    assert item.notes == ("not judged: a busy machine: load 3.1 on 2 cores when NEW began",)
    assert "when BASE began" in changes(busy, base)["throughput[scratch/finetune]"].notes[0]
    assert all(item.judged for item in changes(busy, busy).values())


def test_another_number_of_threads_is_marked(tmp_path):
    def threads(record):
        training = record.training and record.training.model_copy(update={"threads": 4})
        return record.model_copy(update={"training": training})

    base = run_pairs.folder(tmp_path / "base")
    found = changes(base, run_pairs.folder(tmp_path / "new", run_pairs.at_speed(0.9), threads))
    assert found["throughput[scratch/finetune]"].notes == ("not judged: another machine: threads 1 in BASE, 4 in NEW",)
    assert found["throughput[rotation]"].judged


def test_the_same_measurements_leave_no_doubt(tmp_path):
    folder = run_pairs.folder(tmp_path)
    assert {type(item.uncertainty) for item in changes(folder, folder).values()} == {Exact}


def test_unrest_seen_in_one_arm_bears_on_all(tmp_path):
    def unsteady(record):
        slow = record.cell.n > 100 and record.cell.arm == "rotation/finetune"
        return run_pairs.at_speed(0.6 if slow else 1.0, 3)(record)

    base = run_pairs.folder(tmp_path / "base", run_pairs.at_speed(1.0, 1))
    calm = changes(base, run_pairs.folder(tmp_path / "calm", run_pairs.at_speed(0.9, 2)))
    rough = changes(base, run_pairs.folder(tmp_path / "rough", unsteady))
    ends = [item["throughput[scratch/finetune]"].interval(0.9) for item in (calm, rough)]
    widths = [high - low for low, high in ends]
    assert widths[1] > 3 * widths[0]


def test_pretrainings_from_the_cache_were_timed_by_another_run(tmp_path):
    base = run_pairs.folder(tmp_path / "base")
    cached = factories.pretrainings(factories.study(), cached=True)
    new = run_pairs.folder(tmp_path / "new", pretrainings=cached)
    assert "throughput[rotation]" in changes(base, base)
    assert "throughput[rotation]" not in changes(base, new)


def test_short_cells_and_single_cells_are_not_judged_by_their_time(tmp_path):
    base = run_pairs.folder(tmp_path / "base", timed(0.1))
    item = changes(base, run_pairs.folder(tmp_path / "new", timed(0.2)))["time[scratch/finetune]"]
    assert item.uncertainty is None
    assert item.notes == ("cells of less than 1 s are too short to tell",)
    of = factories.study(rungs=[50, 100], draws=1)
    one = {"of": of, "keep": lambda record: record.cell.n == 50}
    single = changes(
        run_pairs.folder(tmp_path / "one", **one), run_pairs.folder(tmp_path / "two", run_pairs.at_speed(0.9), **one)
    )["throughput[scratch/finetune]"]
    assert single.uncertainty is None
    assert single.notes == ("no interval: one cell",)


def test_false_alarms_where_starts_are_as_noisy_as_believed():
    """The centre of cells whose start has noise of 2 %, against what `_centre` believes of it."""
    from labeleff.comparison.speed_changes import _centre

    rng, alarms = np.random.default_rng(0), []
    for _ in range(3000):
        starts = rng.normal(0, 0.02, 2)
        ratios = starts[1] - starts[0] + rng.normal(0, 0.02 * 2**0.5, 18)
        _, uncertainty = _centre(ratios, 2**0.5 * 0.02)
        assert isinstance(uncertainty, Student)
        alarms.append(uncertainty.below(0.0) <= 0.05)
    assert abs(np.mean(alarms) - 0.05) < 3 * (0.05 * 0.95 / 3000) ** 0.5 + 0.003


def paired(ratios):
    """Ratios (rungs, draws) as cells of two folders."""
    cells = tuple((n, (draw, draw)) for n in range(ratios.shape[0]) for draw in range(ratios.shape[1]))
    values = np.stack([np.ones(ratios.size), np.exp(ratios.ravel())], axis=1)
    return SpeedPairs(Subject("throughput", None, "a/b", "t", "e"), quantity("throughput"), values, cells, None)


def test_noise_of_single_cells_is_no_unrest():
    rng = np.random.default_rng(0)
    calm = [paired(rng.normal(0, 0.03, (9, 3))).drift for _ in range(200)]
    assert np.median(calm) < 0.012
    rough = [paired(rng.normal(0, 0.03, (9, 3)) + rng.normal(0, 0.1, (9, 1))).drift for _ in range(200)]
    assert np.median(rough) == pytest.approx(0.1, rel=0.2)
    by_draw = [paired(rng.normal(0, 0.03, (9, 3)) + np.array([0.0, 0.0, -0.4])).drift for _ in range(20)]
    assert min(by_draw) > 0.15


def test_where_nothing_can_be_told_apart_there_is_no_unrest():
    assert paired(np.zeros((1, 1))).drift == 0
    assert paired(np.array([[0.0], [0.3]])).drift == pytest.approx(np.std([0, 0.3], ddof=1))
