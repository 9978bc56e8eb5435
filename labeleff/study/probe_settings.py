"""The `probe` table of a study: linear probes during pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from labeleff.catalogue.declaration import Frozen, Spec, Whole
from labeleff.errors import StudyError

if TYPE_CHECKING:
    from labeleff.study.cell import Pretraining


class Probe(Frozen):
    """A linear probe of the encoder on detached features, repeated while a pretext trains it.

    It is fitted on `labels` examples of the training split and scored on `held_out` other ones of the same split,
    fixed for a task: the same for every pretext, seed and epoch. The pretext sees neither labels nor scores.
    """

    every: Whole = Field(default=1, ge=1)
    """Number of windows of the learning curve from one probe to the next; the end is always probed.

    Windows are epochs, unless these are shorter than 20 steps or more than 100.
    """
    labels: Whole = Field(default=500, ge=2)
    held_out: Whole = Field(default=1000, ge=1)

    @property
    def text(self) -> str:
        """The probe in words: `500 labels, 1,000 held out, every window`."""
        often = "every window" if self.every == 1 else f"every {self.every} windows"
        return f"{self.labels:,} labels, {self.held_out:,} held out, {often}"


@dataclass(frozen=True)
class ProbePlan:
    """The probe of a study, and the tasks on which every pretrained encoder is probed."""

    probe: Probe
    tasks: Mapping[str, tuple[Spec, ...]]
    """All tasks that start from an encoder, by key of its pretraining."""

    def tasks_of(self, pretraining: Pretraining) -> tuple[Spec, ...]:
        """The tasks on which the encoder of a pretraining is probed."""
        return self.tasks.get(pretraining.key, ())


def check_pool(probe: Probe, task: Spec, pool: int) -> None:
    """Raise StudyError where a training split of `pool` examples is too small for the probe."""
    if probe.labels + probe.held_out > pool:
        raise StudyError(
            f"probe: {probe.labels} labels and {probe.held_out} held-out examples asked for, but {task.label} has "
            f"{pool} training examples; lower probe.labels or probe.held_out"
        )
