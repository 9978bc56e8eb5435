"""Pretexts: ways to train an encoder without labels, one plain function a file.

A pretext gets images, an encoder, a seed and a budget. It never gets labels, nor test images. One that takes weights
from outside (`load`, with `loaded = True` in the catalogue) gets no images either; the runner fills the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.interface import Encoder
from labeleff.records.training_log import Training
from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.hashed_random import hold_out
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.loop import train
from labeleff.training.slots import Objective, Order, Progress, Resident, Slot

Watch = Callable[[nn.Module], dict[str, float]]
"""Further entries of the learning curve, of a model in eval mode at the end of a window."""


@dataclass(frozen=True)
class Unlabelled:
    """What a pretext may see: uint8 images (N, S, S, 3), and their channel statistics."""

    images: Tensor
    normalisation: Normalisation


@dataclass(frozen=True)
class Pretrained:
    """What a pretext gives: its own metrics (in 0..1 or losses) and how training went; the encoder is in place."""

    metrics: dict[str, float | None] = field(default_factory=dict)
    training: Training | None = None
    provenance: str | None = None
    """Where weights from outside came from, and what was left out."""
    weights_sha256: str | None = None

    def with_metrics(self, **further: float) -> Pretrained:
        """The same with `further` metrics behind the others."""
        return replace(self, metrics={**self.metrics, **further})


PretextFunction = Callable[[Unlabelled, Encoder, int, Budget, Mapping[str, OptionValue], Compute, Progress], Pretrained]
"""(images, encoder, seed, budget, options, compute, progress) to Pretrained."""


@dataclass(frozen=True)
class PretextRun:
    """One pretraining of `encoder`, in place: all that a pretext is given, and the steps that pretexts share."""

    name: str
    data: Unlabelled
    encoder: Encoder
    seed: int
    budget: Budget
    options: Mapping[str, OptionValue]
    compute: Compute
    progress: Progress

    def stream(self, name: str) -> int:
        """The seed of this pretraining's random stream `name`."""
        return stream_seed(name, self.seed)

    def hold_out(self, least: int = 1) -> tuple[Tensor, Tensor]:
        """Images to train on, and a share `holdout` of them (an option; `least` or more) that is only looked at.

        Raises PluginError where nothing is left to train on.
        """
        what = f"{self.name}: {{held}} of {{count}} images would be held out"
        images, share = self.data.images, float(self.options["holdout"])
        kept, held = hold_out(len(images), share, self.stream("holdout"), what, least=least)
        return images[kept], images[held]

    def resident(self, images: Tensor, augment: Augment | None = None, *, rotate: bool = False) -> ResidentImages:
        """Some of the images on the device, as `ResidentImages` has them."""
        normalisation, device = self.data.normalisation, self.compute.device
        return ResidentImages(images, normalisation, device, augment=augment, rotate=rotate, seed=self.seed)

    def train(
        self,
        model: nn.Module,
        images: Resident,
        objective: Objective,
        watch: Watch,
        metrics: Sequence[str],
        order: Order | None = None,
    ) -> Pretrained:
        """Train `model` by the budget; the last window's entries that `metrics` names are what it reached.

        Without `accuracy` among them nothing can be correct, so the learning curve has none either.
        """
        slot = Slot(model, images, objective, self.seed, watch, order=order)
        steps = self.budget.steps_for(images.count)
        [training] = train([slot], self.budget, steps, self.compute, self.progress)
        if "accuracy" not in metrics:
            training = _without_accuracy(training)
        return Pretrained({name: training.history[-1][name] for name in metrics}, training)


def _without_accuracy(training: Training) -> Training:
    history = [{key: value for key, value in entry.items() if key != "accuracy"} for entry in training.history]
    return training.model_copy(update={"history": history})


def pretext(name: str) -> Callable[[Callable[[PretextRun], Pretrained]], PretextFunction]:
    """Give a function of a `PretextRun` the arguments that every pretext is called with; errors name it `name`."""

    def decorate(function: Callable[[PretextRun], Pretrained]) -> PretextFunction:
        def pretrain(
            data: Unlabelled,
            encoder: Encoder,
            seed: int,
            budget: Budget,
            options: Mapping[str, OptionValue],
            compute: Compute,
            progress: Progress,
        ) -> Pretrained:
            return function(PretextRun(name, data, encoder, seed, budget, options, compute, progress))

        pretrain.__doc__ = function.__doc__
        return pretrain

    return decorate
