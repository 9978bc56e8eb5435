"""Order of jobs under a time limit.

Jobs that shrink the intervals of U(n) most per second come first.

No curve is fitted: before anything is measured nobody knows where it is steep. The mean of a rung with k runs is
assumed to have the variance 1 / (k + PRIOR), in the same unit everywhere. A run's worth is the variance that it takes
away, so it depends only on the number of runs that its rung has already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from labeleff.scheduling.jobs import Job, Pretrain, together
from labeleff.study.cell import Cell

PRIOR = 0.25
"""Number of runs that prior knowledge of a rung is worth: the variance of a rung without runs is 1 / PRIOR."""
Group = tuple[str, str, str, int]
"""Task, encoder, arm and label count; the cells of one group differ only in draw and seed."""


@dataclass(frozen=True)
class Priority:
    """Turn and worth of a cell."""

    turn: int
    """Number of runs of its arm and rung that go before it, measured ones included."""
    worth: float
    """Variance that it takes away, summed over the comparisons that use its arm."""


def cell_priorities(
    cells: Sequence[Cell], measured: Callable[[Cell], bool], arm: Callable[[Cell], str], baseline: str
) -> dict[str, Priority]:
    """Priority of every cell that isn't measured yet, by key; `cells` are the whole study in its order.

    The first run of the baseline at a rung is worth as much as that of any arm, since U(n) needs both. Each further
    run of the baseline counts once per other arm of its task and encoder, at every point of pretraining: it serves that
    many comparisons.
    """
    groups: dict[Group, list[Cell]] = {}
    arms: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for cell in cells:
        task, encoder = cell.named_task.label, cell.encoder.label
        groups.setdefault((task, encoder, arm(cell), cell.n), []).append(cell)
        arms.setdefault((_shared(cell), encoder), set()).add((task, arm(cell)))
    priorities = {}
    for (_, encoder, name, _), members in groups.items():
        pending = [cell for cell in members if not measured(cell)]
        comparisons = max(1, len(arms[_shared(members[0]), encoder]) - 1) if name == baseline else 1
        for turn, cell in enumerate(pending, start=len(members) - len(pending)):
            worth = 1 / (turn + PRIOR) - 1 / (turn + 1 + PRIOR)
            priorities[cell.key] = Priority(turn, worth * (comparisons if turn else 1))
    return priorities


def _shared(cell: Cell) -> str:
    """The task whose baseline a cell is compared with: all points of pretraining have one."""
    return cell.label_condition.named(cell.task).label


def jobs_by_turn(
    pending: Sequence[Cell], priorities: Mapping[str, Priority], jobs_of: Callable[[Sequence[Cell]], list[Job]]
) -> list[Job]:
    """Group cells into jobs with `jobs_of`, turn by turn, so that no job holds trained cells of two turns.

    Cells of frozen protocols stay together over all turns, since they share one encoding, and so does a ladder with
    selected labels, since each rung waits for the one below. No pretraining comes twice.
    """
    turns: dict[int, list[Cell]] = {}
    lowest: dict[Hashable, int] = {}
    for cell in pending:
        lowest[together(cell)] = min(priorities[cell.key].turn, lowest.get(together(cell), sys.maxsize))
    for cell in pending:
        turns.setdefault(lowest[together(cell)] if cell.budget is not None else -1, []).append(cell)
    ordered_jobs: list[Job] = []
    pretraining_keys: set[str] = set()
    for turn in sorted(turns):
        for job in jobs_of(turns[turn]):
            if isinstance(job, Pretrain):
                if job.pretraining.key in pretraining_keys:
                    continue
                pretraining_keys.add(job.pretraining.key)
            ordered_jobs.append(job)
    return ordered_jobs


@dataclass(frozen=True)
class _Unit:
    """Jobs that are ranked together, with their worth per second: those that share a pretraining, or one job."""

    jobs: list[Job]
    rate: float


def order_jobs(jobs: Sequence[Job], priorities: Mapping[str, Priority], seconds: Callable[[Job], float]) -> list[Job]:
    """Sort jobs into the order in which they should start; `seconds` estimates what a job takes, at least 0.

    They start turn by turn, so that every arm has its first run at every rung before any has a second; within a turn
    by worth per second. The time of a pretraining is charged to the jobs that need it, and it comes right before the
    first of them; one that no job needs comes last. Jobs of equal rank keep their order.
    """
    pretrainings = {job.pretraining.key: job for job in jobs if isinstance(job, Pretrain)}
    by_turn: dict[int, list[Job]] = {}
    for job in jobs:
        if not isinstance(job, Pretrain):
            by_turn.setdefault(min(priorities[cell.key].turn for cell in job.cells), []).append(job)
    ordered_jobs: list[Job] = []
    for turn in sorted(by_turn):
        for unit in sorted(_units(by_turn[turn], pretrainings, priorities, seconds), key=lambda unit: -unit.rate):
            for job in unit.jobs:
                ordered_jobs += [*(pretrainings.pop(key) for key in sorted(job.needs & pretrainings.keys())), job]
    return ordered_jobs + list(pretrainings.values())


def _units(
    jobs: Sequence[Job],
    pretrainings: Mapping[str, Job],
    priorities: Mapping[str, Priority],
    seconds: Callable[[Job], float],
) -> list[_Unit]:
    """One unit per job, except that jobs which make a pending pretraining most worthwhile form one unit with it."""
    waiting: dict[frozenset[str], list[Job]] = {}
    for job in jobs:
        waiting.setdefault(frozenset(job.needs & pretrainings.keys()), []).append(job)
    units = []
    for needs, members in waiting.items():
        singles = [_Unit([job], _rate(_worth(job, priorities), seconds(job))) for job in members]
        singles.sort(key=lambda unit: -unit.rate)
        if needs:
            first = _best_first(singles, sum(seconds(pretrainings[key]) for key in needs), priorities, seconds)
            units.append(first)
            singles = singles[len(first.jobs) :]
        units += singles
    return units


def _best_first(
    units: Sequence[_Unit],
    pretraining_seconds: float,
    priorities: Mapping[str, Priority],
    seconds: Callable[[Job], float],
) -> _Unit:
    """Unit of the first of the sorted jobs: as many as give most worth per second together with their pretraining."""
    best, count, worth, spent = -1.0, 0, 0.0, pretraining_seconds
    jobs = [job for unit in units for job in unit.jobs]
    for number, job in enumerate(jobs, start=1):
        worth, spent = worth + _worth(job, priorities), spent + seconds(job)
        if _rate(worth, spent) > best:
            best, count = _rate(worth, spent), number
    return _Unit(jobs[:count], best)


def _worth(job: Job, priorities: Mapping[str, Priority]) -> float:
    return sum(priorities[cell.key].worth for cell in job.cells)


def _rate(worth: float, seconds: float) -> float:
    """Worth per second, where a job counts for at least a microsecond."""
    return worth / max(seconds, 1e-6)
