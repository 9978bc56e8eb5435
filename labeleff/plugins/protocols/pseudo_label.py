"""Pseudo-labels (Lee 2013): the network's own predictions as labels of unlabelled images.

Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural Networks". In every
step an unlabelled image has the class that the network finds most likely, and its cross-entropy joins that of the
labelled images with a weight a(t) that is 0 at first, rises linearly and then stays (the paper's equations on the loss
and on a(t)):

    a(t) = 0 for t < T1, weight (t - T1) / (T2 - T1) up to T2, weight from there on

`ramp` is T2 as a share of all steps, and T1 a sixth of T2, as the paper's 100 and 600. The paper takes every prediction
(`threshold = 0`). By default only those of 0.95 or more count, as in Oliver et al. 2018, "Realistic Evaluation of Deep
Semi-Supervised Learning Algorithms"; the mean is still over all unlabelled images. Label and loss are of the same view
in the same pass. The paper evaluates the network itself: `decay` is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.protocols.interface import Prepared, by_itself
from labeleff.plugins.protocols.semi_supervised import SemiLoss, SemiRun, confident
from labeleff.plugins.protocols.supervised import SupervisedRun, preparation

BEGIN = 1 / 6
"""T1 as a share of T2."""


@dataclass(frozen=True)
class PseudoLabelLoss(SemiLoss):
    """Cross-entropy with the likeliest class where that is at least as likely as `threshold`, else 0."""

    threshold: float
    values = ("confident",)

    def unlabelled(self, labelled: int, scores: Tensor, *further: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Compute the mean loss of unlabelled images, and the share of them over the threshold."""
        others = scores[labelled:]
        classes, sure = confident(others, self.threshold)
        return (F.cross_entropy(others, classes, reduction="none") * sure).mean(), sure.mean()

    def risen(self, progress: Tensor) -> Tensor:
        """Compute a(t) over its final value from t / T2."""
        return (progress - BEGIN).clamp(min=0) / (1 - BEGIN)


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder and a new head on the n labels and on its own predictions.

    Options: `ratio`, `weight`, `threshold`, `ramp`, `decay`.
    """
    semi = SemiRun(run, "pseudo_label")
    loss = PseudoLabelLoss(semi.goal, semi.weight, float(run.options["threshold"]))
    return semi.prepared(semi.averaged(), loss, lambda _, others: (semi.weak(others),))


fit = by_itself(prepare)
