"""Shared parts of pretexts that compare two views: data, training, signs of collapse.

Such a pretext is one function that builds a `Method`: its networks and the loss of two views. Losses, heads and
momentum updates are lightly's; views, order, schedule and optimiser are the package's usual ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder, initial_weights
from labeleff.plugins.pretexts.contrastive import whole_blocks
from labeleff.plugins.pretexts.feature_checks import effective_rank, outputs, spread
from labeleff.plugins.pretexts.interface import PretextFunction, PretextRun, Pretrained, pretext
from labeleff.seeding import stream_seed
from labeleff.training.device import Compute
from labeleff.training.images import Batch
from labeleff.training.slots import DivergedError
from labeleff.training.views import Recipe, ResidentViews

COLLAPSED = 0.1
"""Spread of held-out projections under which a pretext counts as collapsed.

On the toy task every such pretext ends at 0.5 or more, and one forced to collapse (no predictor, gradient through both
views, no batch-norm in the head) at 0.01 to 0.05.
"""

Options = Mapping[str, OptionValue]


@dataclass(frozen=True)
class MethodSetup:
    """Arguments of a method: the encoder to train, and the training's length (`steps`, `epoch` in steps)."""

    encoder: Encoder
    seed: int
    options: Options
    batch: int
    steps: int
    epoch: int
    compute: Compute

    def initial(self, name: str) -> AbstractContextManager[None]:
        """Make weights initialised inside depend on the seed and the stream `name` alone."""
        return initial_weights(stream_seed(name, self.seed))

    def whole(self, option: str) -> int:
        """Return an option as integer."""
        return int(self.options[option])

    def real(self, option: str) -> float:
        """Return an option as float."""
        return float(self.options[option])


@dataclass(frozen=True)
class Method:
    """The networks of a pretext, and its loss.

    `parts`: everything that has weights or buffers. `network`: images to the projections (N, width) that the loss
    compares; its first part is the encoder to hand on, the one that was given or a copy that follows it. `loss`: the
    mean loss, a scalar, of two views of B images, float (B, 3, S, S) each in the order of the recipes. With gradients
    on it is called once per step and may move what follows the encoder (momentum weights, queues, centres); with
    gradients off it must change nothing.
    """

    parts: nn.Module
    network: nn.Sequential
    loss: Callable[[Tensor, Tensor], Tensor]


def two_views(
    name: str, build: Callable[[MethodSetup], Method], recipes: Callable[[Options], tuple[Recipe, Recipe]]
) -> PretextFunction:
    """Build the pretext that trains an encoder by the method of `build`, on the two views of `recipes`.

    A share `holdout` of the images (at least two, never trained on, never test images) gives `heldout_loss`, on two
    views per image, `spread`, on projections of the images themselves, and `effective_rank`, on their features.
    `collapsed` is 1 where the spread is under COLLAPSED, else 0.
    """

    @pretext(name)
    def pretrain(run: PretextRun) -> Pretrained:
        budget, compute = run.budget, run.compute
        kept, held = run.hold_out(least=2)
        if len(kept) < budget.batch:
            raise PluginError(f"{name}: a batch of {budget.batch} from {len(kept)} images would hold one image twice")
        ways = recipes(run.options)
        pairs, held_pairs = (
            ResidentViews(part, run.data.normalisation, compute.device, ways, seed=run.seed) for part in (kept, held)
        )
        plain = run.resident(held)
        epoch = math.ceil(len(kept) / budget.batch)
        steps = budget.steps_for(len(kept))
        method = build(MethodSetup(run.encoder, run.seed, run.options, budget.batch, steps, epoch, compute))

        def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:  # noqa: ARG001
            loss = method.loss(*batch.images.chunk(2))
            return loss, loss.new_zeros(())

        def watch(model: nn.Module) -> dict[str, float]:  # noqa: ARG001
            entries = {
                "heldout_loss": heldout_loss(method, held_pairs, budget.batch, compute),
                "spread": spread(outputs(method.network, plain, compute)),
                "effective_rank": effective_rank(outputs(method.network[0], plain, compute)),
            }
            if not all(math.isfinite(value) for value in entries.values()):
                raise DivergedError(f"on held-out images: {entries}")
            return entries

        trained = run.train(method.parts, pairs, objective, watch, ("loss", "heldout_loss", "spread", "effective_rank"))
        run.encoder.load_state_dict(method.network[0].state_dict())
        reached = trained.metrics["spread"]
        assert reached is not None
        return trained.with_metrics(collapsed=float(reached < COLLAPSED))

    return pretrain


def heldout_loss(method: Method, pairs: ResidentViews, batch: int, compute: Compute) -> float:
    """Compute the mean loss of held-out images, two views each as in epoch 0, in whole blocks of `batch` images."""

    def loss(views: Tensor) -> Tensor:
        with torch.no_grad(), compute.autocast():
            return method.loss(*views.chunk(2)).float()

    blocks = whole_blocks(pairs, batch, compute.device)
    return float(torch.stack([loss(compute.arrange(block.images)) for block in blocks]).mean())


def recipe(options: Options, strengths: tuple[float, float, float, float], **changes: float) -> Recipe:
    """Create a usual view, its jitter scaled by the option `colour`; `changes` are further fields."""
    colour = float(options["colour"])
    scaled = (colour * strengths[0], colour * strengths[1], colour * strengths[2], colour * strengths[3])
    return Recipe(float(options["area"]), flip=0.5, jitter=0.8, strengths=scaled, grey=0.2, **changes)


def of_projections(
    network: nn.Module, terms: Callable[..., Any], compute: Compute
) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss `terms` of both views' projections, computed in float32."""
    exact = exactly(terms, compute)
    return lambda first, second: exact(network(first), network(second))


def exactly(loss: Callable[..., Any], compute: Compute) -> Callable[..., Tensor]:
    """Wrap a loss to compute on float32 outputs, whatever their type: similarities over a temperature need it."""

    def of(*outputs: Tensor) -> Tensor:
        with torch.autocast(compute.device.type, enabled=False):
            value: Tensor = loss(*(output.float() for output in outputs))
        return value

    return of
