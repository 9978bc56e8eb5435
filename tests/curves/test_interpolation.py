"""Interpolating curves against scipy and a slow pooling of violators."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from labeleff.curves.interpolation import METHODS, Curves, fit, isotonic, pchip_slopes

thousandths = st.integers(0, 1000).map(lambda value: value / 1000)


def pool(values: list[float], weights: list[float]) -> list[float]:
    """Pool adjacent violators, one at a time."""
    blocks: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v1, w1, c1), (v2, w2, c2) = blocks[-2:]
            blocks[-2:] = [[(v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, c1 + c2]]
    return [value for value, _, size in blocks for _ in range(int(size))]


@given(st.lists(st.tuples(thousandths, st.integers(1, 9)), min_size=2, max_size=9))
def test_isotonic_against_pooling(rungs: list[tuple[float, int]]) -> None:
    values, weights = [v for v, _ in rungs], [float(w) for _, w in rungs]
    found = isotonic(np.array([values, values[::-1]]), np.array(weights))
    np.testing.assert_allclose(found[0], pool(values, weights), atol=1e-12)
    np.testing.assert_allclose(found[1], pool(values[::-1], weights), atol=1e-12)
    assert (np.diff(found) >= 0).all()


def test_isotonic_leaves_rising_rows_untouched() -> None:
    means = np.random.default_rng(0).random((50, 6)).cumsum(axis=1) / 7
    np.testing.assert_array_equal(isotonic(means, np.array([1.0, 3, 2, 5, 7, 3])), means)


@pytest.mark.parametrize("rungs", [2, 3, 6])
def test_pchip_against_scipy(rungs: int) -> None:
    rng = np.random.default_rng(rungs)
    x = np.log(np.sort(rng.choice(10_000, rungs, replace=False) + 1.0))
    y = np.where(rng.random((40, rungs)) < 0.3, 0.0, rng.random((40, rungs))).cumsum(axis=1)
    curves = Curves(np.exp(x), y, log=True, slopes=pchip_slopes(x, y))
    dense = np.linspace(x[0], x[-1], 101)
    for row in range(len(y)):
        expected = PchipInterpolator(x, y[row])
        np.testing.assert_allclose(curves.slopes[row], expected(x, 1), atol=1e-10)  # type: ignore[index]
        np.testing.assert_allclose(curves.at(np.exp(dense))[row], expected(dense), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_inversion_undoes_the_curve(method: str) -> None:
    means = np.sort(np.random.default_rng(1).random((200, 6)), axis=1)
    ns = np.array([10.0, 20, 50, 100, 400, 1000])
    curves = fit(ns, means, [3] * 6, method)
    points = np.geomspace(10, 1000, 23)
    np.testing.assert_allclose(curves.invert(curves.at(points)), np.tile(points, (200, 1)), rtol=1e-5)
    np.testing.assert_array_equal(curves.invert(means), np.tile(ns, (200, 1)))
