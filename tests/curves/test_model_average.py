"""Inversion by the Bayesian average: known curves, coverage, bounds, doubt about curves that fall, invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labeleff.curves.interpolation import fit
from labeleff.curves.inversion import Inversion
from labeleff.curves.model_average import AverageCurve, average
from labeleff.curves.rung_means import checked_rungs, means_of_groups
from labeleff.curves.solvers import invert, invert_many

NS = np.array([50.0, 100, 250, 500, 1000])
MEANS = np.array([0.31, 0.42, 0.555, 0.635, 0.705])
TARGETS = [-3.0, 0.0, 0.05, 0.2, 0.4, 0.5, 0.6, 0.8, 0.95, 1.0, 7.0]

accuracies = st.integers(0, 1000).map(lambda value: value / 1000)
ladders = st.lists(st.integers(1, 100_000), min_size=2, max_size=7, unique=True).map(sorted)


@st.composite
def measured(draw: st.DrawFn, fewest: int = 1) -> tuple[list[int], list[list[float]]]:
    """A ladder with up to four runs a rung."""
    ns = draw(ladders)
    return ns, [draw(st.lists(accuracies, min_size=fewest, max_size=4)) for _ in ns]


def runs(truth: np.ndarray, sd: float, count: int = 3, seed: int = 0) -> list[list[float]]:
    """Noisy runs of rung accuracies `truth`, cut to 0..1."""
    noise = np.random.default_rng(seed).standard_normal((len(truth), count))
    return np.clip(truth[:, None] + sd * noise, 0, 1).tolist()


def ends(found: Inversion) -> tuple[float, float]:
    """Both ends, which have to be there."""
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def fitted(rungs: list[list[float]], ns: np.ndarray = NS) -> AverageCurve:
    return average(means_of_groups(checked_rungs(ns.tolist(), rungs)))


@pytest.mark.parametrize("seed", range(3))
def test_known_curves_are_recovered(seed: int) -> None:
    """A power law and a sigmoid in ln n: inside within 15 %, beyond the ladder within the interval."""
    for truth in (lambda n: 0.9 - 2.2 * n**-0.35, lambda n: 0.95 / (1 + (300 / n) ** 0.9)):
        rungs = runs(truth(NS), 0.006, seed=seed)
        inside, beyond = invert_many(NS, rungs, [float(truth(350.0)), float(truth(3000.0))])
        assert inside.kind == "inside"
        assert inside.n == pytest.approx(350, rel=0.15)
        assert ends(inside)[0] <= 350 <= ends(inside)[1]
        assert beyond.kind == "extrapolated"
        assert ends(beyond)[0] <= 3000 <= ends(beyond)[1]


def test_coverage_inside_and_beyond() -> None:
    rng = np.random.default_rng(11)
    hits: list[tuple[bool, bool]] = []
    for seed in range(60):
        rate, top = rng.uniform(0.25, 0.6), rng.uniform(0.75, 0.98)
        drop = (top - 0.3) * 50**rate
        inside, beyond = (top - drop * n**-rate for n in (300, 2500))
        found = invert_many(NS, runs(top - drop * NS**-rate, 0.015, seed=seed), [inside, beyond])
        first, second = map(ends, found)
        hits.append((first[0] <= 300 <= first[1], second[0] <= 2500 <= second[1]))
    assert np.mean(hits, axis=0)[0] > 0.8
    assert np.mean(hits, axis=0)[1] > 0.8


def test_inside_the_point_is_the_geometric_mean_of_pchips_and_of_the_curves_median() -> None:
    rungs = runs(MEANS, 0.01)
    target = np.array([0.6])
    [point] = invert_many(NS, rungs, target)
    curve = fitted(rungs)
    median = np.sort(curve.curves.invert(np.tile(target, (800, 1)))[:, 0])[399]
    pchip = fit(NS, np.mean(rungs, axis=1)[None], np.full(5, 3.0), "pchip").invert(target[None])[0, 0]
    assert point.n == pytest.approx(math.sqrt(pchip * median), rel=1e-3)


def test_what_is_never_reached_is_said() -> None:
    flat = invert(NS, runs(np.array([0.4, 0.55, 0.599, 0.6, 0.6]), 0.003), 0.97)
    assert (flat.kind, flat.n) == ("above", math.inf)
    assert flat.p_above is not None
    assert flat.p_above > 0.5
    assert ends(flat)[0] >= 1000
    assert ends(flat)[1] == math.inf


def test_one_run_per_rung_has_an_interval_from_borrowed_noise() -> None:
    single = [[value] for value in MEANS]
    inside, beyond, below, above = invert_many(NS, single, [0.6, 0.75, 0.1, 1.1])
    assert inside.kind == "inside"
    assert ends(inside)[0] < inside.n < ends(inside)[1]
    assert beyond.kind == "extrapolated"
    assert ends(beyond)[0] < beyond.n < ends(beyond)[1]
    assert (below.kind, below.n, below.low, below.high) == ("below", 50, 0, 50)
    assert (above.kind, above.n, above.high, above.p_above) == ("above", math.inf, math.inf, 1)
    assert ends(above)[0] >= 1000
    [sharp] = invert_many(NS, [[value - 0.001, value + 0.001] for value in MEANS], [0.6])
    assert ends(sharp)[1] - ends(sharp)[0] < ends(inside)[1] - ends(inside)[0]


def test_a_perfect_accuracy_is_a_target_like_any() -> None:
    """Measured at a rung it is reached there; a curve that hasn't shown it reaches it late or never."""
    perfect = runs(np.array([0.6, 0.8, 0.95, 1.0, 1.0]), 0.0)
    found = invert(NS, perfect, 1.0)
    assert found.kind == "inside"
    assert 250 < ends(found)[0] <= found.n <= 500
    assert ends(found)[1] < math.inf
    beyond, impossible = invert_many(NS, runs(MEANS, 0.005), [1.0, 1.0001])
    assert beyond.kind in ("above", "extrapolated")
    assert ends(beyond)[0] > 1000
    assert beyond.p_above is not None
    assert 0 < beyond.p_above <= 1
    assert (impossible.kind, impossible.n, impossible.p_above) == ("above", math.inf, 1)
    assert [one.kind for one in invert_many(NS, perfect, [1.0001])] == ["above"]


def test_a_dip_far_beyond_noise_opens_the_interval_to_all_crossings() -> None:
    dip = np.array([0.40, 0.70, 0.45, 0.60, 0.80])
    curve = fitted(runs(dip, 0.002))
    assert not curve.sound
    assert fitted(runs(np.sort(dip), 0.002)).sound
    [found] = invert_many(NS, runs(dip, 0.002), [0.55])
    first = 50 * 2 ** (0.15 / 0.30)
    last = 250 * 2 ** (0.10 / 0.15)
    assert ends(found)[0] <= 1.01 * first
    assert ends(found)[1] >= last / 1.01


def test_a_fall_within_noise_is_sound() -> None:
    assert fitted(runs(np.array([0.40, 0.50, 0.55, 0.549, 0.60]), 0.01)).sound


def test_the_same_twice_and_no_global_randomness() -> None:
    rungs = runs(MEANS, 0.01)
    first = invert_many(NS, rungs, TARGETS)
    np.random.seed(3)  # noqa: NPY002
    assert invert_many(NS, rungs, TARGETS) == first


@given(measured())
@example(([1, 2], [[0.0, 0.0], [1.0, 1.0]]))
@example(([1, 2, 3], [[0.0], [0.0], [0.0]]))
@example(([1, 2, 3], [[1.0], [1.0], [1.0]]))
@example(([1, 99_999], [[1.0, 1.0], [0.0, 0.0]]))
@example(([100, 105, 180, 220], [[0.05, 0.05], [0.5, 0.5], [0.54, 0.54], [0.945, 0.945]]))
@settings(max_examples=40, deadline=None)
def test_any_measurements_invert_and_order_is_kept(given_runs: tuple[list[int], list[list[float]]]) -> None:
    """No exception, no nan, intervals hold their points, a higher target never needs fewer labels."""
    ns, rungs = given_runs
    found = invert_many(ns, rungs, TARGETS)
    points = [each.n for each in found]
    assert points == sorted(points)
    assert all(each.n >= ns[0] and (each.n == math.inf) == (each.kind == "above") for each in found)
    for each in found:
        if each.kind == "inside":
            assert each.n <= ns[-1]
        assert 0 <= ends(each)[0] <= each.n <= ends(each)[1]
    intervals = np.array([ends(each) for each in found])
    assert (intervals[1:] >= intervals[:-1]).all()
    assert found[-1].p_above == 1
    assert invert_many(ns[::-1], [rung[::-1] for rung in rungs[::-1]], TARGETS) == found


@given(measured(fewest=2), accuracies, st.sampled_from([2.0, 0.1, 1234.5]))
@settings(max_examples=20, deadline=None)
def test_label_counts_scale(given_runs: tuple[list[int], list[list[float]]], target: float, scale: float) -> None:
    """Grids and priors follow the ladder, so that the unit of labels makes no difference where noise is measured."""
    ns, rungs = given_runs
    plain, scaled = invert(ns, rungs, target), invert([n * scale for n in ns], rungs, target)
    assert plain.kind == scaled.kind
    assert scaled.n == pytest.approx(scale * plain.n, rel=0.01)
    assert ends(scaled) == pytest.approx([scale * end for end in ends(plain)], rel=0.02)
