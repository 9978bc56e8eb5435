"""What runs were expected to take beside what they took, arm by arm; also as `estimates.csv`.

Only what a run itself recorded is compared with its estimate: an interrupted run by the share of its work that it
finished, cells of earlier runs and encoders from the cache not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from labeleff.records.entries import PretrainingRecord, Record, RunEntry
from labeleff.records.run_estimate import EstimatedPart, PartKey, RunEstimate, Source, duration, part_key
from labeleff.reporting.markdown import ratio, table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.reporting.tables import columns, frame, to_csv

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = columns(
    "run task encoder what arm n planned finished estimated_seconds actual_seconds processor_seconds ratio speeds "
    "estimated_peak_bytes actual_peak_bytes"
)
"""A row a part of a run's estimate. Seconds are of what finished alone; memory is of the whole run."""
WORDS: dict[Source, str] = {
    "catalogue": "a rough guess",
    "remembered": "speeds of earlier runs",
    "calibrated": "a calibration",
}
MEBIBYTE = 2**20


class _Taken(NamedTuple):
    seconds: float
    processor: float | None


@dataclass(frozen=True)
class Compared:
    """One part of a run's estimate, and what was recorded of it; no seconds where nothing was."""

    run: RunEntry
    part: EstimatedPart
    arm: str
    taken: tuple[_Taken, ...]
    """By each that finished."""

    @property
    def estimated(self) -> float:
        """Seconds that those that finished were expected to take."""
        return self.part.seconds * len(self.taken) / self.part.count

    @property
    def actual(self) -> float:
        """Seconds that they took, by the clock on the wall."""
        return sum(one.seconds for one in self.taken)

    @property
    def processor(self) -> float | None:
        """Of these, seconds in which they had a processor; None where that wasn't recorded, or means nothing."""
        known = [one.processor for one in self.taken if one.processor is not None]
        return sum(known) if len(known) == len(self.taken) else None


def compared(results: Results) -> list[Compared]:
    """Every part of the estimates of the study's runs; nothing of runs that have none."""
    taken = {run.run: _taken(results, run.run) for run in results.runs if run.estimate}
    names = {part_key(record.cell)[1:5]: results.study.arm_of(record.cell) for record in results.cells}
    found = []
    for run in results.runs:
        for part in run.estimate.parts if run.estimate else ():
            arm = names.get(part.key[1:5], f"{part.pretext}/{part.protocol}") if part.protocol else part.pretext
            found.append(Compared(run, part, arm, tuple(taken[run.run].get(part.key, ()))[: part.count]))
    return found


def _taken(results: Results, run: str) -> dict[PartKey, list[_Taken]]:
    """The time of everything that a run finished."""
    found: dict[PartKey, list[_Taken]] = {}
    on_cpu = results.run.conditions.device == "cpu"
    for record in _finished(results, run):
        seconds, processor = _times(record)
        if seconds is not None:
            asked = record.cell if isinstance(record, Record) else record.pretraining
            found.setdefault(part_key(asked), []).append(_Taken(seconds, processor if on_cpu else None))
    return found


def _times(record: Record | PretrainingRecord) -> tuple[float | None, float | None]:
    """Seconds on the wall and on the processor."""
    if isinstance(record, Record):
        return record.seconds, record.processor_seconds
    if record.training is None:
        return None, None
    parts = [window.processor_seconds for window in record.training.windows]
    known = [part for part in parts if part is not None]
    return record.training.seconds, sum(known) if len(known) == len(parts) else None


def _finished(results: Results, run: str) -> Iterator[Record | PretrainingRecord]:
    yield from (record for record in results.cells if record.run == run and record.status == "ok")
    for item in results.pretrainings:
        if item.run == run and item.status == "ok" and not item.cached:
            yield item


def _peak(results: Results, run: str) -> int | None:
    peaks = [record.peak_memory for record in _finished(results, run) if record.peak_memory is not None]
    return max(peaks, default=None)


def estimates(results: Results) -> pd.DataFrame:
    """One row a part of every run's estimate."""
    peaks = {run.run: _peak(results, run.run) for run in results.runs}
    return frame(
        [
            {
                "run": one.run.run,
                "task": one.part.task,
                "encoder": one.part.encoder,
                "what": one.part.what,
                "arm": one.arm,
                "n": one.part.n,
                "planned": one.part.count,
                "finished": len(one.taken),
                "estimated_seconds": one.estimated,
                "actual_seconds": one.actual if one.taken else None,
                "processor_seconds": one.processor if one.taken else None,
                "ratio": one.estimated / one.actual if one.actual else None,
                "speeds": one.part.speeds,
                "estimated_peak_bytes": one.run.estimate.peak_memory if one.run.estimate else None,
                "actual_peak_bytes": peaks[one.run.run],
            }
            for one in compared(results)
        ],
        COLUMNS,
    )


def to_files(results: Results) -> dict[str, bytes]:
    """`estimates.csv`; nothing where no run has an estimate."""
    found = estimates(results)
    return {} if found.empty else {"estimates.csv": to_csv(found)}


def section(results: Results) -> Section:
    """A table of arms and pretrainings, estimated and actual, and what the estimates rested on."""
    return Section([*_paragraphs(results)], to_files(results))


def _paragraphs(results: Results) -> Iterator[str]:
    parts = [one for one in compared(results) if one.taken]
    if not parts:
        return
    groups: dict[str, list[Compared]] = {}
    for one in parts:
        groups.setdefault(one.arm if one.part.what == "cells" else f"pretraining {one.arm}", []).append(one)
    rows = [_row(name, members) for name, members in groups.items()]
    if len(rows) > 1:
        rows.append(_row("all", parts))
    yield "## Estimate against actual"
    header = ["what", "finished", "estimated", "by the clock", "on the processor", "estimated / clock"]
    yield table([*header, "estimated / processor"], rows)
    yield "\n".join(f"- {text}" for text in _runs(results, parts))
    yield (
        "Of what each run finished itself, summed over processes or of a GPU; data being made ready, the start of "
        "processes, and probes are in neither. On CPUs estimates are of seconds on the processor: by the clock work "
        "takes longer where others want it too."
    )


def _row(name: str, members: Sequence[Compared]) -> list[str]:
    estimated, actual, processor = _sums(members)
    count = sum(len(one.taken) for one in members)
    return [
        name,
        f"{count:,}",
        *("–" if seconds is None else _seconds(seconds) for seconds in (estimated, actual, processor)),
        *(_over(estimated, seconds) for seconds in (actual, processor)),
    ]


def _sums(members: Sequence[Compared]) -> tuple[float, float, float | None]:
    """Seconds estimated, by the clock, and on the processor."""
    processors = [one.processor for one in members]
    known = [seconds for seconds in processors if seconds is not None]
    whole = sum(known) if len(known) == len(processors) else None
    return sum(one.estimated for one in members), sum(one.actual for one in members), whole


def _seconds(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def _over(estimated: float, seconds: float | None) -> str:
    return ratio(estimated / seconds) if seconds else "–"


def _runs(results: Results, parts: Sequence[Compared]) -> Iterator[str]:
    """A sentence a run: what its estimate rested on, how much of it is done, time and memory."""
    for run in results.runs:
        own = [one for one in parts if one.run.run == run.run]
        if not own or run.estimate is None:
            continue
        planned = sum(part.count for part in run.estimate.parts if part.what != "probes")
        done = sum(len(one.taken) for one in own)
        estimated, actual, processor = _sums(own)
        busy = f", {_over(estimated, processor)} of seconds on the processor" if processor else ""
        part = "" if done == planned else f", {done:,} of {planned:,} pieces of work finished"
        yield (
            f"Run {run.run} rested on {WORDS[run.estimate.speeds]}{part}: estimated / actual "
            f"{_over(estimated, actual)}{busy}{_memory(results, run.run, run.estimate)}."
        )


def _memory(results: Results, run: str, estimate: RunEstimate) -> str:
    peak = _peak(results, run)
    if peak is None or estimate.peak_memory is None:
        return ""
    return (
        f"; memory a process, or of the GPU, {estimate.peak_memory / MEBIBYTE:,.0f} MiB estimated, "
        f"{peak / MEBIBYTE:,.0f} MiB measured"
    )
