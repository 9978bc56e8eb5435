"""Single families: recovery, closed forms, covariance, refusals, and their inversion by name."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from labeleff.curves.least_squares import _solve, fit_formula, fit_shape, jacobian
from labeleff.curves.methods import FORMULAS
from labeleff.curves.shapes import PHIS
from labeleff.curves.solvers import invert, invert_many
from labeleff.errors import CurveError, UnknownNameError
from labeleff.stats.moderation import moderated_variance

NS = np.array([50, 100, 200, 400, 800, 1600, 3200.0])
TRUE = {
    "pow2": lambda n: 1 - 1.6 * n**-0.3,
    "pow3": lambda n: 0.92 - 2.0 * n**-0.4,
    "pow4": lambda n: 0.95 - 20.0 * (n + 100) ** -0.7,
    "exp3": lambda n: 0.8 - 0.5 * np.exp(-0.002 * n),
    "log2": lambda n: 0.1 + 0.09 * np.log(n),
    "mmf4": lambda n: 0.9 - 0.8 / (1 + (n / 300) ** 0.8),
    "wbl4": lambda n: 0.85 - 0.7 * np.exp(-((n / 400) ** 0.6)),
    "hill3": lambda n: 0.9 * n**0.7 / (120**0.7 + n**0.7),
}
PARAMETERS = {
    "pow2": {"b": 1.6, "a": 0.3},
    "pow3": {"c": 0.92, "b": 2.0, "a": 0.4},
    "pow4": {"c": 0.95, "b": 20.0, "a": 0.7, "d": 100},
    "exp3": {"c": 0.8, "b": 0.5, "a": 0.002},
    "log2": {"c": 0.1, "b": 0.09},
    "mmf4": {"c": 0.9, "b": 0.8, "k": 300, "g": 0.8},
    "wbl4": {"c": 0.85, "b": 0.7, "k": 400, "g": 0.6},
    "hill3": {"c": 0.9, "k": 120, "g": 0.7},
}


def noisy(name: str, sd: float = 0.01, runs: int = 3) -> list[list[float]]:
    noise = np.random.default_rng(5).standard_normal((len(NS), runs))
    return (TRUE[name](NS)[:, None] + sd * noise).tolist()


thousandths = st.integers(0, 1000).map(lambda value: value / 1000)


@st.composite
def measured(draw: st.DrawFn) -> tuple[list[int], list[list[float]]]:
    ns = draw(st.lists(st.integers(1, 1_000_000), min_size=4, max_size=7, unique=True))
    return ns, [draw(st.lists(thousandths, min_size=1, max_size=3)) for _ in ns]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_family_recovers_and_inverts_its_own_curve(name: str) -> None:
    fit = fit_formula(name, NS, [[value] for value in TRUE[name](NS)])
    assert fit.parameters == pytest.approx(PARAMETERS[name], rel=1e-4)
    assert np.abs(fit.residuals).max() < 1e-8
    for n in (80.0, 700.0, 5000.0):
        assert fit.invert(float(TRUE[name](n))) == pytest.approx(n, rel=1e-4)
        found = invert(NS, [[value] for value in TRUE[name](NS)], float(TRUE[name](n)), method=name)
        assert found.n == pytest.approx(n, rel=1e-4)
        assert found.kind == ("extrapolated" if n > NS[-1] else "inside")


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("target", [0.35, 0.5, 0.75])
def test_the_fitted_curve_at_the_inverse_is_the_target(name: str, target: float) -> None:
    fit = fit_formula(name, NS, noisy(name))
    n = fit.invert(target)
    if 0 < n < math.inf:
        assert fit.at([n]) == pytest.approx(target, rel=1e-9)
    else:
        assert (n == 0) == (fit.at([1e-9])[0] >= target)


@pytest.mark.parametrize("name", FORMULAS)
def test_covariance_is_that_of_the_numeric_jacobian(name: str) -> None:
    rungs = noisy(name)
    fit = fit_formula(name, NS, rungs)
    numeric = np.empty((len(NS), len(fit.parameters)))
    for column, (key, value) in enumerate(fit.parameters.items()):
        step = 1e-6 * abs(value)
        ends = [_curve(name, {**fit.parameters, key: value + sign * step}) for sign in (1, -1)]
        numeric[:, column] = (ends[0] - ends[1]) / (2 * step)
    assert jacobian(fit.curve, NS) == pytest.approx(numeric, rel=1e-5, abs=1e-9)
    assert fit.covariance is not None
    assert fit.standard_errors is not None
    moderated = moderated_variance(NS.tolist(), rungs)
    assert moderated is not None
    scale = np.array(list(fit.standard_errors.values()))
    information = (numeric * scale).T @ np.diag(3 / moderated.variance) @ (numeric * scale)
    assert fit.covariance / np.outer(scale, scale) == pytest.approx(np.linalg.inv(information), rel=1e-2, abs=1e-3)


def _curve(name: str, p: dict[str, float]) -> np.ndarray:
    """The formulas once more, by parameter names."""
    return {
        "pow2": lambda b, a: 1 - b * NS**-a,
        "pow3": lambda c, b, a: c - b * NS**-a,
        "pow4": lambda c, b, a, d: c - b * (NS + d) ** -a,
        "exp3": lambda c, b, a: c - b * np.exp(-a * NS),
        "log2": lambda c, b: c + b * np.log(NS),
        "mmf4": lambda c, b, k, g: c - b / (1 + (NS / k) ** g),
        "wbl4": lambda c, b, k, g: c - b * np.exp(-((NS / k) ** g)),
        "hill3": lambda c, k, g: c * NS**g / (k**g + NS**g),
    }[name](**p)


def test_covariance_without_repeated_runs_is_from_the_residuals() -> None:
    values = [rung[0] for rung in noisy("log2")]
    fit = fit_formula("log2", NS, [[value] for value in values])
    _, covariance = np.polyfit(np.log(NS), values, 1, cov=True)
    assert fit.covariance == pytest.approx(covariance[::-1, ::-1], rel=1e-8)
    assert fit_formula("log2", NS[:2], [[0.1], [0.2]]).covariance is None


def test_the_logarithm_is_the_closed_form_of_weighted_least_squares() -> None:
    rungs = noisy("log2")
    moderated = moderated_variance(NS.tolist(), rungs)
    assert moderated is not None
    root = np.sqrt(3 / moderated.variance)
    design = np.stack([np.ones_like(NS), np.log(NS)], axis=1) * root[:, None]
    expected, rss, _, _ = np.linalg.lstsq(design, root * np.mean(rungs, axis=1))
    fit = fit_formula("log2", NS, rungs)
    assert list(fit.parameters.values()) == pytest.approx(list(expected), rel=1e-9)
    assert fit.rss == pytest.approx(rss[0], rel=1e-9)
    assert fit.covariance == pytest.approx(np.linalg.inv(design.T @ design), rel=1e-8)


@pytest.mark.parametrize("name", ["pow2", "pow3", "log2", "hill3"])
def test_leave_one_out_against_a_loop(name: str) -> None:
    values = [rung[0] for rung in noisy(name)]
    errors = []
    for left, value in enumerate(values):
        kept = [row for row in range(len(values)) if row != left]
        fit = fit_formula(name, NS[kept], [[values[row]] for row in kept])
        errors.append(abs(fit.at([NS[left]])[0] - value))
    found = fit_formula(name, NS, [[value] for value in values]).leave_one_out
    assert found == pytest.approx(np.mean(errors), rel=1e-5)
    count = len(FORMULAS[name].names)
    assert fit_formula(name, NS[:count], [[value] for value in values[:count]]).leave_one_out is None


@pytest.mark.parametrize("name", FORMULAS)
def test_inversion_by_name_is_monotone_with_an_interval_around_it(name: str) -> None:
    rungs = noisy(name)
    found = invert_many(NS, rungs, np.linspace(0.05, 0.99, 40), method=name)
    assert found[0].kind == "below"
    for one in found:
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.n <= one.high
    for before, after in itertools.pairwise(found):
        assert before.n <= after.n
        assert (before.low or 0) <= (after.low or 0)
        assert (before.high or 0) <= (after.high or 0)
    order = np.random.default_rng(1).permutation(len(NS))
    assert invert_many(NS[order], [rungs[row] for row in order], np.linspace(0.05, 0.99, 40), method=name) == found


@pytest.mark.parametrize("name", FORMULAS)
def test_order_of_rungs_and_unit_of_labels_are_irrelevant(name: str) -> None:
    rungs = noisy(name)
    fit = fit_formula(name, NS, rungs)
    turned = fit_formula(name, NS[::-1], [rung[::-1] for rung in rungs[::-1]])
    assert turned.parameters == fit.parameters
    found = [invert(NS * scale, rungs, 0.6, method=name).n / scale for scale in (1, 1000)]
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("n", [300, 1000, 6000])
def test_intervals_of_a_linear_family_cover(n: int) -> None:
    rng = np.random.default_rng(2)
    goal, hits = float(TRUE["log2"](n)), []
    for _ in range(300):
        rungs = TRUE["log2"](NS)[:, None] + 0.01 * rng.standard_normal((len(NS), 3))
        found = invert(NS, rungs.tolist(), goal, method="log2")
        assert found.low is not None
        assert found.high is not None
        hits.append(found.low <= n <= found.high)
    assert 0.84 < np.mean(hits) < 0.96


def test_a_target_over_the_asymptote_is_never_reached() -> None:
    rungs = noisy("exp3", sd=0.002)
    assert fit_formula("exp3", NS, rungs).invert(0.9) == math.inf
    found = invert(NS, rungs, 0.9, method="exp3")
    assert (found.kind, found.n, found.high, found.p_above) == ("above", math.inf, math.inf, 1)
    assert found.low == 1000 * NS[-1]


def test_the_formula_as_text() -> None:
    assert fit_formula("pow3", NS, [[value] for value in TRUE["pow3"](NS)]).text == "0.92 - 2 n^-0.4"
    assert fit_formula("log2", NS, [[value] for value in -0.3 + TRUE["log2"](NS)]).text == "-0.2 + 0.09 ln n"
    mmf4 = fit_formula("mmf4", NS, [[value] for value in TRUE["mmf4"](NS)])
    assert mmf4.text == "0.9 - 0.8 / (1 + (n / 300)^0.8)"


def test_what_cannot_be_fitted_is_named() -> None:
    message = r"family pow4 has 4 parameters \(c, b, a, d\) and needs as many rungs, found 3"
    with pytest.raises(CurveError, match=message):
        fit_formula("pow4", NS[:3], [[0.1], [0.2], [0.3]])
    with pytest.raises(CurveError, match=message):
        invert(NS[:3], [[0.1], [0.2], [0.3]], 0.2, method="pow4")
    with pytest.raises(CurveError, match=r"found 41\.2, expected 0\.\.1"):
        fit_formula("log2", NS[:2], [[0.1], [41.2]])
    with pytest.raises(UnknownNameError, match="did you mean 'pow3'"):
        fit_formula("pow33", NS[:3], [[0.1], [0.2], [0.3]])
    with pytest.raises(UnknownNameError, match="known: bayes, exp3, hill3, linear, log, log2, mmf4, pchip, pow2"):
        invert(NS[:2], [[0.1], [0.2]], 0.15, method="pow33")


@given(measured(), thousandths, st.sampled_from(sorted(FORMULAS)))
@settings(max_examples=30, deadline=None)
def test_any_measurements_are_fitted(given_runs: tuple[list[int], list[list[float]]], target: float, name: str) -> None:
    fit = fit_formula(name, *given_runs)
    assert np.isfinite(list(fit.parameters.values())).all()
    assert np.isfinite(fit.residuals).all()
    assert fit.invert(target) >= 0
    found = invert(*given_runs, target, method=name)
    assert found.n >= min(given_runs[0])
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.n <= found.high


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "log2"])
@pytest.mark.parametrize("seed", range(3))
def test_no_search_of_scipy_from_the_fit_finds_a_smaller_sum(name: str, seed: int) -> None:
    noise = 0.02 * np.random.default_rng(seed).standard_normal(len(NS))
    means, formula = TRUE[name](NS) + noise, FORMULAS[name]
    fit = fit_shape(formula, NS, means, np.ones(len(NS)))
    low, high = np.log(PHIS[formula.phi].ranges(NS[0], NS[-1])).T

    def errors(logs: np.ndarray) -> np.ndarray:
        shape = np.clip(logs, low, high)
        phi = PHIS[formula.phi].value(NS[None], *np.exp(shape)[:, None])
        c, b, _ = _solve(formula.linear, formula.saturates, phi, means[None], np.ones(len(NS)) / len(NS))
        return (c - b * phi - means)[0]

    start = np.clip(np.log(fit.shape), low + 1e-9, high - 1e-9)
    found = least_squares(errors, start, bounds=(low, high))
    assert ((fit.at(NS) - means) ** 2).sum() <= (errors(found.x) ** 2).sum() * (1 + 1e-7)
