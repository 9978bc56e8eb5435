"""The tables of `labeleff plan`: cells, what is left to measure, estimates."""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from labeleff.files import cache_folder
from labeleff.records.jsonl import Records, read_records
from labeleff.records.run_estimate import EstimatedPart, RunEstimate, duration, part_key
from labeleff.records.training_log import tasks_without_curve
from labeleff.scheduling.forecast import estimate_run, measured_speeds, on_accelerator
from labeleff.scheduling.job_seconds import (
    Estimate,
    available_cores,
    job_estimates,
    pretraining_estimate,
    probe_estimate,
    processes_for,
    steps_of,
)
from labeleff.scheduling.jobs import Job, Pretrain, jobs_for, probe_jobs
from labeleff.scheduling.speeds import Speeds, read_speeds
from labeleff.study.cell import Cell, Pretraining
from labeleff.study.prices import Price
from labeleff.study.schema import Study

GIBIBYTE = 2**30
CGROUP = Path("/sys/fs/cgroup/memory.max")
"""File in which Linux gives the memory that a container may use."""
SLOWED = 1.1
"""Ratio of wall time to processor time of timings above which a note mentions it."""
_Group = tuple[str, str, str]


def groups_table(study: Study, jobs: Sequence[Job], estimate: RunEstimate, price: Price | None) -> Table:
    """Make a table with a row per pretext and arm of a task and encoder, and a row for all."""
    table = Table("what", "task, encoder", "number", "steps", "time, one process", "share")
    if price is not None:
        table.add_column(f"cost at {price} an hour")
    for column in table.columns[2:]:
        column.justify = "right"
    steps, groups = _steps(study, jobs), _groups(study, jobs, estimate.parts)
    rows = [
        (group, sum(part.count for part in parts), steps.get(group, 0), sum(part.seconds for part in parts))
        for group, parts in groups.items()
    ]
    if len(rows) > 1:
        rows.append((("all", "", ""), 0, sum(row[2] for row in rows), estimate.seconds))
    for (what, task, encoder), count, done, seconds in rows:
        share = seconds / estimate.seconds if estimate.seconds else 0.0
        cells = [what, f"{task}, {encoder}" if task else "", f"{count:,}" if count else ""]
        cells += [f"{done:,}" if done else "", duration(seconds), f"{share:.0%}"]
        table.add_row(*cells, *([price.cost(share * estimate.wall_seconds)] if price else []))
    return table


def _groups(study: Study, jobs: Sequence[Job], parts: Sequence[EstimatedPart]) -> dict[_Group, list[EstimatedPart]]:
    names = {part_key(cell)[1:5]: study.arm_of(cell) for job in jobs for cell in job.cells}
    groups: dict[_Group, list[EstimatedPart]] = {}
    for part in parts:
        what = f"{part.what} {part.pretext}" if part.protocol is None else names[part.key[1:5]]
        groups.setdefault((what, part.task, part.encoder), []).append(part)
    return groups


def _steps(study: Study, jobs: Sequence[Job]) -> dict[_Group, int]:
    steps: dict[_Group, int] = {}
    for job in jobs:
        if isinstance(job, Pretrain):
            work = job.pretraining
            group = f"pretraining {work.pretext.label}", work.task.label, work.encoder.label
            steps[group] = steps.get(group, 0) + steps_of(work)
        for cell in job.cells:
            group = study.arm_of(cell), cell.task.label, cell.encoder.label
            steps[group] = steps.get(group, 0) + steps_of(cell)
    return steps


def basis(jobs: Sequence[Job], speeds: Speeds, estimate: RunEstimate) -> str:
    """Say in a clause what an estimate of time is based on."""
    if estimate.speeds == "catalogue" and estimate.parts:
        return "a rough guess: not every kind of work has been timed here"
    places = dict.fromkeys(speed.place for speed in measured_speeds(jobs, speeds))
    on = f" on {' and '.join(places)}" if places else ""
    return f"{'from a calibration' if estimate.speeds == 'calibrated' else 'from speeds measured here'}{on}"


def notes(jobs: Sequence[Job], speeds: Speeds, estimate: RunEstimate, price: Price | None) -> Iterator[str]:
    """Write sentences on cost, memory, and how far to trust the estimate."""
    if price is not None:
        yield f"cost: {price.cost(estimate.whole_seconds)} at {price} an hour of the machine"
    if estimate.peak_memory is not None:
        yield from _memory(estimate, on_accelerator(jobs, speeds))
    yield _processor_time(estimate)
    yield _trust(jobs, speeds, estimate)


def _processor_time(estimate: RunEstimate) -> str:
    """Say what the estimate is made of, in seconds of the processors."""
    parts = [f"jobs {duration(estimate.seconds)}"]
    if (beside := estimate.overheads) is not None:
        count = beside.workers + 1
        if beside.start is not None:
            parts.append(f"start of {count} process{'es' if count > 1 else ''} {duration(count * beside.start)}")
        if beside.data is not None:
            parts.append(f"data {duration(beside.data + beside.workers * (beside.data_again or 0.0))}")
        if beside.report is not None:
            parts.append(f"report {duration(beside.report)}")
    return f"processor time: about {duration(estimate.processor_seconds)} ({', '.join(parts)})"


def _memory(estimate: RunEstimate, accelerator: bool) -> Iterator[str]:
    assert estimate.peak_memory is not None
    worker = estimate.peak_memory / GIBIBYTE
    if accelerator:
        yield f"memory: about {worker:.1f} GiB of the accelerator"
        return
    processes = estimate.processes + (estimate.processes > 1)  # the process that starts them has the data too
    memory = machine_memory()
    of = f" of {memory / GIBIBYTE:.1f}" if memory is not None else ""
    yield f"memory: about {worker:.1f} GiB a process, {processes * worker:.1f}{of} GiB in all"
    if memory is not None and processes * estimate.peak_memory > memory:
        yield "warning: that is more than this machine has; run fewer processes with --jobs"


def _trust(jobs: Sequence[Job], speeds: Speeds, estimate: RunEstimate) -> str:
    unknown = [*(estimate.overheads.unknown if estimate.overheads else []), "other programs"]
    left_out = f"Not in it: {', '.join(unknown)}; training that stops early takes less."
    if estimate.speeds == "catalogue":
        return f"The estimate can be wrong by a factor of three and more; --calibrate times the study here. {left_out}"
    slowed = [speed.slowed for speed in measured_speeds(jobs, speeds) if speed.slowed is not None]
    if slowed and max(slowed) > SLOWED:
        longer = statistics.median(slowed) * estimate.whole_seconds
        left_out += f" Other work had the processors too while this was timed: if so again, about {duration(longer)}."
    spreads = [speed.spread for speed in measured_speeds(jobs, speeds) if speed.spread is not None]
    spread = f"Repeated timings of one kind of work differed by up to {max(spreads):.0%}. " if spreads else ""
    return f"{spread}{left_out}"


def machine_memory() -> int | None:
    """Bytes of memory that processes may use on this machine; None where the system doesn't say."""
    if sys.platform == "win32":
        import psutil  # a dependency on Windows alone

        return int(psutil.virtual_memory().total)
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        limit = CGROUP.read_text().strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdecimal() else memory


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """End well: `labeleff list | head` has shown all that was wanted (rich ends with exit status 1)."""
        with contextlib.suppress(SystemExit):
            super().on_broken_pipe()
        raise SystemExit(0)


def wide_console() -> Console:
    """Make a console for tables: wide in files and pipes, so that nothing is cut; square brackets are text."""
    console = _Console(highlight=False, markup=False)
    return console if console.is_terminal else _Console(highlight=False, markup=False, width=160)


def show_plan(
    study: Study,
    folder: Path,
    jobs: int | None,
    *,
    every_cell: bool = False,
    price: Price | None = None,
    device: str | None = None,
) -> None:
    """Print a study's cells by arm and rung, how many are measured in `folder`, and estimates of what is left.

    `device` is the name of the device whose speeds count; None takes the newest speed of each kind of work.
    """
    console, speeds = wide_console(), read_speeds(cache_folder(), device)
    records = read_records(folder)
    measured = {key for key, record in records.cells.items() if record.status == "ok"}
    trained = {key for key, record in records.pretrainings.items() if record.status == "ok"}
    cells = list(study.cells())
    costs = _costs(cells, speeds)
    console.print(f"study {study.name}: {study.title}", soft_wrap=True)
    for block in study.blocks:
        console.print(_axes(block), soft_wrap=True)
    places: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        places.setdefault((cell.named_task.label, cell.encoder.label), []).append(cell)
    for (task, encoder), members in places.items():
        console.print(f"\n{task}, {encoder}", soft_wrap=True)
        console.print(_summary_table(study, members, costs, measured))
    _print_pretrainings(console, study, speeds, trained)
    if every_cell:
        for cell in cells:
            console.print(
                f"{cell.key} {cell.named_task.label} {cell.encoder.label} {study.arm_of(cell)} n={cell.n} "
                f"draw={cell.draw} seed={cell.seed}{' (measured)' if cell.key in measured else ''}",
                soft_wrap=True,
            )
    pending = [cell for cell in cells if cell.key not in measured]
    left, estimate = what_is_left(study, pending, records, jobs, speeds)
    if left:
        console.print("\nwhat is left:")
        console.print(groups_table(study, left, estimate, price))
    processes = f"{estimate.processes} process{'es' if estimate.processes > 1 else ''}"
    console.print(
        f"{len(cells)} cells and {len(study.pretrainings)} pretrainings, {len(cells) - len(pending)} cells measured; "
        f"about {duration(estimate.whole_seconds)} on {processes} ({basis(left, speeds, estimate)})",
        soft_wrap=True,
    )
    for text in notes(left, speeds, estimate, price) if left else []:
        console.print(text, soft_wrap=True)


def _costs(cells: Sequence[Cell], speeds: Speeds) -> dict[str, Estimate]:
    """Estimate the time of every cell by key, as if all were measured."""
    jobs = jobs_for(cells, lambda _: True)
    return {cell.key: one for job in jobs for cell, one in zip(job.cells, job_estimates(job, speeds), strict=True)}


def _print_pretrainings(console: Console, study: Study, speeds: Speeds, trained: set[str]) -> None:
    for pretraining in study.pretrainings:
        label = pretraining.pretext.label
        what = f"pretraining {label}, seed {pretraining.seed}" if pretraining.budget else f"weights of {label}"
        console.print(
            f"{what}, {pretraining.encoder.label}, {pretraining.task.label}{_images(pretraining)}: "
            f"{duration(pretraining_estimate(pretraining, speeds).seconds)}"
            f"{' (measured)' if pretraining.key in trained else ''}",
            soft_wrap=True,
        )
    if study.probe is not None:
        probes = (probe_estimate(item, study.probe_plan, speeds) for item in study.pretrainings)
        cost = duration(sum(item.seconds for item in probes))
        console.print(f"linear probes while encoders are pretrained ({study.probe.text}): {cost} more", soft_wrap=True)


def _images(pretraining: Pretraining) -> str:
    return "" if pretraining.images is None else f", {pretraining.images:,} images"


def what_is_left(
    study: Study, pending: Sequence[Cell], records: Records, requested: int | None, speeds: Speeds
) -> tuple[list[Job], RunEstimate]:
    """Make the jobs that are left of a study, and estimate them on as many processes as a run would take for them."""
    jobs, cores = _left(study, pending, records, requested or available_cores()), available_cores()
    one = estimate_run(jobs, speeds, 1, study)
    processes = 1 if on_accelerator(jobs, speeds) else processes_for(one.seconds, requested, cores)
    return jobs, one if processes == 1 else estimate_run(jobs, speeds, processes, study)


def _left(study: Study, pending: Sequence[Cell], records: Records, processes: int) -> list[Job]:
    """Make the jobs that are left, as `labeleff run` does on a CPU, each cell by itself."""
    trained = {key: record for key, record in records.pretrainings.items() if record.status == "ok"}

    def done(pretraining: Pretraining) -> bool:
        record = trained.get(pretraining.key)
        probes = study.probe_plan
        recorded = all(point.key in trained for point in study.saved_points.get(pretraining.key, ()))
        return (
            record is not None
            and recorded
            and not (probes and tasks_without_curve(record.probes, probes.probe, probes.tasks_of(pretraining)))
        )

    jobs = jobs_for(pending, done, workers=processes)
    return probe_jobs(study.pretrainings, jobs, lambda item: item.key in trained and not done(item)) + jobs


def _axes(study: Study) -> str:
    pairs = "every draw with every seed" if study.pairing == "crossed" else "draw i with seed i"
    chosen = f"; of these as many as U(n) at {study.auto.at} needs" if study.auto else ""
    return (
        f"rungs {study.rungs}; {study.draws} {study.subset} draws, {study.seeds} seeds ({pairs}); "
        f"baseline {study.baseline}{chosen}"
    )


def _summary_table(study: Study, cells: Sequence[Cell], costs: dict[str, Estimate], measured: set[str]) -> Table:
    """Make a table of one task and encoder, with a row per arm and rung."""
    table = Table("arm", "n", "cells", "measured", "steps a cell", "time, one process")
    for column in table.columns[1:]:
        column.justify = "right"
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((study.arm_of(cell), cell.n), []).append(cell)
    for (arm, n), members in groups.items():
        done = sum(cell.key in measured for cell in members)
        seconds = sum(costs[cell.key].seconds for cell in members)
        steps = steps_of(members[0])
        table.add_row(
            arm, f"{n:,}", f"{len(members)}", f"{done}", f"{steps:,}" if steps else "solved", duration(seconds)
        )
    return table
