"""Cells: one number to be measured each, frozen and hashed, with its budget.

A cell's key is the hash of everything that decides its number. Two cells of equal key are the same
measurement, in any study or folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, model_validator

from labeleff.catalogue.declaration import Frozen, OptionValue, Real, Spec, Whole
from labeleff.catalogue.strategies import RANDOM
from labeleff.errors import StudyError
from labeleff.study.label_conditions import Imbalance, LabelCondition, Noise
from labeleff.study.pretraining_points import PretrainingPoint
from labeleff.study.tuning import Choice, PretextTune, Tune

ADAM_BETAS, ADAM_EPS = (0.9, 0.999), 1e-8
"""Torch's and Kingma and Ba's."""


Subset = Literal["stratified", "random", "prefix", "balanced", "covering"]
"""Way to draw labels: classes in their shares, by chance, the first of the files, equally many per class while they
last, or in their shares with one per class at least."""
Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["channels_last", "contiguous"]


class Steps(Frozen):
    """Optimiser steps as a function of the label count: clamp(per_label * n, min, max)."""

    min: Whole = Field(ge=1)
    per_label: Real = Field(default=0.0, ge=0)
    max: Whole = Field(ge=1)

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

    crop: Whole = Field(default=0, ge=0)
    flip: bool = False
    jitter: Real = Field(default=0.0, ge=0)
    cutout: Whole = Field(default=0, ge=0)
    words: Real | None = Field(default=None, gt=0, lt=1)


class Budget(Frozen):
    """One row of a study's budget table: optimiser, schedule, length and augmentation.

    The learning rate rises linearly over the first `warmup` share of the steps and then falls to `final` times
    `lr` along the schedule. `steps` or `epochs` must be given, not both. `momentum` applies only to `sgd`; `betas` (0.9
    and 0.999) and one of `eps` (1e-8) and `eps_hat` to `adam` and `adamw`: added to the root of the second moment after
    the correction of its bias, or before it, as the end of section 2 of Kingma and Ba (ICLR 2015) and Keras have it.
    `clip` is the largest norm of all gradients together.
    """

    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = "sgd"
    lr: Real = Field(gt=0)
    weight_decay: Real = Field(default=0.0, ge=0)
    momentum: Real = Field(default=0.9, ge=0, lt=1)
    batch: Whole = Field(ge=2)
    steps: Steps | None = None
    epochs: Real | None = Field(default=None, gt=0)
    warmup: Real = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    final: Real = Field(default=0.0, ge=0, le=1)
    augment: Augment = Augment()
    clip: Real | None = Field(default=None, gt=0)
    betas: tuple[Real, Real] | None = None
    eps: Real | None = Field(default=None, gt=0)
    eps_hat: Real | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_length(self) -> Budget:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of 'steps' and 'epochs'")
        return self

    @model_validator(mode="after")
    def _adams(self) -> Budget:
        given = [name for name in ("betas", "eps", "eps_hat") if getattr(self, name) is not None]
        if given and self.optimizer not in {"adam", "adamw"}:
            raise ValueError(f"'{given[0]}' is of adam and adamw, found optimizer {self.optimizer!r}")
        if self.betas is not None and not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"'betas': found {self.betas}, expected two numbers from 0 to under 1")
        if {"eps", "eps_hat"} <= set(given):
            raise ValueError("give at most one of 'eps' and 'eps_hat'")
        return self

    def epsilon(self, step: int) -> float:
        """What Adam adds at a step (from 1 on) to the root of the second moment whose bias is corrected."""
        if self.eps_hat is None:
            return self.eps or ADAM_EPS
        return self.eps_hat / math.sqrt(1 - (self.betas or ADAM_BETAS)[1] ** step)

    def chosen(self, choice: Choice, steps: int | None = None) -> Budget:
        """This budget with the multiples of a choice, and `steps` steps where they are given."""
        changes: dict[str, object] = {"lr": self.lr * choice.lr}
        changes["weight_decay"] = self.weight_decay * choice.weight_decay
        if steps is not None:
            changes |= {"steps": Steps(min=steps, max=steps), "epochs": None}
        return self.model_copy(update=changes)

    @property
    def shape(self) -> tuple[object, ...]:
        """Settings that trainings computed as one must share; rates, schedules and lengths may differ."""
        decays, clips = self.weight_decay > 0, self.clip is not None
        return (
            self.optimizer,
            self.batch,
            self.momentum,
            self.betas,
            self.eps,
            self.eps_hat,
            decays,
            clips,
            self.augment,
        )

    def steps_for(self, n: int, images: int | None = None, drawn: int | None = None) -> int:
        """Number of optimiser steps on `n` examples, at least 1.

        An epoch is `images` examples where that is given; a step draws `drawn` of them, by default the batch.
        """
        if self.steps is not None:
            return int(min(max(round(self.steps.per_label * n), self.steps.min), self.steps.max))
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * (n if images is None else images) / (drawn or self.batch)))


def drawn_beside(options: Mapping[str, OptionValue], batch: int) -> int:
    """Number of images without labels that a step draws beside a batch of labelled ones, by a protocol's options.

    It is `ratio` times the batch, and none where `weight` is 0. Raises StudyError where a ratio comes to no image.
    """
    if not options["weight"]:
        return 0
    count = round(float(options["ratio"]) * batch)
    if count < 1:
        raise StudyError(f"ratio: found {options['ratio']}, which is no image for a batch of {batch}; expected more")
    return count


def content_key(*parts: object) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of 1 and `parts` as canonical JSON.

    A change of the code that alters some cells' numbers gives these a field, as `Cell.held_out`, and so another key.
    """
    text = json.dumps([1, *parts], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _identity(of: Frozen) -> dict[str, object]:
    """What a key is made of: all fields that are set, without the places of a task's data and of noisy labels."""
    table = of.model_dump(mode="json", exclude_none=True)
    for field in ("task", "pretrain_task"):
        if (spec := getattr(of, field, None)) is not None:
            table[field]["options"] = spec.identity
    if isinstance(noise := table.get("noise"), dict):
        noise.pop("file", None)
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
    imbalance: float | None = None
    """Ratio of the long tail that its images are cut to; None: all training images."""
    tune: PretextTune | None = None
    """How the budget's rate is chosen on held-out images; None: it is the budget's."""
    images: int | None = None
    """Number of the images that the pretext sees, drawn by the seed; None: all."""
    share: float | None = None
    """Share of the steps after which the encoder was saved, at the nearest window's end; None: the trained one."""

    @property
    def whole(self) -> Pretraining:
        """The pretraining from its first to its last step, which all its points come from."""
        return self if self.share is None else self.model_copy(update={"share": None})

    @property
    def named_task(self) -> Spec:
        """The task, under a name that also says the long tail of its images, and the point of the pretraining."""
        tail = Imbalance(ratio=self.imbalance, unlabelled="tail") if self.imbalance else None
        return PretrainingPoint(share=self.share, images=self.images).named(
            LabelCondition(imbalance=tail).named(self.task)
        )

    @property
    def from_outside(self) -> bool:
        """Whether the encoder gets weights from outside and isn't trained."""
        return self.budget is None

    @functools.cached_property
    def key(self) -> str:
        """The hash under which the encoder is cached."""
        return content_key("pretraining", _identity(self))


class Selection(Frozen):
    """How a cell's labels were selected: by which strategy, above which rungs of its ladder.

    The labels of the lowest rung are the draw's; those of every other are its lower neighbour's with further ones.
    """

    by: str
    below: tuple[int, ...] = ()
    """Label counts of the rungs below, each of which decided what was asked next."""

    @classmethod
    def at(cls, strategy: str | None, rungs: Sequence[int], n: int) -> Selection | None:
        """The selection at rung n of a ladder; None without a strategy."""
        return None if strategy is None else cls(by=strategy, below=tuple(rung for rung in rungs if rung < n))


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
    selection: Selection | None = None
    """How its labels were selected; None for those of its draw."""
    noise: Noise | None = None
    imbalance: Imbalance | None = None
    tune: Tune | None = None
    """How the budgets' rates and decays are chosen, the protocol's on its labels; None: they are the budgets'."""
    held_out: Literal["distinct"] | None = None
    """How stories that a choice rests on are set aside: `distinct` keeps equal questions on one side.

    None where none are, and in records of earlier versions, which had equal questions on both sides.
    """
    pretrain_images: int | None = None
    """Number of the images that the pretext sees; None: all."""
    pretrain_share: float | None = None
    """Share of the pretext's steps after which the encoder is taken; None: the end."""

    @property
    def former(self) -> Cell:
        """The cell as earlier versions measured it: itself, unless it sets stories aside."""
        return self if self.held_out is None else self.model_copy(update={"held_out": None})

    @property
    def point(self) -> PretrainingPoint:
        """The point of the pretraining that it starts from."""
        return PretrainingPoint(share=self.pretrain_share, images=self.pretrain_images)

    @property
    def label_condition(self) -> LabelCondition:
        """The noise and the imbalance of its labels."""
        return LabelCondition(noise=self.noise, imbalance=self.imbalance)

    @functools.cached_property
    def named_task(self) -> Spec:
        """The task, under a name that also says the noise and the imbalance of its labels, and the pretraining."""
        return self.point.named(self.label_condition.named(self.task))

    @property
    def tail(self) -> float | None:
        """Ratio of the long tail that images without labels are cut to; None where they aren't."""
        return self.imbalance.ratio if self.imbalance is not None and self.imbalance.unlabelled == "tail" else None

    @functools.cached_property
    def key(self) -> str:
        """The hash of everything that decides this cell's number; an optional field counts only where it is set."""
        return content_key("cell", _identity(self))

    @property
    def arm(self) -> str:
        """Pretext, protocol and selection by name only; `Study.arm_of` separates arms of one name."""
        return f"{self.pretext.name}/{self.protocol.name}{f'@{self.selection.by}' if self.selection else ''}"

    @property
    def strategy(self) -> str:
        """The strategy that selects its labels; `random` for those of its draw."""
        return self.selection.by if self.selection else RANDOM

    @property
    def rung_below(self) -> Cell | None:
        """The cell whose model decided what was asked for this one; None for labels of the draw."""
        if self.selection is None or not self.selection.below:
            return None
        *below, n = self.selection.below
        return self.model_copy(update={"n": n, "selection": Selection(by=self.selection.by, below=tuple(below))})

    @functools.cached_property
    def pretraining(self) -> Pretraining:
        """The encoder that this cell starts from."""
        return Pretraining(
            task=self.task if self.tail else self.pretrain_task or self.task,
            encoder=self.encoder,
            pretext=self.pretext,
            budget=self.pretrain,
            seed=self.seed if self.encoder_seed is None else self.encoder_seed,
            precision=self.precision,
            layout=self.layout,
            imbalance=None if self.pretrain is None else self.tail,
            tune=self.tune.pretext if self.tune and self.pretrain else None,
            images=self.pretrain_images,
            share=self.pretrain_share,
        )
