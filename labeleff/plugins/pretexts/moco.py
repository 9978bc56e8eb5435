"""MoCo v2 (He et al. 2020; Chen et al. 2020).

He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning"; Chen et al. 2020, "Improved
Baselines with Momentum Contrastive Learning".

A view must tell the other view of its image, encoded by weights that follow the encoder's, from a queue of earlier
ones. Queue and momentum weights live beside the encoder and are never saved with it. Loss, head and momentum update
through lightly.

With several devices the reference code computes batch-norm statistics on each and shuffles the keys between them, or
the statistics would tell which key was in the batch (He et al. 2020, section 3.3). Here `groups` parts of a batch
stand for the devices.

With fewer images than `queue` an image's own earlier keys are among its negatives, about queue / images of them.
"""

from __future__ import annotations

import copy

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.plugins.pretexts.two_views import Method, MethodSetup, Options, exactly, recipe, two_views
from labeleff.training.views import Recipe

STRENGTHS = (0.4, 0.4, 0.4, 0.1)
"""Jitter of brightness, contrast, saturation and hue."""


def recipes(options: Options) -> tuple[Recipe, Recipe]:
    """Augment queries and keys alike (v2, section 3)."""
    one = recipe(options, STRENGTHS, blur=0.5)
    return one, one


def method(setup: MethodSetup) -> Method:
    """Build encoder and head, the copies that follow them, and the queue."""
    groups, width = setup.whole("groups"), setup.whole("projection")
    if setup.batch < 2 * groups:
        raise PluginError(f"moco: {groups} groups of a batch of {setup.batch} would have one image; lower 'groups'")
    with setup.initial("moco head"):
        head = MoCoProjectionHead(setup.encoder.dim, setup.whole("hidden"), width)
        queue = NTXentLoss(setup.real("temperature"), memory_bank_size=(setup.whole("queue"), width))
    network = nn.Sequential(setup.encoder, head)
    follower = copy.deepcopy(network)
    deactivate_requires_grad(follower)
    contrast = exactly(queue, setup.compute)

    def loss(queries: Tensor, keys: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            update_momentum(network, follower, setup.real("momentum"))
        parts = min(groups, len(queries))  # held-out images may be few
        query_vectors = torch.cat([network(part) for part in queries.tensor_split(parts)])
        with torch.no_grad():
            order = shuffle(len(keys), groups, keys.device)
            key_vectors = torch.cat([follower(part) for part in keys[order].tensor_split(parts)])[order.argsort()]
        return contrast(query_vectors, key_vectors)

    return Method(nn.ModuleList((network, follower, queue)), network, loss)


def shuffle(count: int, groups: int, device: torch.device) -> Tensor:
    """Order 0..count-1 so that each part holds every `groups`-th one.

    No random numbers are needed: which images meet in a batch, and at which places, is random already.
    """
    return (torch.arange(count, device=device) % groups).argsort(stable=True)


pretrain = two_views("moco", method, recipes)
