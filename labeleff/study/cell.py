"""Cells: one number to be measured each, frozen and hashed, with its budget.

A cell's key is the hash of everything that decides its number. Two cells of equal key are the same
measurement, in any study or folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol

from pydantic import Field, model_validator

from labeleff.catalogue.declaration import Frozen, OptionValue, Spec

MEANING = 1
"""Version of the code's numbers: increased by changes that alter a cell's number, so that old records don't match."""


Subset = Literal["stratified", "random", "prefix", "balanced", "covering"]
"""Way to draw labels: classes in their shares, by chance, the first of the files, equally many per class while they
last, or in their shares with one per class at least."""
Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["channels_last", "contiguous"]


class Steps(Frozen):
    """Optimiser steps as a function of the label count: clamp(per_label * n, min, max)."""

    min: int = Field(ge=1)
    per_label: float = Field(default=0.0, ge=0)
    max: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Steps:
        if self.min > self.max:
            raise ValueError(f"min ({self.min}) is over max ({self.max})")
        return self


class Augment(Frozen):
    """Augmentations, all on the device; each is off at its default.

    crop: zero padding in pixels before a random window is taken; flip: mirror half of the images; jitter: standard
    deviation, in octaves, of a per-channel gain and, in units of the channel's standard deviation, of a per-channel
    shift; cutout: side in pixels of one square that is set to the mean. Stories have only `words`, the share of words
    replaced by the unknown word.
    """

    crop: int = Field(default=0, ge=0)
    flip: bool = False
    jitter: float = Field(default=0.0, ge=0)
    cutout: int = Field(default=0, ge=0)
    words: float | None = Field(default=None, gt=0, lt=1)


class Budget(Frozen):
    """One row of a study's budget table: optimiser, schedule, length and augmentation.

    The learning rate rises linearly over the first `warmup` share of the steps and then falls to `final` times
    `lr` along the schedule. `steps` or `epochs` must be given, not both. `momentum` applies only to `sgd`, `betas` to
    `adam` and `adamw` (0.9 and 0.999 by default); `clip` is the largest norm of all gradients together.
    """

    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = "sgd"
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    batch: int = Field(ge=2)
    steps: Steps | None = None
    epochs: float | None = Field(default=None, gt=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)
    augment: Augment = Augment()
    clip: float | None = Field(default=None, gt=0)
    betas: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Budget:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of 'steps' and 'epochs'")
        return self

    @model_validator(mode="after")
    def _adams(self) -> Budget:
        if self.betas is None:
            return self
        if self.optimizer not in {"adam", "adamw"}:
            raise ValueError(f"'betas' are of adam and adamw, found optimizer {self.optimizer!r}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"'betas': found {self.betas}, expected two numbers from 0 to under 1")
        return self

    @property
    def shape(self) -> tuple[object, ...]:
        """Settings that trainings computed as one must share; rates, schedules and lengths may differ."""
        decays, clips = self.weight_decay > 0, self.clip is not None
        return self.optimizer, self.batch, self.momentum, self.betas, decays, clips, self.augment

    def steps_for(self, n: int, images: int | None = None) -> int:
        """Number of optimiser steps on `n` examples, at least 1; an epoch is `images` examples where that is given."""
        if self.steps is not None:
            return int(min(max(round(self.steps.per_label * n), self.steps.min), self.steps.max))
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * (n if images is None else images) / self.batch))


def content_key(*parts: object) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of `parts` as canonical JSON, with `MEANING`."""
    text = json.dumps([MEANING, *parts], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _identity(of: Frozen) -> dict[str, object]:
    """What a key is made of: all fields that are set, without the place of a task's data."""
    table = of.model_dump(mode="json", exclude_none=True)
    for field in ("task", "pretrain_task"):
        if (spec := getattr(of, field, None)) is not None:
            table[field]["options"] = spec.identity
    return table


class Pretraining(Frozen):
    """Everything that decides a pretrained encoder: no labels, no label count, no draw."""

    task: Spec
    encoder: Spec
    pretext: Spec
    budget: Budget | None
    seed: int = Field(ge=0)
    precision: Precision
    layout: Layout | None = None

    @property
    def from_outside(self) -> bool:
        """Whether the encoder gets weights from outside and isn't trained."""
        return self.budget is None

    @functools.cached_property
    def key(self) -> str:
        """The hash under which the encoder is cached."""
        return content_key("pretraining", _identity(self))


class Cell(Frozen):
    """One number to be measured: task, encoder, pretext, protocol, n, draw, seed, budget.

    `pretrain` is the pretext's budget (None for `scratch` and weights from outside); `budget` the protocol's (None
    for frozen protocols, which are solved, not trained). `indices_sha256` is set where the labels come from a
    published list instead of the draw.
    """

    task: Spec
    encoder: Spec
    pretext: Spec
    protocol: Spec
    n: int = Field(ge=1)
    draw: int = Field(ge=0)
    seed: int = Field(ge=0)
    subset: Subset = "stratified"
    indices_sha256: str | None = None
    pretrain: Budget | None = None
    pretrain_task: Spec | None = None
    """Task with the same training images whose pretrained encoder this cell takes; None: the cell's task."""
    budget: Budget | None = None
    precision: Precision = "auto"
    layout: Layout | None = None
    """Order of images and weights in memory; None leaves it to the device."""
    encoder_seed: int | None = Field(default=None, ge=0)
    """Seed of the encoder it starts from; None: the cell's seed. Weights from outside don't depend on a seed."""

    @functools.cached_property
    def key(self) -> str:
        """The hash of everything that decides this cell's number; an optional field counts only where it is set."""
        return content_key("cell", _identity(self))

    @property
    def arm(self) -> str:
        """Pretext and protocol by name only, e.g. `rotation/finetune`; `Study.arm_of` separates arms of one name."""
        return f"{self.pretext.name}/{self.protocol.name}"

    @functools.cached_property
    def pretraining(self) -> Pretraining:
        """The encoder that this cell starts from."""
        return Pretraining(
            task=self.pretrain_task or self.task,
            encoder=self.encoder,
            pretext=self.pretext,
            budget=self.pretrain,
            seed=self.seed if self.encoder_seed is None else self.encoder_seed,
            precision=self.precision,
            layout=self.layout,
        )


class HasArm(Protocol):
    """An object with a pretext and a protocol: an arm or a cell."""

    @property
    def pretext(self) -> Spec: ...  # noqa: D102

    @property
    def protocol(self) -> Spec: ...  # noqa: D102


def short_names(specs: Iterable[Spec]) -> dict[str, str]:
    """Short names by full label: the name, with options where several specs of that name differ in them.

    >>> same = [Spec(name="file", options={"path": p, "stem": "refuse"}) for p in ("a.pt", "b.pt")]
    >>> list(short_names([*same, Spec(name="scratch")]).values())
    ['file(path=a.pt)', 'file(path=b.pt)', 'scratch']
    """
    distinct = {spec.label: spec for spec in specs}
    values: dict[tuple[str, str], set[OptionValue]] = {}
    for spec in distinct.values():
        for key, value in spec.options.items():
            values.setdefault((spec.name, key), set()).add(value)
    return {label: _short(spec, values) for label, spec in distinct.items()}


def _short(spec: Spec, values: Mapping[tuple[str, str], Collection[OptionValue]]) -> str:
    """The name of a spec with those options that have several values; `values` are by name and option."""
    options = {key: value for key, value in spec.options.items() if len(values[spec.name, key]) > 1}
    return Spec(name=spec.name, options=options).label


def arm_names(arms: Sequence[HasArm]) -> list[str]:
    """Names of the arms, e.g. `rotation/finetune` or, beside another file, `file(path=a.safetensors)/linear`."""
    pretexts, protocols = (short_names(getattr(arm, kind) for arm in arms) for kind in ("pretext", "protocol"))
    return [f"{pretexts[arm.pretext.label]}/{protocols[arm.protocol.label]}" for arm in arms]
