"""What is left of a study, in words: groups of work with time, share and cost; memory; how far to trust it."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from labeleff.durations import duration
from labeleff.estimate import steps_of
from labeleff.expectation import known, on_accelerator
from labeleff.jobs import Job, Pretrain
from labeleff.price import Price
from labeleff.run_estimate import EstimatedPart, RunEstimate
from labeleff.speeds import Speeds
from labeleff.study import Study

GIBIBYTE = 2**30
CGROUP = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how much memory a container may use."""
SLOWED = 1.1
"""How much longer timings took by the clock than on the processor before that is said."""
_Group = tuple[str, str, str]


def groups_table(study: Study, jobs: Sequence[Job], estimate: RunEstimate, price: Price | None) -> Table:
    """A row for each pretext and arm of a task and encoder, and a row for all."""
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
    names = {
        (cell.task.label, cell.pretext.label, cell.protocol.label): study.arm_of(cell)
        for job in jobs
        for cell in job.cells
    }
    groups: dict[_Group, list[EstimatedPart]] = {}
    for part in parts:
        what = f"{part.what} {part.pretext}" if part.protocol is None else _arm(names, part)
        groups.setdefault((what, part.task, part.encoder), []).append(part)
    return groups


def _arm(names: dict[tuple[str, str, str], str], part: EstimatedPart) -> str:
    return names[part.task, part.pretext, str(part.protocol)]


def _steps(study: Study, jobs: Sequence[Job]) -> dict[_Group, int]:
    found: dict[_Group, int] = {}
    for job in jobs:
        if isinstance(job, Pretrain):
            asked = job.pretraining
            group = f"pretraining {asked.pretext.label}", asked.task.label, asked.encoder.label
            found[group] = found.get(group, 0) + steps_of(asked)
        for cell in job.cells:
            group = study.arm_of(cell), cell.task.label, cell.encoder.label
            found[group] = found.get(group, 0) + steps_of(cell)
    return found


def basis(jobs: Sequence[Job], speeds: Speeds, estimate: RunEstimate) -> str:
    """What an estimate of time rests on, in a clause."""
    if estimate.speeds == "catalogue" and estimate.parts:
        return "a rough guess: not every kind of work has been timed here"
    places = dict.fromkeys(speed.place for speed in known(jobs, speeds))
    on = f" on {' and '.join(places)}" if places else ""
    return f"{'from a calibration' if estimate.speeds == 'calibrated' else 'from speeds measured here'}{on}"


def notes(jobs: Sequence[Job], speeds: Speeds, estimate: RunEstimate, price: Price | None) -> Iterator[str]:
    """Sentences on cost, memory, and how far to trust the estimate."""
    if price is not None:
        yield f"cost: {price.cost(estimate.wall_seconds)} at {price} an hour of the machine"
    if estimate.peak_memory is not None:
        yield from _memory(estimate, on_accelerator(jobs, speeds))
    yield _trust(jobs, speeds, estimate)


def _memory(estimate: RunEstimate, accelerator: bool) -> Iterator[str]:
    assert estimate.peak_memory is not None
    worker = estimate.peak_memory / GIBIBYTE
    if accelerator:
        yield f"memory: about {worker:.1f} GiB of the accelerator"
        return
    processes = estimate.processes + (estimate.processes > 1)  # the one that starts them holds the data too
    there = machine_memory()
    of = f" of {there / GIBIBYTE:.1f}" if there is not None else ""
    yield f"memory: about {worker:.1f} GiB a process, {processes * worker:.1f}{of} GiB in all"
    if there is not None and processes * estimate.peak_memory > there:
        yield "warning: that is more than this machine has; run fewer processes with --jobs"


def _trust(jobs: Sequence[Job], speeds: Speeds, estimate: RunEstimate) -> str:
    left_out = "Not in it: making data ready, starting processes, other programs; training that stops early takes less."
    if estimate.speeds == "catalogue":
        return f"The estimate can be wrong by a factor of three and more; --calibrate times the study here. {left_out}"
    slowed = [speed.slowed for speed in known(jobs, speeds) if speed.slowed is not None]
    if slowed and max(slowed) > SLOWED:
        longer = statistics.median(slowed) * estimate.wall_seconds
        left_out += f" Other work had the processors too while this was timed: if so again, about {duration(longer)}."
    spreads = [speed.spread for speed in known(jobs, speeds) if speed.spread is not None]
    spread = f"Repeated timings of one kind of work differed by up to {max(spreads):.0%}. " if spreads else ""
    return f"{spread}{left_out}"


def machine_memory() -> int | None:
    """Bytes that processes may use here; None where the system doesn't say."""
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        limit = CGROUP.read_text().strip()
    except OSError:
        return there
    return min(there, int(limit)) if limit.isdecimal() else there
