"""Interface of pretexts: training of an encoder without labels, one function per file.

A pretext gets images, an encoder, a seed and a budget. It never gets labels or test images. One that takes weights
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
"""A function from a model in eval mode, at the end of a window, to further entries of the learning curve."""


@dataclass(frozen=True)
class Unlabelled:
    """Data of a pretext: uint8 images (N, S, S, 3), and their channel statistics."""

    images: Tensor
    normalisation: Normalisation


@dataclass(frozen=True)
class Pretrained:
    """Result of a pretext: its metrics (in 0..1 or losses) and training log; the encoder is trained in place."""

    metrics: dict[str, float | None] = field(default_factory=dict)
    training: Training | None = None
    provenance: str | None = None
    """Source of outside weights, and what was left out of them."""
    weights_sha256: str | None = None

    def with_metrics(self, **further: float) -> Pretrained:
        """Return a copy with `further` metrics after the others."""
        return replace(self, metrics={**self.metrics, **further})


PretextFunction = Callable[[Unlabelled, Encoder, int, Budget, Mapping[str, OptionValue], Compute, Progress], Pretrained]
"""(images, encoder, seed, budget, options, compute, progress) to Pretrained."""


@dataclass(frozen=True)
class PretextRun:
    """One pretraining of `encoder`, in place: the arguments of a pretext, and the steps that pretexts share."""

    name: str
    data: Unlabelled
    encoder: Encoder
    seed: int
    budget: Budget
    options: Mapping[str, OptionValue]
    compute: Compute
    progress: Progress

    def stream(self, name: str) -> int:
        """Derive the seed of this pretraining's random stream `name`."""
        return stream_seed(name, self.seed)

    def hold_out(self, least: int = 1) -> tuple[Tensor, Tensor]:
        """Split images into those to train on and a share `holdout` (an option; `least` or more) for evaluation alone.

        Raises PluginError where nothing is left to train on.
        """
        what = f"{self.name}: {{held}} of {{count}} images would be held out"
        images, share = self.data.images, float(self.options["holdout"])
        trained, evaluated = hold_out(len(images), share, self.stream("holdout"), what, least=least)
        return images[trained], images[evaluated]

    def resident(self, images: Tensor, augment: Augment | None = None, *, rotate: bool = False) -> ResidentImages:
        """Put images on the device, as `ResidentImages`."""
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
        """Train `model` by the budget; returns the last window's entries that `metrics` names.

        Without `accuracy` among `metrics` the learning curve has no accuracy either.
        """
        slot = Slot(model, images, objective, self.seed, watch, order=order)
        steps = self.budget.steps_for(images.count)
        [training] = train([slot], self.budget, steps, self.compute, self.progress)
        if "accuracy" not in metrics:
            training = _without_accuracy(training)
        return Pretrained({name: training.history[-1][name] for name in metrics}, training)


class StepCounter(nn.Module):
    """Counts the steps of a training; as a part of the trained module it is kept in checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def count(self) -> int:
        """Count a step; returns the number of those before it."""
        self.done += 1
        return self.done - 1

    def get_extra_state(self) -> int:
        """Give the number of steps for a state dictionary."""
        return self.done

    def set_extra_state(self, state: int) -> None:
        """Take the number of steps from a state dictionary."""
        self.done = state


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
