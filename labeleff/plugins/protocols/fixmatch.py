"""FixMatch (Sohn et al. 2020), with FlexMatch's thresholds (Zhang et al. 2021) as an option.

Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence". The class that the
network finds likeliest for a weak view is the label of a strong view of the same image, where it is at least as likely
as `threshold` (section 2.2, equation 4); the mean is over all unlabelled images:

    loss_u = 1 / (ratio B) sum 1(max q >= threshold) H(argmax q, p(strong view)),    q = p(weak view), no gradient

Weak views are the budget's augmentation, strong ones `operations` drawn operations and a cutout (`strong_views` says
where they differ from the paper's). Weak, strong and labelled images go through the network in one pass, as in the
authors' code; in it the decay of the average is constant from the first step. As there, the average of the weights is
the result, with the batch-norm statistics of the network itself. The weight is constant unless `ramp` lets it rise.

Zhang et al. 2021, "FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling" (`thresholds =
"flexible"`): classes that the network has learned less well have lower thresholds. For every image the class that it
was last confident of is kept, by the fixed threshold; s(c) counts the images of class c, s(none) those of no class yet:

    b(c) = s(c) / max(s(1) ... s(classes), s(none)),    threshold(c) = threshold * b(c) / (2 - b(c))

(section 3: the learning effect, its warm-up and the convex mapping). As in the authors' code a step's thresholds are
those before its own predictions. They need to know which images are in a batch, so such cells are trained one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.plugins.protocols.interface import Prepared, by_itself
from labeleff.plugins.protocols.semi_supervised import Averaged, Drawn, SemiLoss, SemiRun, confident
from labeleff.plugins.protocols.supervised import SupervisedRun, preparation
from labeleff.training.images import Batch
from labeleff.training.strong_views import StrongViews


@dataclass(frozen=True)
class FixMatchLoss(SemiLoss):
    """Cross-entropy of strong views with the likeliest class of weak ones, where that is likely enough, else 0.

    A further output, where there is one, has the threshold of every class (classes,) as a share of `threshold`.
    """

    threshold: float
    values = ("confident",)

    def unlabelled(self, labelled: int, scores: Tensor, *further: Tensor) -> tuple[Tensor, ...]:
        """Compute the mean loss of unlabelled images, and the share of them over their threshold."""
        weak, strong = scores[labelled:].chunk(2)
        classes, sure = confident(weak, self.threshold)
        if further:
            sure = (F.softmax(weak.detach(), 1).amax(1) >= self.threshold * further[0][classes]).to(scores.dtype)
        return (F.cross_entropy(strong, classes, reduction="none") * sure).mean(), sure.mean()


class Curriculum(Averaged):
    """A model with the class that it was last confident of for each of `count` images, `outputs` where for none."""

    packing = "loop"
    latest: Tensor

    def start(self, count: int, outputs: int) -> Curriculum:
        """Begin with no image that the model is confident of."""
        self.register_buffer("latest", torch.full((count,), outputs))
        self._outputs = outputs
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute scores (B, classes), relative thresholds (classes,) and the ramp's progress ()."""
        scores, progress = super().forward(images)
        counts = F.one_hot(self.latest, self._outputs + 1).sum(0)
        learned = counts[:-1] / counts.max()
        return scores, learned / (2 - learned), progress

    def note(self, images: Tensor, classes: Tensor, sure: Tensor) -> None:
        """Keep the classes (B,) of those `images` (B,) that the model is `sure` of (B,); of equal images one counts."""
        known = sure.bool().nonzero()[:, 0]
        last = torch.full_like(self.latest, -1).scatter_reduce(0, images[known], known, "amax")[images[known]]
        self.latest[images[last]] = classes[last]


@dataclass(frozen=True)
class FlexMatchLoss(FixMatchLoss):
    """The same with the thresholds of a `Curriculum`, which it also keeps up to date."""

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        """Compute loss and values, then note what the model is confident of."""
        assert isinstance(model, Curriculum)
        assert batch.targets is not None
        outputs, labelled = model(batch.images), len(batch.targets)
        measured = self.measure(outputs, batch)
        if self.weight:
            weak, _ = outputs[0][labelled:].float().chunk(2)
            model.note(batch.samples[labelled:], *confident(weak, self.threshold))
        return measured


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder and a new head on the n labels and on strong views of what it is confident of.

    Options: `ratio`, `weight`, `threshold`, `thresholds`, `operations`, `ramp`, `decay`.
    """
    semi, threshold = SemiRun(run, "fixmatch"), float(run.options["threshold"])
    strong = StrongViews(semi.everything, semi.normalisation, int(run.options["operations"]), run.seed)

    def views(_: Drawn, others: Drawn) -> tuple[Tensor, ...]:
        return semi.weak(others), strong.batch(*others)

    if run.options["thresholds"] == "fixed":
        return semi.prepared(semi.averaged(), FixMatchLoss(semi.goal, semi.weight, threshold), views)
    curriculum = semi.averaged(Curriculum)
    assert isinstance(curriculum, Curriculum)
    curriculum.start(semi.everything.count, run.data.outputs)
    return semi.prepared(curriculum, FlexMatchLoss(semi.goal, semi.weight, threshold), views)


fit = by_itself(prepare)
