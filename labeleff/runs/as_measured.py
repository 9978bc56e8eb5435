"""A table of runs as measured accuracies: which arm is the baseline, and what is known of the others."""

from __future__ import annotations

import re

from labeleff.curves.method_table import needed
from labeleff.errors import OptionError, RunsError
from labeleff.reporting.measured import Measured, Place, Setting
from labeleff.runs.options import Options
from labeleff.runs.table import Pair, RunsTable

BASELINES = ("scratch", "from scratch", "scratch/finetune", "baseline", "supervised", "supervised baseline")
"""Names that a baseline is recognised by, whatever their case and with any of space, - and _."""
MOST = 12
"""Arms that an error lists."""


def choose_baseline(table: RunsTable, given: str | None) -> tuple[str, str]:
    """The baseline's name, and the sentence that says where it is from.

    Raises OptionError where none is given and not exactly one arm is named like one.
    """
    if given is not None:
        return given, f"the baseline is {given!r}, as given"
    found = [arm for arm in table.arms if re.sub(r"[ _-]+", " ", arm).casefold() in BASELINES]
    if len(found) == 1:
        return found[0], f"the baseline is {found[0]!r}, by its name"
    known = ", ".join(map(repr, BASELINES[:1] + BASELINES[3:5]))
    why = f"{_listed(found)} are named like one" if found else f"no arm is named like one ({known})"
    raise OptionError(f"--baseline isn't given and {why}, expected one of the arms {_listed(table.arms)}")


def _listed(arms: list[str]) -> str:
    return ", ".join(map(repr, arms[:MOST])) + (f" and {len(arms) - MOST} more" if len(arms) > MOST else "")


def view(table: RunsTable, baseline: str, options: Options) -> Measured:
    """The table's accuracies, place by place; RunsError for what utility by the method needs and the table lacks."""
    for pair in table.against(baseline):
        _check_rungs(table, pair, options.method)
    return Measured(
        settings={Place(task): _setting(table, task, options) for task in table.tasks},
        arms=tuple(table.arms),
        baseline=baseline,
        runs={(Place(task), arm): runs for (task, arm), runs in table.groups.items()},
        level=options.level,
        method=options.method,
        design=_design(table),
        shared=table.shared,
        targets=options.targets,
        cost=options.cost,
    )


def _check_rungs(table: RunsTable, pair: Pair, method: str) -> None:
    found, least = len(pair.baseline_runs), needed(method)
    if found < least:
        where = "" if pair.task is None else f", task {pair.task!r}"
        raise RunsError(
            f"{table.source}{where}: --method {method} has {least} parameters and needs as many label counts of the "
            f"baseline, found {found}; take another method"
        )


def _setting(table: RunsTable, task: str | None, options: Options) -> Setting:
    rungs = {n for (of, _), runs in table.groups.items() if of == task for n in runs}
    return Setting(
        title=task or options.title or options.path.stem,
        rungs=tuple(sorted(rungs)),
        metric=options.metric,
        chance=options.chance,
        test_count=options.test_count,
    )


def _design(table: RunsTable) -> str:
    counts = {len(rung) for runs in table.groups.values() for rung in runs.values()}
    least, most = min(counts), max(counts)
    runs = f"{most} run{'s' if most > 1 else ''} a rung" if least == most else f"{least} to {most} runs a rung"
    pairing = f"paired by {' and '.join(table.shared)}" if table.paired else "independent between arms"
    return f"{runs}, {pairing}"
