"""Points of pretraining: shares of its steps and numbers of its images at which a study measures its arms.

Every point is a place of its own in reports: its task is named with it, as in `cifar10/classify(pretraining=0.1)`. Arms
without a pretext are measured once and belong to the places of all points.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import field_validator, model_validator

from labeleff.catalogue.declaration import Frozen, OptionValue, Spec, as_toml
from labeleff.errors import StudyError, UnknownNameError
from labeleff.study.probe_settings import Probe, ProbePlan

if TYPE_CHECKING:
    from labeleff.study.arms import Arm
    from labeleff.study.cell import Cell, Pretraining
    from labeleff.study.schema import Study

SHARE, IMAGES = "pretraining", "pretraining_images"
"""Options that a task's name gets from a point of pretraining."""
ALL = "all"


class PretrainingPoint(Frozen):
    """A share of a pretraining's steps, and a number of the images that it sees; None for all of them."""

    share: float | None = None
    images: int | None = None

    def named(self, task: Spec) -> Spec:
        """The task under a name that says the point; the task itself at the end of a pretraining on all images."""
        options: dict[str, OptionValue] = {} if self.images is None else {IMAGES: self.images}
        if self.share is not None:
            options[SHARE] = self.share
        return Spec(name=task.name, options={**task.options, **options}) if options else task

    @property
    def share_words(self) -> str:
        """The share of the steps: `30 % of the steps`, `all steps`."""
        return "all steps" if self.share is None else f"{100 * self.share:g} % of the steps"

    @property
    def images_words(self) -> str:
        """The number of images: `5,000 images`, `all images`."""
        return "all images" if self.images is None else f"{self.images:,} images"


WHOLE = PretrainingPoint()
"""The end of a pretraining on all images."""


class Pretrainings(Frozen):
    """The table `pretraining` of a study: its points, every share of the steps with every number of images.

    `at`: shares of every pretraining's steps, the last of them 1; one pretraining serves them all. `images`: numbers of
    the training images that pretexts see, the last of them maybe `all`; each is a pretraining of its own.
    """

    at: tuple[float, ...] | None = None
    images: tuple[int | Literal["all"], ...] | None = None


def parse_pretraining(value: Any) -> Pretrainings:
    """Parse `{at = [0.1, 0.3, 1.0], images = [5000, "all"]}`; raises StudyError for shares or numbers it can't have."""
    if isinstance(value, Pretrainings):
        return value
    if not isinstance(value, Mapping):
        raise StudyError(f"pretraining: found {as_toml(value)}, expected a table like {{at = [0.1, 0.3, 1.0]}}")
    for key in value:
        if key not in Pretrainings.model_fields:
            raise UnknownNameError("key (in 'pretraining')", str(key), Pretrainings.model_fields)
    at, images = value.get("at"), value.get("images")
    if at is None and images is None:
        raise StudyError("pretraining: found neither 'at' nor 'images', expected one of them or both")
    return Pretrainings(
        at=None if at is None else tuple(_shares(at)), images=None if images is None else tuple(_counts(images))
    )


def _shares(value: Any) -> list[float]:
    """The rising shares over 0 up to 1, which must be the last one."""
    shares = list(value) if isinstance(value, list | tuple) else [value]
    for one in shares:
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 < one <= 1:
            raise StudyError(f"pretraining.at: found {as_toml(one)}, expected shares of the steps over 0 and up to 1")
    _check_rising("at", shares)
    if not shares or shares[-1] != 1:
        found = as_toml(shares[-1]) if shares else "none"
        raise StudyError(
            f"pretraining.at: found {found} as the last share, expected 1.0: a pretraining is always run to its end"
        )
    return [float(one) for one in shares]


def _counts(value: Any) -> list[int | Literal["all"]]:
    """The rising numbers of images, at the end of which may be `all`."""
    counts = list(value) if isinstance(value, list | tuple) else [value]
    numbers = counts[:-1] if counts and counts[-1] == ALL else counts
    for one in numbers:
        if isinstance(one, bool) or not isinstance(one, int) or one < 2:
            raise StudyError(
                f'pretraining.images: found {as_toml(one)}, expected numbers of images from 2 on, and "all" last if at '
                "all"
            )
    if not counts:
        raise StudyError("pretraining.images: found none, expected numbers of images, as [5000, 20000]")
    _check_rising("images", numbers)
    return counts


def _check_rising(key: str, values: list[Any]) -> None:
    for low, high in itertools.pairwise(values):
        if high <= low:
            raise StudyError(f"pretraining.{key}: found {low} before {high}, expected numbers that rise")


def check_pretraining(study: Study) -> None:
    """Raise StudyError for points of pretraining that a study can't have, or that other settings contradict."""
    if study.pretraining is None:
        return
    trained = [arm for arm in study.arms if arm.pretext_plugin.trained]
    outside = [arm.pretext.label for arm in study.arms if arm.pretext_plugin.loaded]
    if outside:
        raise StudyError(
            f"pretraining: found {outside[0]}, whose weights come from outside and have no points here; leave out one"
        )
    if not trained:
        raise StudyError(f"pretraining: found {study.arm_names}, expected an arm whose pretext is trained here")
    if study.auto is not None:
        raise StudyError("auto: a ladder that chooses its rungs can't have points of pretraining; give its rungs")
    if any(arm.selected for arm in study.arms):
        raise StudyError("pretraining: found a selection of labels beside it, expected one or the other")
    for task, _ in study.declared_tasks:
        if taken := [key for key in (SHARE, IMAGES) if key in task.options]:
            raise StudyError(
                f"pretraining: {task.name} has an option {taken[0]!r} of its own, so that names would be unclear"
            )
    if (twice := study.points) and len(set(twice)) < len(twice):
        raise StudyError('pretraining.images: found all images twice, by their number and as "all"; leave out one')
    _check_images(study)


def _check_images(study: Study) -> None:
    for (task, pool), point in itertools.product(_image_pools(study), study.points):
        if point.images is not None and pool is not None and point.images > pool:
            raise StudyError(
                f"pretraining.images: {point.images:,} images asked for, but {task.label} has {pool:,} for pretexts"
            )


def _image_pools(study: Study) -> list[tuple[Spec, int | None]]:
    """The tasks, each with the number of images that its pretexts see; None where only the data tells."""
    pools = [(task, plugin.pool_of(task.options), plugin.more) for task, plugin in study.declared_tasks]
    return [(task, None if pool is None else pool + more) for task, pool, more in pools]


class HasPretrainings(Frozen):
    """The axis `pretraining` of a study, and the encoders that are pretrained for it."""

    pretraining: Pretrainings | None = None
    """Points of pretraining, as an axis; None for the end of each on all images."""
    probe: Probe | None = None
    """Linear probe of every encoder while a pretext trains it; None for none."""

    @field_validator("pretraining", mode="before")
    @classmethod
    def _parse_pretraining(cls, value: Any) -> Pretrainings | None:
        return None if value is None else parse_pretraining(value)

    @model_validator(mode="after")
    def _possible_points(self) -> Self:
        check_pretraining(cast("Study", self))
        return self

    @functools.cached_property
    def points(self) -> list[PretrainingPoint]:
        """Every number of images with every share of the steps, in order; the whole where nothing is given."""
        table = self.pretraining or Pretrainings()
        pools = {pool for _, pool in _image_pools(cast("Study", self))}
        counts = [None if count == ALL or pools == {count} else count for count in table.images or (ALL,)]
        shares = [None if share == 1 else share for share in table.at or (1.0,)]
        return [
            PretrainingPoint(share=share, images=cast("int | None", images)) for images in counts for share in shares
        ]

    def points_of(self, arm: Arm) -> list[PretrainingPoint]:
        """The points at which an arm is measured: one where no pretext is trained for it, which serves all."""
        return self.points if arm.pretext_plugin.trained else [WHOLE]

    def reported_tasks(self, cell: Cell) -> list[Spec]:
        """The named tasks under which a cell is reported: those of all points where it starts from no pretraining."""
        if self.pretraining is None or cell.pretrain is not None or cell.task.label not in self._task_labels:
            return [cell.named_task]
        return [point.named(cell.label_condition.named(cell.task)) for point in self.points]

    @functools.cached_property
    def _task_labels(self) -> set[str]:
        return {task.label for task in cast("Study", self).tasks}

    @functools.cached_property
    def pretrained_cells(self) -> list[Cell]:
        """One cell per named task, encoder, pretext and seed whose encoder is pretrained or filled."""
        study = cast("Study", self)
        arms = [arm for block in study.blocks for arm in block.arms]
        pretexts = {arm.pretext.name for arm in arms if arm.pretext_plugin.makes_encoder}
        cells = {
            (cell.named_task.label, cell.encoder.label, cell.pretext.label, cell.seed): cell
            for cell in study.cells()
            if cell.pretext.name in pretexts
        }
        return list(cells.values())

    @functools.cached_property
    def pretrainings(self) -> list[Pretraining]:
        """Every encoder that has to be pretrained, once per pretext, seed and set of images."""
        by_key = {item.key: item for item in (cell.pretraining.whole for cell in self.pretrained_cells)}
        return list(by_key.values())

    @functools.cached_property
    def saved_points(self) -> dict[str, tuple[Pretraining, ...]]:
        """Encoders saved before the end of a pretraining, each once, by key of that pretraining."""
        saved: dict[str, dict[str, Pretraining]] = {}
        for item in (cell.pretraining for cell in self.pretrained_cells):
            if item.share is not None:
                saved.setdefault(item.whole.key, {})[item.key] = item
        return {key: tuple(items.values()) for key, items in saved.items()}

    @functools.cached_property
    def probe_plan(self) -> ProbePlan | None:
        """The probe with the tasks of every pretraining; None where nothing is probed."""
        if self.probe is None:
            return None
        tasks_by_key: dict[str, dict[str, Spec]] = {}
        for cell in self.pretrained_cells:
            if cell.pretrain is not None:
                tasks_by_key.setdefault(cell.pretraining.whole.key, {})[cell.task.label] = cell.task
        return ProbePlan(self.probe, {key: tuple(tasks.values()) for key, tasks in tasks_by_key.items()})
