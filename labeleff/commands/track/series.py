"""Records as series of numbers for trackers of experiments.

The same records give the same series. An arm is a track of its own, with series over the label count n and the learning
curves of its trainings over the step; so is every pretraining. Places and arms are named as in reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeleff.curves.bounds import Shown, worth
from labeleff.records.conditions import leaves
from labeleff.records.entries import PretrainingRecord, Record
from labeleff.records.training_log import Training
from labeleff.reporting.effort.throughput import rates
from labeleff.reporting.findings import Comparison, compare_arms
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results, place_of
from labeleff.stats.intervals import mean_intervals
from labeleff.study.cell import Budget
from labeleff.study.names import short_names

Points = tuple[tuple[int, float], ...]
"""Steps (label counts, or steps of the optimiser) in rising order, with their values."""
RATE = "examples_per_second"
UTILITY: dict[Shown, str] = {
    "point": "utility",
    "extrapolated": "utility_extrapolated",
    "lower limit": "utility_at_least",
    "at least": "utility_at_least",
    "at most": "utility_at_most",
}
"""Name of a series of U(n) by how it is to be read: a limit isn't a measured point, and has another name."""


@dataclass(frozen=True)
class Track:
    """A run in the sense of trackers: name, parameters and series."""

    name: str
    """Place and arm, or place, pretext and seed, in few words."""
    facts: Mapping[str, str]
    """Parameters that it was measured with, by dotted name."""
    series: Mapping[str, Points]
    """Points by name; names have only characters that every tracker takes (see `safe_name`)."""


@dataclass(frozen=True)
class Tracks:
    """The tracks of a folder of records."""

    study: str
    key: str
    """The folder's first run, which stays the same however often it is continued."""
    started: str
    """Start of the newest run, ISO 8601."""
    ended: str
    """End of its last cell, ISO 8601."""
    complete: bool
    """Whether every cell of the study is recorded, failed or not."""
    facts: Mapping[str, str]
    """Study, conditions, environment."""
    tracks: list[Track]


def tracks(results: Results, key: str) -> Tracks:
    """Make all series of a folder whose first run is `key`."""
    titles = _titles(results)
    comparisons = {(item.place, item.arm): item for item in compare_arms(results.measured)}
    content = [_arm(results, place, arm, titles, comparisons.get((place, arm))) for place, arm in results.groups]
    pretexts = short_names(item.pretraining.pretext for item in results.pretrainings)
    content += [_pretraining(item, titles, pretexts) for item in results.pretrainings if item.training is not None]
    return Tracks(
        study=results.study.name,
        key=key,
        started=results.run.started,
        ended=max([results.run.started, *(item.finished for item in results.cells if item.finished)]),
        complete=len(results.cells) == results.cell_count,
        facts=_facts(results),
        tracks=content,
    )


def _titles(results: Results) -> dict[Place, str]:
    """Short names of places, those of blocks of stories too."""
    blocks = results.study.blocks
    tasks = short_names(spec for block in blocks for spec in block.named_tasks)
    encoders = short_names(spec for block in blocks for spec in block.encoders)
    return {Place(t, e): f"{tasks[t].replace('/', '-')}, {encoders[e]}" for t in tasks for e in encoders}


def safe_name(name: str) -> str:
    """Replace in a name what some tracker refuses by dashes; as a path it stays the same."""
    return re.sub(r"[^A-Za-z0-9_. -]+", "-", name).strip(". ") or "-"


def _arm(results: Results, place: Place, arm: str, titles: Mapping[Place, str], beside: Comparison | None) -> Track:
    records = results.at(place, arm)
    series = {
        **_scores(results, place, arm),
        **(_utility(beside) if beside is not None else {}),
        RATE: _by_rung(records, lambda item: _median(rates(item.training)[0]) if item.training else None),
        "seconds": _by_rung(records, lambda item: item.seconds),
        "peak_memory_bytes": _by_rung(records, lambda item: item.peak_memory),
    }
    for item in sorted(records, key=lambda record: (record.cell.n, record.cell.draw, record.cell.seed)):
        if item.training is not None:
            where = f"n{item.cell.n} draw{item.cell.draw} seed{item.cell.seed}"
            series |= {f"{where}/{name}": points for name, points in _curves(item.training).items()}
    facts = {"arm": arm} | _setting(place, records[0].cell.budget if records else None)
    return _track(f"{titles[place]}/{arm}", facts, series)


def _pretraining(item: PretrainingRecord, titles: Mapping[Place, str], pretexts: Mapping[str, str]) -> Track:
    what, place = item.pretraining, place_of(item.pretraining)
    assert item.training is not None
    last = item.training.steps
    final = {f"final/{name}": ((last, float(value)),) for name, value in item.metrics.items() if value is not None}
    facts = {"pretext": what.pretext.label, "seed": str(what.seed), "cached": str(item.cached)}
    facts |= _setting(place, what.budget)
    title = titles.get(place, str(place).replace("/", "-"))
    name = f"{title}/{pretexts[what.pretext.label]} pretraining seed {what.seed}"
    return _track(name, facts, _curves(item.training) | final)


def _setting(place: Place, budget: Budget | None) -> dict[str, str]:
    table = {} if budget is None else {"budget": budget.model_dump(mode="json", exclude_none=True)}
    return {"task": str(place.task), "encoder": str(place.encoder)} | _flat(table)


def _track(name: str, facts: Mapping[str, str], series: Mapping[str, Points]) -> Track:
    named = {"/".join(map(safe_name, key.split("/"))): points for key, points in series.items() if points}
    return Track(name, facts, named)


def _scores(results: Results, place: Place, arm: str) -> dict[str, Points]:
    """Means of the task's metric, with the ends of their intervals."""
    runs, name = results.arm_runs(place, arm), results.metric(place.task)
    intervals = mean_intervals(runs, level=results.study.level) if runs else []
    return {
        name: tuple((item.n, item.mean) for item in intervals),
        f"{name}_low": tuple((item.n, item.low) for item in intervals if item.low is not None),
        f"{name}_high": tuple((item.n, item.high) for item in intervals if item.high is not None),
    }


def _utility(item: Comparison) -> dict[str, Points]:
    """Series of U(n) with its interval; limits, bounds and what rests on an assumption that fails have their own."""
    series: dict[str, list[tuple[int, float]]] = {}
    for point in item.points:
        shown = worth(point)
        name, pointed = UTILITY[shown.shown], shown.shown in ("point", "extrapolated")
        if item.doubts(point.n):
            name = f"{name}_doubted"
        limit = shown.low if shown.shown == "lower limit" else shown.bound
        value = shown.value if pointed else limit
        ends = {"low": shown.low, "high": shown.high} if pointed else {}
        named = {name: value} | {f"{name}_{end}": number for end, number in ends.items()}
        for key, number in named.items():
            if number is not None:
                series.setdefault(key, []).append((point.n, number))
    return {key: tuple(points) for key, points in series.items()}


def _by_rung(records: Sequence[Record], of: Callable[[Record], float | None]) -> Points:
    """Compute the median over an arm's cells at every label count."""
    values: dict[int, list[float]] = {}
    for item in records:
        value = of(item)
        if value is not None:
            values.setdefault(item.cell.n, []).append(value)
    return tuple((n, float(np.median(values[n]))) for n in sorted(values))


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _curves(training: Training) -> dict[str, Points]:
    """Series of a learning curve by step, and of the speed of its windows."""
    names = dict.fromkeys(name for entry in training.history for name in entry if name not in ("step", "epoch"))
    steps = [int(entry["step"]) for entry in training.history if "step" in entry]
    series = {
        name: tuple((int(entry["step"]), entry[name]) for entry in training.history if {name, "step"} <= entry.keys())
        for name in names
    }
    if len(steps) == len(training.windows):
        timed = zip(steps, training.windows, strict=True)
        series[RATE] = tuple((step, w.images / w.seconds) for step, w in timed if w.seconds > 0)
    return series


def _facts(results: Results) -> dict[str, str]:
    run, study = results.run, results.study
    table = study.model_dump(mode="json", exclude={"gate", "stories", "budget", "tasks", "encoders", "arms"})
    named = {
        "tasks": [task.label for task in study.tasks],
        "encoders": [encoder.label for encoder in study.encoders],
        "arms": study.arm_names,
    }
    shown = {"study": {**table, **named}, "conditions": run.conditions.model_dump(), "environment": run.environment}
    return _flat(shown)


def _flat(table: Mapping[str, object]) -> dict[str, str]:
    """Flatten a table to values by dotted name, without empty ones."""
    return {safe_name(key): str(value) for key, value in leaves(table) if value not in (None, "", [], {})}
