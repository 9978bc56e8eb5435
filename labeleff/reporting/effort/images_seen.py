"""Images that training drew, repetitions included: with labels, without, and in pretraining; also as `images.csv`.

Only where a protocol counts them apart: elsewhere steps times batch, as in `throughput.csv`, says all.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING

from labeleff.records.entries import PretrainingRecord, Record
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.scheduling.jobs import path_to

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = columns(
    "task encoder arm n runs steps labelled_images unlabelled_images pretraining_images selection_images trial_images "
    "images unlabelled_share_used"
)
"""One row per trained arm and rung: means over finished runs.

`selection_images`: of the rungs below, whose models chose labels; `trial_images`: of trials of tuning.
`unlabelled_share_used` is the share of unlabelled images whose prediction was likely enough to be learned from, in the
last window of training.
"""


def section(results: Results) -> Section:
    """Section on the images that every trained arm drew per run; empty where no protocol counts them apart."""
    if not any(record.training and record.training.labelled is not None for record in results.cells):
        return Section([])
    rows = images_seen(results)
    return Section([*_paragraphs(results, rows)], {"images.csv": to_csv(rows)})


def images_seen(results: Results) -> pd.DataFrame:
    """Table of one row per trained arm and rung."""
    rows = [
        _row(results, place, arm, n, records)
        for place, arm in results.groups
        for n in sorted({record.cell.n for record in results.at(place, arm)})
        if (records := [r for r in results.at(place, arm) if r.cell.n == n and r.training is not None])
    ]
    return frame(rows, COLUMNS)


def _row(results: Results, place: Place, arm: str, n: int, records: list[Record]) -> Row:
    trainings = [record.training for record in records if record.training is not None]
    labelled = statistics.fmean(t.images if t.labelled is None else t.labelled for t in trainings)
    images = statistics.fmean(t.images for t in trainings)
    pretrained = {key: item.training.images for key, item in results.encoders.items() if item.training is not None}
    before = statistics.fmean(pretrained.get(record.pretraining or "", 0) for record in records)
    known = {record.key: record for record in results.at(place, arm)}
    paths = [[known[one.key] for one in path_to(record.cell)[:-1] if one.key in known] for record in records]
    choosing = statistics.fmean(sum(one.training.images for one in path if one.training) for path in paths)
    tuned = [
        [*path, results.encoders.get(one.pretraining or ""), one] for path, one in zip(paths, records, strict=True)
    ]
    trials = statistics.fmean(sum(map(_tried, group)) for group in tuned)
    used = [share for record in records if (share := record.train_metrics.get("confident")) is not None]
    return {
        "task": place.task,
        "encoder": place.encoder,
        "arm": arm,
        "n": n,
        "runs": len(records),
        "steps": statistics.fmean(t.steps for t in trainings),
        "labelled_images": labelled,
        "unlabelled_images": images - labelled,
        "pretraining_images": before,
        "selection_images": choosing,
        "trial_images": trials,
        "images": images + before + choosing + trials,
        "unlabelled_share_used": statistics.fmean(used) if used else None,
    }


def _tried(record: Record | PretrainingRecord | None) -> float:
    """Images that the trials of tuning of a cell or a pretraining drew, by those of a step of its training."""
    if record is None or record.training is None or not record.training.steps:
        return 0.0
    return record.training.images / record.training.steps * sum(trial.steps for trial in record.trials)


def _paragraphs(results: Results, rows: pd.DataFrame) -> Iterator[str]:
    yield "## Images seen"
    counts = {
        "steps": "steps",
        "labelled_images": "with labels",
        "unlabelled_images": "without",
        "pretraining_images": "in pretraining",
        **({"selection_images": "at rungs below"} if rows["selection_images"].any() else {}),
        **({"trial_images": "in trials"} if rows["trial_images"].any() else {}),
        "images": "in all",
    }
    header = ["arm", "n", *counts.values(), "without, used"]
    for place in dict.fromkeys(place for place, _ in results.groups):
        if len(results.places) > 1:
            yield f"{results.title(place)}:"
        mine = rows[(rows["task"] == place.task) & (rows["encoder"] == place.encoder)]
        lines = [
            [row["arm"], f"{row['n']:,}", *(f"{row[name]:,.0f}" for name in counts), _share(row[COLUMNS[-1]])]
            for row in mine.to_dict("records")
        ]
        yield table(header, lines)
    yield (
        "Images that one run draws, on average, each as often as it is drawn (the strong view of an image and its weak "
        "one count once); where labels are selected also those of the rungs below, whose models chose. Arms with other "
        "totals differ in more than their method. *Used* is the share of images without labels whose prediction was "
        "likely enough to be learned from, in the last window of training."
    )


def _share(used: float | None) -> str:
    return "–" if used is None or math.isnan(used) else f"{100 * used:.1f} %"
