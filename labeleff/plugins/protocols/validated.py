"""Fine-tuning with a validation set held out from the n labelled examples.

The validation set is never trained on, nor are questions that equal one of its own in story and words. Every window (an
epoch) is scored on it. The weights kept are those of the best window, by accuracy (the goal's headline metric) and then
by loss; `keep = "last"` only watches. With `stop`, training ends once every validation example was correct in two
windows in a row.

Of classes the validation set leaves one example each to train on, unless there are too few labels for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from labeleff.catalogue.metrics import SINGLE
from labeleff.plugins.encoders.heads import evaluate
from labeleff.plugins.encoders.interface import Reader
from labeleff.plugins.protocols.interface import Fitted, Labelled, Prepared, by_itself
from labeleff.plugins.protocols.supervised import SupervisedRun, preparation
from labeleff.plugins.protocols.temperature import Temperature, fit_temperature
from labeleff.records.training_log import Training
from labeleff.seeding import stream_seed
from labeleff.training.device import Compute
from labeleff.training.equal_questions import hold_out_covering, hold_out_distinct
from labeleff.training.hashed_random import hold_out
from labeleff.training.labelled_examples import LabelledExamples

BLOCK = 250
"""Validation examples scored at once."""

RUN = 50
"""Successive distinct questions of stories that go to the validation set together."""

State = dict[str, Tensor]
Entry = dict[str, float]


def _merit(entry: Entry) -> tuple[float, float]:
    return entry["validation_accuracy"], -entry["validation_loss"]


def _perfect(history: list[Entry]) -> bool:
    """Whether every validation example was correct in the last two windows."""
    return len(history) > 1 and all(entry["validation_accuracy"] == 1 for entry in history[-2:])


@dataclass
class _Watch:
    """A scorer of the validation examples that keeps the weights of the best window."""

    examples: LabelledExamples
    compute: Compute
    best: tuple[float, float] = (-1.0, 0.0)
    state: State = field(default_factory=dict)

    def blocks(self, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield scores and targets of the validation examples, block by block."""
        with torch.no_grad():
            for batch in self.examples.resident.plain_batches(BLOCK):
                scores = evaluate(model, self.compute.arrange(batch.images), self.compute)
                yield scores, self.examples.target(batch)

    def __call__(self, model: nn.Module) -> Entry:
        goal, loss, count, tallies = self.examples.goal, 0.0, 0, []
        for scores, target in self.blocks(model):
            loss += float(goal.loss(scores, target, "sum"))
            count += int(goal.counted(target).sum())
            tallies.append(goal.tally(scores, target))
        correct = goal.metrics(goal.joined(tallies))[goal.headline]
        entry = {"validation_loss": loss / count, "validation_accuracy": correct}
        if _merit(entry) > self.best:
            self.best = _merit(entry)
            self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        return entry


def split(data: Labelled, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split labelled examples into sorted positions to train on and to validate with, at least one each.

    Of stories the validation set is drawn in runs of RUN successive questions, equal ones together. Questions about one
    story follow each other, so with runs hardly any validation story occurs in training.
    """
    stream = stream_seed("validation", seed)
    if not data.stories and data.goal.name in SINGLE:
        return hold_out_covering(data.examples.labels, share, stream, "validated")
    if not data.stories:
        return hold_out(len(data.examples), share, stream, "validated: {held} of {count} labels would be set aside")
    return hold_out_distinct(data.examples.inputs, data.examples.labels, share, stream, "validated", RUN)


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder and a new head on the n labels except the validation ones.

    Options: `holdout`, the share set aside; `keep`; `stop`.
    """
    trained, held = split(run.data, float(run.options["holdout"]), run.seed)
    training_run = replace(run, data=run.data.part(trained))
    examples = training_run.examples()
    watch = _Watch(run.data.part(held).on(run.compute.device), run.compute)
    model = training_run.model(_head(run))
    enough = _perfect if run.options["stop"] else None

    def finish(training: Training) -> Fitted:
        best = training.history[-1]
        if run.options["keep"] == "best":
            best = max(training.history, key=_merit)
            model.load_state_dict(watch.state)
        names = ("epoch", "loss", "accuracy", "validation_loss", "validation_accuracy")
        metrics: dict[str, float | None] = {name: best[name] for name in names}
        temperature = _temperature(watch, model.eval(), training_run.data)
        return Fitted(model, training, metrics | {"validation_count": len(held)}, temperature=temperature)

    return training_run.prepared(training_run.slot(model, examples, watch=watch, enough=enough), finish)


def _temperature(watch: _Watch, model: nn.Module, trained: Labelled) -> Temperature | None:
    """Fit a temperature on the validation images, which chose the weights and were never trained on.

    None unless an image has one class.
    """
    if trained.goal.name not in SINGLE or trained.normalisation is None:
        return None
    scores, labels = (torch.cat(parts) for parts in zip(*watch.blocks(model), strict=True))
    return fit_temperature(scores, labels, trained.examples.labels)


def _head(run: SupervisedRun) -> nn.Module | None:
    """Create the head that a reader of stories defines; None for the usual new one."""
    if not isinstance(run.encoder, Reader):
        return None
    return run.encoder.head(run.data.outputs, stream_seed("class head", run.seed))


fit = by_itself(prepare)
