"""Closed-form posteriors against exact arithmetic and rejection, also where phi is steep."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from labeleff.curves.bayes import NODES, Posterior, log_share, posterior, stacked, truncated_normal, whitening
from labeleff.curves.bayes_priors import FAMILIES, Family, power
from labeleff.curves.posterior_curves import matern
from labeleff.stats.moderation import Array

LADDERS = {
    "one decade": (np.array([50.0, 100, 250, 500, 1000]), np.array([0.31, 0.42, 0.555, 0.635, 0.705])),
    "seven decades": (10.0 ** np.arange(8), np.array([0.1, 0.12, 0.2, 0.45, 0.7, 0.85, 0.9, 0.91])),
}
"""Label counts and means by name. On the long ladder some phi fall by 20 decades."""
Matrix = list[list[Fraction]]


def positions(ns: Array) -> Array:
    """u = ln n from the ladder's middle."""
    return np.asarray(np.log(ns) - math.log(ns[0] * ns[-1]) / 2)


def errors(u: Array) -> Array:
    """Covariance of the means' errors: noise, and a misfit that neighbours share."""
    noise = np.diag(np.linspace(3.0, 1.0, len(u))) * 1e-4
    return np.asarray(noise + 0.02**2 * matern(u[:, None] - u))


def exact(matrix: Array) -> Matrix:
    return [[Fraction(float(value)) for value in row] for row in np.atleast_2d(matrix)]


def solved(matrix: Matrix, right: Matrix) -> tuple[Matrix, Fraction]:
    """Solution of a symmetric positive definite system by exact elimination, and the determinant."""
    rows = [[*left, *more] for left, more in zip(matrix, right, strict=True)]
    size, determinant = len(rows), Fraction(1)
    for k in range(size):
        determinant *= rows[k][k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(size):
            if i != k:
                rows[i] = [value - rows[i][k] * pivot for value, pivot in zip(rows[i], rows[k], strict=True)]
    return [row[size:] for row in rows], determinant


def log(value: Fraction) -> float:
    return math.log(value.numerator) - math.log(value.denominator)


def some(found: Posterior) -> list[int]:
    """A few grid points: some on the way, those of the ends, the likeliest."""
    count = len(found.log_evidence)
    return [*range(0, count, 97), count - 1, int(found.log_evidence.argmax())]


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_evidence_against_the_exact_normal_density_of_the_rungs(name: str, ladder: str) -> None:
    family, (ns, means) = FAMILIES[name], LADDERS[ladder]
    u = positions(ns)
    found = posterior(family, u, means, errors(u))
    for place in some(found):
        phi = family.phi(u, found.grid.first[place], found.grid.second[place])
        [phis] = exact(phi)
        c, c_sd, b, b_sd = (Fraction(value) for value in (family.c.mean, family.c.sd, family.b.mean, family.b.sd))
        spread = [
            [value + c_sd**2 + b_sd**2 * phis[i] * phis[j] for j, value in enumerate(row)]
            for i, row in enumerate(exact(errors(u)))
        ]
        residual = [Fraction(float(mean)) - c + b * value for mean, value in zip(means, phis, strict=True)]
        answer, determinant = solved(spread, [[value] for value in residual])
        quadratic = sum(one * row[0] for one, row in zip(residual, answer, strict=True))
        density = -(float(quadratic) + log(determinant) + len(ns) * math.log(2 * math.pi)) / 2
        expected = math.log(family.weight) + found.grid.log_prior[place] + density
        assert found.log_evidence[place] == pytest.approx(expected, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.c.sd > 0])
def test_posterior_against_exact_conditioning(name: str, ladder: str) -> None:
    """The precision of (c, b) is the prior's plus that of the means, all in fractions."""
    family, (ns, means) = FAMILIES[name], LADDERS[ladder]
    u = positions(ns)
    found = posterior(family, u, means, errors(u))
    for place in some(found):
        phi = family.phi(u, found.grid.first[place], found.grid.second[place])
        design = [[Fraction(1), -value] for value in exact(phi)[0]]
        whole = [[*row, Fraction(float(mean))] for row, mean in zip(design, means, strict=True)]
        weighted, _ = solved(exact(errors(u)), whole)
        product = [
            [sum(x[i] * y[j] for x, y in zip(design, weighted, strict=True)) for j in range(3)] for i in range(2)
        ]
        priors = [(Fraction(p.mean), Fraction(p.sd)) for p in (family.c, family.b)]
        precision = [[product[i][j] + (priors[i][1] ** -2 if i == j else 0) for j in range(2)] for i in range(2)]
        right = [[product[i][2] + priors[i][0] / priors[i][1] ** 2] for i in range(2)]
        [[c], [b]], determinant = solved(precision, right)
        b_sd = math.sqrt(precision[0][0] / determinant)
        assert (found.b_centre[place] - float(b)) / b_sd == pytest.approx(0, abs=1e-6)
        assert found.b_sd[place] == pytest.approx(b_sd, rel=1e-6)
        assert found.c_centre[place] == pytest.approx(float(c), abs=1e-8)
        assert found.c_sd == pytest.approx(1 / math.sqrt(precision[0][0]), rel=1e-8)
        assert found.c_slope[place] == pytest.approx(float(-precision[0][1] / precision[0][0]), rel=1e-6)


def test_several_covariances_at_once_are_each_alone() -> None:
    ns, means = LADDERS["one decade"]
    u = positions(ns)
    both = [errors(u), 4 * errors(u)]
    together = stacked(FAMILIES["hill"], u, means, whitening(np.stack(both)))
    for place, covariance in enumerate(both):
        alone = posterior(FAMILIES["hill"], u, means, covariance)
        rows = place * len(alone.b_centre) + np.arange(len(alone.b_centre))
        np.testing.assert_array_equal(together.log_evidence[rows], alone.log_evidence)
        np.testing.assert_array_equal(together.at(rows).b_centre, alone.b_centre)


def test_probable_points_are_a_part_of_all() -> None:
    ns, means = LADDERS["one decade"]
    whole = posterior(FAMILIES["hill"], positions(ns), means, errors(positions(ns)))
    rows = np.flatnonzero(whole.log_evidence > whole.log_evidence.max() - 5)
    part = whole.at(rows)
    assert 0 < len(rows) < len(whole.log_evidence)
    np.testing.assert_allclose(part.log_weights(), whole.log_weights()[rows])
    np.testing.assert_array_equal(part.grid.second, whole.grid.second[rows])


def within(family: Family, c: Array, b: Array) -> Array:
    return np.asarray((b >= 0) & (c <= 1) & (c >= (b if family.positive else 0.0)))


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_bounds_against_rejection(name: str, ladder: str) -> None:
    """At the likeliest grid points of which the bounds cut a fair share."""
    family, ns = FAMILIES[name], LADDERS[ladder][0]
    u = positions(ns)
    means = np.interp(u, np.linspace(u[0], u[-1], 5), [0.62, 0.74, 0.88, 0.93, 0.94])
    found = posterior(family, u, means, errors(u))
    shares = np.exp(found.log_weights() - found.log_evidence)
    cut = np.flatnonzero((shares > 0.1) & (shares < 0.95))
    rng = np.random.default_rng(5)
    for place in cut[np.argsort(found.log_weights()[cut])][-3:]:
        b = found.b_centre[place] + found.b_sd[place] * rng.standard_normal(100_000)
        c = found.c_centre[place] + found.c_slope[place] * (b - found.b_centre[place])
        c += found.c_sd[place] * rng.standard_normal(100_000)
        kept = within(family, c, b)
        assert shares[place] == pytest.approx(kept.mean(), abs=0.01)
        drawn_c, drawn_b = found.draw(np.full(4000, place), rng.random((4000, NODES + 2)))
        for drawn, slow in ((drawn_b, b[kept]), (drawn_c, c[kept])):
            assert drawn.mean() == pytest.approx(slow.mean(), abs=slow.std() / 15 + 1e-12)
            assert drawn.std() == pytest.approx(slow.std(), rel=0.1, abs=1e-12)
        assert ((drawn_b >= 0) & (drawn_c <= 1)).all()


def test_priors_weigh_as_written() -> None:
    for family in FAMILIES.values():
        grid = family.grid(-1.5, 1.5)
        assert np.exp(grid.log_prior).sum() == pytest.approx(1)
    assert sum(family.weight for family in FAMILIES.values()) == pytest.approx(1)
    shifts = FAMILIES["power"].grid(-1.5, 1.5)
    unshifted = np.exp(shifts.log_prior[np.isneginf(shifts.second)]).sum()
    assert unshifted == pytest.approx(3 / 12)
    u = np.linspace(-1.5, 1.5, 5)
    np.testing.assert_allclose(power(u, np.float64(0.7), np.float64(-np.inf)), np.exp(-0.7 * u))


@pytest.mark.parametrize("name", FAMILIES)
def test_phi_falls_and_stays_finite_and_over_0(name: str) -> None:
    """On the longest ladder that floats allow, and a thousand times beyond it."""
    family, ends = FAMILIES[name], (-700.0, 700.0)
    grid = family.grid(*ends)
    phi = family.phi(np.linspace(ends[0], ends[1] + 7, 50), grid.first[:, None], grid.second[:, None])
    assert np.isfinite(phi).all()
    assert (phi >= 0).all()
    assert (phi[:, 0] > 0).all()
    assert (np.diff(phi, axis=1) <= 0).all()


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.5, math.inf), (-math.inf, -3.0), (8.0, 9.0), (-9.0, -8.0)])
def test_truncated_normal_against_scipy(low: float, high: float) -> None:
    shares = np.linspace(0.01, 0.99, 9)
    found = truncated_normal(shares, np.float64(low), np.float64(high))
    np.testing.assert_allclose(found, truncnorm(low, high).ppf(shares), rtol=1e-6)
    expected = math.log(norm.cdf(high) - norm.cdf(low)) if low < 5 else math.log(norm.sf(low) - norm.sf(high))
    assert float(log_share(np.float64(low), np.float64(high))) == pytest.approx(expected, rel=1e-6)
