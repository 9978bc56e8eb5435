"""Single families of learning curves f(n) = c - b phi(n), fitted to rung means by weighted least squares.

The forms are those of Viering and Loog, The shape of learning curves (2021), table 1, with the names of the learning
curve database (Mohr et al. 2022), written for accuracy: b >= 0, so that no curve falls, and no asymptote is over 1.
Hill is from Domhan et al. (2015). Given phi's parameters the coefficients (c, b) have a closed form within these
bounds (variable projection, Golub and Pereyra 1973): only one or two shape parameters are searched, in logarithms and
in ranges that follow the ladder, so that the unit in which labels are counted makes no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from labeleff.errors import CurveError, UnknownNameError
from labeleff.interpolation import check_ladder
from labeleff.rungs import checked_rungs
from labeleff.stats import Array, moderated_variance

GRID = {0: 1, 1: 60, 2: 24}
"""Values on every axis of the search grid, by the number of shape parameters."""
NEAR = np.geomspace(1 / 1.5, 1.5, 11)
"""Factors around the fitted shape by which the grid is refined for refits."""
STARTS = 3
"""Searches: from the best grid point in each third of the first shape parameter's range."""
TINY = 1e-200
"""A phi whose squares are smaller than this has vanished from the ladder: its factor b is taken as 0."""
SINGULAR = 1e-8
"""Ratio of singular values of the scaled Jacobian under which parameters can't be told apart."""

Linear = Literal["free", "one", "tied"]
"""What is known of (c, b): nothing, c = 1, or b = c."""


@dataclass(frozen=True)
class Family:
    """c - b phi; its callables take label counts and shape parameters that broadcast."""

    names: tuple[str, ...]
    """The P parameters: linear ones, then those of the shape."""
    linear: Linear
    saturates: bool
    """phi falls to 0, so that c is the asymptote."""
    phi: Callable[..., Array]
    slopes: Callable[..., list[Array]]
    """Derivatives of phi by every shape parameter."""
    inverse: Callable[..., Array]
    """The label count at which phi is a given number; 0 or less where phi is below it from the start."""
    ranges: Callable[[float, float], list[tuple[float, float]]]
    """Bounds of the shape parameters for a ladder between two label counts."""
    template: str


def _power(n: Array, a: Array) -> Array:
    return np.asarray(n**-a)


def _power_slopes(n: Array, a: Array) -> list[Array]:
    return [-np.log(n) * n**-a]


def _power_inverse(p: Array, a: Array) -> Array:
    return np.asarray(p ** (-1 / a))


def _power_ranges(first: float, last: float) -> list[tuple[float, float]]:
    del first, last
    return [(0.01, 5.0)]


def _shifted(n: Array, a: Array, d: Array) -> Array:
    return np.asarray((n + d) ** -a)


def _shifted_slopes(n: Array, a: Array, d: Array) -> list[Array]:
    phi = _shifted(n, a, d)
    return [-np.log(n + d) * phi, -a / (n + d) * phi]


def _shifted_inverse(p: Array, a: Array, d: Array) -> Array:
    return np.asarray(p ** (-1 / a) - d)


def _shifted_ranges(first: float, last: float) -> list[tuple[float, float]]:
    return [(0.01, 5.0), (first / 1000, 10 * last)]


def _exponential(n: Array, a: Array) -> Array:
    return np.asarray(np.exp(-a * n))


def _exponential_slopes(n: Array, a: Array) -> list[Array]:
    return [-n * np.exp(-a * n)]


def _exponential_inverse(p: Array, a: Array) -> Array:
    return np.asarray(-np.log(p) / a)


def _exponential_ranges(first: float, last: float) -> list[tuple[float, float]]:
    return [(0.01 / last, 5 / first)]


def _log(n: Array) -> Array:
    return np.asarray(-np.log(n))


def _log_slopes(n: Array) -> list[Array]:
    del n
    return []


def _log_inverse(p: Array) -> Array:
    return np.asarray(np.exp(-p))


def _no_ranges(first: float, last: float) -> list[tuple[float, float]]:
    del first, last
    return []


def _hill(n: Array, k: Array, g: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0.0, g * np.log(n / k))))


def _hill_slopes(n: Array, k: Array, g: Array) -> list[Array]:
    phi = _hill(n, k, g)
    return [phi * (1 - phi) * g / k, -phi * (1 - phi) * np.log(n / k)]


def _hill_inverse(p: Array, k: Array, g: Array) -> Array:
    return np.asarray(k * np.maximum(1 / p - 1, 0.0) ** (1 / g))


def _weibull(n: Array, k: Array, g: Array) -> Array:
    return np.asarray(np.exp(-((n / k) ** g)))


def _weibull_slopes(n: Array, k: Array, g: Array) -> list[Array]:
    z = (n / k) ** g
    return [np.exp(-z) * z * g / k, -np.exp(-z) * z * np.log(n / k)]


def _weibull_inverse(p: Array, k: Array, g: Array) -> Array:
    return np.asarray(k * np.maximum(-np.log(p), 0.0) ** (1 / g))


def _scale_ranges(first: float, last: float) -> list[tuple[float, float]]:
    return [(first / 30, 1000 * last), (0.05, 5.0)]


_POWER = (_power, _power_slopes, _power_inverse, _power_ranges)
_SHIFTED = (_shifted, _shifted_slopes, _shifted_inverse, _shifted_ranges)
_EXPONENTIAL = (_exponential, _exponential_slopes, _exponential_inverse, _exponential_ranges)
_HILL = (_hill, _hill_slopes, _hill_inverse, _scale_ranges)
_WEIBULL = (_weibull, _weibull_slopes, _weibull_inverse, _scale_ranges)

FAMILIES: Mapping[str, Family] = {
    "pow2": Family(("b", "a"), "one", True, *_POWER, "1 - {b} n^-{a}"),
    "pow3": Family(("c", "b", "a"), "free", True, *_POWER, "{c} - {b} n^-{a}"),
    "pow4": Family(("c", "b", "a", "d"), "free", True, *_SHIFTED, "{c} - {b} (n + {d})^-{a}"),
    "exp3": Family(("c", "b", "a"), "free", True, *_EXPONENTIAL, "{c} - {b} exp(-{a} n)"),
    "log2": Family(("c", "b"), "free", False, _log, _log_slopes, _log_inverse, _no_ranges, "{c} + {b} ln n"),
    "mmf4": Family(("c", "b", "k", "g"), "free", True, *_HILL, "{c} - {b} / (1 + (n / {k})^{g})"),
    "wbl4": Family(("c", "b", "k", "g"), "free", True, *_WEIBULL, "{c} - {b} exp(-(n / {k})^{g})"),
    "hill3": Family(("c", "k", "g"), "tied", True, *_HILL, "{c} n^{g} / ({k}^{g} + n^{g})"),
}
"""By name; the template is the formula. `log2` has no asymptote. `mmf4` is (a b + c n^d) / (b + n^d) with a = c - b,
k^g for b, g for d; `wbl4` is c - b exp(-a n^d) with a = k^-g, g for d; `exp3` is written as in the database."""


@dataclass(frozen=True)
class Shapes:
    """Curves of one family: asymptotes c and factors b of any shape, and T shape parameters that broadcast."""

    family: Family
    c: Array
    b: Array
    shape: Sequence[Array]

    def at(self, ns: Array) -> Array:
        """Accuracies at label counts `ns`, which broadcast."""
        return np.asarray(self.c - self.b * self.family.phi(ns, *self.shape))

    def invert(self, targets: Array) -> Array:
        """Label counts that reach `targets`, which broadcast: inf where none does, 0 where every one does."""
        gap = self.c - targets
        flat = self.b == 0
        never = gap <= 0 if self.family.saturates else np.zeros_like(gap, dtype=bool)
        open_ = ~(flat | never)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            p = np.where(open_, gap, 1.0) / np.where(open_, self.b, 1.0)
            found = np.maximum(self.family.inverse(p, *self.shape), 0.0)
        found = np.where(never, np.inf, found)
        return np.asarray(np.where(flat, np.where(gap >= 0, 0.0, np.inf), found))


def _solve(linear: Linear, saturates: bool, phi: Array, means: Array, weights: Array) -> tuple[Array, Array, Array]:
    """(c, b) and weighted mean squares, each (S, M), for `phi` (M, R), `means` (S, R), `weights` (R,) of sum 1.

    Minima within b >= 0 and, for families that saturate, c <= 1; c >= 0 follows from accuracies that are.
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
            rest = 1 - phi
            share = (means @ (weights * rest).T) / ((rest**2) @ weights)
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


def _axes(family: Family, ns: Array) -> list[Array]:
    ranges = family.ranges(float(ns[0]), float(ns[-1]))
    return [np.geomspace(low, high, GRID[len(ranges)]) for low, high in ranges]


def fit_shape(family: Family, ns: Array, means: Array, weights: Array) -> Shapes:
    """The weighted least-squares curve through `means` (R,) at rising `ns` (R,); `weights` (R,) up to a factor."""
    weights = weights / weights.sum()
    root = np.sqrt(weights)

    def curve(shape: Sequence[Array]) -> Shapes:
        c, b, _ = _solve(family.linear, family.saturates, family.phi(ns[None], *shape), means[None], weights)
        return Shapes(family, c[0, 0], b[0, 0], shape)

    axes = _axes(family, ns)
    if not axes:
        return curve([])
    columns = _grid(axes)
    squares = _solve(family.linear, family.saturates, family.phi(ns, *columns), means[None], weights)[2][0]
    parts = np.array_split(np.arange(len(squares)), STARTS)
    starts = [np.log([column[part[squares[part].argmin()], 0] for column in columns]) for part in parts]
    bounds = np.log([[axis[0] for axis in axes], [axis[-1] for axis in axes]])
    found = [
        optimize.least_squares(
            lambda logs: root * (curve(list(np.exp(logs))).at(ns) - means),
            start,
            bounds=bounds,
            jac="3-point",
            xtol=1e-13,
            ftol=1e-13,
            gtol=1e-13,
            max_nfev=200,
        )
        for start in starts
    ]
    best = min(found, key=lambda search: float(search.cost))
    return curve(list(np.exp(best.x)))


def refit(shapes: Shapes, ns: Array, replicates: Array, weights: Array) -> Shapes:
    """Curves through `replicates` (S, R) of the means to which `shapes` was fitted; their arrays are (S, 1).

    Every replicate takes the best shape of one grid, the search grid refined around the fitted shape: no search
    has to converge, and all are solved at once.
    """
    family, weights = shapes.family, weights / weights.sum()
    axes = [
        np.unique(np.clip(np.concatenate([axis, value * NEAR]), axis[0], axis[-1]))
        for axis, value in zip(_axes(family, ns), shapes.shape, strict=True)
    ]
    columns = _grid(axes) if axes else []
    phi = np.atleast_2d(family.phi(ns, *columns))
    c, b, squares = _solve(family.linear, family.saturates, phi, replicates, weights)
    best, row = squares.argmin(axis=1), np.arange(len(replicates))
    return Shapes(family, c[row, best][:, None], b[row, best][:, None], [column[best] for column in columns])


@dataclass(frozen=True)
class FamilyFit:
    """One family fitted to the means of R rungs; label counts in rising order."""

    name: str
    parameters: dict[str, float]
    """The P parameters by name, in the order of the covariance."""
    covariance: Array | None
    """(P, P), linearised at the fit, from the moderated noise of the means or, where no rung has two runs, from
    the residuals. Bounds are ignored. None where rungs are too few or can't tell the parameters apart."""
    residuals: Array
    """(R,): mean accuracy minus fitted."""
    rss: float
    """Sum of squared residuals over the variances of the means; plain squares where no rung has two runs."""
    leave_one_out: float | None
    """Mean absolute error of a rung's mean predicted from the other rungs; None where they are too few."""
    curve: Shapes

    @property
    def standard_errors(self) -> dict[str, float] | None:
        """Of the parameters by name; None without a covariance."""
        if self.covariance is None:
            return None
        return dict(zip(self.parameters, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def text(self) -> str:
        """The formula with numbers, e.g. `0.92 - 1.6 n^-0.3`."""
        numbers = {name: _short(value, 3 if name == "c" else 2) for name, value in self.parameters.items()}
        return FAMILIES[self.name].template.format(**numbers).replace("+ -", "- ")

    def at(self, ns: Sequence[float] | Array) -> Array:
        """Fitted accuracies (K,) at label counts `ns` (K,) over 0."""
        return self.curve.at(np.asarray(ns, dtype=float))

    def invert(self, target: float) -> float:
        """The label count at which the formula reaches `target`, inf where it never does, 0 where it always has."""
        return float(self.curve.invert(np.array(target, dtype=float)))


def _short(value: float, digits: int) -> str:
    """To `digits` figures; whole numbers up to a million without an exponent."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.{digits}g}"


def needed(name: str) -> int:
    """Rungs without which the family can't be fitted: as many as it has parameters."""
    if name not in FAMILIES:
        raise UnknownNameError("curve family", name, FAMILIES)
    return len(FAMILIES[name].names)


def check_rungs(name: str, count: int) -> None:
    """Raise CurveError where `count` rungs are fewer than the family's parameters."""
    if count < needed(name):
        raise CurveError(
            f"family {name} has {needed(name)} parameters ({', '.join(FAMILIES[name].names)}) and needs "
            f"as many rungs, found {count}"
        )


def fit_family(
    name: str, ns: Sequence[float], accuracies: Sequence[Sequence[float]], *, exact: bool = True
) -> FamilyFit:
    """Fit the family `name` of FAMILIES to per-run accuracies in 0..1, one sequence a rung; any order.

    Rungs are weighted by the moderated variances of their means (`stats.moderated_variance`), or equally where no
    rung has two runs. `exact` False: the fits that leave a rung out are the best of a grid around the fit, which is
    many times as fast and gives `leave_one_out` to some per cent. Raises CurveError for measurements that aren't a
    curve and for fewer rungs than parameters.
    """
    rungs = checked_rungs(ns, accuracies)
    check_ladder(rungs.ns, rungs.means)
    rungs.check_accuracies()
    check_rungs(name, len(rungs.ns))
    moderated = moderated_variance(rungs.ns, rungs.groups)
    weights = np.ones(len(rungs.ns)) if moderated is None else rungs.counts / moderated.variance
    labels, means = np.asarray(rungs.ns, dtype=float), rungs.means
    curve = fit_shape(FAMILIES[name], labels, means, weights)
    residuals = means - curve.at(labels)
    rss = float((weights * residuals**2).sum())
    free = len(labels) - needed(name)
    scale = 1.0 if moderated is not None else rss / free if free else None
    return FamilyFit(
        name=name,
        parameters=_parameters(curve),
        covariance=None if scale is None else _covariance(curve, labels, weights, scale),
        residuals=residuals,
        rss=rss,
        leave_one_out=_leave_one_out(curve, labels, means, weights, exact=exact) if free else None,
        curve=curve,
    )


def _parameters(curve: Shapes) -> dict[str, float]:
    linear = {"free": [curve.c, curve.b], "one": [curve.b], "tied": [curve.c]}[curve.family.linear]
    return {name: float(value) for name, value in zip(curve.family.names, [*linear, *curve.shape], strict=True)}


def jacobian(curve: Shapes, ns: Array) -> Array:
    """Derivatives (R, P) of the accuracies at `ns` (R,) by the family's parameters."""
    phi = curve.family.phi(ns, *curve.shape)
    linear = {"free": [np.ones_like(ns), -phi], "one": [-phi], "tied": [1 - phi]}[curve.family.linear]
    return np.stack([*linear, *(-curve.b * slope for slope in curve.family.slopes(ns, *curve.shape))], axis=1)


def _covariance(curve: Shapes, ns: Array, weights: Array, scale: float) -> Array | None:
    """scale (J' W J)^-1 by singular values of the scaled Jacobian; None where it is singular."""
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
        kept = np.arange(len(ns)) != row
        if exact:
            left = fit_shape(curve.family, ns[kept], means[kept], weights[kept])
        else:
            left = refit(curve, ns[kept], means[None, kept], weights[kept])
        errors.append(abs(left.at(ns[row]).item() - means[row]))
    return math.fsum(errors) / len(errors)
