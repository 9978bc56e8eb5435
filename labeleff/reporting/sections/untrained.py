"""Pretexts that were hardly trained, so that a report can't call them worthless: sentences above its first lines."""

from __future__ import annotations

import math
from collections.abc import Iterator

from labeleff.records.entries import PretrainingRecord
from labeleff.reporting.markdown import percent
from labeleff.reporting.results import Results

FEW_STEPS = 100
"""Steps of the optimiser under which a pretext counts as hardly trained."""
FEW_HELD_OUT = 20
"""Held-out images under which their share of correct ones is no percentage."""
ERRORS = 2.0
"""Standard errors of sampling over chance, up to which an accuracy can't be told from chance."""
TURNS = 4


def held_out(results: Results, item: PretrainingRecord) -> int | None:
    """Number of images that a pretext held out; None where it holds none out or the records don't say how many."""
    share = item.pretraining.pretext.options.get("holdout")
    count = item.pretraining.images or results.run.tasks.get(item.pretraining.task.label, {}).get("train")
    if share is None or count is None:
        return None
    return max(1 if item.pretraining.pretext.name == "rotation" else 2, round(float(share) * int(count)))


def flags(results: Results) -> list[str]:
    """One sentence per pretext that was hardly trained, or whose training can't be judged."""
    reasons: dict[str, dict[str, None]] = {}
    for item in results.pretrainings:
        if item.status == "ok" and item.training is not None:
            reasons.setdefault(item.pretraining.pretext.label, {}).update(dict.fromkeys(_reasons(results, item)))
    return [
        f"> **Hardly trained**: {name}: {'; '.join(texts)}. That it is worth nothing here wouldn't mean that it is."
        for name, texts in reasons.items()
        if texts
    ]


def _reasons(results: Results, item: PretrainingRecord) -> Iterator[str]:
    assert item.training is not None
    steps, held = item.training.steps, held_out(results, item)
    if steps < FEW_STEPS:
        yield f"{steps} steps of pretraining, expected some hundreds or more (`steps` in its budget)"
    accuracy = item.metrics.get("heldout_accuracy")
    if held is None or accuracy is None:
        return
    if held < FEW_HELD_OUT:
        yield f"{held} held-out images, too few to say what it learned"
        return
    batch = item.pretraining.budget.batch if item.pretraining.budget else held
    chance = 1 / TURNS if item.pretraining.pretext.name == "rotation" else 1 / min(batch, held)
    if accuracy <= chance + ERRORS * math.sqrt(chance * (1 - chance) / held):
        what = f"{percent(accuracy)} % of {held} held-out images"
        yield f"{what}, which can't be told from chance, {percent(chance)} %"
