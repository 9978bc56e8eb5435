"""The workplace of one process: its tasks, weights, encoder cache and device."""

from __future__ import annotations

import dataclasses
import functools
import traceback
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Kind, Spec
from labeleff.errors import ConditionError, DataError
from labeleff.execution.draws import ChosenLabels, choose_labels
from labeleff.execution.environment import Machine
from labeleff.execution.given_labels.long_tail import tail_of
from labeleff.execution.given_labels.noisy_labels import pool_labels
from labeleff.execution.run_facts import Settings
from labeleff.plugins.encoders.interface import Encoder, build_encoder
from labeleff.plugins.encoders.rows import stored_rows
from labeleff.plugins.pretexts.weights.outside_weights import LoadFunction, Weights, fill
from labeleff.plugins.protocols.interface import Labelled
from labeleff.records.entries import Repeats
from labeleff.records.training_log import ProbeCurve
from labeleff.scheduling.job_seconds import Sizes
from labeleff.scheduling.jobs import pretraining_key, takes_unlabelled
from labeleff.seeding import generator, stream_seed
from labeleff.study.cell import Cell, Pretraining, content_key
from labeleff.study.label_conditions import Noise
from labeleff.training.device import (
    Compute,
    choose,
    device_name,
    give_back,
    is_out_of_memory,
    pick_device,
    torch_release,
)
from labeleff.training.encoder_cache import EncoderCache
from labeleff.training.equal_questions import Questions
from labeleff.training.examples import Examples, Source, Task, load_task
from labeleff.training.goals.classification import UNKNOWN
from labeleff.training.goals.interface import Goal
from labeleff.training.images import Normalisation
from labeleff.training.kernels import maps
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

    def pool(self, tail: float | None) -> Tensor:
        """Positions of the training examples, or of those in the long tail of a ratio: int64 (M,)."""
        if tail is None:
            return torch.arange(len(self.task.train))
        return torch.from_numpy(tail_of(self.task, tail))

    def pretext_images(self, of: Pretraining) -> Tensor:
        """All images that a pretext sees: of the training images those in a long tail, or as many as it may have.

        A smaller number's images are among those of a larger one of the same seed; no label has a part in it. Raises
        DataError where there are fewer.
        """
        self.pretext_count(of)
        tail = of.imbalance
        images = self.task.pretext_images if tail is None else self.task.train.inputs[self.pool(tail)]
        if of.images is None:
            return images
        chosen = np.sort(generator("pretext images", of.seed).permutation(len(images))[: of.images])
        return images[torch.from_numpy(chosen)]

    def pretext_count(self, of: Pretraining) -> int:
        """Count the images that a pretext sees; raises DataError where there are fewer than it is to see."""
        more = self.task.unlabelled if of.imbalance is None else None
        count = len(self.pool(of.imbalance)) + (0 if more is None else len(more))
        if of.images is not None and of.images > count:
            raise DataError(
                f"pretraining.images: {of.images:,} asked for, but {of.task.label} has {count:,} for pretexts"
            )
        return count if of.images is None else of.images

    @functools.cached_property
    def normalisation(self) -> Normalisation | None:
        """Channel statistics of the training images, computed without labels. None for stories and stored features."""
        images = self.task.text is None and self.task.features is None
        return Normalisation.of(self.task.train.inputs) if images else None

    @functools.cached_property
    def questions(self) -> Questions | None:
        """Which questions of stories are equal; None for other tasks."""
        return None if self.task.text is None else Questions.of(self.task.train.inputs, self.task.test.inputs)

    def repeats(self, indices: np.ndarray) -> Repeats | None:
        """Count equal questions where these training examples are labelled; None for tasks without stories."""
        if self.questions is None:
            return None
        places = torch.from_numpy(indices)
        return Repeats(distinct=self.questions.distinct(places), seen=int((~self.questions.unseen(places)).sum()))

    def unseen(self, indices: np.ndarray) -> Tensor | None:
        """Mark the test questions that aren't among these training examples: bool (M,); None without stories."""
        if self.questions is None:
            return None
        return self.questions.unseen(torch.from_numpy(indices)).to(self._device)

    @functools.cached_property
    def test_examples(self) -> LabelledExamples:
        """The test images or stories on the device, with their labels; of stories an answer may be unknown."""
        test = self.task.test
        if self.task.text is not None:
            test = dataclasses.replace(test, labels=test.labels.where(test.labels < len(self.task.classes), UNKNOWN))
        return LabelledExamples(test, self.task.goal, self.normalisation, self._device)

    def labelled(
        self, indices: np.ndarray, others: bool = False, given: np.ndarray | None = None, tail: float | None = None
    ) -> Labelled:
        """Select these training examples with their labels, or with those `given`.

        With `others` also all further inputs, without labels: those of the long tail where there is one.
        """
        chosen, train = torch.from_numpy(indices), self.task.train
        labels = train.labels[chosen] if given is None else torch.from_numpy(given)
        examples = Examples(train.inputs[chosen], labels)
        unlabelled = None
        if others:
            mask = torch.zeros(len(train), dtype=torch.bool)
            mask[self.pool(tail)] = True
            mask[chosen] = False
            unlabelled = train.inputs[mask]
        return Labelled(examples, self.task.outputs, self.normalisation, self.task.goal, unlabelled)


STATE = 2
"""Version of the names of encoders' weights, raised when they change so that older files no longer match."""


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
        self._noisy: dict[tuple[str, Noise, int], np.ndarray] = {}

    def load(self, spec: Spec) -> LoadedTask:
        """Load the task that a spec names, once per process."""
        if spec.label not in self._tasks:
            loaded = LoadedTask(load_task(spec, self._source), self.device)
            expected = self.settings.data.get(spec.label)
            if expected is not None and loaded.fingerprint != expected:
                raise ConditionError(
                    f"{spec.label}: found data of SHA-256 {loaded.fingerprint}, expected {expected} as when the run "
                    "began; files changed meanwhile"
                )
            self._tasks[spec.label] = loaded
            give_back()  # the C library would keep what reading let go
        return self._tasks[spec.label]

    def check_plugins(self) -> None:
        """Raise ConditionError where this process has another plug-in than the run began with: its code was changed."""
        for what, expected in self.settings.plugins.items():
            kind, _, name = what.partition(" ")
            if (found := lookup.origin(kind, name)) != expected:  # type: ignore[arg-type]
                raise ConditionError(
                    f"{what}: found {found}, expected {expected} as when the run began; its code changed meanwhile. "
                    "Undo that to go on, or measure into another folder with --out"
                )

    def placed(self, encoder: Spec) -> Spec:
        """The encoder with the whole path of its file of word vectors, which a study has relative to its own file."""
        path = encoder.options.get("vectors")
        if not path:
            return encoder
        whole = str(self._source.place(str(path)))
        return encoder.model_copy(update={"options": {**encoder.options, "vectors": whole}})

    def compute(self, of: Cell | Pretraining) -> Compute:
        """Choose arithmetic and memory layout for a cell or a pretraining on this device."""
        return choose(of.encoder.name, self.precision(of.encoder, of.precision), self.device, of.layout)

    def precision(self, encoder: Spec, wanted: str) -> str:
        """What a study wants for an encoder, or for `auto` what the run was told, if anything."""
        return self.settings.precision.get(encoder.name, wanted) if wanted == "auto" else wanted

    def weights(self, pretext: Spec) -> Weights:
        """Read the weights that a pretext takes from outside, once per process."""
        if pretext.label not in self._weights:
            load: LoadFunction = lookup.resolve("pretext", pretext.name)
            self._weights[pretext.label] = load(lookup.options("pretext", pretext), self._source)
        return self._weights[pretext.label]

    def filled_encoder(self, encoder: Spec, pretext: Spec, seed: int) -> tuple[Encoder, str]:
        """Build an encoder with weights from outside, with their origin; raises WeightsError unless they fit."""
        built = build_encoder(self.placed(encoder), stream_seed("init", seed))
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
        tasks = self.settings.probes.tasks_of(pretraining) if self.settings.probes else ()
        return self.settings.tasks_to_probe(
            pretraining, curves, {spec.label: self.load(spec).fingerprint for spec in tasks}
        )

    def new_encoder(self, pretraining: Pretraining) -> Encoder:
        """Build an untrained encoder; the pretext says whether it is a pair."""
        task = self.load(pretraining.task).task
        if task.features is not None:
            return stored_rows(task, str(pretraining.pretext.options["of"]))
        text, split = task.text, lookup.find("pretext", pretraining.pretext.name).split
        return build_encoder(self.placed(pretraining.encoder), stream_seed("init", pretraining.seed), text, split=split)

    def encoder(self, cell: Cell) -> Encoder:
        """Make a fresh copy of the encoder that a cell starts from."""
        encoder = self.new_encoder(cell.pretraining)
        if pretraining_key(cell) is not None:
            self.cache.load(self.cache_key(cell.pretraining), encoder)
        return encoder

    def labels(self, cell: Cell) -> ChosenLabels:
        """Choose the labels of a cell; raises ConditionError where published ones have changed during the run."""
        ratio = cell.label_condition.ratio
        chosen = choose_labels(self.load(cell.task).task, cell.task, self.settings.labels, cell.draw, cell.n, ratio)
        if cell.indices_sha256 not in {None, chosen.sha256}:
            raise ConditionError(f"{self.settings.labels.published}: the published labels changed during the run")
        return chosen if cell.noise is None else self._given(chosen, cell.task, cell.noise, cell.draw)

    def _given(self, chosen: ChosenLabels, spec: Spec, noise: Noise, draw: int) -> ChosenLabels:
        task = self.load(spec).task
        given = self.noisy_labels(spec, noise, draw)[chosen.indices]
        wrong = float((given != task.train.labels.numpy()[chosen.indices]).mean())
        return dataclasses.replace(chosen, given=given, wrong=wrong)

    def noisy_labels(self, spec: Spec, noise: Noise, draw: int) -> np.ndarray:
        """Labels of a task's whole training pool under noise: int64 (N,), once per process and draw."""
        key = spec.label, noise, 0 if noise.kind == "file" else draw
        if key not in self._noisy:
            self._noisy[key] = pool_labels(self.load(spec).task, spec, noise, draw, self._source)
        return self._noisy[key]

    def goal(self, cell: Cell) -> Goal:
        """The goal by which a cell is scored: under imbalance it also counts all classes alike."""
        task = self.load(cell.task).task
        return task.goal if cell.imbalance is None else task.goal.by_class(len(task.classes))

    def labelled(self, cell: Cell, labels: ChosenLabels) -> Labelled:
        """Select a cell's labelled examples, and the other training images where its protocol takes them."""
        return self.load(cell.task).labelled(labels.indices, takes_unlabelled(cell.protocol), labels.given, cell.tail)


def sizes_of(task: Task) -> Sizes:
    """Numbers of a task's examples and classes, for estimates."""
    return Sizes(len(task.train), len(task.test), len(task.classes))


def machine_of(device: torch.device) -> Machine:
    """Describe a device, and the torch that computes on it."""
    cuda = torch.version.cuda if device.type == "cuda" else None
    kernels = "compiled" if device.type == "cpu" and maps.trusted() else "torch"
    return Machine(device.type, device_name(device), str(torch.__version__), cuda, kernels)


def _origins(pretraining: Pretraining) -> list[object]:
    """Origins of a pretraining's plug-ins, and versions of packages they use: code may change without its name."""
    used: list[tuple[Kind, str]] = [("encoder", pretraining.encoder.name), ("pretext", pretraining.pretext.name)]
    releases = lookup.releases(lookup.library(*one) for one in used)
    return [*filter(None, (lookup.origin(*one) for one in used)), *([releases] if releases else [])]


def explain(error: Exception) -> tuple[str, str | None]:
    """Describe an error in one line and, where it is unexpected, with its traceback."""
    if is_out_of_memory(error):
        return "out of memory", None
    if isinstance(error, DivergedError):
        return f"diverged: {error}", None
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}", "".join(traceback.format_exception(error))
