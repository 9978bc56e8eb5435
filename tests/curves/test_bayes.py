"""The Bayesian average against slow closed forms and rejection, on known curves, and its invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm, truncnorm

from labeleff.curves.bayes import (
    DRAWS,
    NODES,
    covariance,
    draw,
    log_share,
    matern,
    misfit_sd,
    posterior,
    truncated_normal,
)
from labeleff.curves.bayes_priors import FAMILIES, power
from labeleff.curves.inversion import Inversion
from labeleff.curves.solvers import invert, invert_many

NS = np.array([50.0, 100, 250, 500, 1000])
U = np.log(NS / math.sqrt(50 * 1000))
MEANS = np.array([0.31, 0.42, 0.555, 0.635, 0.705])
NOISE = np.diag([3.0, 2.0, 1.5, 1.0, 1.0]) * 1e-4 + 0.34e-4
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


@pytest.mark.parametrize("name", FAMILIES)
def test_evidence_against_the_normal_density_of_the_rungs(name: str) -> None:
    family, errors = FAMILIES[name], covariance(U, MEANS, NOISE)
    found = posterior(family, U, MEANS, errors)
    for place in range(0, len(found.log_evidence), 97):
        phi = family.phi(U, found.grid.first[place], found.grid.second[place])
        centre = family.c.mean - family.b.mean * phi
        spread = errors + family.c.sd**2 + family.b.sd**2 * np.outer(phi, phi)
        density = multivariate_normal(centre, spread).logpdf(MEANS)
        assert found.log_evidence[place] == pytest.approx(
            math.log(family.weight) + found.grid.log_prior[place] + density, abs=1e-7
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_posterior_against_conditioning_a_joint_normal(name: str) -> None:
    family, errors = FAMILIES[name], covariance(U, MEANS, NOISE)
    found = posterior(family, U, MEANS, errors)
    prior = np.diag([family.c.sd**2, family.b.sd**2])
    for place in range(0, len(found.log_evidence), 97):
        phi = family.phi(U, found.grid.first[place], found.grid.second[place])
        design = np.stack([np.ones_like(phi), -phi], axis=1)
        gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + errors)
        start = np.array([family.c.mean, family.b.mean])
        c, b = start + gain @ (MEANS - design @ start)
        spread = prior - gain @ design @ prior
        assert (found.c_centre[place], found.b_centre[place]) == pytest.approx((c, b), abs=1e-9)
        assert found.b_sd[place] ** 2 == pytest.approx(spread[1, 1], rel=1e-6)
        slope = spread[0, 1] / spread[1, 1]
        assert found.c_slope[place] == pytest.approx(slope, abs=1e-8)
        assert found.c_sd**2 == pytest.approx(spread[0, 0] - slope * spread[0, 1], abs=1e-10)


@pytest.mark.parametrize("name", FAMILIES)
def test_bounds_against_rejection(name: str) -> None:
    """At the likeliest grid points of which the bounds cut a fair share."""
    family = FAMILIES[name]
    means = np.array([0.62, 0.74, 0.88, 0.93, 0.94])
    found = posterior(family, U, means, covariance(U, means, NOISE))
    shares = np.exp(found.log_weights() - found.log_evidence)
    cut = np.flatnonzero((shares > 0.1) & (shares < 0.95))
    rng = np.random.default_rng(5)
    for place in cut[np.argsort(found.log_weights()[cut])][-3:]:
        b = found.b_centre[place] + found.b_sd[place] * rng.standard_normal(100_000)
        c = found.c_centre[place] + found.c_slope[place] * (b - found.b_centre[place])
        c += found.c_sd * rng.standard_normal(100_000)
        kept = (b >= 0) & (c <= 1) & (c >= (b if family.positive else 0.0))
        assert shares[place] == pytest.approx(kept.mean(), abs=0.01)
        exact_c, exact_b = found.draw(np.full(4000, place), rng.random((4000, NODES + 2)))
        for exact, slow in ((exact_b, b[kept]), (exact_c, c[kept])):
            assert exact.mean() == pytest.approx(slow.mean(), abs=slow.std() / 15 + 1e-12)
            assert exact.std() == pytest.approx(slow.std(), rel=0.1, abs=1e-12)
        assert ((exact_b >= 0) & (exact_c <= 1)).all()


def test_priors_weigh_as_written() -> None:
    for family in FAMILIES.values():
        grid = family.grid(-1.5, 1.5)
        assert np.exp(grid.log_prior).sum() == pytest.approx(1)
    assert sum(family.weight for family in FAMILIES.values()) == pytest.approx(1)
    shifts = FAMILIES["power"].grid(-1.5, 1.5)
    unshifted = np.exp(shifts.log_prior[np.isneginf(shifts.second)]).sum()
    assert unshifted == pytest.approx(3 / 12)
    np.testing.assert_allclose(power(U, np.float64(0.7), np.float64(-np.inf)), np.exp(-0.7 * U))


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.5, math.inf), (-math.inf, -3.0), (8.0, 9.0), (-9.0, -8.0)])
def test_truncated_normal_against_scipy(low: float, high: float) -> None:
    shares = np.linspace(0.01, 0.99, 9)
    found = truncated_normal(shares, np.float64(low), np.float64(high))
    np.testing.assert_allclose(found, truncnorm(low, high).ppf(shares), rtol=1e-6)
    expected = math.log(norm.cdf(high) - norm.cdf(low)) if low < 5 else math.log(norm.sf(low) - norm.sf(high))
    assert float(log_share(np.float64(low), np.float64(high))) == pytest.approx(expected, rel=1e-6)


def test_misfit_bends_the_curves_to_precise_rungs() -> None:
    stairs = np.array([0.30, 0.31, 0.55, 0.56, 0.80])
    average = draw(NS, stairs, 1e-6 * np.eye(5))
    np.testing.assert_allclose(average.curves.at(NS).mean(axis=0), stairs, atol=0.01)
    assert sum(average.weights.values()) == pytest.approx(1)
    assert (np.diff(average.curves.values, axis=1) >= 0).all()
    assert average.curves.values.max() <= 1
    assert len(average.curves.values) == DRAWS


def test_misfit_against_a_slow_gaussian_process() -> None:
    """Mean of the drawn curves at a point between rungs, where the bounds hardly matter."""
    average = draw(NS, MEANS, NOISE)
    sd, errors = misfit_sd(MEANS), covariance(U, MEANS, NOISE)
    place = np.log(350.0) - np.log(math.sqrt(50 * 1000))
    means, weights = [], []
    for family in FAMILIES.values():
        part = posterior(family, U, MEANS, errors)
        weights.append(np.exp(part.log_weights()))
        phi = family.phi(U, part.grid.first[:, None], part.grid.second[:, None])
        there = family.phi(np.array([place]), part.grid.first[:, None], part.grid.second[:, None])[:, 0]
        gain = np.linalg.solve(errors, sd**2 * matern(place - U))
        residuals = MEANS - (part.c_centre[:, None] - part.b_centre[:, None] * phi)
        means.append(part.c_centre - part.b_centre * there + residuals @ gain)
    expected = np.average(np.concatenate(means), weights=np.concatenate(weights))
    assert average.curves.at(np.array([350.0]))[:, 0].mean() == pytest.approx(expected, abs=0.003)


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


def test_what_is_never_reached_is_said() -> None:
    flat = invert(NS, runs(np.array([0.4, 0.55, 0.599, 0.6, 0.6]), 0.003), 0.97)
    assert (flat.kind, flat.n) == ("above", math.inf)
    assert flat.p_above is not None
    assert flat.p_above > 0.5
    assert ends(flat)[0] >= 1000
    assert ends(flat)[1] == math.inf


def test_one_run_a_rung_gives_a_point_without_interval() -> None:
    single = [[value] for value in MEANS]
    inside, beyond, below, above = invert_many(NS, single, [0.6, 0.75, 0.1, 1.1])
    assert (inside.kind, inside.low, inside.high, inside.p_above) == ("inside", None, None, None)
    assert (beyond.kind, beyond.low, beyond.high) == ("extrapolated", None, None)
    assert 1000 < beyond.n < math.inf
    assert (below.kind, below.n, below.low, below.high) == ("below", 50, 0, 50)
    assert (above.kind, above.n, above.low, above.high) == ("above", math.inf, 1000, math.inf)


def test_the_same_twice_and_no_global_randomness() -> None:
    rungs = runs(MEANS, 0.01)
    first = invert_many(NS, rungs, TARGETS)
    np.random.seed(3)  # noqa: NPY002
    assert invert_many(NS, rungs, TARGETS) == first


@given(measured())
@example(([1, 2], [[0.0, 0.0], [1.0, 1.0]]))
@example(([1, 2, 3], [[0.0], [0.0], [0.0]]))
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
        if each.low is not None and each.high is not None:
            assert 0 <= each.low <= each.n <= each.high
    if found[0].p_above is not None:
        intervals = np.array([ends(each) for each in found])
        assert (intervals[1:] >= intervals[:-1]).all()
        assert found[-1].p_above == 1
    assert invert_many(ns[::-1], [rung[::-1] for rung in rungs[::-1]], TARGETS) == found


@given(measured(fewest=2), accuracies, st.sampled_from([2.0, 0.1, 1234.5]))
@settings(max_examples=20, deadline=None)
def test_label_counts_scale(given_runs: tuple[list[int], list[list[float]]], target: float, scale: float) -> None:
    """Grids and priors follow the ladder, so that the unit of labels makes no difference."""
    ns, rungs = given_runs
    plain, scaled = invert(ns, rungs, target), invert([n * scale for n in ns], rungs, target)
    assert plain.kind == scaled.kind
    assert scaled.n == pytest.approx(scale * plain.n, rel=0.01)
    assert ends(scaled) == pytest.approx([scale * end for end in ends(plain)], rel=0.02)
