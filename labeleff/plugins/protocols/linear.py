"""Linear probe: logistic regression on frozen features, label sets solved one after another or as batches.

Features are standardised with the n labelled ones, and every weight has a Gaussian prior of variance
`prior / dim`; the prior doesn't depend on n and nothing is tuned, so no label is spent on validation. Classification
is convex and is solved to convergence, from few labels to many: a set of labels that contains another one starts from
that one's solution.

Where every pixel has a label, each counted cell of the grid is a row. Depths are regressed by least absolute deviations
with the same prior.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.protocols.features import Standardised, groups, standardisation
from labeleff.plugins.protocols.interface import Fitted, LabelledFeatures
from labeleff.plugins.protocols.least_absolute import solve_least_absolute
from labeleff.plugins.protocols.logistic import Batch, Spectrum, blas_threads, solve
from labeleff.training.goals.depth import Depth

CLOSE = 4
"""Largest factor between label counts of a problem and of the smaller one from whose solution it starts."""


@dataclass(frozen=True)
class Solution:
    """Scores of features as `scores + weights (features - mean)`: (classes,), (classes, dim), (dim,).

    `rows` and `labels` are those of its problem.
    """

    scores: Tensor
    weights: Tensor
    mean: Tensor
    labels: Tensor
    rows: Tensor | None

    @staticmethod
    def of(problem: LabelledFeatures, one: Standardised, weights: Tensor) -> Solution:
        """Take weights (classes, dim + 1) of standardised features."""
        return Solution(weights[:, -1], weights[:, :-1] / one.scale, one.mean, problem.labels, problem.rows)

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
        same = set(self.labels.tolist()) == set(larger.labels.tolist())
        return same and bool(torch.isin(self.rows, larger.rows).all())


def solutions(problems: Sequence[LabelledFeatures], prior: float) -> Iterator[tuple[int, Solution]]:
    """Solve classifications on features of one encoder, small ones first: positions of problems, with solutions."""
    largest = max(problems, key=lambda one: len(one.labels))
    last = Standardised.of(largest.features)
    spectrum, penalty = Spectrum.of(last.x), last.x.shape[1] / prior
    solved: list[Solution] = []
    for group in groups(problems):
        ready = [last if problems[i] is largest else Standardised.of(problems[i].features) for i in group]
        starts = [_start(problems[i], one, solved) for i, one in zip(group, ready, strict=True)]
        hot = [F.one_hot(problems[i].labels, problems[i].outputs).float() for i in group]
        batch = Batch(_padded([one.x for one in ready]), _padded(hot).mT.contiguous(), penalty)
        weights = solve(batch, spectrum, torch.stack(starts))
        new = [Solution.of(problems[i], one, w) for i, one, w in zip(group, ready, weights, strict=True)]
        solved += new
        yield from zip(group, new, strict=True)


def _padded(rows: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True) if len(rows) > 1 else rows[0][None]


def _start(problem: LabelledFeatures, ready: Standardised, solved: Sequence[Solution]) -> Tensor:
    """Give the weights of the largest solved problem that this one can start from, or else zeros."""
    for smaller in reversed(solved):
        if smaller.starts(problem):
            return smaller.standardised(ready)
    return problem.features.new_zeros(problem.outputs, problem.features.shape[1] + 1)


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
    """Build one predictor per problem; option `prior`, the prior variance of a weight times the number of features."""
    prior = float(options["prior"])
    if isinstance(problems[0].goal, Depth):
        return _deviations(problems, prior)
    with torch.no_grad(), blas_threads():
        solved = dict(solutions(problems, prior))
    return [Fitted(solved[i].predict) for i in range(len(problems))]
