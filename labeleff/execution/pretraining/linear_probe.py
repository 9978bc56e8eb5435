"""The curve of a linear probe over pretraining, measured from outside the pretext.

A pretext has no part in it. The runner probes a copy of the encoder in eval mode when the trainer reports its progress,
at the end of a timed window and outside the time that counts.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.execution.draws import Indices, draw_order, rung_indices
from labeleff.execution.scoring import EncodedLabels, score_frozen
from labeleff.execution.workplace import LoadedTask
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.encoders.split import LabSplit
from labeleff.plugins.protocols import linear
from labeleff.records.training_log import ProbeCurve, ProbePoint, Training
from labeleff.study.cell import Budget
from labeleff.study.probe_settings import Probe, check_pool
from labeleff.training.device import Compute, peak_memory, reset_peak_memory
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Task
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import DivergedError, Progress


def split(task: Task, spec: Spec, probe: Probe) -> tuple[Indices, Indices]:
    """Choose sorted positions in the training split to fit on and to score on, stratified and without an overlap.

    They depend on the task's name and labels alone, and on none of the study's draws. Raises StudyError where the
    split has too few examples.
    """
    check_pool(probe, spec, len(task.train))
    order = draw_order(task.strata.numpy(), 0, subset="stratified", task=f"probe of {spec.name}")
    return rung_indices(order, probe.labels), rung_indices(order[probe.labels :], probe.held_out)


@dataclass
class _ProbedTask:
    """One task's examples, and its probe's values so far by step."""

    spec: Spec
    loaded: LoadedTask
    fitted_on: Indices
    scored_on: LabelledExamples
    chance: float
    values: dict[int, float | None] = field(default_factory=dict)


class Probing:
    """Linear probes on one task or several of an encoder that a pretext trains in place."""

    def __init__(
        self, probe: Probe, tasks: Sequence[tuple[Spec, LoadedTask]], encoder: Encoder, compute: Compute
    ) -> None:
        self._probe, self._encoder, self._compute = probe, encoder, compute
        self._tasks = [self._probed_task(spec, loaded) for spec, loaded in tasks]
        self._windows = 0
        self.peak = 0
        """Peak memory of training in bytes, up to the last probe and without the probes' own."""

    def _probed_task(self, spec: Spec, loaded: LoadedTask) -> _ProbedTask:
        fitted_on, held_out = split(loaded.task, spec, self._probe)
        scored_on = loaded.labelled(held_out)
        examples = scored_on.on(self._compute.device)
        return _ProbedTask(spec, loaded, fitted_on, examples, loaded.task.goal.chance(scored_on.examples.labels))

    def beside(self, progress: Progress) -> Progress:
        """Wrap `progress` so that the encoder is probed at the end of every `every`-th window."""

        def probe_and_report(done: int, total: int, loss: float, rate: float) -> None:
            self._windows += 1
            if self._windows % self._probe.every == 0:
                self.measure(done)
            progress(done, total, loss, rate)

        return probe_and_report

    def measure(self, step: int) -> None:
        """Probe the encoder in its present state, after `step` steps."""
        self.peak = max(self.peak, peak_memory(self._compute.device))
        for task in self._tasks:
            task.values[step] = self._value(task, untrained=step == 0)
        reset_peak_memory(self._compute.device)

    def _value(self, task: _ProbedTask, *, untrained: bool) -> float | None:
        """Measure the task's headline metric on its held-out examples; None where it isn't solved or not finite."""
        encoder, goal = copy.deepcopy(self._encoder), task.loaded.task.goal
        if untrained and isinstance(encoder, LabSplit):  # cmc measures colours before its first step
            assert task.loaded.normalisation is not None
            encoder.lab.measure(task.loaded.task.train.images, task.loaded.normalisation)
        model = self._compute.place(LastMap(encoder) if goal.dense else encoder).eval()
        problem = EncodedLabels(model, task.loaded.labelled, task.fitted_on, self._compute).problem(task.fitted_on)
        if not torch.isfinite(problem.features).all():
            return None
        [fitted] = linear.fit([problem], lookup.complete("protocol", "linear", {}).options)
        if fitted.failure is not None:
            return None
        [result] = score_frozen(model, [fitted.predictor], task.scored_on, self._compute)
        try:
            return result.metrics()[goal.headline]
        except DivergedError:
            return None

    def curves(self, training: Training | None, budget: Budget) -> list[ProbeCurve]:
        """Give the curves of a finished training, its end included, one per task.

        Epochs are those of the learning curve; where a pretext reports none, epochs of all training images.
        """
        images = len(self._tasks[0].loaded.task.train)
        end = training.steps if training else budget.steps_for(images)
        if any(end not in task.values for task in self._tasks):
            self.measure(end)
        entries = [entry for entry in training.history if entry.get("step")] if training else []
        epoch = entries[-1]["epoch"] / entries[-1]["step"] if entries else budget.batch / images
        return [
            ProbeCurve(
                task=task.spec.label,
                data=task.loaded.fingerprint,
                probe=self._probe,
                metric=task.loaded.task.goal.headline,
                chance=task.chance,
                encoder_sha256=state_sha256(self._encoder),
                points=[ProbePoint(step=step, epoch=epoch * step, value=v) for step, v in task.values.items()],
            )
            for task in self._tasks
        ]
