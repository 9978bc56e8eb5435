"""What would run, in words: the plan of a study and the lists of what there is. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from labeleff import catalogue, presets
from labeleff.cell import Cell, Pretraining
from labeleff.durations import duration
from labeleff.estimate import Estimate, job_estimates, pretraining_estimate, probe_estimate, steps_of
from labeleff.expectation import expected, on_accelerator
from labeleff.installed import Offered
from labeleff.jobs import Job, jobs_for, unprobed
from labeleff.left import basis, groups_table, notes
from labeleff.places import cache_folder
from labeleff.price import Price
from labeleff.probe import lacking
from labeleff.record import Records, read_records
from labeleff.speeds import Speeds, read_speeds
from labeleff.study import Study, built_in, load_study

KINDS: dict[str, catalogue.Kind | None] = {
    "studies": None,
    "tasks": "task",
    "encoders": "encoder",
    "pretexts": "pretext",
    "presets": None,
    "protocols": "protocol",
}


def _console() -> Console:
    """A console for tables: full width in files and pipes, so that nothing is cut; square brackets are text."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=160)


def show_plan(
    study: Study,
    folder: Path,
    jobs: int,
    *,
    every_cell: bool = False,
    price: Price | None = None,
    device: str | None = None,
) -> None:
    """Print a study's cells by arm and rung, how many are measured in `folder`, and estimates of what is left.

    `device` is the name of the one that speeds are wanted of; None takes the newest of each.
    """
    console, speeds = _console(), read_speeds(cache_folder(), device)
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
        places.setdefault((cell.task.label, cell.encoder.label), []).append(cell)
    for (task, encoder), members in places.items():
        console.print(f"\n{task}, {encoder}", soft_wrap=True)
        console.print(_summary_table(study, members, costs, measured))
    _print_pretrainings(console, study, speeds, trained)
    if every_cell:
        for cell in cells:
            console.print(
                f"{cell.key} {cell.task.label} {cell.encoder.label} {study.arm_of(cell)} n={cell.n} draw={cell.draw} "
                f"seed={cell.seed}{' (measured)' if cell.key in measured else ''}",
                soft_wrap=True,
            )
    pending = [cell for cell in cells if cell.key not in measured]
    left = _left(study, pending, records, jobs)
    processes = 1 if on_accelerator(left, speeds) else jobs
    estimate = expected(left, speeds, processes, study.probe_plan)
    if left:
        console.print("\nwhat is left:")
        console.print(groups_table(study, left, estimate, price))
    console.print(
        f"{len(cells)} cells and {len(study.pretrainings)} pretrainings, {len(cells) - len(pending)} cells measured; "
        f"about {duration(estimate.wall_seconds)} on {processes} processes ({basis(left, speeds, estimate)})",
        soft_wrap=True,
    )
    for text in notes(left, speeds, estimate, price) if left else []:
        console.print(text, soft_wrap=True)


def _costs(cells: Sequence[Cell], speeds: Speeds) -> dict[str, Estimate]:
    """Time of every cell, by key, where all of them are measured."""
    jobs = jobs_for(cells, lambda _: True)
    return {cell.key: one for job in jobs for cell, one in zip(job.cells, job_estimates(job, speeds), strict=True)}


def _print_pretrainings(console: Console, study: Study, speeds: Speeds, trained: set[str]) -> None:
    for pretraining in study.pretrainings:
        label = pretraining.pretext.label
        what = f"pretraining {label}, seed {pretraining.seed}" if pretraining.budget else f"weights of {label}"
        console.print(
            f"{what}, {pretraining.encoder.label}, {pretraining.task.label}: "
            f"{duration(pretraining_estimate(pretraining, speeds).seconds)}"
            f"{' (measured)' if pretraining.key in trained else ''}",
            soft_wrap=True,
        )
    if study.probe is not None:
        probes = (probe_estimate(item, study.probe_plan, speeds) for item in study.pretrainings)
        cost = duration(sum(item.seconds for item in probes))
        console.print(f"linear probes while encoders are pretrained ({study.probe.text}): {cost} more", soft_wrap=True)


def _left(study: Study, pending: Sequence[Cell], records: Records, processes: int) -> list[Job]:
    """What is left to do: as `labeleff run` does it on a CPU, each cell by itself."""
    trained = {key: record for key, record in records.pretrainings.items() if record.status == "ok"}

    def done(asked: Pretraining) -> bool:
        record = trained.get(asked.key)
        probes = study.probe_plan
        return record is not None and not (probes and lacking(record.probes, probes.probe, probes.tasks_of(asked)))

    jobs = jobs_for(pending, done, queues=processes)
    return unprobed(study.pretrainings, jobs, lambda asked: asked.key in trained and not done(asked)) + jobs


def _axes(study: Study) -> str:
    pairs = "every draw with every seed" if study.pairing == "crossed" else "draw i with seed i"
    chosen = f"; of these as many as U(n) at {study.auto.at} needs" if study.auto else ""
    return (
        f"rungs {study.rungs}; {study.draws} {study.subset} draws, {study.seeds} seeds ({pairs}); "
        f"baseline {study.baseline}{chosen}"
    )


def _summary_table(study: Study, cells: Sequence[Cell], costs: dict[str, Estimate], measured: set[str]) -> Table:
    """Cells of one task and encoder, a row an arm and rung."""
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


def show_list(kinds: Sequence[str]) -> None:
    """Print studies and plug-ins, a line each, with their options and defaults."""
    console = _console()
    for name in kinds:
        kind = KINDS[name]
        table = Table("name", "what it is", "options", title=name, title_justify="left")
        if name == "studies":
            for study in built_in():
                table.add_row(study, load_study(study).title, "")
        elif kind is None:
            table.add_column("budget")
            for preset in presets.PRESETS:
                label = f"{preset.pretext}: {preset.name}"
                table.add_row(label, preset.clause, _listed(preset.options), _listed(preset.budget))
        else:
            for plugin in catalogue.plugins(kind):
                absent = f"; not installed: {plugin.missing}" if plugin.missing else ""
                table.add_row(plugin.name, f"{plugin.clause}{absent}", _listed(plugin.options))
            for other in catalogue.offered(kind):
                table.add_row(other.name, *_other(other))
        console.print(table)


def _listed(options: Mapping[str, object]) -> str:
    shown = (
        (key, f"{value:.3g}" if len(repr(value)) > 8 and isinstance(value, float) else repr(value))
        for key, value in options.items()
    )
    return ", ".join(f"{key}={value}" for key, value in shown)


def _other(other: Offered) -> tuple[str, str]:
    """A plug-in of another package: what it is and where from, or that it is broken and why; its options."""
    if other.plugin is None:
        return f"broken, from {other.package}: {other.problem}", ""
    return f"{other.plugin.clause}; from {other.package}", _listed(other.plugin.options)
