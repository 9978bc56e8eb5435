"""Linear probe: logistic regression on frozen features, label sets solved one after another or as batches.

Features are standardised with the n labelled ones, and every weight has a Gaussian prior of variance
`prior / dim`; the prior doesn't depend on n and by default nothing is tuned, so no label is spent on validation.
Classification is convex and is solved to convergence, from few labels to many: a set of labels that contains another
one starts from that one's solution.

Where every pixel has a label, each counted cell of the grid is a row, also of those that `choose = "split"` sets aside.
Depths are regressed by least absolute deviations with the same prior.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.catalogue.metrics import SINGLE
from labeleff.plugins.protocols import several_labels
from labeleff.plugins.protocols.features import Standardised, groups, standardisation
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.least_absolute import solve_least_absolute
from labeleff.plugins.protocols.logistic import Batch, Spectrum, blas_threads, solve
from labeleff.plugins.protocols.temperature import Temperature, fit_temperature, out_of_fold
from labeleff.training.contents import firsts
from labeleff.training.device import give_back
from labeleff.training.goals.classification import CLASSES, ranks
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.item_labels import ItemLabels

CLOSE = 4
"""Largest factor between label counts of a problem and of the smaller one from whose solution it starts."""
LARGE = 2**21
"""Numbers in features from which what a solution let go is given back to the system before the next."""
FEW = 16
"""Rows of a problem that are looked up in a larger one before all are."""
HELD_OUT = 5
"""One of how many labels of a class is held out where a split chooses the prior."""
FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Multiples of the prior that a split chooses among."""


@dataclass(frozen=True)
class Solution:
    """Scores of features as `scores + weights (features - mean)`: (classes,), (classes, dim), (dim,).

    `rows` and `labels` are those of its problem; `failure` says why it isn't solved, None where it is.
    """

    scores: Tensor
    weights: Tensor
    mean: Tensor
    labels: Tensor
    rows: Tensor | None
    failure: str | None = None

    @staticmethod
    def of(problem: LabelledFeatures, one: Standardised, weights: Tensor, failure: str | None = None) -> Solution:
        """Take weights (classes, dim + 1) of standardised features."""
        scaled = weights[:, :-1] / one.scale
        return Solution(weights[:, -1], scaled, one.mean, problem.labels, problem.rows, failure)

    def standardised(self, one: Standardised) -> Tensor:
        """Give weights (classes, dim + 1) of features that are standardised with other rows."""
        scores = self.scores + self.weights @ (one.mean - self.mean)
        return torch.cat([self.weights * one.scale, scores[:, None]], 1)

    def predict(self, features: Tensor) -> Tensor:
        """Compute scores (B, classes) of features (B, dim)."""
        return torch.addmm(self.scores, features - self.mean, self.weights.T)

    def starts(self, larger: LabelledFeatures) -> bool:
        """Whether the larger problem contains this one, isn't much larger, and has no class that this one lacks."""
        if self.rows is None or larger.rows is None or len(larger.rows) > CLOSE * len(self.rows):
            return False
        if not bool(torch.isin(self.rows[:FEW], larger.rows).all()):
            return False  # most other draws end here
        same = set(self.labels.tolist()) == set(larger.labels.tolist())
        return same and bool(torch.isin(self.rows, larger.rows).all())


def solutions(
    problems: Sequence[LabelledFeatures], prior: float, spectrum: Spectrum | None = None
) -> Iterator[tuple[int, Solution]]:
    """Solve classifications on features of one encoder, small ones first: positions of problems, with solutions.

    `spectrum` is that of the encoder's features, or else of the largest problem's.
    """
    spectrum = spectrum or _spectrum(problems)
    solved: list[Solution] = []
    for group in groups(problems):
        new = _solve([problems[i] for i in group], prior, spectrum, solved)
        solved += new
        if sum(len(problems[i].labels) for i in group) * len(spectrum.vectors) >= LARGE:
            give_back()
        yield from zip(group, new, strict=True)


def _spectrum(problems: Sequence[LabelledFeatures]) -> Spectrum:
    """Compute the spectrum of the largest problem's features."""
    return Spectrum.of(Standardised.of(max(problems, key=lambda one: len(one.labels)).features).x)


def _solve(
    problems: Sequence[LabelledFeatures], prior: float, spectrum: Spectrum, solved: Sequence[Solution]
) -> list[Solution]:
    """Solve problems together, each from the solution of a smaller one; their standardised copies end here."""
    ready = [Standardised.of(problem.features) for problem in problems]
    starts = [_start(problem, one, solved) for problem, one in zip(problems, ready, strict=True)]
    hot = [F.one_hot(problem.labels, problem.outputs).float() for problem in problems]
    penalty = ready[0].x.shape[1] / prior
    batch = Batch(_padded([one.x for one in ready]), _padded(hot).mT.contiguous(), penalty)
    weights, failures = solve(batch, spectrum, torch.stack(starts))
    return [Solution.of(*each) for each in zip(problems, ready, weights, failures, strict=True)]


def _padded(rows: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) if len(rows) > 1 else rows[0][None]


def _start(problem: LabelledFeatures, ready: Standardised, solved: Sequence[Solution]) -> Tensor:
    """Give the weights of the largest solved problem that this one can start from, or else zeros."""
    for smaller in reversed(solved):
        if smaller.starts(problem):
            return smaller.standardised(ready)
    return ready.x.new_zeros(problem.outputs, ready.x.shape[1] + 1)


def held_out(labels: Tensor, equal: Tensor | None = None) -> Tensor:
    """Mark every `HELD_OUT`-th label of each class, in their order: (rows,) bool.

    With `equal` (rows,), one number for equal rows, distinct ones are counted, and all equal to one go with it.
    """
    if equal is not None:
        first = firsts(equal)
        return torch.isin(equal, equal[first[held_out(labels[first])]])
    if labels.ndim == 2:
        return several_labels.held_out(labels, HELD_OUT)
    return ranks(labels) % HELD_OUT == 0


def _chosen(problem: LabelledFeatures, prior: float, spectrum: Spectrum) -> tuple[float, Temperature | None]:
    """Choose the multiple of `prior` of least cross-entropy on labels held out; `prior` where there are too few.

    With it comes the temperature by the same labels, which none of the priors' predictors was trained on.
    """
    out = held_out(problem.labels, problem.equal)
    if not bool(out.any()):
        return prior, None
    kept = LabelledFeatures(problem.features[~out], problem.labels[~out], problem.outputs, problem.goal)
    goal = problem.goal if isinstance(problem.goal, ItemLabels) else CLASSES  # a row of a map has one class
    scores = [_logistic([kept], factor * prior, spectrum)[0].predictor(problem.features[out]) for factor in FACTORS]
    losses = [goal.loss(one, problem.labels[out]).item() for one in scores]
    best = losses.index(min(losses))
    single = problem.goal.name in SINGLE
    temperature = fit_temperature(scores[best], problem.labels[out], kept.labels) if single else None
    return FACTORS[best] * prior, temperature


def _by_split(problems: Sequence[LabelledFeatures], prior: float) -> list[Fitted]:
    """Solve every problem with the prior that its own labels choose, noted as a metric."""
    spectrum = _spectrum(problems)
    fitted = []
    for problem in problems:
        chosen, temperature = _chosen(problem, prior, spectrum)
        [solved] = _logistic([problem], chosen, spectrum)
        fitted.append(replace(solved, metrics={"prior": chosen}, temperature=temperature))
    return fitted


def _scaled(problems: Sequence[LabelledFeatures], fitted: Sequence[Fitted], prior: float, folds: int) -> list[Fitted]:
    """Add temperatures by refits without each fold, each problem's with its own prior."""
    spectrum = _spectrum(problems)
    found: dict[int, Temperature | None] = {}
    priors = [one.metrics.get("prior") or prior for one in fitted]
    for own in dict.fromkeys(priors):
        places = [place for place, other in enumerate(priors) if other == own]
        refit = functools.partial(_logistic, prior=own, spectrum=spectrum)
        temperatures = out_of_fold([problems[place] for place in places], folds, refit)
        found |= dict(zip(places, temperatures, strict=True))
    return [replace(one, temperature=found[place]) for place, one in enumerate(fitted)]


def _logistic(problems: Sequence[LabelledFeatures], prior: float, spectrum: Spectrum) -> list[Fitted]:
    """Solve problems of classes or of several labels with one prior."""
    if isinstance(problems[0].goal, ItemLabels):
        return several_labels.solve_labels(problems, prior, spectrum)
    solved = dict(solutions(problems, prior, spectrum))
    return [Fitted(solved[i].predict, failure=solved[i].failure) for i in range(len(problems))]


def _deviations(problems: Sequence[LabelledFeatures], prior: float) -> list[Fitted]:
    """Regress depths by least absolute deviations."""
    fitted: dict[int, Fitted] = {}
    for group in groups(problems):
        weights = solve_least_absolute([problems[i] for i in group], prior)
        fitted |= {i: _regression(problems[i], w) for i, w in zip(group, weights, strict=True)}
    return [fitted[i] for i in range(len(problems))]


def _regression(problem: LabelledFeatures, weights: Tensor) -> Fitted:
    mean, scale = standardisation(problem.features)

    def depths(features: Tensor) -> Tensor:
        return ((features - mean) / scale) @ weights[:-1] + weights[-1]

    return Fitted(depths)


def fit(problems: Sequence[LabelledFeatures], options: Mapping[str, OptionValue]) -> list[Fitted]:
    """Build one predictor per problem.

    Option `prior` is the prior variance of a weight times the number of features. With option `choose` = "split", a
    fifth of each problem's labels chooses among multiples of it, after which all n labels are fitted; depths keep it.
    With option `folds`, each problem of classes is also solved without each fold of its labels, which gives scores of
    all of them for a temperature.
    """
    prior = float(options["prior"])
    if isinstance(problems[0].goal, Depth):
        return _deviations(problems, prior)
    with torch.no_grad(), blas_threads():
        if options.get("choose") == "split":
            fitted = _by_split(problems, prior)
        else:
            fitted = _logistic(problems, prior, _spectrum(problems))
        folds = int(options.get("folds", 0))
        return _scaled(problems, fitted, prior, folds) if folds and problems[0].goal.name in SINGLE else fitted
