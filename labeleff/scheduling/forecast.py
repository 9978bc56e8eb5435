"""Estimate of a whole run: its parts, wall time, memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from labeleff.records.run_estimate import EstimatedPart, PartKey, RunEstimate, part_key, worst
from labeleff.scheduling.job_seconds import Estimate, job_estimates, pretraining_estimate, probe_estimate
from labeleff.scheduling.jobs import Job, Pretrain
from labeleff.scheduling.overheads import overheads
from labeleff.scheduling.speeds import CPU, Speed, Speeds, peak_name
from labeleff.study.cell import Pretraining
from labeleff.study.probe_settings import ProbePlan
from labeleff.study.schema import Study


def estimate_run(
    jobs: Sequence[Job],
    speeds: Speeds,
    processes: int,
    study: Study,
    cached: Callable[[Pretraining], bool] = lambda _: False,
) -> RunEstimate:
    """Estimate what a run of these jobs of a study takes with the given number of worker processes.

    Encoders that are `cached` are only copied, which counts as no time.
    """
    rows: list[tuple[PartKey, Estimate]] = []
    costs: list[float] = []
    for job in jobs:
        job_rows = [] if isinstance(job, Pretrain) and cached(job.pretraining) else _rows(job, speeds, study.probe_plan)
        rows += job_rows
        costs.append(sum(estimate.seconds for _, estimate in job_rows))
    parts = _parts(rows)
    return RunEstimate(
        seconds=sum(part.seconds for part in parts),
        wall_seconds=wall_seconds(jobs, costs, processes),
        processes=processes,
        speeds=worst([part.speeds for part in parts]),
        peak_memory=peak_memory(jobs, speeds),
        parts=parts,
        overheads=overheads(study, speeds, min(processes, len(jobs)) if processes > 1 else 0) if jobs else None,
    )


def _rows(job: Job, speeds: Speeds, probes: ProbePlan | None) -> list[tuple[PartKey, Estimate]]:
    """Parts of a job, each with its estimate."""
    if not isinstance(job, Pretrain):
        return [(part_key(cell), one) for cell, one in zip(job.cells, job_estimates(job, speeds), strict=True)]
    key = part_key(job.pretraining)
    rows = [(key, pretraining_estimate(job.pretraining, speeds))]
    probes_estimate = probe_estimate(job.pretraining, probes, speeds)
    return [*rows, (("probes", *key[1:]), probes_estimate)] if probes_estimate.seconds else rows


def _parts(rows: Sequence[tuple[PartKey, Estimate]]) -> list[EstimatedPart]:
    groups: dict[PartKey, list[Estimate]] = {}
    for what, estimate in rows:
        groups.setdefault(what, []).append(estimate)
    names = ("what", "task", "encoder", "pretext", "protocol", "n")
    return [
        EstimatedPart.model_validate(
            dict(zip(names, what, strict=True))
            | {"count": len(members), "seconds": sum(one.seconds for one in members)}
            | {"speeds": worst([one.source for one in members])}
        )
        for what, members in groups.items()
    ]


def wall_seconds(jobs: Sequence[Job], costs: Sequence[float], processes: int) -> float:
    """Seconds until the last job ends if each goes, in order, to the first process that is free.

    `costs` are seconds per job. Cells wait for their pretraining; those that need none come before those that do.
    """
    free = [0.0] * processes
    ready: dict[str, float] = {}
    timed = zip(jobs, costs, strict=True)
    for job, cost in sorted(timed, key=lambda one: (not isinstance(one[0], Pretrain), bool(one[0].needs))):
        begin = max([heapq.heappop(free), *(ready.get(key, 0.0) for key in job.needs)])
        heapq.heappush(free, begin + cost)
        if isinstance(job, Pretrain):
            ready[job.pretraining.key] = begin + cost
    return max(free)


def measured_speeds(jobs: Sequence[Job], speeds: Speeds) -> list[Speed]:
    """Measured speeds of these jobs' kinds of work, one per kind; kinds that were never measured are left out."""
    return [speeds.by_name[name] for name in _names(jobs) if name in speeds.by_name]


def _names(jobs: Sequence[Job]) -> set[str]:
    names = {peak_name(cell) for job in jobs for cell in job.cells}
    return names | {peak_name(job.pretraining) for job in jobs if isinstance(job, Pretrain) and job.pretraining.budget}


def on_accelerator(jobs: Sequence[Job], speeds: Speeds) -> bool:
    """Whether any of these jobs' speeds was measured on an accelerator, which one process uses."""
    return any(speed.device != CPU for speed in measured_speeds(jobs, speeds))


def peak_memory(jobs: Sequence[Job], speeds: Speeds) -> int | None:
    """Largest number of bytes that a process needs for any of these jobs; None where one was never measured."""
    peaks = [speeds.by_name[name].peak_memory if name in speeds.by_name else None for name in _names(jobs)]
    measured = [peak for peak in peaks if peak is not None]
    return max(measured) if measured and len(measured) == len(peaks) else None
