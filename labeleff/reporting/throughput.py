"""Records to `throughput.csv`: images/s of every pretraining and trained arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from labeleff.arms import told_apart
from labeleff.likeness import precision_of
from labeleff.record import PretrainingRecord, Record, Training
from labeleff.reporting.measured import Place
from labeleff.reporting.results import Results, place_of
from labeleff.reporting.tables import Row, columns, frame

if TYPE_CHECKING:
    import pandas as pd

THROUGHPUT = columns(
    "what task encoder arm seed images_per_second lower_quartile upper_quartile windows warm_up device "
    "precision layout threads batch steps images seconds peak_memory_bytes"
)
"""Images/s over timed windows (epochs, or stretches of steps where epochs are short)."""


def throughput(results: Results) -> pd.DataFrame:
    """One row a pretraining and a trained arm.

    The first window of each training is warm-up and left out where there are more; pretrainings taken from
    the cache are left out, as their time belongs to an earlier run.
    """
    names = told_apart(item.pretraining.pretext for item in results.pretrainings)
    rows = [_pretraining_row(results, item, names) for item in results.pretrainings if not item.cached]
    rows += [_training_row(results, place, arm) for place, arm in results.groups]
    return frame([row for row in rows if row is not None], THROUGHPUT)


def _pretraining_row(results: Results, item: PretrainingRecord, names: Mapping[str, str]) -> Row | None:
    if item.training is None:
        return None
    place, what = place_of(item.pretraining), item.pretraining
    row = {"what": "pretraining", "arm": names[what.pretext.label], "seed": what.seed}
    return row | _speed(results, place, [(item, item.training)])


def _training_row(results: Results, place: Place, arm: str) -> Row | None:
    done = [(item, item.training) for item in results.at(place, arm) if item.training is not None]
    return {"what": "training", "arm": arm, "seed": None} | _speed(results, place, done) if done else None


def rates(training: Training, *, processor: bool = False) -> tuple[list[float], bool]:
    """Images/s of each timed window, and whether a first one was left out as warm-up; `processor`: by its time."""
    dropped = len(training.windows) > 1
    kept = training.windows[1:] if dropped else training.windows
    timed = [(window.images, window.processor_seconds if processor else window.seconds) for window in kept]
    return [images / seconds for images, seconds in timed if seconds], dropped


def _speed(results: Results, place: Place, done: Sequence[tuple[PretrainingRecord | Record, Training]]) -> Row:
    measured = [rates(training) for _, training in done]
    speeds = [rate for found, _ in measured for rate in found]
    quartiles = np.percentile(speeds, [25, 50, 75]).tolist() if speeds else [None] * 3
    entries = [run for run in results.runs if run.run in {record.run for record, _ in done}]
    peaks = [record.peak_memory for record, _ in done if record.peak_memory is not None]
    dropped = sum(left_out for _, left_out in measured)
    return {
        "task": place.task,
        "encoder": place.encoder,
        "images_per_second": quartiles[1],
        "lower_quartile": quartiles[0],
        "upper_quartile": quartiles[2],
        "windows": len(speeds),
        "warm_up": f"first window left out in {dropped} of {len(done)} trainings",
        "device": _listed(run.conditions.device for run in entries),
        "precision": _listed(precision_of(run.conditions, place.encoder or "") for run in entries),
        "layout": _listed(_layout(training) for _, training in done),
        "threads": _listed(training.threads for _, training in done),
        "batch": _listed(training.batch for _, training in done),
        "steps": sum(training.steps for _, training in done),
        "images": sum(training.images for _, training in done),
        "seconds": sum(training.seconds for _, training in done),
        "peak_memory_bytes": max(peaks, default=None),
    }


def _layout(training: Training) -> str:
    """Order in memory, and how many models were computed as one."""
    if training.slots == 1:
        return training.layout
    return f"{training.layout} ({training.slots} models as one: {training.packing}, {training.backend})"


def _listed(values: Iterable[object]) -> str:
    """Distinct values in the order they appear; usually there is one."""
    return ", ".join(dict.fromkeys(str(value) for value in values))
