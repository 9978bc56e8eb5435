"""Frozen features of one encoder for all of a task's images, and draws of labels, by ids that say split and position.

`labeleff.plugins.tasks.embeddings` reads them back; its items, ordered by id, are then the images in their order.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError
from labeleff.execution.draws import choose_labels
from labeleff.execution.pretraining.pretraining_jobs import pretrain
from labeleff.execution.scoring import predict
from labeleff.execution.workplace import Workplace
from labeleff.files import VERSION
from labeleff.plugins.encoders.interface import Encoder
from labeleff.study.cell import Pretraining
from labeleff.study.schema import Study
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Task
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import Progress

CHUNK = 4096
"""Images between two reports of progress."""
Stages = Callable[[str, int, int], None]
"""Called with what is done, and how much of how much of it."""


@dataclass(frozen=True)
class FrozenFeatures:
    """Features (N, dim) of the training and then the test images, with `ids`, `labels` and `split` (N,) as texts."""

    features: NDArray[np.floating]
    ids: NDArray[np.str_]
    labels: NDArray[np.str_]
    split: NDArray[np.str_]
    sha256: str
    """SHA-256 of the features' bytes."""
    about: str
    """JSON: task, encoder, pretext, seed, SHA-256 of the weights and of the features, labeleff's version."""

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by the names under which a file has them."""
        columns = {"features": self.features, "ids": self.ids, "labels": self.labels, "split": self.split}
        return columns | {"about": np.array(self.about)}

    @property
    def shape_text(self) -> str:
        """Numbers of images and features, in words."""
        train = int((self.split == "train").sum())
        rows, dim = self.features.shape
        return f"{train:,} training and {rows - train:,} test images, {dim:,} features in {self.features.dtype}"


def check_task(spec: Spec) -> None:
    """Raise PluginError unless a task has images with one class each."""
    plugin = lookup.find("task", spec.name)
    if plugin.examples != "images" or plugin.goal != "classes":
        found = plugin.examples if plugin.examples != "images" else f"images with {plugin.goal}"
        raise PluginError(f"task {spec.label}: found {found}, expected images with one class each")


def frozen_features(place: Workplace, pretraining: Pretraining, half: bool, progress: Stages) -> FrozenFeatures:
    """Compute an encoder's features of all images, training it first where the cache lacks it; `half`: as float16.

    Raises PluginError where its pretraining fails, and where features are not finite numbers of that type.
    """
    encoder = _encoder(place, pretraining, lambda done, total, *_: progress("pretraining", done, total))
    task, compute = place.load(pretraining.task).task, place.compute(pretraining)
    model = compute.place(encoder).eval()
    total, done = len(task.train) + len(task.test), 0
    features = np.empty((total, encoder.dim), np.float16 if half else np.float32)
    for examples in _chunks(place, pretraining.task):
        block = predict(model, examples.resident, compute).cpu().numpy()
        with np.errstate(over="ignore"):
            features[done : done + len(block)] = block
        if not np.isfinite(features[done : done + len(block)]).all():
            found = f"{float(np.abs(block).max()):g}, not finite as {features.dtype}"
            raise PluginError(f"features of {pretraining.pretext.label}: found {found}, expected numbers in its range")
        done += len(block)
        progress("encoding with", done, total)
    sha256 = hashlib.sha256(features.data).hexdigest()
    return FrozenFeatures(features, *_columns(task), sha256, _about(pretraining, encoder, sha256))


def _encoder(place: Workplace, pretraining: Pretraining, progress: Progress) -> Encoder:
    """Build the encoder with its weights from the cache, into which it is trained or filled where they are missing."""
    encoder = place.new_encoder(pretraining)
    if lookup.find("pretext", pretraining.pretext.name).makes_encoder:
        *_, record = pretrain(place, pretraining, progress)
        if record.status != "ok":
            raise PluginError(f"pretraining {pretraining.pretext.label}, seed {pretraining.seed}: {record.reason}")
        place.cache.load(place.cache_key(pretraining), encoder)
    return encoder


def _chunks(place: Workplace, spec: Spec) -> Iterator[LabelledExamples]:
    """Yield the training and then the test images on the device, some at a time."""
    loaded = place.load(spec)
    for start in range(0, len(loaded.task.train), CHUNK):
        chosen = np.arange(start, min(start + CHUNK, len(loaded.task.train)))
        yield loaded.labelled(chosen).on(place.device)
    yield loaded.test_examples


def item_ids(split: str, count: int) -> list[str]:
    """Name examples by split and position, as in `train/00042`, so that the order of ids is that of positions."""
    return [f"{split}/{position:0{max(5, len(str(count - 1)))}d}" for position in range(count)]


def _columns(task: Task) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.str_]]:
    """Ids, labels and splits of the training and then the test examples."""
    counts = {"train": len(task.train), "test": len(task.test)}
    ids = [one for split, count in counts.items() for one in item_ids(split, count)]
    classes = torch.cat([task.train.labels, task.test.labels]).numpy()
    return np.array(ids), np.array(task.classes)[classes], np.repeat(list(counts), list(counts.values()))


def _about(pretraining: Pretraining, encoder: Encoder, sha256: str) -> str:
    facts = {kind: getattr(pretraining, kind).label for kind in ("task", "encoder", "pretext")}
    digests = {"encoder_sha256": state_sha256(encoder), "features_sha256": sha256}
    return json.dumps({**facts, "seed": pretraining.seed, **digests, "labeleff": VERSION})


def draws_by_id(place: Workplace, study: Study, spec: Spec) -> dict[str, list[str]]:
    """List the ids of every draw's labels at every rung, as a published subset file has them."""
    task = place.load(spec).task
    ids = item_ids("train", len(task.train))
    chosen = {
        f"draw{draw}-n{n}": choose_labels(task, spec, place.settings.labels, draw, n)
        for n, draw in itertools.product(study.rungs, range(study.draws))
    }
    return {name: [ids[index] for index in labels.indices.tolist()] for name, labels in chosen.items()}
