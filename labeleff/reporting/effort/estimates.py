"""Estimated and actual time of runs, arm by arm; also as `estimates.csv`.

Only what a run itself recorded is compared with its estimate. For an interrupted run that is the share of its work that
it finished; cells of earlier runs and encoders from the cache don't count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from labeleff.records.entries import PretrainingRecord, Record, RunEntry
from labeleff.records.run_estimate import EstimatedPart, PartKey, RunEstimate, Source, duration, part_key
from labeleff.reporting.csv_tables import columns, frame, to_csv
from labeleff.reporting.markdown import ratio, table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = columns(
    "run task encoder what arm n planned finished estimated_seconds actual_seconds processor_seconds ratio speeds "
    "estimated_peak_bytes actual_peak_bytes"
)
"""One row per part of a run's estimate. Seconds are of finished work alone; memory is of the whole run."""
WORDS: dict[Source, str] = {
    "catalogue": "a rough guess",
    "remembered": "speeds of earlier runs",
    "calibrated": "a calibration",
}
MEBIBYTE = 2**20


class _Times(NamedTuple):
    seconds: float
    processor: float | None


@dataclass(frozen=True)
class PartTimes:
    """One part of a run's estimate, with the recorded times of its finished work."""

    run: RunEntry
    part: EstimatedPart
    arm: str
    times: tuple[_Times, ...]
    """Times per finished cell or pretraining."""

    @property
    def estimated(self) -> float:
        """Seconds estimated for the finished work."""
        return self.part.seconds * len(self.times) / self.part.count

    @property
    def actual(self) -> float:
        """Seconds that the finished work took, by the wall clock."""
        return sum(one.seconds for one in self.times)

    @property
    def processor(self) -> float | None:
        """Processor seconds of the finished work; None where they weren't recorded, or mean nothing."""
        seconds = [one.processor for one in self.times if one.processor is not None]
        return sum(seconds) if len(seconds) == len(self.times) else None


def part_times(results: Results) -> list[PartTimes]:
    """Every part of the estimates of the study's runs; runs without an estimate are left out."""
    times = {run.run: _run_times(results, run.run) for run in results.runs if run.estimate}
    names = {part_key(record.cell)[1:5]: results.study.arm_of(record.cell) for record in results.cells}
    parts = []
    for run in results.runs:
        for part in run.estimate.parts if run.estimate else ():
            arm = names.get(part.key[1:5], f"{part.pretext}/{part.protocol}") if part.protocol else part.pretext
            parts.append(PartTimes(run, part, arm, tuple(times[run.run].get(part.key, ()))[: part.count]))
    return parts


def _run_times(results: Results, run: str) -> dict[PartKey, list[_Times]]:
    """Times of everything that a run finished, by part."""
    times: dict[PartKey, list[_Times]] = {}
    on_cpu = results.run.conditions.device == "cpu"
    for record in _finished(results, run):
        seconds, processor = _record_seconds(record)
        if seconds is not None:
            work = record.cell if isinstance(record, Record) else record.pretraining
            times.setdefault(part_key(work), []).append(_Times(seconds, processor if on_cpu else None))
    return times


def _record_seconds(record: Record | PretrainingRecord) -> tuple[float | None, float | None]:
    """Wall and processor seconds of a record, with those of what it asked; None where they weren't recorded."""
    if isinstance(record, Record):
        extra, processor = (record.asked.seconds, record.asked.processor_seconds) if record.asked else (0.0, 0.0)
        return (
            None if record.seconds is None else record.seconds + extra,
            None if record.processor_seconds is None else record.processor_seconds + processor,
        )
    if record.training is None:
        return None, None
    parts = [window.processor_seconds for window in record.training.windows]
    seconds = [part for part in parts if part is not None]
    tried = sum(trial.processor_seconds for trial in record.trials)
    return record.seconds, sum(seconds) + tried if len(seconds) == len(parts) else None


def _finished(results: Results, run: str) -> Iterator[Record | PretrainingRecord]:
    yield from (record for record in results.cells if record.run == run and record.status == "ok")
    for item in results.pretrainings:
        if item.run == run and item.status == "ok" and not item.cached:
            yield item


def _peak(results: Results, run: str) -> int | None:
    peaks = [record.peak_memory for record in _finished(results, run) if record.peak_memory is not None]
    return max(peaks, default=None)


def estimates(results: Results) -> pd.DataFrame:
    """Table of one row per part of every run's estimate."""
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
                "finished": len(one.times),
                "estimated_seconds": one.estimated,
                "actual_seconds": one.actual if one.times else None,
                "processor_seconds": one.processor if one.times else None,
                "ratio": one.estimated / one.actual if one.actual else None,
                "speeds": one.part.speeds,
                "estimated_peak_bytes": one.run.estimate.peak_memory if one.run.estimate else None,
                "actual_peak_bytes": peaks[one.run.run],
            }
            for one in part_times(results)
        ],
        COLUMNS,
    )


def to_files(results: Results) -> dict[str, bytes]:
    """Content of `estimates.csv` by file name; empty where no run has an estimate."""
    rows = estimates(results)
    return {} if rows.empty else {"estimates.csv": to_csv(rows)}


def section(results: Results) -> Section:
    """Section with a table of estimated and actual times, and the sources of the estimates."""
    return Section(details=[*_paragraphs(results)], files=to_files(results))


def _paragraphs(results: Results) -> Iterator[str]:
    parts = [one for one in part_times(results) if one.times]
    if not parts:
        return
    groups: dict[str, list[PartTimes]] = {}
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


def _row(name: str, members: Sequence[PartTimes]) -> list[str]:
    estimated, actual, processor = _sums(members)
    count = sum(len(one.times) for one in members)
    return [
        name,
        f"{count:,}",
        *("–" if seconds is None else _seconds(seconds) for seconds in (estimated, actual, processor)),
        *(_over(estimated, seconds) for seconds in (actual, processor)),
    ]


def _sums(members: Sequence[PartTimes]) -> tuple[float, float, float | None]:
    """Sums of estimated, wall and processor seconds; None where a part lacks the last."""
    processors = [one.processor for one in members]
    recorded = [seconds for seconds in processors if seconds is not None]
    processor = sum(recorded) if len(recorded) == len(processors) else None
    return sum(one.estimated for one in members), sum(one.actual for one in members), processor


def _seconds(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"


def _over(estimated: float, seconds: float | None) -> str:
    return ratio(estimated / seconds) if seconds else "–"


def _runs(results: Results, parts: Sequence[PartTimes]) -> Iterator[str]:
    """One sentence per run: the source of its estimate, how much of it is done, time and memory."""
    for run in results.runs:
        run_parts = [one for one in parts if one.run.run == run.run]
        if not run_parts or run.estimate is None:
            continue
        planned = sum(part.count for part in run.estimate.parts if part.what != "probes")
        done = sum(len(one.times) for one in run_parts)
        estimated, actual, processor = _sums(run_parts)
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
