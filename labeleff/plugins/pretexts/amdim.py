"""AMDIM, multiscale InfoMax (Bachman et al. 2019; Newell & Deng 2020, section 4).

An image is augmented twice with the same flip, and the features of one view must find the local vectors of the other
among those of all other images in the batch, and local vectors must find local ones. Local vectors lie on a 7x7 and a
5x5 grid, made by a 1x1 convolution and adaptive average pooling from two stages of the encoder (`sources`). Scores are
products over the root of the width, clipped softly, and large ones cost a penalty (sections 3.2-3.4 of Bachman et al.).
As in the reference code, the clip is at 30, and a source on the 5x5 grid is one random location per image. That code
takes the 5x5 grid from before the last stage's last block; here a stage's end is taken.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder, initial_weights
from labeleff.plugins.pretexts.contrastive import METRICS, NEVER, held_out_scores, others, own_column
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, pretext
from labeleff.study.cell import Augment
from labeleff.training.hashed_random import below
from labeleff.training.images import Batch, ResidentPairs

FINE, COARSE = 7, 5
"""Sides of the grids of local vectors."""
LEAST = 4
"""Fewest pixels per side of a map that the coarse grid is pooled from."""
PENALTY = 0.05
"""Weight of the squared scores in the loss."""


def sources(encoder: Encoder, side: int) -> dict[str, int]:
    """Choose the stages of the fine and the coarse grid, with their channels, for images of `side` pixels.

    The coarse grid's stage is the first one of the lowest resolution that is at least 4x4, the fine grid's the first
    one of the next higher resolution. At 32 pixels that is layer2 and layer3 of resnet9, layer3 and layer4 of the
    ResNets (as in the reference code), stage4 and stage5 of mobilenet_v2 with the small stem, stage2 and stage3 with
    the usual one. Raises PluginError for fewer than two sizes.
    """
    with torch.no_grad():
        maps = encoder.eval().maps(next(encoder.parameters()).new_zeros(1, 3, side, side))
    sides = {name: int(value.shape[2]) for name, value in maps.items()}
    first = {size: name for name, size in reversed(sides.items()) if size >= LEAST}
    if len(first) < 2:
        raise PluginError(f"amdim: found maps of {sides} pixels a side, expected two sizes of at least {LEAST}")
    coarse, fine = (first[size] for size in sorted(first)[:2])
    return {name: int(maps[name].shape[1]) for name in (fine, coarse)}


class Multiscale(nn.Module):
    """An encoder with 1x1 convolutions on two stages: images to features and local vectors."""

    def __init__(self, encoder: Encoder, side: int, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.names = sources(encoder, side)
        with initial_weights(seed):
            self.layers = nn.ModuleList(nn.Conv2d(channels, encoder.dim, 1) for channels in self.names.values())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute features (B, dim), and local vectors (B, dim, 49) and (B, dim, 25), all float32."""
        maps = self.encoder.maps(images)
        features = maps[self.encoder.stages[-1]].mean((2, 3))
        grids = zip((FINE, COARSE), self.layers, self.names, strict=True)
        fine, coarse = (F.adaptive_avg_pool2d(layer(maps[name]), size).flatten(2) for size, layer, name in grids)
        return features.float(), fine.float(), coarse.float()


def compare(source: Tensor, target: Tensor, samples: Tensor, clip: float) -> tuple[Tensor, Tensor]:
    """Compute the loss of vectors (B, dim) that look for their image's (B, dim, L), and the unclipped scores (B, B, L).

    Every location has all locations of all other images as negatives; the mean is over images and locations.
    """
    with torch.autocast(source.device.type, enabled=False):
        scores = torch.einsum("id,jdl->ijl", source, target) / math.sqrt(source.shape[1])
    clipped = clip * torch.tanh(scores / clip)
    own = clipped.diagonal(dim1=0, dim2=1).T
    negatives = clipped.masked_fill(~others(samples)[:, :, None], NEVER).flatten(1).logsumexp(1)
    return F.softplus(negatives[:, None] - own).mean(), scores


def loss_of(
    first: tuple[Tensor, ...], second: tuple[Tensor, ...], batch: Batch, clip: float, stream: int
) -> tuple[Tensor, Tensor]:
    """Compute the loss of two views from `Multiscale`, and how many features find their image's coarse grid.

    The features look for both grids, and one location of the coarse grid, drawn per image, for the coarse grid.
    """
    locations = below(batch.draws(stream, 2), COARSE**2)
    losses, penalties = [], []
    correct = torch.zeros((), device=batch.samples.device)
    for (features, _, coarse), (_, there_fine, there_coarse), location in zip(
        (first, second), (second, first), locations.T, strict=True
    ):
        local = coarse.gather(2, location[:, None, None].expand(-1, coarse.shape[1], 1))[:, :, 0]
        comparisons = [
            compare(source, target, batch.samples, clip)
            for source, target in ((features, there_coarse), (features, there_fine), (local, there_coarse))
        ]
        losses += [loss for loss, _ in comparisons]
        penalties += [scores.square().mean() for _, scores in comparisons]
        means = comparisons[0][1].mean(2).masked_fill(~own_column(batch.samples), NEVER)
        correct += (means.argmax(1) == torch.arange(len(means), device=means.device)).sum() / 2
    return (torch.stack(losses).sum() + PENALTY * torch.stack(penalties).sum()) / 2, correct


@pretext("amdim")
def pretrain(run: PretextRun) -> Pretrained:
    """Train an encoder to give an image features and local vectors that find each other.

    The views are the budget's augmentations. Options: `clip` of the scores; `holdout`, the share of the images (at
    least two, never trained on) that gives `heldout_loss` and `heldout_accuracy` (of features that find their image's
    coarse grid), on two augmentations, within blocks as large as a batch.
    """
    augment, clip = run.budget.augment, float(run.options["clip"])
    if augment.model_copy(update={"flip": False}) == Augment():
        raise PluginError(f"amdim: found {augment}, expected crop, jitter or cutout: its views would be equal")
    images, held_out = (ResidentPairs(run.resident(part, augment)) for part in run.hold_out(least=2))
    model = Multiscale(run.encoder, int(run.data.images.shape[1]), run.stream("amdim head"))
    stream = run.stream("amdim location")

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        first, second = zip(*(part.chunk(2) for part in model(batch.images)), strict=True)
        return loss_of(first, second, batch, clip, stream)

    watch = held_out_scores(objective, held_out, run.budget.batch, run.compute)
    return run.train(model, images, objective, watch, METRICS)
