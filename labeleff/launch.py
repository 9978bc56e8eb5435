"""One start of the command: prepare, find what is pending, run it, record it."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeleff import catalogue, ladder
from labeleff.adaptive.ladders import Ladders
from labeleff.cell import Cell, Pretraining
from labeleff.conditions import check_conditions, conditions, plugins_used
from labeleff.data import load_task
from labeleff.device import device_name, environment, pick_device
from labeleff.ending import Ending
from labeleff.engines.choice import LOCAL, Engine
from labeleff.engines.cluster import Cluster, cluster_of
from labeleff.engines.local import run_here, run_workers
from labeleff.engines.ready import Sink
from labeleff.errors import InterruptedRunError, TerminatedRunError
from labeleff.estimate import job_seconds, probe_estimate
from labeleff.expectation import expected
from labeleff.jobs import Job, jobs_for
from labeleff.labels import LabelRule, choose_labels
from labeleff.priority import jobs_by_turn, ordered, standings
from labeleff.probe import merged
from labeleff.progress import LiveDisplay, PreparationBars
from labeleff.readiness import check_installed, check_ready
from labeleff.record import LabelsEntry, PretrainingRecord, Record, Records, RunEntry, open_records
from labeleff.run import Bench, Settings, timestamp
from labeleff.run_estimate import RunEstimate
from labeleff.shards import Shard, loads
from labeleff.speeds import Speeds, read_speeds, remember_speeds
from labeleff.study import Study
from labeleff.tensors import Source
from labeleff.time_limit import TimeLimit, Watched, stop

WORTH_WORKERS = 20.0
"""Estimated seconds of training under which starting worker processes would take longer than it saves."""


@dataclass(frozen=True)
class Options:
    """How to run; nothing here changes a number."""

    folder: Path
    command: list[str]
    jobs: int | None
    """Worker processes asked for; None leaves it to the amount of work."""
    cores: int
    device: str
    data: Path
    cache: Path
    offline: bool = False
    retry_failed: bool = False
    quiet: bool = False
    pack: int | None = None
    """Cells that are trained side by side as one; None is one on a CPU and as many as pay on a GPU."""
    shard: Shard | None = None
    """The part of the study that is measured; None for all of it."""
    engine: Engine = LOCAL
    time_limit: float | None = None
    """Seconds after which no cell is measured any more; None is no limit."""


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


def _entry(study: Study, bench: Bench, options: Options, cluster: Cluster | None) -> RunEntry:
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
        command=options.command,
        study=study.model_dump(mode="json"),
        conditions=conditions(study, bench),
        tasks=tasks,
        environment=environment(bench.device, cluster.places() if cluster else options.jobs or options.cores),
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


def _cost(job: Job, speeds: Speeds, settings: Settings) -> float:
    """Estimated seconds of a job by itself, its probes included."""
    alone = job_seconds(job, speeds)
    if job.cells:
        return alone
    return alone + probe_estimate(job.pretraining, settings.probe, settings.probed, speeds).seconds


def _estimate(
    jobs: Sequence[Job], seconds: float, speeds: Speeds, bench: Bench, options: Options, cluster: Cluster | None
) -> RunEstimate:
    """What these jobs should take, `seconds` by themselves, by the speeds that are known as the run begins."""

    def cached(asked: Pretraining) -> bool:
        record = bench.cache.record(bench.cache_key(asked))
        return record is not None and not bench.lacking(asked, record.probes)

    workers = cluster.places() if cluster else _workers(options, bench, seconds)
    return expected(jobs, speeds, workers, bench.settings.probe, bench.settings.probed, cached)


def measure(study: Study, options: Options) -> list[Record]:
    """Measure every pending cell of a study into `options.folder`; returns the study's failed records.

    Raises LabeleffError for everything that is wrong before or around the cells; what goes wrong inside a cell is
    a failed record.
    """
    check_installed(study)
    settings = Settings(
        run=uuid.uuid4().hex[:12],
        data=options.data,
        cache=options.cache,
        device=options.device,
        offline=options.offline,
        folder=options.folder.resolve(),
        probe=study.probe,
        probed=study.probed,
        labels=LabelRule(
            study.subset, Path(study.draws_from).resolve() if study.draws_from else None, study.allow_missing_classes
        ),
    )
    ending, seconds = Ending(), options.time_limit
    speeds = read_speeds(options.cache, device_name(pick_device(options.device)))
    cost = functools.partial(_cost, speeds=speeds, settings=settings)
    limit = None if seconds is None else TimeLimit(seconds, cost)
    with (
        ending.watched(),
        open_records(options.folder) as (records, writer),
        cluster_of(options.engine, options.device, options.jobs, options.cores) as cluster,
    ):
        bars = PreparationBars(quiet=options.quiet)
        bench = Bench(settings, Source(options.data, options.offline, bars.advance))
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
        jobs = _jobs(study, cells, pending, records, bench, options, cluster, limit)
        if jobs or not records.runs or records.runs[-1].study != study.model_dump(mode="json"):
            alone = sum(cost(job) for job in jobs)
            known = jobs and not ladders  # what a ladder will choose isn't known yet
            estimate = _estimate(jobs, alone, speeds, bench, options, cluster) if known else None
            writer.write(_entry(study, bench, options, cluster).model_copy(update={"estimate": estimate}))
        if jobs:
            try:
                with ending.within(limit.left if limit else None):
                    while jobs:
                        before = len(measured)
                        _execute(jobs, study, bench, options, cost, sink, cluster, limit)
                        pending = wanted() if len(measured) > before else []
                        asked = max(asked, before + len(pending)) if ladders else asked
                        jobs = _jobs(study, cells, pending, records, bench, options, cluster, limit) if pending else []
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


def _jobs(
    study: Study,
    cells: Sequence[Cell],
    pending: Sequence[Cell],
    records: Records,
    bench: Bench,
    options: Options,
    cluster: Cluster | None,
    limit: TimeLimit | None,
) -> list[Job]:
    """What is left to do: pending cells with what they start from, and encoders that lack the curve of a probe.

    Cells go in packs as the options and the device say, and where time is limited in the order of `priority`.
    """
    known = {key: record for key, record in records.pretrainings.items() if record.status == "ok"}

    def pretrained(asked: Pretraining) -> bool:
        record = known.get(asked.key)
        there = record is not None and bench.cache.record(bench.cache_key(asked)) is not None
        return there and record is not None and not bench.lacking(asked, record.probes)

    on_cpu = bench.device.type == "cpu"
    slots = 1 if options.pack is None and on_cpu else options.pack
    queues = cluster.places() if cluster else (options.jobs or options.cores) if on_cpu else 1
    jobs_of = functools.partial(jobs_for, pretrained=pretrained, slots=slots, queues=queues)
    if limit is None:
        jobs = jobs_of(pending)
    else:
        keys = {cell.key for cell in pending}
        standing = standings(cells, lambda cell: cell.key not in keys, study.arm_of, study.baseline)
        jobs = ordered(jobs_by_turn(pending, standing, jobs_of), standing, limit.estimate)
    begun = {job.pretraining.key for job in jobs if not job.cells}
    unprobed = [
        Job(asked)
        for asked in study.pretrainings()
        if asked.key in known and asked.key not in begun and bench.lacking(asked, known[asked.key].probes)
    ]
    return unprobed + jobs if limit is None else jobs + unprobed


def _settled(record: PretrainingRecord | Record, records: Records) -> PretrainingRecord | Record:
    """What is written of a record: an encoder that the folder knows keeps its timing, and gets its curves."""
    known = records.pretrainings.get(record.key) if isinstance(record, PretrainingRecord) else None
    if known is None or not isinstance(record, PretrainingRecord):
        return record
    if not record.cached or record.encoder_sha256 != known.encoder_sha256:
        return record
    return known.model_copy(update={"probes": merged(known.probes, record.probes)})


def _workers(options: Options, bench: Bench, seconds: float) -> int:
    """Worker processes: as asked for, else one a core where there is work for them; 1 stands for this process."""
    if bench.device.type != "cpu":
        return 1
    if options.jobs is not None:
        return options.jobs
    return options.cores if seconds > WORTH_WORKERS else 1


def _execute(
    jobs: Sequence[Job],
    study: Study,
    bench: Bench,
    options: Options,
    cost: Callable[[Job], float],
    sink: Sink,
    cluster: Cluster | None,
    limit: TimeLimit | None,
) -> None:
    costs = {id(job): cost(job) for job in jobs}
    fits = limit.fits if limit else None
    workers = cluster.places() if cluster else _workers(options, bench, sum(costs.values()))
    with LiveDisplay(jobs, costs, workers, quiet=options.quiet) as shown:
        display = Watched(shown, limit) if limit else shown
        if cluster is not None:
            from labeleff.engines.ray_tasks import run_tasks  # where the extra is installed

            run_tasks(jobs, bench, conditions(study, bench), sink, display, cluster, fits=fits)
        elif workers == 1:
            run_here(jobs, bench, sink, display, fits)
        else:
            run_workers(jobs, bench.settings, workers, sink, display, fits)


def export(study: Study, folder: Path, data: Path, offline: bool) -> None:
    """Write the label indices of every task, draw and rung of a study into `folder`."""
    for block in study.blocks:
        for spec in block.tasks:
            with PreparationBars() as bars:
                task = load_task(spec, Source(data, offline, bars.advance))
            ladder.export_draws(folder, spec.label, task.strata.numpy(), block.rungs, range(block.draws), block.subset)
            print(f"draws of {spec.label}: {folder}")
