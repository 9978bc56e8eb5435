"""The workplace of one process: its tasks, weights, encoder cache and device."""

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
from labeleff.plugins.pretexts.stored_features import stored_rows
from labeleff.plugins.protocols.interface import Labelled
from labeleff.records.training_log import ProbeCurve, tasks_without_curve
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
    """A task loaded in this process, with values that are computed from it once."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task = task
        self._device = device

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the task's arrays."""
        return self.task.fingerprint

    @functools.cached_property
    def normalisation(self) -> Normalisation | None:
        """Channel statistics of the training images, computed without labels. None for stories and stored features."""
        images = self.task.text is None and self.task.features is None
        return Normalisation.of(self.task.train.inputs) if images else None

    @functools.cached_property
    def test_examples(self) -> LabelledExamples:
        """The test images or stories on the device, with their labels."""
        return LabelledExamples(self.task.test, self.task.goal, self.normalisation, self._device)

    def labelled(self, indices: np.ndarray, others: bool = False) -> Labelled:
        """Select these training examples with their labels; with `others` also all further inputs, without labels."""
        chosen, train = torch.from_numpy(indices), self.task.train
        examples = Examples(train.inputs[chosen], train.labels[chosen])
        mask = torch.ones(len(train), dtype=torch.bool)
        mask[chosen] = False
        unlabelled = train.inputs[mask] if others else None
        return Labelled(examples, self.task.outputs, self.normalisation, self.task.goal, unlabelled)


STATE = 2
"""Version of the names of encoders' weights, raised when they change so that older files no longer match."""


@dataclass(frozen=True)
class Settings:
    """Settings of a worker process: the run's options, and what follows from the study."""

    options: RunOptions
    run: str
    labels: LabelRule
    readers: Path | None = None
    """The run's folder, absolute, where trained readers of stories are stored; None stores none."""
    probes: ProbePlan | None = None
    """Tasks and settings of linear probes while encoders are trained; None for no probes."""


class Workplace:
    """The settings, device, loaded tasks, weights and encoder cache that one process works with."""

    def __init__(self, settings: Settings, source: Source | None = None) -> None:
        self.settings, options = settings, settings.options
        self.device = pick_device(options.device)
        self.cache = EncoderCache(options.cache)
        source = source or Source(options.data, options.offline, base=options.base)
        self._source = dataclasses.replace(source, device=str(self.device))
        self._tasks: dict[str, LoadedTask] = {}
        self._weights: dict[str, Weights] = {}

    def load(self, spec: Spec) -> LoadedTask:
        """Load the task that a spec names, once per process."""
        if spec.label not in self._tasks:
            self._tasks[spec.label] = LoadedTask(load_task(spec, self._source), self.device)
        return self._tasks[spec.label]

    def compute(self, of: Cell | Pretraining) -> Compute:
        """Choose arithmetic and memory layout for a cell or a pretraining on this device."""
        return choose(of.encoder.name, of.precision, self.device, of.layout)

    def weights(self, pretext: Spec) -> Weights:
        """Read the weights that a pretext takes from outside, once per process."""
        if pretext.label not in self._weights:
            load: LoadFunction = lookup.resolve("pretext", pretext.name)
            self._weights[pretext.label] = load(lookup.options("pretext", pretext), self._source)
        return self._weights[pretext.label]

    def filled_encoder(self, encoder: Spec, pretext: Spec, seed: int) -> tuple[Encoder, str]:
        """Build an encoder with weights from outside, with their origin; raises WeightsError unless they fit."""
        built = build_encoder(encoder, stream_seed("init", seed))
        what = f"{pretext.label} doesn't fit encoder {encoder.label}"
        return built, fill(built, self.weights(pretext), str(pretext.options["stem"]), what)

    def cache_key(self, pretraining: Pretraining) -> str:
        """Key of an encoder's file: a hash of the pretraining, the data's bytes and the conditions."""
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

    def tasks_to_probe(self, pretraining: Pretraining, curves: Sequence[ProbeCurve]) -> list[Spec]:
        """List the tasks that the encoder should be probed on and that `curves` has no curve for."""
        plan = self.settings.probes
        if plan is None:
            return []
        tasks = plan.tasks_of(pretraining)
        data = {spec.label: self.load(spec).fingerprint for spec in tasks}
        return tasks_without_curve([curve for curve in curves if curve.data == data.get(curve.task)], plan.probe, tasks)

    def new_encoder(self, pretraining: Pretraining) -> Encoder:
        """Build an untrained encoder; the pretext says whether it is a pair."""
        task = self.load(pretraining.task).task
        if task.features is not None:
            return stored_rows(task, str(pretraining.pretext.options["of"]))
        text, split = task.text, lookup.find("pretext", pretraining.pretext.name).split
        return build_encoder(pretraining.encoder, stream_seed("init", pretraining.seed), text, split=split)

    def encoder(self, cell: Cell) -> Encoder:
        """Make a fresh copy of the encoder that a cell starts from."""
        encoder = self.new_encoder(cell.pretraining)
        if pretraining_key(cell) is not None:
            self.cache.load(self.cache_key(cell.pretraining), encoder)
        return encoder

    def labels(self, cell: Cell) -> ChosenLabels:
        """Choose the labels of a cell; raises ConditionError where published ones have changed during the run."""
        chosen = choose_labels(self.load(cell.task).task, cell.task, self.settings.labels, cell.draw, cell.n)
        if cell.indices_sha256 not in {None, chosen.sha256}:
            raise ConditionError(f"{self.settings.labels.published}: the published labels changed during the run")
        return chosen

    def labelled(self, cell: Cell, labels: ChosenLabels) -> Labelled:
        """Select a cell's labelled examples, and the other training images where its protocol takes them."""
        return self.load(cell.task).labelled(labels.indices, takes_unlabelled(cell.protocol))


def _origins(pretraining: Pretraining) -> list[str]:
    """Origins of a pretraining's plug-ins from other packages, whose code may change without its name."""
    encoder = lookup.origin("encoder", pretraining.encoder.name)
    pretext = lookup.origin("pretext", pretraining.pretext.name)
    return [origin for origin in (encoder, pretext) if origin is not None]


def timestamp() -> str:
    """The time now in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def explain(error: Exception) -> tuple[str, str | None]:
    """Describe an error in one line and, where it is unexpected, with its traceback."""
    if is_out_of_memory(error):
        return "out of memory", None
    if isinstance(error, DivergedError):
        return f"diverged: {error}", None
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}", "".join(traceback.format_exception(error))
