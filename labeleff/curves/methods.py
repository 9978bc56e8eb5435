"""Names of the methods of inversion, and the declared formulas among them (no numpy)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from labeleff.errors import CurveError, UnknownNameError

Linear = Literal["free", "one", "tied"]
"""Constraint on (c, b): none, c = 1, or b = c."""


class Formula(NamedTuple):
    """A closed form c - b phi(n) of a learning curve."""

    names: tuple[str, ...]
    """Names of the P parameters: linear ones, then those of the shape."""
    linear: Linear
    saturates: bool
    """Whether phi falls to 0, so that c is the asymptote."""
    phi: str
    """Name in `curves.shapes.PHIS`."""
    template: str
    """Text of the formula, to be filled with its parameters."""


BAYES = "bayes"
"""The default method."""
INTERPOLATIONS = ("linear", "log", "pchip")
"""Methods that stay inside the ladder."""
FORMULAS: Mapping[str, Formula] = {
    "pow2": Formula(("b", "a"), "one", True, "power", "1 - {b} n^-{a}"),
    "pow3": Formula(("c", "b", "a"), "free", True, "power", "{c} - {b} n^-{a}"),
    "pow4": Formula(("c", "b", "a", "d"), "free", True, "shifted power", "{c} - {b} (n + {d})^-{a}"),
    "exp3": Formula(("c", "b", "a"), "free", True, "exponential", "{c} - {b} exp(-{a} n)"),
    "log2": Formula(("c", "b"), "free", False, "logarithm", "{c} + {b} ln n"),
    "mmf4": Formula(("c", "b", "k", "g"), "free", True, "hill", "{c} - {b} / (1 + (n / {k})^{g})"),
    "wbl4": Formula(("c", "b", "k", "g"), "free", True, "weibull", "{c} - {b} exp(-(n / {k})^{g})"),
    "hill3": Formula(("c", "k", "g"), "tied", True, "hill", "{c} n^{g} / ({k}^{g} + n^{g})"),
}
"""Formulas by name, after the learning curve database (Mohr et al. 2022).

`log2` has no asymptote. `mmf4` is (a b + c n^d) / (b + n^d) with a = c - b, k^g for b, g for d; `wbl4` is
c - b exp(-a n^d) with a = k^-g, g for d; `exp3` is written as in the database.
"""


def methods() -> list[str]:
    """Names of all methods, the default first."""
    return [BAYES, *INTERPOLATIONS, *FORMULAS]


def methods_in_words() -> str:
    """All methods, as the command line lists them."""
    *some, last = reversed(INTERPOLATIONS)
    inside = f"{', '.join(some)} or {last}, which stay inside the ladder"
    return f"{BAYES}; {inside}; or a formula: {', '.join(FORMULAS)}"


def check_method(name: str) -> None:
    """Raise UnknownNameError for a name that is no method."""
    if name not in methods():
        raise UnknownNameError("curve method", name, methods())


def parameters(formula: str) -> int:
    """Number of a formula's parameters, which is also the least number of rungs to fit it.

    Raises UnknownNameError for a name that is no formula.
    """
    if formula not in FORMULAS:
        raise UnknownNameError("curve family", formula, FORMULAS)
    return len(FORMULAS[formula].names)


def check_rungs(formula: str, count: int) -> None:
    """Raise CurveError where `count` rungs are fewer than the formula's parameters."""
    least = parameters(formula)
    if count < least:
        raise CurveError(
            f"family {formula} has {least} parameters ({', '.join(FORMULAS[formula].names)}) and needs "
            f"as many rungs, found {count}"
        )


def rungs_needed(method: str) -> int:
    """Least number of rungs to fit a curve: two, or as many as a formula has parameters."""
    return max(2, parameters(method)) if method in FORMULAS else 2


def extrapolates(method: str) -> bool:
    """Whether the method models the curve beyond the last rung."""
    return method not in INTERPOLATIONS


def needs_fractions(method: str) -> bool:
    """Whether the method takes only accuracies in 0..1."""
    return method not in INTERPOLATIONS
