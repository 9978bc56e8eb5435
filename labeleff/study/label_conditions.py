"""Noise and imbalance of training labels: the conditions under which a study measures all of its arms.

Test labels are never changed. Every condition is a place of its own in reports: its task is named with it, as in
`cifar10/classify(label_noise=0.2)`.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from labeleff.catalogue.declaration import Frozen, OptionValue, Plugin, Spec, as_toml
from labeleff.catalogue.metrics import SINGLE
from labeleff.errors import StudyError, UnknownNameError

if TYPE_CHECKING:
    from labeleff.study.schema import Study

FILE = "file:"
SURE = 2
"""Labels per class from which a stratified rung has every class whose share is at least half of the average."""
LABEL_AXES = "noise", "imbalance"
"""Keys of a study that blocks of stories don't take over."""
NOISE, IMBALANCE = "label_noise", "imbalance"
"""Options that a task's name gets from its labels' condition."""


class Noise(Frozen):
    """Wrong labels among the training labels, the same for all arms of a draw.

    `uniform`: with probability `rate` a label becomes one of the other classes, each as likely (symmetric noise; the
    true class isn't drawn, so that `rate` is the share of wrong labels). `pairs`: with probability `rate` it becomes
    the next class, the last one the first (pair flipping; Patrini et al. 2017, Han et al. 2018). `file`: labels are
    those of a table.
    """

    kind: Literal["uniform", "pairs", "file"] = "uniform"
    rate: float | None = Field(default=None, ge=0, le=1)
    file: str | None = None
    """Path of the table; no part of a cell's key."""
    column: str | None = None
    sha256: str | None = None
    """SHA-256 of the table's bytes."""

    @property
    def given(self) -> Noise | None:
        """The noise itself; None at the rate 0."""
        return None if self.rate == 0 else self

    @property
    def label(self) -> OptionValue:
        """What the name of a task has of it: `0.2`, `pairs 0.2`, or the file's name with its column."""
        if self.kind == "file":
            return PurePath(str(self.file)).name + (f":{self.column}" if self.column else "")
        return f"pairs {self.rate:g}" if self.kind == "pairs" else float(self.rate or 0)

    @property
    def words(self) -> str:
        """The noise in a clause: `20 % noise`."""
        if self.kind == "file":
            return f"the noise of {self.label}"
        return f"{100 * (self.rate or 0):.12g} % {'pair ' if self.kind == 'pairs' else ''}noise"


class Imbalance(Frozen):
    """A long tail: class k of C keeps `ratio ** (-k / (C - 1))` of what class 0 keeps.

    As in Cui et al. (2019, section 5) and Cao et al. (2019, LDAM). Labels are drawn from the examples that are kept.
    `unlabelled` says what pretexts, and protocols that take images without labels, see: `all` training images, or only
    those of the `tail`.
    """

    ratio: float = Field(ge=1)
    unlabelled: Literal["all", "tail"] = "all"

    @property
    def given(self) -> Imbalance | None:
        """The imbalance itself; None at the ratio 1, which leaves the pool as it is."""
        return None if self.ratio == 1 else self

    @property
    def words(self) -> str:
        """The imbalance in a clause: `imbalance 100`."""
        return f"imbalance {self.ratio:.12g}{'' if self.unlabelled == 'all' else ', unlabelled images too'}"


class LabelCondition(Frozen):
    """One pair of a noise and an imbalance; None where there is none."""

    noise: Noise | None = None
    imbalance: Imbalance | None = None

    def named(self, task: Spec) -> Spec:
        """The task under a name that says the condition; the task itself where there is none."""
        options: dict[str, OptionValue] = {} if self.noise is None else {NOISE: self.noise.label}
        if self.imbalance is not None:
            tail = "" if self.imbalance.unlabelled == "all" else " tail"
            options[IMBALANCE] = f"{self.imbalance.ratio:g}{tail}"
        return Spec(name=task.name, options={**task.options, **options}) if options else task

    @property
    def words(self) -> str:
        """The condition in a clause: `20 % noise and imbalance 100`; `clean labels` where there is none."""
        return " and ".join(one.words for one in (self.noise, self.imbalance) if one is not None) or "clean labels"

    @property
    def ratio(self) -> float | None:
        """The largest class over the smallest; None without imbalance."""
        return None if self.imbalance is None else self.imbalance.ratio


CLEAN = LabelCondition()


def parse_noise(value: Any) -> list[Noise]:
    """Parse `{rate = 0.2, kind = "pairs"}`, with a list of rates, or a list of such tables; in order, each once."""
    tables = value if isinstance(value, list) else [value]
    noises = [noise for table in tables for noise in _noises(table)]
    return _distinct("noise", noises, [noise.words for noise in noises])


def _noises(table: Any) -> Iterator[Noise]:
    if isinstance(table, Noise):
        yield table
        return
    if not isinstance(table, Mapping):
        raise StudyError(f"noise: found {as_toml(table)}, expected a table like {{rate = 0.2}}")
    for key in table:
        if key not in Noise.model_fields:
            raise UnknownNameError("key (in 'noise')", str(key), Noise.model_fields)
    kind, options = table.get("kind", "uniform"), {key: table.get(key) for key in ("column", "sha256")}
    if isinstance(kind, str) and kind.startswith(FILE):
        table, kind = {**table, "file": kind.removeprefix(FILE)}, "file"
    if kind not in ("uniform", "pairs", "file"):
        raise UnknownNameError("kind of noise", str(kind), ("uniform", "pairs", "file:PATH"))
    rate, file = table.get("rate"), table.get("file")
    if kind == "file":
        if rate is not None:
            raise StudyError(f"noise: found rate = {as_toml(rate)} beside {file}, whose labels say it; leave rate out")
        if not isinstance(file, str) or not file:
            raise StudyError('noise: found no path, expected kind = "file:PATH"')
        yield Noise(kind="file", file=file, **options)
        return
    if beside := [key for key in ("file", "column", "sha256") if table.get(key) is not None]:
        raise StudyError(f"noise: found {beside[0]!r} beside kind = {kind!r}, expected it with 'file:PATH' alone")
    for one in rate if isinstance(rate, list) and rate else [rate]:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= 1:
            found = "no rate" if one is None else f"rate = {as_toml(one)}"
            raise StudyError(f"noise: found {found}, expected a share of wrong labels in 0..1, or a list of them")
        yield Noise(kind=kind if one else "uniform", rate=float(one))


def parse_imbalance(value: Any) -> list[Imbalance]:
    """Parse `100`, `[1, 100]`, `{ratio = 100, unlabelled = "tail"}` or a list of such; in order, each once."""
    values = value if isinstance(value, list) else [value]
    imbalances = [one for each in values for one in _imbalances(each)]
    return _distinct("imbalance", imbalances, [one.words for one in imbalances])


def _imbalances(value: Any) -> Iterator[Imbalance]:
    if isinstance(value, Imbalance):
        yield value
        return
    table = value if isinstance(value, Mapping) else {"ratio": value}
    for key in table:
        if key not in Imbalance.model_fields:
            raise UnknownNameError("key (in 'imbalance')", str(key), Imbalance.model_fields)
    ratios, unlabelled = table.get("ratio"), table.get("unlabelled", "all")
    if unlabelled not in ("all", "tail"):
        raise UnknownNameError("value of 'unlabelled' (in 'imbalance')", str(unlabelled), ("all", "tail"))
    for one in ratios if isinstance(ratios, list) and ratios else [ratios]:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 1 <= one < math.inf:
            found = "no ratio" if one is None else as_toml(one)
            raise StudyError(f"imbalance: found {found}, expected the largest class over the smallest, 1 or more")
        yield Imbalance(ratio=float(one), unlabelled="all" if one == 1 else unlabelled)


def _distinct(key: str, items: list[Any], words: Sequence[str]) -> list[Any]:
    """The items; raises StudyError where one is named twice, except for the one that changes nothing."""
    for place, item in enumerate(items):
        if item in items[:place] and item.given is not None:
            raise StudyError(f"{key}: found {words[place]} twice, expected every one once")
    return list(dict.fromkeys(items))


def with_noise_files(study: Study, base: Path) -> Study:
    """The study with the SHA-256 of its tables of labels, which are below `base`.

    Raises StudyError where one can't be read, or isn't the one whose hash the study gives.
    """
    noises = [_hashed(noise, base) if noise.kind == "file" else noise for noise in study.noise or ()]
    return study.model_copy(update={"noise": noises}) if noises else study


def _hashed(noise: Noise, base: Path) -> Noise:
    path = base / Path(str(noise.file)).expanduser()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StudyError(f"noise: {path}: can't be read: {error.strerror}") from error
    if noise.sha256 not in (None, digest):
        raise StudyError(f"noise: {path}: found SHA-256 {digest}, expected {noise.sha256}")
    return noise.model_copy(update={"sha256": digest})


def check_label_conditions(study: Study) -> None:
    """Raise StudyError for noise or imbalance of labels that can't have it, and where other settings contradict it."""
    if all(condition == CLEAN for condition in study.label_conditions):
        return
    named = [[condition.named(task).label for condition in study.label_conditions] for task in study.tasks]
    if twice := [label for labels in named for label in labels if labels.count(label) > 1]:
        raise StudyError(f"noise: found two conditions named {twice[0]}, expected files with names of their own")
    for task, plugin in study.declared_tasks:
        _check_task(study, task, plugin)
    if study.auto is not None:
        raise StudyError("auto: a ladder that chooses its rungs can't have noise or imbalance; give its rungs instead")
    if study.imbalances:
        if study.draws_from is not None:
            raise StudyError("imbalance: found draws_from, whose lists say which labels there are; leave out one")
        if study.subset in ("balanced", "prefix"):
            raise StudyError(f"imbalance: found subset = {study.subset!r}, expected stratified, covering or random")


def _check_task(study: Study, task: Spec, plugin: Plugin) -> None:
    what = " and ".join(key for key, given in (("noise", study.noises), ("imbalance", study.imbalances)) if given)
    if plugin.examples == "stories" or plugin.goal not in SINGLE:
        found = "stories" if plugin.examples == "stories" else f"labels of the kind {plugin.goal!r}"
        raise StudyError(f"{what}: {task.name} has {found}, expected tasks with one class per image or item")
    if taken := [key for key in (NOISE, IMBALANCE) if key in task.options]:
        raise StudyError(f"{what}: {task.name} has an option {taken[0]!r} of its own, so that names would be unclear")
    if plugin.more and any(one.unlabelled == "tail" for one in study.imbalances):
        raise StudyError(
            f"imbalance: unlabelled = 'tail' needs every image's class, but {task.name} has {plugin.more:,} images "
            "without one; leave it out"
        )


class HasLabelConditions(Frozen):
    """The axes `noise` and `imbalance` of a study."""

    noise: list[Noise] | None = None
    """Noise of the training labels, as an axis; None for none."""
    imbalance: list[Imbalance] | None = None
    """Imbalance of the labelled pool, as an axis; None for none."""

    @field_validator("noise", mode="before")
    @classmethod
    def _parse_noise(cls, value: Any) -> list[Noise] | None:
        return None if value is None else parse_noise(value)

    @field_validator("imbalance", mode="before")
    @classmethod
    def _parse_imbalance(cls, value: Any) -> list[Imbalance] | None:
        return None if value is None else parse_imbalance(value)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_label_conditions(cast("Study", self))
        return self

    @functools.cached_property
    def label_conditions(self) -> list[LabelCondition]:
        """Every noise with every imbalance, in order; one condition without either where nothing is given."""
        noises = [one.given for one in self.noise or ()] or [None]
        imbalances = [one.given for one in self.imbalance or ()] or [None]
        return [LabelCondition(noise=a, imbalance=b) for a, b in itertools.product(noises, imbalances)]

    @property
    def named_tasks(self) -> list[Spec]:
        """The tasks under every condition of their labels and at every point of pretraining, by names that say it."""
        study = cast("Study", self)
        conditions = itertools.product(study.tasks, self.label_conditions, study.points)
        return [point.named(labels.named(task)) for task, labels, point in conditions]

    @property
    def noises(self) -> list[Noise]:
        """Noise other than none."""
        return [one for one in self.noise or () if one.given is not None]

    @property
    def imbalances(self) -> list[Imbalance]:
        """Imbalance other than none."""
        return [one for one in self.imbalance or () if one.given is not None]

    @property
    def fits_labels(self) -> bool:
        """Whether only a task's own labels say if draws can be made: a long tail, a table, or scarce classes."""
        return bool(self.imbalances) or any(noise.kind == "file" for noise in self.noises) or self._has_scarce_classes

    @property
    def _has_scarce_classes(self) -> bool:
        """Whether the smallest rung may have no label of some class."""
        study = cast("Study", self)
        if study.allow_missing_classes or study.subset in ("balanced", "covering"):
            return False
        classes = [plugin.classes for _, plugin in study.declared_tasks if plugin.classes and plugin.goal == "classes"]
        return any(study.subset != "stratified" or study.rungs[0] < SURE * count for count in classes)
