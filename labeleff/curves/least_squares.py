"""One formula of a learning curve, fitted to rung means by weighted least squares.

Given phi's parameters the coefficients (c, b) have a closed form within the bounds of `curves.shapes` (variable
projection, Golub and Pereyra 1973): only one or two shape parameters are searched, in logarithms and in ranges that
follow the ladder, so that the unit in which labels are counted makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.interpolation import check_ladder
from labeleff.curves.methods import FORMULAS, Formula, Linear, check_rungs, parameters
from labeleff.curves.rung_means import checked_rungs
from labeleff.curves.shapes import PHIS, Shapes
from labeleff.stats.moderation import Array, moderated_variance
from labeleff.stats.stand_ins import Mean

GRID = {0: 1, 1: 60, 2: 24}
"""Number of values on every axis of the search grid, by number of shape parameters."""
NEAR = np.geomspace(1 / 1.5, 1.5, 11)
"""Factors around the fitted shape by which the grid is refined for refits."""
STARTS = 3
"""Number of searches: from the best grid point in each third of the first shape parameter's range."""
TINY = 1e-200
"""Sum of squares below which phi has vanished from the ladder and its factor b is taken as 0."""
STEP, CONVERGED, MOST_STEPS = 1e-5, 1e-11, 200
"""Searches: half the width of difference quotients, the step at which they end, and how many they take at most."""
FLAT, LEAST_DAMPING = 1e-30, 1e-9
"""Squared slope under which a parameter stays where it is, and the least damping: parameters may say the same."""
SINGULAR = 1e-8
"""Ratio of singular values of the scaled Jacobian under which parameters can't be told apart."""


def _solve(linear: Linear, saturates: bool, phi: Array, means: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Best (c, b) and weighted mean squares, each (S, M), for `phi` (M, R), `means` (S, R), `weights` (R,) of sum 1.

    Minima within b >= 0 and, for formulas that saturate, c <= 1; c >= 0 follows from accuracies that are.
    """
    phi_mean, mean = phi @ weights, (means @ weights)[:, None]
    centred = phi - phi_mean[:, None]
    spread, together = (centred**2) @ weights, (means - mean) @ (weights * centred).T
    square, product = (phi**2) @ weights, means @ (weights * phi).T
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = np.where(square > TINY, np.maximum((phi_mean - product) / square, 0.0), 0.0)
        if linear == "one":
            b, c = edge, np.ones_like(edge)
        elif linear == "tied":
            complement = 1 - phi
            share = (means @ (weights * complement).T) / ((complement**2) @ weights)
            c = np.clip(np.where(np.isfinite(share), share, 1.0), 0.0, 1.0)
            b = c
        else:
            b = np.where(spread > TINY, np.maximum(-together / spread, 0.0), 0.0)
            c = mean + b * phi_mean
            over = (c > 1) & saturates
            b, c = np.where(over, edge, b), np.where(over, 1.0, c)
    variance = ((means - mean) ** 2 @ weights)[:, None]
    squares = (mean - c + b * phi_mean) ** 2 + variance + 2 * b * together + b**2 * spread
    return c, b, squares


def _grid(axes: Sequence[Array]) -> list[Array]:
    """Every combination of the values of T axes, as T columns (M, 1)."""
    return [column.reshape(-1, 1) for column in np.meshgrid(*axes, indexing="ij")]


def _axes(formula: Formula, ns: Array) -> list[Array]:
    ranges = PHIS[formula.phi].ranges(float(ns[0]), float(ns[-1]))
    return [np.geomspace(low, high, GRID[len(ranges)]) for low, high in ranges]


def _search(errors: Callable[[Array], Array], starts: Array, low: Array, high: Array) -> Array:
    """Minima (K, T) of sums of squares within `low`..`high` (T,) from `starts` (K, T), all searched at once.

    `errors` maps points (M, T) to errors (M, R). Steps are those of Levenberg and Marquardt (Moré 1978), with a
    parameter held at its bound while the sum falls beyond it.
    """
    count, axes = starts.shape
    offsets = STEP * np.concatenate([np.zeros((1, axes)), np.eye(axes), -np.eye(axes)])

    def around(points: Array) -> Array:
        return errors((points[:, None] + offsets).reshape(-1, axes)).reshape(count, len(offsets), -1)

    points, near, damping = starts, around(starts), np.full((count, 1), 1e-3)
    for _ in range(MOST_STEPS):
        slopes = (near[:, 1 : axes + 1] - near[:, axes + 1 :]) / (2 * STEP)
        gradient = (slopes @ near[:, 0, :, None])[..., 0]
        held = ((points <= low) & (gradient > 0)) | ((points >= high) & (gradient < 0))
        slopes = np.where(held[..., None], 0.0, slopes)
        normal = slopes @ slopes.transpose(0, 2, 1)
        size = np.einsum("kii->ki", normal)
        size += np.where(size > FLAT, damping * size, 1.0)
        step = np.linalg.solve(normal, np.where(held, 0.0, -gradient)[..., None])[..., 0]
        tried = np.clip(points + step, low, high)
        if np.abs(tried - points).max() < CONVERGED:
            break
        then = around(tried)
        better = ((then[:, 0] ** 2).sum(axis=1) < (near[:, 0] ** 2).sum(axis=1))[:, None]
        points, near = np.where(better, tried, points), np.where(better[..., None], then, near)
        damping = np.where(better, np.maximum(damping / 10, LEAST_DAMPING), damping * 10)
    return points


def fit_shape(formula: Formula, ns: Array, means: Array, weights: Array) -> Shapes:
    """Fit a formula to `means` (R,) at rising `ns` (R,) by least squares with `weights` (R,), up to a factor."""
    weights, phi = weights / weights.sum(), PHIS[formula.phi].value

    def solved(columns: Sequence[Array]) -> tuple[Array, Array, Array, Array]:
        """Phi (M, R) of shapes, a column (M, 1) per parameter, with the best c, b and mean square, each (M,)."""
        values = np.atleast_2d(phi(ns, *columns))
        c, b, squares = _solve(formula.linear, formula.saturates, values, means[None], weights)
        return values, c[0], b[0], squares[0]

    def errors(logs: Array) -> Array:
        values, c, b, _ = solved(list(np.exp(logs.T)[..., None]))
        return np.asarray(np.sqrt(weights) * (c[:, None] - b[:, None] * values - means))

    axes = _axes(formula, ns)
    shape: list[Array] = []
    if axes:
        columns = _grid(axes)
        squares = solved(columns)[3]
        parts = np.array_split(np.arange(len(squares)), STARTS)
        starts = np.log([[column[part[squares[part].argmin()], 0] for column in columns] for part in parts])
        found = _search(errors, starts, *np.log([(axis[0], axis[-1]) for axis in axes]).T)
        best = (errors(found) ** 2).sum(axis=1).argmin()
        shape = list(np.exp(found[best]))
    _, c, b, _ = solved(shape)
    return Shapes(formula, c[0], b[0], shape)


def refit(shapes: Shapes, ns: Array, replicates: Array, weights: Array) -> Shapes:
    """Fit curves to `replicates` (S, R) of the means to which `shapes` was fitted; their arrays are (S, 1).

    Every replicate takes the best shape of one grid, the search grid refined around the fitted shape: no search
    has to converge, and all are solved at once.
    """
    formula, weights = shapes.formula, weights / weights.sum()
    axes = [
        np.unique(np.clip(np.concatenate([axis, value * NEAR]), axis[0], axis[-1]))
        for axis, value in zip(_axes(formula, ns), shapes.shape, strict=True)
    ]
    columns = _grid(axes) if axes else []
    phi = np.atleast_2d(shapes.phi.value(ns, *columns))
    c, b, squares = _solve(formula.linear, formula.saturates, phi, replicates, weights)
    best, row = squares.argmin(axis=1), np.arange(len(replicates))
    return Shapes(formula, c[row, best][:, None], b[row, best][:, None], [column[best] for column in columns])


@dataclass(frozen=True)
class FormulaFit:
    """One formula fitted to the means of R rungs; label counts in rising order."""

    name: str
    parameters: dict[str, float]
    """The P parameters by name, in the order of the covariance."""
    covariance: Array | None
    """Covariance (P, P) of the parameters, linearised at the fit; bounds are ignored.

    It comes from the moderated noise of the means or, where no rung has two runs, from the residuals. None where
    rungs are too few or can't separate the parameters.
    """
    residuals: Array
    """(R,): mean accuracy minus fitted."""
    rss: float
    """Sum of squared residuals over the variances of the means; plain squares where no rung has two runs."""
    leave_one_out: float | None
    """Mean absolute error of a rung's mean predicted from the other rungs; None where they are too few."""
    curve: Shapes

    @property
    def standard_errors(self) -> dict[str, float] | None:
        """Standard errors of the parameters by name; None without a covariance."""
        if self.covariance is None:
            return None
        return dict(zip(self.parameters, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def text(self) -> str:
        """The formula with numbers, e.g. `0.92 - 1.6 n^-0.3`."""
        numbers = {name: _short(value, 3 if name == "c" else 2) for name, value in self.parameters.items()}
        return FORMULAS[self.name].template.format(**numbers).replace("+ -", "- ")

    def at(self, ns: Sequence[float] | Array) -> Array:
        """FittedCurve accuracies (K,) at label counts `ns` (K,) over 0."""
        return self.curve.at(np.asarray(ns, dtype=float))

    def invert(self, target: float) -> float:
        """The label count at which the formula reaches `target`; inf where it never does, 0 where it always does."""
        return float(self.curve.invert(np.array(target, dtype=float)))


def _short(value: float, digits: int) -> str:
    """A number to `digits` figures; whole numbers up to a million without an exponent."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.{digits}g}"


def fit_formula(
    name: str, ns: Sequence[float], accuracies: Sequence[Sequence[float] | Mean], *, exact: bool = True
) -> FormulaFit:
    """Fit the formula `name` of FORMULAS to accuracies in 0..1, one sequence of runs or one mean per rung; any order.

    Rungs are weighted by the moderated variances of their means (`stats.moderation`), or equally where no rung has
    two runs. `exact` False: the fits that leave a rung out are the best of a grid around the fit, which is many times
    as fast and gives `leave_one_out` to some per cent. Raises CurveError for measurements that aren't a
    curve and for fewer rungs than parameters.
    """
    rungs = checked_rungs(ns, accuracies)
    check_ladder(rungs.ns, rungs.means)
    rungs.check_accuracies()
    check_rungs(name, len(rungs.ns))
    moderated = moderated_variance(rungs.ns, rungs.groups)
    weights = np.ones(len(rungs.ns)) if moderated is None else rungs.counts / moderated.variance
    labels, means = np.asarray(rungs.ns, dtype=float), rungs.means
    curve = fit_shape(FORMULAS[name], labels, means, weights)
    residuals = means - curve.at(labels)
    rss = float((weights * residuals**2).sum())
    free = len(labels) - parameters(name)
    scale = 1.0 if moderated is not None else rss / free if free else None
    return FormulaFit(
        name=name,
        parameters=_parameters(curve),
        covariance=None if scale is None else _covariance(curve, labels, weights, scale),
        residuals=residuals,
        rss=rss,
        leave_one_out=_leave_one_out(curve, labels, means, weights, exact=exact) if free else None,
        curve=curve,
    )


def _parameters(curve: Shapes) -> dict[str, float]:
    linear = {"free": [curve.c, curve.b], "one": [curve.b], "tied": [curve.c]}[curve.formula.linear]
    return {name: float(value) for name, value in zip(curve.formula.names, [*linear, *curve.shape], strict=True)}


def jacobian(curve: Shapes, ns: Array) -> Array:
    """Derivatives (R, P) of the accuracies at `ns` (R,) with respect to the formula's parameters."""
    phi = curve.phi.value(ns, *curve.shape)
    linear = {"free": [np.ones_like(ns), -phi], "one": [-phi], "tied": [1 - phi]}[curve.formula.linear]
    return np.stack([*linear, *(-curve.b * slope for slope in curve.phi.slopes(ns, *curve.shape))], axis=1)


def _covariance(curve: Shapes, ns: Array, weights: Array, scale: float) -> Array | None:
    """Covariance scale (J' W J)^-1 by singular values of the scaled Jacobian; None where it is singular."""
    weighted = np.sqrt(weights)[:, None] * jacobian(curve, ns)
    size = np.sqrt((weighted**2).sum(axis=0))
    if not (size > 0).all() or not np.isfinite(size).all():
        return None
    _, singular, right = np.linalg.svd(weighted / size, full_matrices=False)
    if singular[-1] < SINGULAR * singular[0]:
        return None
    root = right.T / singular / size[:, None]
    return np.asarray(scale * root @ root.T)


def _leave_one_out(curve: Shapes, ns: Array, means: Array, weights: Array, *, exact: bool) -> float:
    errors = []
    for row in range(len(ns)):
        others = np.arange(len(ns)) != row
        if exact:
            refitted = fit_shape(curve.formula, ns[others], means[others], weights[others])
        else:
            refitted = refit(curve, ns[others], means[None, others], weights[others])
        errors.append(abs(refitted.at(ns[row]).item() - means[row]))
    return math.fsum(errors) / len(errors)
