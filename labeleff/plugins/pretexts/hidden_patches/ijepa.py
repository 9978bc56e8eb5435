"""I-JEPA: features of hidden blocks are predicted (Assran et al. 2023, arXiv 2301.08243).

The encoder computes visible patches; from its tokens a narrow transformer predicts, for each of several blocks by
itself, what a teacher, whose weights follow the encoder's, makes of the block when it sees the whole image (section 3).
Predictor and momentum update are lightly's; blocks are drawn by hashes. Where the paper draws sizes of blocks for every
batch, they are fixed here, lying or standing, so that what is asked of an image doesn't depend on its batch. The
paper's context is a large block without the targets, cut to the smallest of the batch; here it is as many patches
outside of the targets as every image has, drawn at random. The student is the result, or with
`network = "teacher"`, as in the paper (appendix A.1), the teacher.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from lightly.models.modules import IJEPAPredictorTIMM, MaskedVisionTransformerTIMM
from lightly.models.utils import apply_masks, deactivate_requires_grad, update_momentum
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder, initial_weights
from labeleff.plugins.encoders.transformer_blocks import lean
from labeleff.plugins.encoders.vision_transformer import ViT
from labeleff.plugins.pretexts.hidden_patches.masked_training import of_patches, train
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, StepCounter, pretext
from labeleff.training.hashed_random import below
from labeleff.training.images import Batch

ASPECT = 0.75
"""Height of a lying block over its width (appendix A.1, where it is drawn between this and its inverse)."""


def block_sides(grid: int, scale: float, blocks: int) -> tuple[int, int]:
    """Sides in patches of a block with a share `scale` of grid x grid patches; raises PluginError for impossible ones.

    Blocks that don't overlap must leave a patch visible.
    """
    short, long = (round((scale * grid**2 * factor) ** 0.5) for factor in (ASPECT, 1 / ASPECT))
    if short < 1 or long > grid or blocks * short * long >= grid**2:
        raise PluginError(
            f"ijepa: at scale = {scale:g}, blocks = {blocks}, blocks of {short} x {long} of {grid} x {grid} patches "
            "leave none visible or don't fit, expected fewer or smaller blocks of at least one patch"
        )
    return short, long


def split(draws: Tensor, grid: int, sides: tuple[int, int], blocks: int) -> tuple[Tensor, Tensor]:
    """Choose visible patches (B, K) and those of blocks (B, blocks, area) by hashes (B, 3 * blocks + grid**2).

    K is what is left where no blocks overlap; places are numbered from 0, row by row.
    """
    (short, long), count = sides, sides[0] * sides[1]
    turned, top, left = (draws[:, part * blocks : (part + 1) * blocks, None] for part in range(3))
    stands, within = below(turned, 2).bool(), torch.arange(count, device=draws.device)
    height, width = (torch.where(stands, *pair) for pair in ((long, short), (short, long)))
    rows = below(top, grid - height + 1) + within // width
    hidden = rows * grid + below(left, grid - width + 1) + within % width
    last = torch.full_like(hidden.flatten(1), 1 << 32)  # over all hashes, so that hidden patches come last
    order = draws[:, 3 * blocks :].scatter_add(1, hidden.flatten(1), last).argsort(1)
    return order[:, : grid**2 - blocks * count], hidden


class JointEmbedding(nn.Module):
    """A vision transformer, its teacher and a predictor of `width`, `depth` and `heads` for grid x grid patches."""

    def __init__(self, encoder: ViT, teacher: ViT, grid: int, width: int, depth: int, heads: int, seed: int) -> None:
        super().__init__()
        unused = nn.Parameter(torch.zeros(1, 1, encoder.dim), requires_grad=False)
        settings = {"mask_token": unused, "weight_initialization": "skip", "pos_embed_initialization": "skip"}
        self.student = MaskedVisionTransformerTIMM(encoder.net, **settings)
        self.teacher = MaskedVisionTransformerTIMM(teacher.net, **settings)
        deactivate_requires_grad(self.teacher)
        self.steps = StepCounter()
        with initial_weights(seed):
            self.predictor = IJEPAPredictorTIMM(grid**2, depth, encoder.dim, width, heads)
            lean(self.predictor.decoder)

    def forward(self, images: Tensor, visible: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Predict features of hidden patches, and compute them: both (blocks * B, area, dim) float32.

        `visible` (B, K) and `hidden` (B, blocks, area) are places of patches.
        """
        kept = torch.cat((torch.zeros_like(visible[:, :1]), visible + 1), 1)
        tokens, targets = self.student.encode(images, idx_keep=kept)[:, 1:], list(hidden.unbind(1))
        predicted = self.predictor(tokens, [visible], targets)
        with torch.no_grad():
            whole = self.teacher.encode(images)[:, 1:].float()
            aims = apply_masks(F.layer_norm(whole, whole.shape[-1:]), targets)
        return predicted.float(), aims


def error(predicted: Tensor, aims: Tensor, images: int) -> Tensor:
    """Compute the smooth L1 distance (B,) of features (blocks * B, area, dim), as the reference code does."""
    return F.smooth_l1_loss(predicted, aims, reduction="none").mean((1, 2)).view(-1, images).mean(0)


def check(encoder: Encoder, side: int, options: Mapping[str, OptionValue]) -> tuple[ViT, int, tuple[int, int]]:
    """Check encoder, images of `side` pixels and options; returns the encoder, the grid's side and those of blocks."""
    found = of_patches("ijepa", encoder, side, options)
    if found.pool != "mean":
        raise PluginError(f"ijepa: found pool = {found.pool!r}, expected 'mean', as the class token isn't trained")
    grid = side // found.patch
    return found, grid, block_sides(grid, float(options["scale"]), int(options["blocks"]))


@pretext("ijepa")
def pretrain(run: PretextRun) -> Pretrained:
    """Train an encoder to predict a teacher's features of hidden blocks from visible patches.

    Options: `blocks` that are predicted and the share `scale` of the patches in each; `width`, `depth` and `heads` of
    the predictor; `momentum` of the teacher, which grows to 1; `network`, whose weights are the
    result: the `student`, or the paper's `teacher`; `holdout`, as for `mae`.
    """
    options, blocks = run.options, int(run.options["blocks"])
    encoder, grid, sides = check(run.encoder, int(run.data.images.shape[1]), options)
    width, depth, heads = (int(options[name]) for name in ("width", "depth", "heads"))
    teacher = copy.deepcopy(encoder)
    model = JointEmbedding(encoder, teacher, grid, width, depth, heads, run.stream("ijepa predictor"))
    start, stream = float(options["momentum"]), run.stream("ijepa blocks")
    trained, evaluated = run.hold_out()
    steps = run.budget.steps_for(len(trained))

    def errors(model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, JointEmbedding)
        if torch.is_grad_enabled():
            momentum = start + (1 - start) * model.steps.count() / steps
            update_momentum(model.student, model.teacher, momentum)
        visible, hidden = split(batch.draws(stream, 3 * blocks + grid**2), grid, sides, blocks)
        predicted, aims = model(batch.images, visible, hidden)
        return error(predicted, aims, len(batch.images))

    result = {"student": encoder, "teacher": teacher}[str(options.get("network", "student"))]
    return train(run, model, result, (trained, evaluated), errors)
