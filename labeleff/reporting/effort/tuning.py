"""Equal tuning: what was chosen, what it was worth on the labels that judged, what it took; also as `tuning.csv`."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from labeleff.records.entries import PretrainingRecord, Record, Trial
from labeleff.records.run_estimate import duration
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import join_texts, percent, table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results, place_of
from labeleff.study.tuning import Choice

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = columns(
    "task encoder arm n draw seed split lr weight_decay steps trained held_out score loss chosen seconds reason"
)
"""One row per trial; `score` on what was held out, of a pretext (no `n`) on held-out images."""
OWN = tuple(Choice())
"""The choice that leaves a row as it is."""


def section(results: Results) -> Section:
    """Section on the trials of a tuned study; empty without."""
    cells, pretrainings = _tuned(results)
    if results.study.tune is None or not (cells or pretrainings):
        return Section([])
    return Section([*_paragraphs(results, cells, pretrainings)], files={"tuning.csv": to_csv(_frame(results))})


def flags(results: Results) -> Iterator[str]:
    """Flag arms whose choices lie at the end of the grid in most runs: a better one may lie beyond."""
    tune = results.study.tune
    if tune is None or len(tune.lr) < 3:
        return
    chosen: dict[str, list[float]] = {}
    for record in _tuned(results)[0]:
        chosen.setdefault(results.study.arm_of(record.cell), []).append(record.tuned["lr"])
    ends = {min(tune.lr), max(tune.lr)}
    at_ends = {arm: sum(rate in ends for rate in rates) / len(rates) for arm, rates in chosen.items()}
    if beyond := [f"{arm} ({share:.0%})" for arm, share in at_ends.items() if share > 0.5]:
        names = join_texts(beyond)
        yield f"**End of the grid**: most rates chosen lie at an end of it, better ones maybe beyond: {names}."


def _tuned(results: Results) -> tuple[list[Record], list[PretrainingRecord]]:
    cells = [record for record in results.cells if record.status == "ok" and record.trials]
    return cells, [item for item in results.pretrainings if item.status == "ok" and item.trials]


def _paragraphs(results: Results, cells: Sequence[Record], pretrainings: Sequence[PretrainingRecord]) -> Iterator[str]:
    tune = results.study.tune
    assert tune is not None
    yield "## Tuning"
    if cells:
        yield f"Every trained arm has the same grid at every rung, the baseline too: {tune.text}."
        groups: dict[tuple[str, str, int], list[Record]] = {}
        for record in cells:
            key = results.title(place_of(record.cell)), results.study.arm_of(record.cell), record.cell.n
            groups.setdefault(key, []).append(record)
        several = len({place for place, *_ in groups}) > 1
        header = [*(["place"] if several else []), "arm", "n", "chosen", "held out %", "as the row is %", "trials"]
        rows = [[*([key[0]] if several else []), *_row(key[1], key[2], group)] for key, group in groups.items()]
        yield table(header, rows, left=3 if several else 1)
        after = ", after the first round, which all choices were in" if tune.halving else ""
        yield (
            "*Chosen*: multiples of the row's rate (and decay), with the number of runs. *Held out*: mean score of the "
            f"choice on the labels that judged it{after}, beside that of the row as it is; the choice is the best of "
            "several on few labels, so the difference overstates what tuning is worth. *Trials*: their share of the "
            "time. All labels count as bought, those that judged too; the chosen one trains on all of them. No test "
            "item is seen."
        )
    if pretrainings:
        assert tune.pretext is not None
        names = [f"{item.pretraining.pretext.label}, seed {item.pretraining.seed}" for item in pretrainings]
        chosen = [f"{name}: x{item.tuned['lr']:g}" for name, item in zip(names, pretrainings, strict=True)]
        yield f"Rates of pretexts: {tune.pretext.text}. Chosen: {join_texts(chosen)}."
    trials = [trial for record in cells for trial in record.trials]
    trials += [trial for item in pretrainings for trial in item.trials]
    seconds = sum(trial.seconds for trial in trials)
    yield f"All trials took {duration(seconds)}, which are in the device-hours of their arms."


def _row(arm: str, n: int, group: Sequence[Record]) -> list[str]:
    counts = Counter(_named(record.tuned) for record in group)
    chosen, own = [], []
    for record in group:
        first = min(trial.steps for trial in record.trials)  # later rounds of halving have no longer all choices
        by_choice = _scores([trial for trial in record.trials if trial.steps == first])
        chosen += by_choice.get(tuple(record.tuned.values()), [])
        own += by_choice.get(OWN, [])
    spent = sum(trial.seconds for record in group for trial in record.trials)
    whole = sum(record.seconds or 0.0 for record in group)
    values = [percent(statistics.fmean(scores)) if scores else "–" for scores in (chosen, own)]
    texts = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    return [arm, f"{n:,}", texts, *values, f"{spent / whole:.0%}" if whole else "–"]


def _scores(trials: Sequence[Trial]) -> dict[tuple[float, ...], list[float]]:
    scores: dict[tuple[float, ...], list[float]] = {}
    for trial in trials:
        if trial.score is not None:
            scores.setdefault((trial.lr, trial.weight_decay), []).append(trial.score)
    return scores


def _named(tuned: dict[str, float]) -> str:
    return f"x{tuned['lr']:g}" + ("" if tuned["weight_decay"] == 1 else f" (decay x{tuned['weight_decay']:g})")


def _frame(results: Results) -> pd.DataFrame:
    cells, pretrainings = _tuned(results)
    rows = [row for record in cells for row in _cell_rows(results, record)]
    return frame(rows + [row for item in pretrainings for row in _pretext_rows(item)], COLUMNS)


def _cell_rows(results: Results, record: Record) -> Iterator[Row]:
    cell = record.cell
    facts: Row = {"task": cell.named_task.label, "encoder": cell.encoder.label, "arm": results.study.arm_of(cell)}
    facts = {**facts, "n": cell.n, "draw": cell.draw, "seed": cell.seed}
    yield from (_trial_row(facts, trial, record.tuned) for trial in record.trials)


def _pretext_rows(item: PretrainingRecord) -> Iterator[Row]:
    what = item.pretraining
    facts = {"task": what.task.label, "encoder": what.encoder.label, "arm": what.pretext.label, "seed": what.seed}
    yield from (_trial_row(facts, trial, item.tuned) for trial in item.trials)


def _trial_row(facts: Row, trial: Trial, tuned: dict[str, float]) -> Row:
    chosen = tuned == {"lr": trial.lr, "weight_decay": trial.weight_decay}
    values = trial.model_dump(exclude={"processor_seconds"})
    return {**facts, **values, "chosen": int(chosen), "reason": trial.reason or ""}
