"""What would run, in words: the plan of a study and the lists of what there is. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from labeleff import catalogue, presets
from labeleff.cell import Cell
from labeleff.estimate import Estimate, cell_estimate, pretraining_estimate, probe_estimate, read_speeds, total
from labeleff.installed import Offered
from labeleff.places import cache_folder
from labeleff.probe import lacking
from labeleff.record import read_records
from labeleff.study import Study, built_in, load_study

KINDS: dict[str, catalogue.Kind | None] = {
    "studies": None,
    "tasks": "task",
    "encoders": "encoder",
    "pretexts": "pretext",
    "presets": None,
    "protocols": "protocol",
}


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `6 min`, `3.1 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _console() -> Console:
    """A console for tables: full width in files and pipes, so that nothing is cut; square brackets are text."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=160)


def show_plan(study: Study, folder: Path, jobs: int, *, every_cell: bool = False) -> None:
    """Print a study's cells by arm and rung, how many are measured in `folder`, and an estimate of time."""
    console, speeds = _console(), read_speeds(cache_folder())
    records = read_records(folder)
    measured = {key for key, record in records.cells.items() if record.status == "ok"}
    trained = {key for key, record in records.pretrainings.items() if record.status == "ok"}
    cells = list(study.cells())
    sharing = len(study.rungs) * study.draws
    costs = {cell.key: cell_estimate(cell, sharing, speeds) for cell in cells}
    console.print(f"study {study.name}: {study.title}", soft_wrap=True)
    for block in study.blocks:
        console.print(_axes(block), soft_wrap=True)
    for task, encoder in dict.fromkeys((cell.task.label, cell.encoder.label) for cell in cells):
        members = [cell for cell in cells if (cell.task.label, cell.encoder.label) == (task, encoder)]
        console.print(f"\n{task}, {encoder}", soft_wrap=True)
        console.print(_summary_table(study, members, costs, measured))
    pretrainings = {p.key: pretraining_estimate(p, speeds) for p in study.pretrainings()}
    for pretraining in study.pretrainings():
        label = pretraining.pretext.label
        what = f"pretraining {label}, seed {pretraining.seed}" if pretraining.budget else f"weights of {label}"
        console.print(
            f"{what}, {pretraining.encoder.label}, {pretraining.task.label}: "
            f"{duration(pretrainings[pretraining.key].seconds)}"
            f"{' (measured)' if pretraining.key in trained else ''}",
            soft_wrap=True,
        )
    probes = {p.key: probe_estimate(p, study.probe, study.probed, speeds) for p in study.pretrainings()}
    if study.probe is not None:
        cost = duration(sum(item.seconds for item in probes.values()))
        console.print(f"linear probes while encoders are pretrained ({study.probe.text}): {cost} more", soft_wrap=True)
    if every_cell:
        for cell in cells:
            console.print(
                f"{cell.key} {cell.task.label} {cell.encoder.label} {study.arm_of(cell)} n={cell.n} draw={cell.draw} "
                f"seed={cell.seed}{' (measured)' if cell.key in measured else ''}",
                soft_wrap=True,
            )
    pending = [costs[cell.key] for cell in cells if cell.key not in measured]
    curves = {key: records.pretrainings[key].probes for key in trained}
    waiting = [
        cost
        for key, training in pretrainings.items()
        if key not in trained or (study.probe and lacking(curves[key], study.probe, study.probed.get(key, ())))
        for cost in (training, probes[key])
    ]
    whole = total([*pending, *waiting], jobs)
    basis = "from speeds measured here" if whole.measured else "a rough guess: not every encoder has been timed here"
    console.print(
        f"{len(cells)} cells and {len(pretrainings)} pretrainings, {len(cells) - len(pending)} cells measured; "
        f"about {duration(whole.seconds)} on {jobs} processes ({basis})",
        soft_wrap=True,
    )


def _axes(study: Study) -> str:
    pairs = "every draw with every seed" if study.pairing == "crossed" else "draw i with seed i"
    chosen = f"; of these as many as U(n) at {study.auto.at} needs" if study.auto else ""
    return (
        f"rungs {study.rungs}; {study.draws} {study.subset} draws, {study.seeds} seeds ({pairs}); "
        f"baseline {study.baseline}{chosen}"
    )


def _summary_table(study: Study, cells: Sequence[Cell], costs: dict[str, Estimate], measured: set[str]) -> Table:
    """Cells of one task and encoder, a row an arm and rung."""
    table = Table("arm", "n", "cells", "measured", "time, one process")
    for column in table.columns[1:]:
        column.justify = "right"
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((study.arm_of(cell), cell.n), []).append(cell)
    for (arm, n), members in groups.items():
        done = sum(cell.key in measured for cell in members)
        seconds = sum(costs[cell.key].seconds for cell in members)
        table.add_row(arm, f"{n:,}", f"{len(members)}", f"{done}", duration(seconds))
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
