"""What a run is told, and what it finds out about data and device before its first training step; without torch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeleff.catalogue.declaration import Spec
from labeleff.execution.draws import LabelRule
from labeleff.execution.environment import Machine
from labeleff.records.entries import Conditions, LabelsEntry, PretrainingRecord
from labeleff.records.training_log import ProbeCurve, tasks_without_curve
from labeleff.scheduling.job_seconds import Sizes
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.cell import Pretraining
from labeleff.study.probe_settings import ProbePlan
from labeleff.study.schema import Study
from labeleff.training.encoder_cache import EncoderCache


@dataclass(frozen=True)
class Settings:
    """Settings of a worker process: the run's options, and what follows from the study."""

    options: RunOptions
    run: str
    labels: LabelRule
    """How labels are chosen; which classes may be missing in which block is checked before the first step."""
    readers: Path | None = None
    """The run's folder, absolute, where trained readers of stories are stored; None stores none."""
    probes: ProbePlan | None = None
    """Tasks and settings of linear probes while encoders are trained; None for no probes."""
    points: Mapping[str, tuple[Pretraining, ...]] = field(default_factory=dict)
    """Encoders that are saved before the end of a pretraining, by its key."""
    precision: Mapping[str, str] = field(default_factory=dict)
    """What `auto` stands for, by the names of encoders, in all processes of a run; without it a process measures."""
    data: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of tasks' arrays by label as the run began; a process that loads others refuses them."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Plug-ins of other packages as the run began, as its conditions have them; a process with others ends the run."""

    def encoders_of(self, pretraining: Pretraining) -> list[Pretraining]:
        """All encoders that a pretraining gives: those of its points, and its own."""
        return [*self.points.get(pretraining.key, ()), pretraining]

    def tasks_to_probe(
        self, pretraining: Pretraining, curves: Sequence[ProbeCurve], data: Mapping[str, str]
    ) -> list[Spec]:
        """List the tasks that the encoder should be probed on and that `curves` has no curve for.

        `data` has the SHA-256 of tasks' arrays by their labels; a curve of other arrays doesn't count.
        """
        if self.probes is None:
            return []
        known = [curve for curve in curves if curve.data == data.get(curve.task)]
        return tasks_without_curve(known, self.probes.probe, self.probes.tasks_of(pretraining))


def settings_of(study: Study, options: RunOptions) -> Settings:
    """Settings for the workers of a new run of a study, whose folder is `options.folder`."""
    return Settings(
        options=options,
        run=uuid.uuid4().hex[:12],
        labels=LabelRule.of(study, options.base),
        readers=options.folder.resolve(),
        probes=study.probe_plan,
        points=study.saved_points,
    )


@dataclass(frozen=True)
class RunFacts:
    """All that the process which plans and records a run needs from data and torch; it holds neither then."""

    machine: Machine
    sizes: Mapping[str, Sizes]
    """Numbers of examples and classes of every task, by its label."""
    labels: tuple[LabelsEntry, ...]
    """Labels of every task, draw and rung."""
    notes: tuple[str, ...]
    """What a user should know about the data before anything is trained."""
    conditions: Conditions
    tasks: Mapping[str, dict[str, Any]]
    """Tables of the run's entry, by the label of the task."""
    encoders: Mapping[str, str]
    """Keys of encoders in the cache, by key of their pretraining."""

    def finished(
        self, settings: Settings, pretraining: Pretraining, folder: Mapping[str, PretrainingRecord] | None = None
    ) -> bool:
        """Whether the cache has an encoder with its points, and its record all probes' curves.

        Where `folder` has the records of a folder by key, theirs count, and the cache must have the same weights.
        """
        cache, items = EncoderCache(settings.options.cache), settings.encoders_of(pretraining)
        cached = [cache.record(self.encoders[item.key]) for item in items]
        records = cached if folder is None else [folder.get(item.key) for item in items]
        if any(
            one is None or two is None or one.encoder_sha256 != two.encoder_sha256
            for one, two in zip(cached, records, strict=True)
        ):
            return False
        whole = records[-1]
        return whole is not None and not self.unprobed(settings, pretraining, whole)

    def unprobed(self, settings: Settings, pretraining: Pretraining, record: PretrainingRecord) -> list[Spec]:
        """List the tasks that an encoder should be probed on and that its record has no curve for."""
        return settings.tasks_to_probe(pretraining, record.probes, self.conditions.data)
