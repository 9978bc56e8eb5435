"""Selected labels: by what rule, for how much time, and how many classes they leave out."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from labeleff.catalogue.strategies import find_strategy
from labeleff.records.entries import Record
from labeleff.records.run_estimate import duration
from labeleff.reporting.markdown import table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.study.schema import Study


def section(results: Results) -> Section:
    """Section with a table per place: seconds of a choice, and classes without a label; empty where all are drawn."""
    return Section([*_paragraphs(results)])


def how(study: Study) -> Iterator[str]:
    """Sentences on how labels were selected, for the conditions of a report; none where all are drawn."""
    names = list(dict.fromkeys(arm.selection for arm in study.arms if arm.selected))
    if not names:
        return
    rules = "; ".join(f"`@{name}`: {find_strategy(name).clause}" for name in names)
    yield (
        f"Labels of arms with a name behind `@` were selected ({rules}). Their lowest rung has the labels of the draw; "
        "for every further one the model of the rung below chose among the training images, seeing the labels bought "
        "up to there and no others. All other arms have the labels of their draws, and U(n) counts labels drawn so."
    )


def seconds_below(records: Sequence[Record]) -> dict[str, float]:
    """Seconds that went before each selected cell, by key: training the rungs below it, scoring the pool, choosing.

    `records` are those of an arm; a cell is left out where a rung below it isn't among them or has no time.
    """
    known = {record.key: record for record in records}
    spent: dict[str, float] = {}
    for record in sorted(records, key=lambda one: one.cell.n):
        below = record.cell.rung_below
        if record.cell.selection is None or below is None:
            spent[record.key] = 0.0
            continue
        lower = known.get(below.key)
        if lower is not None and lower.asked is not None and lower.seconds is not None and lower.key in spent:
            spent[record.key] = spent[lower.key] + lower.seconds + lower.asked.seconds
    return spent


def _paragraphs(results: Results) -> Iterator[str]:
    arms = [name for arm, name in zip(results.study.arms, results.arms, strict=True) if arm.selected]
    if not arms:
        return
    yield "## How labels were selected"
    yield "The rules are under *What was kept fair*."
    rungs = results.study.rungs
    for place in results.places:
        rows = [_row(arm, results.at(place, arm), rungs) for arm in arms if results.at(place, arm)]
        if not rows:
            continue
        if len(results.places) > 1:
            yield f"{results.title(place)}:"
        yield table(["arm", "examples scored", "a choice took", *(f"n = {n:,}" for n in rungs)], rows)
    yield (
        "Under the label counts: classes without a label, the mean over runs; nothing balances a selection. The time "
        "of a choice is that of scoring the pool and of choosing; it isn't part of a cell's time."
    )


def _seconds(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def _row(arm: str, records: Sequence[Record], rungs: Sequence[int]) -> list[str]:
    asked = [record.asked for record in records if record.asked is not None]
    seconds = sorted(one.seconds for one in asked)
    pools = sorted({one.pool for one in asked})
    missing = {
        n: [len(one.missing_classes) for one in records if one.cell.n == n and one.status == "ok"] for n in rungs
    }
    return [
        arm,
        " to ".join(dict.fromkeys(f"{pool:,}" for pool in (pools[-1], pools[0]))) if pools else "–",
        " to ".join(dict.fromkeys(_seconds(one) for one in (seconds[0], seconds[-1]))) if seconds else "–",
        *(f"{statistics.fmean(missing[n]):g}" if missing[n] else "" for n in rungs),
    ]
