"""What pretexts share that hide patches of an image from a vision transformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.encoders.vision_transformer import ViT
from labeleff.plugins.pretexts.feature_checks import BLOCK, effective_rank, outputs, spread
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained
from labeleff.training.images import Batch

COLLAPSED = 2.0
"""Effective rank of held-out features under which a pretext counts as collapsed: they hardly differ between images.

A constant has 1; those of vit_tiny have 12 to 32 on 500 images before it is trained.
"""
FEWEST = 16
"""Least number of held-out images of which a rank under COLLAPSED tells something: it is at most their number."""


def of_patches(name: str, encoder: Encoder, side: int, options: Mapping[str, OptionValue]) -> ViT:
    """Check that an encoder computes images of `side` pixels by patches, and a second network's `width` and `heads`.

    Raises PluginError, or StudyError for a size of images that isn't a multiple of the patch.
    """
    width, heads = int(options["width"]), int(options["heads"])
    if not isinstance(encoder, ViT):
        raise PluginError(f"{name}: found a {type(encoder).__name__}, expected an encoder of patches, such as vit_tiny")
    if width % 4 or width % heads:
        raise PluginError(f"{name}: found width = {width}, heads = {heads}, expected a width divisible by 4 and heads")
    encoder.check_size(torch.empty(0, 3, side, side))
    return encoder


def train(
    run: PretextRun,
    model: nn.Module,
    encoder: ViT,
    split: tuple[Tensor, Tensor],
    errors: Callable[[nn.Module, Batch], Tensor],
) -> Pretrained:
    """Train by a function from the model and a batch to losses (B,), on images split as by `hold_out`.

    The run's encoder ends with the weights of `encoder`: itself or a copy that follows it.

    Held-out images give `heldout_loss`, with the same patches hidden each time, and `spread` and `effective_rank` of
    their features; `collapsed` is 1 where that rank is under COLLAPSED, else 0, and 0 too where
    fewer than FEWEST are held out.
    """
    images, held_out = run.resident(split[0], run.budget.augment), run.resident(split[1])
    compute = run.compute

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        loss = errors(model, batch).mean()
        return loss, loss.new_zeros(())

    def watch(model: nn.Module) -> dict[str, float]:
        with torch.no_grad(), compute.autocast():
            blocks = (replace(one, images=compute.arrange(one.images)) for one in held_out.plain_batches(BLOCK))
            loss = float(torch.cat([errors(model, block) for block in blocks]).mean())
        features = outputs(encoder, held_out, compute)
        return {"heldout_loss": loss, "spread": spread(features), "effective_rank": effective_rank(features)}

    trained = run.train(model, images, objective, watch, ("loss", "heldout_loss", "spread", "effective_rank"))
    run.encoder.load_state_dict(encoder.state_dict())
    rank = trained.metrics["effective_rank"]
    assert rank is not None
    return trained.with_metrics(collapsed=float(rank < COLLAPSED and held_out.count >= FEWEST))
