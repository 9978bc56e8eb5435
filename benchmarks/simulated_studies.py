"""Simulated records of a study that looks like reports/cifar10-small: its means, its spread, its speeds.

A run's error has a part from its labels, which BASE and NEW share and nested rungs have in common, a part from its
pretrained encoder, which the arms and rungs of one seed have in common, and a remainder. Speeds have noise of the
start, of the cell, with a neighbour's burst now and then, and of the window.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labeleff.records.entries import PretrainingRecord, Record, RunEntry
from labeleff.records.folders import FILE_NAME
from labeleff.records.training_log import Training, Window
from labeleff.reporting.results import Results, load
from labeleff.seeding import generator
from labeleff.stats.moderation import moderated_variance
from labeleff.study.cell import Cell
from labeleff.study.loading import parse_study
from labeleff.study.schema import Study

LABELS = 0.3
"""Share of a run's variance that comes from its labels."""
ENCODER = 0.3
"""Share of a run's variance that comes from its pretrained encoder, in arms that have one."""
START, CELL, WINDOW = 0.01, 0.02, 0.02
"""Standard deviations of the ln of speeds: of a start of the command (default), of a cell, of a window."""
BURST = 0.03
"""Probability that a neighbour takes a quarter of a cell's speed."""


@dataclass(frozen=True)
class Effect:
    """An injected change of code: added to true accuracies, or multiplying speeds."""

    name: str
    accuracy: Callable[[str, int, Template], float] = field(default=lambda arm, n, template: 0.0)  # noqa: ARG005
    speed: float = 1.0
    start: float = START
    """Standard deviation of the ln of speeds from one start of the command to the next."""


@dataclass(frozen=True)
class Template:
    """A real study's means and standard deviations by arm and rung, and a training to take sizes from."""

    results: Results
    means: dict[tuple[str, int], float]
    sds: dict[tuple[str, int], float]
    trainings: dict[tuple[str, int], Training | None]

    @classmethod
    def of(cls, folder: Path) -> Template:
        """Read a template from a folder; standard deviations are moderated over the rungs, as runs are few."""
        results = load(folder)
        [place] = results.places
        means, sds, trainings = {}, {}, {}
        for arm in results.arms:
            runs = results.arm_runs(place, arm)
            moderated = moderated_variance(sorted(runs), [list(runs[n].values()) for n in sorted(runs)])
            for n, variance in zip(sorted(runs), moderated.variance, strict=True):
                means[arm, n], sds[arm, n] = float(np.mean(list(runs[n].values()))), float(np.sqrt(variance))
                trainings[arm, n] = next(item.training for item in results.at(place, arm) if item.cell.n == n)
        return cls(results, means, sds, trainings)

    def study(self, runs: int) -> Study:
        """Copy the study with the given number of draws and seeds."""
        table = self.results.study.model_dump(mode="json")
        return parse_study({**table, "draws": runs, "seeds": runs}, "simulated")


def folder(path: Path, template: Template, runs: int, world: int, side: str, effect: Effect) -> Path:
    """Write a folder of records; `world` seeds the labels' part, which both sides share, and with `side` all else."""
    study = template.study(runs)
    start = float(generator("start", world, side).normal(0.0, effect.start)) + np.log(effect.speed)
    entry = template.results.run.model_copy(update={"study": study.model_dump(mode="json"), "run": side})
    items: list[RunEntry | Record | PretrainingRecord] = [entry]
    timed = template.results.pretrainings[0].training
    for what in study.pretrainings:
        training = _timed(timed, start, f"{world}/{side}/{what.key}")
        items.append(
            PretrainingRecord(run=side, key=what.key, pretraining=what, status="ok", training=training, metrics={})
        )
    items += [_record(template, cell, world, side, effect, start) for cell in study.cells()]
    path.mkdir(parents=True)
    lines = [json.dumps(item.model_dump(mode="json"), allow_nan=False) for item in items]
    (path / FILE_NAME).write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def _record(template: Template, cell: Cell, world: int, side: str, effect: Effect, start: float) -> Record:
    arm, n = cell.arm, cell.n
    luck = _normal("labels", world, cell.draw) * 0.5**0.5 + _normal("labels", world, cell.draw, n) * 0.5**0.5
    encoder = ENCODER if cell.pretext.name != "scratch" else 0.0
    noise = LABELS**0.5 * luck + encoder**0.5 * _normal("encoder", world, side, cell.pretext.name, cell.seed)
    noise += (1 - LABELS - encoder) ** 0.5 * _normal("own", world, side, arm, n, cell.draw, cell.seed)
    accuracy = template.means[arm, n] + effect.accuracy(arm, n, template) + template.sds[arm, n] * noise
    training = template.trainings[arm, n]
    timed = None if training is None else _timed(training, start, f"{world}/{side}/{cell.key}")
    quick = 2.0 * float(np.exp(-start + CELL * _normal("seconds", world, side, cell.key)))
    return Record(
        run=side,
        key=cell.key,
        cell=cell,
        status="ok",
        metrics={"accuracy": float(np.clip(round(accuracy, 4), 0, 1))},
        test_count=10_000,
        training=timed,
        seconds=quick if timed is None else timed.seconds,
    )


def _normal(*parts: str | int) -> float:
    return float(generator("simulated", *parts).standard_normal())


def _timed(training: Training, start: float, name: str) -> Training:
    """Copy a training with other times: a random speed, and windows around it."""
    rng = generator("speed", name)
    cell = start + rng.normal(0.0, CELL) + (np.log(0.75) if rng.random() < BURST else 0.0)
    windows = [
        Window(images=w.images, seconds=w.images / (1200 * float(np.exp(cell + rng.normal(0.0, WINDOW)))))
        for w in training.windows
    ]
    return training.model_copy(update={"windows": windows, "seconds": sum(w.seconds for w in windows), "history": []})
