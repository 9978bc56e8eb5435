"""Fine-tuning with a validation set held out from the n labelled examples.

The validation set is never trained on. Every window (an epoch) is scored on it. The weights kept are those of the best
window, by accuracy (the goal's headline metric) and then by loss; `keep = "last"` only watches. With `stop`, training
ends once every validation example was correct in two windows in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from labeleff.plugins.encoders.interface import Reader
from labeleff.plugins.protocols.interface import Fitted, Prepared, by_itself
from labeleff.plugins.protocols.supervised import SupervisedRun, preparation
from labeleff.records.training_log import Training
from labeleff.seeding import stream_seed
from labeleff.training.device import Compute
from labeleff.training.hashed_random import hold_out
from labeleff.training.labelled_examples import LabelledExamples

BLOCK = 250
"""Validation examples scored at once."""

RUN = 50
"""Successive questions of stories that go to the validation set together."""

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

    def __call__(self, model: nn.Module) -> Entry:
        goal, loss, count, tallies = self.examples.goal, 0.0, 0, []
        with torch.no_grad(), self.compute.autocast():
            for batch in self.examples.resident.plain_batches(BLOCK):
                scores = model(self.compute.arrange(batch.images)).float()
                target = self.examples.target(batch)
                loss += float(goal.loss(scores, target, "sum"))
                count += int(goal.counted(target).sum())
                tallies.append(goal.tally(scores, target))
        correct = goal.metrics(goal.joined(tallies))[goal.headline]
        entry = {"validation_loss": loss / count, "validation_accuracy": correct}
        if _merit(entry) > self.best:
            self.best = _merit(entry)
            self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        return entry


def split(count: int, share: float, seed: int, run: int = 1) -> tuple[Tensor, Tensor]:
    """Split 0..count-1 into sorted positions to train on and to validate with, at least one each.

    The validation set is drawn in runs of `run` successive positions. Questions about one story follow each other, so
    with runs hardly any validation story occurs in training.
    """
    what = "validated: {held} of {count} labels would be set aside"
    return hold_out(count, share, stream_seed("validation", seed), what, run)


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder and a new head on the n labels except the validation ones.

    Options: `holdout`, the share set aside; `keep`; `stop`.
    """
    together = RUN if run.data.normalisation is None else 1
    trained, held = split(len(run.data.examples), float(run.options["holdout"]), run.seed, together)
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
        return Fitted(model.eval(), training, metrics | {"validation_count": len(held)})

    return training_run.prepared(training_run.slot(model, examples, watch=watch, enough=enough), finish)


def _head(run: SupervisedRun) -> nn.Module | None:
    """Create the head that a reader of stories defines; None for the usual new one."""
    if not isinstance(run.encoder, Reader):
        return None
    return run.encoder.head(run.data.outputs, stream_seed("class head", run.seed))


fit = by_itself(prepare)
