"""Which jobs come first where time may not suffice: what shrinks the intervals of U(n) most a second.

Nothing is fitted: before anything is measured nobody knows where a curve is steep. A rung's mean over k runs is taken
to be off by the variance 1 / (k + PRIOR), on one scale everywhere, so that a run's worth follows from how many its rung
has already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labeleff.scheduling.jobs import Job, Pretrain
from labeleff.study.cell import Cell

PRIOR = 0.25
"""Runs that what is known of a rung without one counts for."""
Group = tuple[str, str, str, int]
"""Task, encoder, arm and label count: the cells of one differ in draw and seed alone."""


@dataclass(frozen=True)
class Standing:
    """A cell's turn and worth."""

    turn: int
    """Runs of its arm and rung that go before it, measured ones included."""
    worth: float
    """Variance that it takes away, over the utilities that its arm has a part in."""


def standings(
    cells: Sequence[Cell], measured: Callable[[Cell], bool], arm: Callable[[Cell], str], baseline: str
) -> dict[str, Standing]:
    """By key: the standing of every cell that isn't measured yet; `cells` are the whole study in its order.

    In its first turn a run of the baseline is worth what an arm's is, as U(n) takes both; from then on it serves as
    many comparisons as its task and encoder have other arms.
    """
    groups: dict[Group, list[Cell]] = {}
    arms: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        place = cell.task.label, cell.encoder.label
        groups.setdefault((*place, arm(cell), cell.n), []).append(cell)
        arms.setdefault(place, set()).add(arm(cell))
    found = {}
    for (task, encoder, name, _), members in groups.items():
        pending = [cell for cell in members if not measured(cell)]
        serves = max(1, len(arms[task, encoder]) - 1) if name == baseline else 1
        for turn, cell in enumerate(pending, start=len(members) - len(pending)):
            worth = 1 / (turn + PRIOR) - 1 / (turn + 1 + PRIOR)
            found[cell.key] = Standing(turn, worth * (serves if turn else 1))
    return found


def jobs_by_turn(
    pending: Sequence[Cell], standing: Mapping[str, Standing], jobs_of: Callable[[Sequence[Cell]], list[Job]]
) -> list[Job]:
    """The jobs of `jobs_of`, whose packs of trained cells hold one turn alone; no pretraining twice.

    Cells of frozen protocols stay together over all turns: they share one encoding.
    """
    turns: dict[int, list[Cell]] = {}
    for cell in pending:
        turns.setdefault(standing[cell.key].turn if cell.budget is not None else -1, []).append(cell)
    found: list[Job] = []
    seen: set[str] = set()
    for turn in sorted(turns):
        for job in jobs_of(turns[turn]):
            if isinstance(job, Pretrain):
                if job.pretraining.key in seen:
                    continue
                seen.add(job.pretraining.key)
            found.append(job)
    return found


@dataclass(frozen=True)
class _Unit:
    """Jobs that are worth most a second together: a pretraining with what makes it pay, or one job."""

    jobs: list[Job]
    rate: float


def ordered(jobs: Sequence[Job], standing: Mapping[str, Standing], seconds: Callable[[Job], float]) -> list[Job]:
    """The jobs in the order in which they should start; `seconds` estimates what one takes, at least 0.

    Turn by turn, so that every arm has its first run at every rung before any has a second; within a turn by worth a
    second. A pretraining is charged to the jobs that need it, and stands before the first of them; one that no job
    needs comes last. Jobs of equal rank keep their order.
    """
    before = {job.pretraining.key: job for job in jobs if isinstance(job, Pretrain)}
    by_turn: dict[int, list[Job]] = {}
    for job in jobs:
        if not isinstance(job, Pretrain):
            by_turn.setdefault(min(standing[cell.key].turn for cell in job.cells), []).append(job)
    found: list[Job] = []
    for turn in sorted(by_turn):
        for unit in sorted(_units(by_turn[turn], before, standing, seconds), key=lambda unit: -unit.rate):
            for job in unit.jobs:
                found += [*(before.pop(key) for key in sorted(job.needs & before.keys())), job]
    return found + list(before.values())


def _units(
    jobs: Sequence[Job], before: Mapping[str, Job], standing: Mapping[str, Standing], seconds: Callable[[Job], float]
) -> list[_Unit]:
    """Jobs by themselves, but for those of a pending pretraining that are worth most a second together with it."""
    waiting: dict[frozenset[str], list[Job]] = {}
    for job in jobs:
        waiting.setdefault(frozenset(job.needs & before.keys()), []).append(job)
    units = []
    for needs, members in waiting.items():
        singles = [_Unit([job], _rate(_worth(job, standing), seconds(job))) for job in members]
        singles.sort(key=lambda unit: -unit.rate)
        if needs:
            first = _paying(singles, sum(seconds(before[key]) for key in needs), standing, seconds)
            units.append(first)
            singles = singles[len(first.jobs) :]
        units += singles
    return units


def _paying(
    ranked: Sequence[_Unit], ahead: float, standing: Mapping[str, Standing], seconds: Callable[[Job], float]
) -> _Unit:
    """As many of the jobs, best first, as are worth most a second together with `ahead` seconds before them."""
    best, count, worth, spent = -1.0, 0, 0.0, ahead
    jobs = [job for unit in ranked for job in unit.jobs]
    for place, job in enumerate(jobs, start=1):
        worth, spent = worth + _worth(job, standing), spent + seconds(job)
        if _rate(worth, spent) > best:
            best, count = _rate(worth, spent), place
    return _Unit(jobs[:count], best)


def _worth(job: Job, standing: Mapping[str, Standing]) -> float:
    return sum(standing[cell.key].worth for cell in job.cells)


def _rate(worth: float, seconds: float) -> float:
    """Worth a second; what takes no time to speak of counts for a microsecond."""
    return worth / max(seconds, 1e-6)
