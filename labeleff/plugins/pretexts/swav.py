"""SwAV (Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments").

The prototypes that one view is assigned to, equally many images to each over a batch and a queue of earlier images,
must be told from the other view (section 3.1, eqs. 1-5). The paper's small crops are left out, as for DINO. Head and
loss through lightly; prototypes are a layer without bias, which lightly's have and the paper's haven't.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lightly.loss import SwaVLoss
from lightly.models.modules import SwaVProjectionHead
from torch import Tensor, nn

from labeleff.plugins.pretexts.interface import StepCounter
from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, of_projections, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.8, 0.8, 0.8, 0.2)
"""Jitter of brightness, contrast, saturation and hue, as in SimCLR."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Use SimCLR's views, both alike (section 4)."""
    one = recipe(options, STRENGTHS, blur=0.5)
    return one, one


class Queue(nn.Module):
    """The last projections of each view (2, size, width), without gradients, and how many have come."""

    rows: Tensor
    come: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(2, size, width))
        self.register_buffer("come", torch.zeros((), dtype=torch.int64))

    @property
    def full(self) -> bool:
        """Whether there are as many earlier images as it holds."""
        return 0 < self.rows.shape[1] <= int(self.come)

    def push(self, views: tuple[Tensor, Tensor]) -> None:
        """Take in a batch of both views, in place of the oldest."""
        size = self.rows.shape[1]
        new = torch.stack(views).detach()[:, :size]
        self.rows = torch.cat((new, self.rows), 1)[:, :size]
        self.come += new.shape[1]


def method(setup: MethodSetup) -> Method:
    """Build encoder, projector and prototypes, which stay as they are in the first epoch (appendix A)."""
    width = setup.whole("projection")
    with setup.initial("swav head"):
        head = SwaVProjectionHead(setup.encoder.dim, setup.whole("hidden"), width)
        prototypes = nn.Linear(width, setup.whole("prototypes"), bias=False)
    network, queue = nn.Sequential(setup.encoder, head), Queue(setup.whole("queue"), width)
    swapped = SwaVLoss(setup.real("temperature"), sinkhorn_epsilon=setup.real("sharpness"))
    steps = StepCounter()

    def assignments(first: Tensor, second: Tensor) -> Tensor:
        views = F.normalize(first, dim=1), F.normalize(second, dim=1)
        training = torch.is_grad_enabled()
        if training:
            with torch.no_grad():
                prototypes.weight.copy_(F.normalize(prototypes.weight, dim=1))
        resting = training and steps.count() < setup.epoch
        weight = prototypes.weight.detach() if resting else prototypes.weight
        earlier = [rows @ weight.T for rows in queue.rows] if training and queue.full else None
        value: Tensor = swapped([view @ weight.T for view in views], [], earlier).squeeze()
        if training:
            queue.push(views)
        return value

    parts = nn.ModuleList((network, prototypes, queue, steps))
    return Method(parts, network, of_projections(network, assignments, setup.compute))


pretrain = two_views("swav", method, recipes)
