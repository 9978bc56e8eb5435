"""One process's workplace: its tasks, weights and encoder cache, and the conditions it computes under."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import ConditionError
from labeleff.execution.draws import ChosenLabels, LabelRule, choose_labels
from labeleff.plugins.encoders.interface import Encoder, build_encoder
from labeleff.plugins.pretexts.outside_weights import LoadFunction, Weights, fill
from labeleff.plugins.protocols.interface import Labelled
from labeleff.records.training_log import ProbeCurve, lacking
from labeleff.scheduling.jobs import pretraining_key, takes_unlabelled
from labeleff.scheduling.run_options import RunOptions
from labeleff.seeding import stream_seed
from labeleff.study.cell import Cell, Pretraining, content_key
from labeleff.study.probe_settings import ProbePlan
from labeleff.training.device import Compute, choose, device_name, is_out_of_memory, pick_device, torch_release
from labeleff.training.encoder_cache import EncoderCache
from labeleff.training.examples import Examples, Source, Task, load_task
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import DivergedError


class LoadedTask:
    """A task in this process, and what is worked out from it once."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task = task
        self._device = device

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the task's arrays."""
        return self.task.fingerprint

    @functools.cached_property
    def normalisation(self) -> Normalisation | None:
        """Channel statistics of the training images; labels play no part. None for stories."""
        return Normalisation.of(self.task.train.inputs) if self.task.text is None else None

    @functools.cached_property
    def test_examples(self) -> LabelledExamples:
        """The test images or stories on the device, with their labels."""
        return LabelledExamples(self.task.test, self.task.goal, self.normalisation, self._device)

    def labelled(self, indices: np.ndarray, others: bool = False) -> Labelled:
        """Exactly these training examples with their labels; with `others` also the rest of them, without."""
        chosen, train = torch.from_numpy(indices), self.task.train
        examples = Examples(train.inputs[chosen], train.labels[chosen])
        rest = torch.ones(len(train), dtype=torch.bool)
        rest[chosen] = False
        unlabelled = train.inputs[rest] if others else None
        return Labelled(examples, self.task.outputs, self.normalisation, self.task.goal, unlabelled)


STATE = 2
"""Raised whenever the names of an encoder's weights change: older files then no longer match."""


@dataclass(frozen=True)
class Settings:
    """What a worker process needs to know beside the job: the run's options, and what follows from the study."""

    options: RunOptions
    run: str
    labels: LabelRule
    readers: Path | None = None
    """The run's folder, absolute, where trained readers of stories are kept; None keeps none."""
    probes: ProbePlan | None = None
    """What is probed while encoders are trained."""


class Workplace:
    """What one process works with: the run's settings, its device, loaded tasks, weights and the encoder cache."""

    def __init__(self, settings: Settings, source: Source | None = None) -> None:
        self.settings, options = settings, settings.options
        self.device = pick_device(options.device)
        self.cache = EncoderCache(options.cache)
        made = source or Source(options.data, options.offline)
        self._source = dataclasses.replace(made, device=str(self.device))
        self._tasks: dict[str, LoadedTask] = {}
        self._weights: dict[str, Weights] = {}

    def load(self, spec: Spec) -> LoadedTask:
        """The task that a spec names, loaded once a process."""
        if spec.label not in self._tasks:
            self._tasks[spec.label] = LoadedTask(load_task(spec, self._source), self.device)
        return self._tasks[spec.label]

    def compute(self, of: Cell | Pretraining) -> Compute:
        """Arithmetic and layout for a cell or a pretraining on this device."""
        return choose(of.encoder.name, of.precision, self.device, of.layout)

    def weights(self, pretext: Spec) -> Weights:
        """The weights that a pretext takes from outside, read once a process."""
        if pretext.label not in self._weights:
            load: LoadFunction = lookup.resolve("pretext", pretext.name)
            self._weights[pretext.label] = load(lookup.options("pretext", pretext), self._source)
        return self._weights[pretext.label]

    def filled(self, encoder: Spec, pretext: Spec, seed: int) -> tuple[Encoder, str]:
        """An encoder with weights from outside, and where they came from; WeightsError where they don't fit."""
        built = build_encoder(encoder, stream_seed("init", seed))
        what = f"{pretext.label} doesn't fit encoder {encoder.label}"
        return built, fill(built, self.weights(pretext), str(pretext.options["stem"]), what)

    def cache_key(self, pretraining: Pretraining) -> str:
        """Key of the encoder file: the pretraining, the data's bytes, and the conditions it is computed under."""
        compute = self.compute(pretraining)
        fingerprint = self.load(pretraining.task).fingerprint
        return content_key(
            "encoder",
            STATE,
            pretraining.key,
            fingerprint,
            compute.precision,
            device_name(self.device),
            torch_release(),
            *([self.weights(pretraining.pretext).sha256] if pretraining.from_outside else []),
            *_origins(pretraining),
        )

    def lacking(self, pretraining: Pretraining, curves: Sequence[ProbeCurve]) -> list[Spec]:
        """The tasks that the encoder should be probed on and that have no curve among these."""
        plan = self.settings.probes
        if plan is None:
            return []
        tasks = plan.tasks_of(pretraining)
        data = {spec.label: self.load(spec).fingerprint for spec in tasks}
        return lacking([curve for curve in curves if curve.data == data.get(curve.task)], plan.probe, tasks)

    def new_encoder(self, pretraining: Pretraining) -> Encoder:
        """An untrained encoder; the pretext says whether it is a pair."""
        text, split = self.load(pretraining.task).task.text, lookup.find("pretext", pretraining.pretext.name).split
        return build_encoder(pretraining.encoder, stream_seed("init", pretraining.seed), text, split=split)

    def encoder(self, cell: Cell) -> Encoder:
        """A fresh copy of the encoder that a cell starts from."""
        encoder = self.new_encoder(cell.pretraining)
        if pretraining_key(cell) is not None:
            self.cache.load(self.cache_key(cell.pretraining), encoder)
        return encoder

    def labels(self, cell: Cell) -> ChosenLabels:
        """The labels of a cell; raises ConditionError where they are published, and others than before."""
        chosen = choose_labels(self.load(cell.task).task, cell.task, self.settings.labels, cell.draw, cell.n)
        if cell.indices_sha256 not in {None, chosen.sha256}:
            raise ConditionError(f"{self.settings.labels.published}: the published labels changed during the run")
        return chosen

    def labelled(self, cell: Cell, labels: ChosenLabels) -> Labelled:
        """A cell's examples, and the other training images where its protocol takes them."""
        return self.load(cell.task).labelled(labels.indices, takes_unlabelled(cell.protocol))


def _origins(pretraining: Pretraining) -> list[str]:
    """Where a pretraining's plug-ins of other packages come from: their code may change and keep its name."""
    encoder = lookup.origin("encoder", pretraining.encoder.name)
    pretext = lookup.origin("pretext", pretraining.pretext.name)
    return [origin for origin in (encoder, pretext) if origin is not None]


def timestamp() -> str:
    """The time now in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def explain(error: Exception) -> tuple[str, str | None]:
    """A reason in one line and, for what nobody foresaw, the traceback."""
    if is_out_of_memory(error):
        return "out of memory", None
    if isinstance(error, DivergedError):
        return f"diverged: {error}", None
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}", "".join(traceback.format_exception(error))
