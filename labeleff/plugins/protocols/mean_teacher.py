"""Mean Teacher (Tarvainen & Valpola 2017): agreement with the average of a network's own weights.

Tarvainen & Valpola 2017, "Mean teachers are better role models: Weight-averaged consistency targets improve
semi-supervised deep learning results". Student and teacher see two views of every image, labelled or not, and the mean
squared difference of their probabilities joins the labelled images' cross-entropy (section 2):

    J = mean over images and classes of (p_student - p_teacher)**2,    teacher = decay * teacher + (1 - decay) * student

The weight rises by exp(-5 (1 - x)**2) over the first `ramp` share of all steps (appendix B). The teacher is the result.

From the PyTorch code that the authors publish: the mean over classes (their weight is 100 beside a class loss that is
averaged over all images, here over the labelled ones), the teacher's passes in train mode, and batch-norm statistics of
the teacher that it computes from its own passes and never takes from the student. Its decay rises as 1 - 1 / (t + 1),
and stays at `decay`; the paper begins with 0.99 and goes on with 0.999. The paper's noise on pixels and dropout are
left out, and its second cost between two heads. With `decay = 0` the student is its own teacher (the Pi model). With
`weight = 0` there are no second views, and an average has the network's statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labeleff.plugins.protocols.interface import Prepared, by_itself
from labeleff.plugins.protocols.semi_supervised import Averaged, Drawn, SemiLoss, SemiRun
from labeleff.plugins.protocols.supervised import SupervisedRun, preparation


class StudentAndTeacher(Averaged):
    """A network for the first half of a batch, and its average for the second half."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the student's and the teacher's scores, (B, classes) each, and the ramp's progress ()."""
        progress = self.begin_step()
        own, others = images.chunk(2)
        scores = self.network(own)
        with torch.no_grad():
            targets = (self.network if self.average is None else self.average)(others)
        return scores, targets, progress


@dataclass(frozen=True)
class MeanTeacherLoss(SemiLoss):
    """Mean squared difference of the student's and the teacher's probabilities."""

    def unlabelled(self, labelled: int, scores: Tensor, *further: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Compute the mean over all images, labelled ones too, and classes."""
        [targets] = further
        return ((F.softmax(scores, 1) - F.softmax(targets.detach(), 1)).square().mean(),)

    def risen(self, progress: Tensor) -> Tensor:
        """Compute the sigmoid-shaped ramp."""
        return torch.exp(-5 * (1 - progress).square())


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder and a new head on the n labels and to agree with their average.

    Options: `ratio`, `weight`, `ramp`, `decay`.
    """
    semi = SemiRun(run, "mean_teacher")

    loss = MeanTeacherLoss(semi.goal, semi.weight)
    if not semi.weight:
        return semi.prepared(semi.averaged(), loss, lambda *_: ())

    def views(own: Drawn, others: Drawn) -> tuple[Tensor, ...]:
        again = semi.examples.view(*own, 1), semi.weak(others, 1)
        return semi.weak(others), *again

    return semi.prepared(semi.averaged(StudentAndTeacher), loss, views, own_statistics=True)


fit = by_itself(prepare)
