"""One start of the command: prepare, find what is pending, run it, record it."""

from __future__ import annotations

import functools
import itertools
import math
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from labeleff import catalogue, ladder
from labeleff.adaptive.ladders import Ladders
from labeleff.cell import Cell
from labeleff.conditions import check_conditions, conditions, plugins_used
from labeleff.data import load_task
from labeleff.device import device_name, environment, pick_device
from labeleff.ending import Ending
from labeleff.engines.choice import Engine, opened
from labeleff.errors import InterruptedRunError, TerminatedRunError
from labeleff.execution import Execution, cost
from labeleff.labels import LabelRule, choose_labels
from labeleff.probe import merged
from labeleff.progress import PreparationBars
from labeleff.readiness import check_installed, check_ready
from labeleff.record import LabelsEntry, PretrainingRecord, Record, Records, RunEntry, open_records
from labeleff.run import Bench, Settings, timestamp
from labeleff.run_options import RunOptions
from labeleff.shards import Shard, loads
from labeleff.speeds import read_speeds, remember_speeds
from labeleff.study import Study
from labeleff.tensors import Source
from labeleff.time_limit import TimeLimit, stop


def _all_labels(study: Study, bench: Bench) -> list[LabelsEntry]:
    """The labels of every task, draw and rung, made and checked before the first training step."""
    found = []
    for block in study.blocks:
        for spec, draw, n in itertools.product(block.tasks, range(block.draws), block.rungs):
            chosen = choose_labels(bench.load(spec).task, spec, bench.settings.labels, draw, n)
            found.append(
                LabelsEntry(
                    task=spec.label,
                    draw=draw,
                    n=n,
                    subset=study.subset,
                    indices_sha256=chosen.sha256,
                    indices=chosen.indices.tolist(),
                )
            )
    return found


def _entry(study: Study, bench: Bench, engine: Engine) -> RunEntry:
    tasks: dict[str, dict[str, Any]] = {}
    for spec in (spec for block in study.blocks for spec in block.tasks):
        task = bench.load(spec).task
        tasks[spec.label] = {
            "classes": list(task.classes),
            "train": len(task.train),
            "test": len(task.test),
            "chance": task.chance,
            "metric": task.goal.headline,
            "provenance": task.provenance,
        }
    return RunEntry(
        run=bench.settings.run,
        started=timestamp(),
        command=bench.settings.options.command,
        study=study.model_dump(mode="json"),
        conditions=conditions(study, bench),
        tasks=tasks,
        environment=environment(bench.device, engine.processes),
        plugins={what: catalogue.lookup(*which) for what, which in plugins_used(study).items()},
    )


def _share(cells: list[Cell], shard: Shard | None) -> list[Cell]:
    """The cells of one part of the study; says what share of the work it is."""
    if shard is None:
        return cells
    parts = loads(cells, shard.count)
    seconds, own = parts[shard.index - 1]
    whole = sum(part[0] for part in parts)
    share = f", about {seconds / whole:.0%} of the work" if whole else ""
    print(f"shard {shard}: {len(own)} of {len(cells)} cells{share}", flush=True)
    return own


def _pending(cells: Sequence[Cell], records: Records, again: Callable[[Record], bool]) -> list[Cell]:
    """Cells without a record, and those whose record doesn't settle them."""
    known = records.cells
    return [cell for cell in cells if cell.key not in known or again(known[cell.key])]


def measure(study: Study, options: RunOptions) -> list[Record]:
    """Measure every pending cell of a study into `options.folder`; returns the study's failed records.

    Raises LabeleffError for everything that is wrong before or around the cells; what goes wrong inside a cell is
    a failed record.
    """
    check_installed(study)
    settings = Settings(
        options=options,
        run=uuid.uuid4().hex[:12],
        labels=LabelRule(
            study.subset, Path(study.draws_from).resolve() if study.draws_from else None, study.allow_missing_classes
        ),
        readers=options.folder.resolve(),
        probe=study.probe,
        probed=study.probed,
    )
    ending, seconds = Ending(), options.time_limit
    speeds = read_speeds(options.cache, device_name(pick_device(options.device)))
    limit = None if seconds is None else TimeLimit(seconds, functools.partial(cost, study=study, speeds=speeds))
    bars = PreparationBars(quiet=options.quiet)
    bench = Bench(settings, Source(options.data, options.offline, bars.advance))
    with (
        ending.watched(),
        open_records(options.folder) as (records, writer),
        opened(bench, functools.partial(conditions, study, bench)) as engine,
    ):
        with bars:
            labels = _all_labels(study, bench)
        check_ready(study, bench)
        check_conditions(records.runs, conditions(study, bench), options.folder)
        hashes = {(entry.task, entry.draw, entry.n): entry.indices_sha256 for entry in labels}
        cells = _share(list(study.cells(hashes if study.draws_from else None)), options.shard)
        ladders = Ladders.of(study, cells, lambda label: _metric(study, bench, label)) if study.auto else None

        def again(record: Record) -> bool:
            return options.retry_failed and record.status == "failed" and record.run != settings.run

        def wanted() -> list[Cell]:
            if ladders is None:
                return _pending(cells, records, again)
            return ladders.whole(ladders.advance(records.cells, again), records.cells)

        pending = wanted()
        asked = len(pending)
        measured: list[PretrainingRecord | Record] = []

        def sink(new: Sequence[PretrainingRecord | Record]) -> None:
            with ending.put_off():
                for record in (_settled(record, records) for record in new):
                    writer.write(record)
                    records.add(record)
                    measured.append(record)

        writer.write(*(entry for entry in labels if entry.indices_sha256 not in records.labels))
        execution = Execution(study, bench, options, engine, speeds, limit)
        jobs = execution.jobs(cells, pending, records)
        if jobs or not records.runs or records.runs[-1].study != study.model_dump(mode="json"):
            known = jobs and not ladders  # what a ladder will choose isn't known yet
            estimate = execution.estimate(jobs) if known else None
            writer.write(_entry(study, bench, engine(math.inf)).model_copy(update={"estimate": estimate}))
        if jobs:
            try:
                with ending.within(limit.left if limit else None):
                    while jobs:
                        before = len(measured)
                        execution.execute(jobs, sink)
                        pending = wanted() if len(measured) > before else []
                        asked = max(asked, before + len(pending)) if ladders else asked
                        jobs = execution.jobs(cells, pending, records) if pending else []
            except KeyboardInterrupt as error:
                if not ending.out_of_time:
                    done = sum(isinstance(record, Record) for record in measured)
                    kind = TerminatedRunError if ending.terminated else InterruptedRunError
                    raise kind(
                        f"interrupted; {done} of {asked} cells are recorded in {options.folder}, "
                        "run the same command to go on"
                    ) from error
            finally:
                remember_speeds(options.cache, measured, device_name(bench.device))
        wanted()  # what was measured last may have chosen more
        chosen = ladders.chosen if ladders else cells
        left = len(_pending(chosen, records, again))
        if limit is not None and left:
            writer.write(stop(settings.run, timestamp(), limit.seconds, left, len(chosen)))
        writer.check_place()
        found = [records.cells[cell.key] for cell in chosen if cell.key in records.cells]
        return [record for record in found if record.status == "failed"]


def _metric(study: Study, bench: Bench, label: str) -> str:
    """Name of the metric that a study's report on a task is about."""
    spec = next(task for task in study.tasks if task.label == label)
    return study.metrics.get(spec.name, bench.load(spec).task.goal.headline)


def _settled(record: PretrainingRecord | Record, records: Records) -> PretrainingRecord | Record:
    """What is written of a record: an encoder that the folder knows keeps its timing, and gets its curves."""
    known = records.pretrainings.get(record.key) if isinstance(record, PretrainingRecord) else None
    if known is None or not isinstance(record, PretrainingRecord):
        return record
    if not record.cached or record.encoder_sha256 != known.encoder_sha256:
        return record
    return known.model_copy(update={"probes": merged(known.probes, record.probes)})


def export(study: Study, folder: Path, data: Path, offline: bool) -> None:
    """Write the label indices of every task, draw and rung of a study into `folder`."""
    for block in study.blocks:
        for spec in block.tasks:
            with PreparationBars() as bars:
                task = load_task(spec, Source(data, offline, bars.advance))
            ladder.export_draws(folder, spec.label, task.strata.numpy(), block.rungs, range(block.draws), block.subset)
            print(f"draws of {spec.label}: {folder}")
