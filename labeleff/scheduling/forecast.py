"""What the jobs of a run are expected to take: its parts, time on the wall, memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from labeleff.records.run_estimate import EstimatedPart, PartKey, RunEstimate, part_key, worst
from labeleff.scheduling.job_seconds import Estimate, job_estimates, pretraining_estimate, probe_estimate
from labeleff.scheduling.jobs import Job, Pretrain
from labeleff.scheduling.speeds import CPU, Speed, Speeds, peak_name
from labeleff.study.cell import Pretraining
from labeleff.study.probe_settings import ProbePlan


def expected(
    jobs: Sequence[Job],
    speeds: Speeds,
    processes: int,
    probes: ProbePlan | None = None,
    cached: Callable[[Pretraining], bool] = lambda _: False,
) -> RunEstimate:
    """The estimate of a run with these jobs.

    Encoders that are `cached` are only copied, which takes no time to speak of.
    """
    rows, costs = [], []
    for job in jobs:
        found = [] if isinstance(job, Pretrain) and cached(job.pretraining) else _rows(job, speeds, probes)
        rows += found
        costs.append(sum(estimate.seconds for _, estimate in found))
    parts = _parts(rows)
    return RunEstimate(
        seconds=sum(part.seconds for part in parts),
        wall_seconds=wall_seconds(jobs, costs, processes),
        processes=processes,
        speeds=worst([part.speeds for part in parts]),
        peak_memory=peak_memory(jobs, speeds),
        parts=parts,
    )


def _rows(job: Job, speeds: Speeds, probes: ProbePlan | None) -> list[tuple[PartKey, Estimate]]:
    """What a job consists of, with its estimate."""
    if not isinstance(job, Pretrain):
        return [(part_key(cell), one) for cell, one in zip(job.cells, job_estimates(job, speeds), strict=True)]
    asked = job.pretraining
    key = part_key(asked)
    rows = [(key, pretraining_estimate(asked, speeds))]
    probing = probe_estimate(asked, probes, speeds)
    return [*rows, (("probes", *key[1:]), probing)] if probing.seconds else rows


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
    """When the last job ends if each goes, in order, to the first process that is free.

    Cells wait for their pretraining; those that need none come before those that do.
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


def known(jobs: Sequence[Job], speeds: Speeds) -> list[Speed]:
    """What is known of the speeds of these jobs' kinds of work, one a kind that was measured."""
    return [speeds.known[name] for name in _names(jobs) if name in speeds.known]


def _names(jobs: Sequence[Job]) -> set[str]:
    names = {peak_name(cell) for job in jobs for cell in job.cells}
    return names | {peak_name(job.pretraining) for job in jobs if isinstance(job, Pretrain) and job.pretraining.budget}


def on_accelerator(jobs: Sequence[Job], speeds: Speeds) -> bool:
    """Whether these jobs' speeds are those of an accelerator, which one process uses."""
    return any(speed.device != CPU for speed in known(jobs, speeds))


def peak_memory(jobs: Sequence[Job], speeds: Speeds) -> int | None:
    """Bytes that a process needs at most for any of these jobs; None where one of them was never measured."""
    peaks = [speeds.known[name].peak_memory if name in speeds.known else None for name in _names(jobs)]
    found = [peak for peak in peaks if peak is not None]
    return max(found) if found and len(found) == len(peaks) else None
