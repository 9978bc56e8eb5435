"""`labeleff run`: a study measured, then reported on."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options.shared import (
    DataOption,
    DeviceOption,
    EngineOption,
    GpuShareOption,
    JobsOption,
    OfflineOption,
    PackOption,
    QuietOption,
    RayAddressOption,
    RetryOption,
    SetOption,
    StudyArgument,
    TimeLimitOption,
    failure,
    list_failed,
    slots,
)
from labeleff.commands.report import build_and_print
from labeleff.commands.track.trackers import TRACKERS_HELP, check_trackers, follow
from labeleff.errors import OptionError

if TYPE_CHECKING:
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.scheduling.shards import Shard
    from labeleff.study.schema import Study


TOO_LITTLE = 4
"""Exit status of a run whose time limit left too little for any utility."""


def run(
    study: StudyArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/STUDY).")] = None,
    sets: SetOption = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/K", help="Measure part I of K alone, into runs/STUDY-IofK; see `labeleff merge`."),
    ] = None,
    jobs: JobsOption = None,
    device: DeviceOption = "auto",
    pack: PackOption = "auto",
    engine: EngineOption = "local",
    ray_address: RayAddressOption = None,
    gpu_share: GpuShareOption = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
    retry_failed: RetryOption = False,
    time_limit: TimeLimitOption = None,
    vectors: Annotated[
        Path | None,
        typer.Option("--vectors", metavar="FILE", help="word2vec or GloVe file: readers of stories start from it."),
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option("--track", metavar="NAME", help=f"Write what was measured to {TRACKERS_HELP}.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Measure a study's cells and write its report; run again to go on where it stopped."""
    from labeleff.execution.engines.engine_table import check_engine
    from labeleff.files import data_folder
    from labeleff.scheduling.queue import seconds_of
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.study.loading import folder_of, load_study, with_vectors

    seconds = None if time_limit is None else seconds_of(time_limit)
    check_engine(engine, ray_address, gpu_share)
    trackers = check_trackers(track or [], "--track")
    checked = load_study(study, sets or [])
    if vectors is not None:
        checked = with_vectors(checked, str(vectors), folder_of(study))
    part = None if shard is None else _part(shard, checked, trackers)
    options = RunOptions(
        folder=out or (Path("runs") / checked.name if part is None else part.folder(checked.name)),
        jobs=jobs,
        device=device,
        data=data_folder(data_dir),
        base=folder_of(study),
        offline=offline,
        retry_failed=retry_failed,
        quiet=quiet,
        pack=slots(pack),
        shard=part,
        engine=engine,
        ray_address=ray_address,
        gpu_share=gpu_share,
        time_limit=seconds,
    )
    _measure(checked, options, trackers)


def _measure(study: "Study", options: "RunOptions", trackers: Sequence[str]) -> None:
    """Measure a study, report on it and list failed cells; exit status 1 where there are any."""
    from labeleff.execution.launch import measure
    from labeleff.scheduling.overheads import remember_report

    failed, part = measure(study, options), options.shard
    if part is None:
        start = time.process_time()
        build_and_print(options.folder)
        remember_report(options.cache, study, time.process_time() - start)
        follow(options.folder, trackers)
    else:
        print(f"records: {options.folder}; `labeleff merge` puts the {part.count} parts together and reports on them")
    if failed:
        list_failed([failure(study, record) for record in failed])
        raise typer.Exit(1)
    if part is None and options.time_limit is not None and _too_little(options.folder):
        print("labeleff: the time limit left too little for any utility; allow more time", file=sys.stderr)
        raise typer.Exit(TOO_LITTLE)


def _too_little(folder: Path) -> bool:
    """Whether cells of a study of several arms are left, and no arm can be compared with the baseline."""
    from labeleff.reporting.findings import compare_arms
    from labeleff.reporting.results import load

    results = load(folder)
    left = results.stop is not None and len(results.cells) < results.cell_count
    return left and len(results.study.arms) > 1 and not compare_arms(results.measured)


def _part(text: str, study: "Study", trackers: Sequence[str]) -> "Shard":
    """Parse --shard; raises OptionError for a study that can't be measured in parts."""
    from labeleff.scheduling.shards import Shard

    part = Shard.of(text)
    if trackers:
        raise OptionError("--track: found a shard, expected a whole study; use `labeleff track` on the merged folder")
    if study.auto is not None:
        raise OptionError("--shard: found a study whose ladder is chosen by what is measured, expected a fixed one")
    return part
