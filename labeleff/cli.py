"""The command line. Commands import torch only when they train.

Exit status: 0 all is well; 1 some cells or checks failed, or runs can't be compared; 2 a mistake in the call, or in a
file; 3 a regression; 130 interrupted by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff import __version__
from labeleff.errors import LabeleffError, OptionError, Terminated
from labeleff.measuring_options import (
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
    TimeLimitOption,
    failure,
    list_failed,
    slots,
)
from labeleff.reproduce import command as reproduce
from labeleff.speed.command import bench
from labeleff.tracking import commands as tracking

if TYPE_CHECKING:
    from labeleff.shards import Shard
    from labeleff.study import Study

app = typer.Typer(
    name="labeleff",
    help="How many labels is pretraining worth? Train a label ladder, fit its curve, report utility U(n) = n1/n - 1.",
    epilog="Exit status: 0 all is well, 1 some cells or checks failed, 2 usage or input error, 3 regression, "
    "130 interrupted by Ctrl-C, 143 by SIGTERM.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

data_app = typer.Typer(help="Look at data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(reproduce.app, name="reproduce")

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A built-in study's name, or a path to a .toml file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the study, e.g. --set rungs=[50,200]."),
]
METHODS = (
    "The baseline's curve: bayes; pchip, log or linear, which stay inside the ladder; or a formula: pow2, pow3, pow4, "
    "exp3, log2, mmf4, wbl4, hill3"
)
TargetOption = Annotated[
    list[float] | None,
    typer.Option(help="Say how many labels this accuracy takes, in 0..1 or, over 1, in percent; may be repeated."),
]
CostOption = Annotated[float | None, typer.Option(help="Price of a label: say what is saved.")]
UnitOption = Annotated[str | None, typer.Option(help="What the price is in, e.g. hours (default: USD).")]
TRACKERS = "tensorboard or mlflow; may be repeated (pip install 'labeleff[track]')"


def _version(value: bool) -> None:
    if value:
        print(f"labeleff {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


@app.command()
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
        list[str] | None, typer.Option("--track", metavar="NAME", help=f"Write what was measured to {TRACKERS}.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Measure a study's cells and write its report; run again to go on where it stopped."""
    from labeleff.engines.choice import check_engine
    from labeleff.places import data_folder
    from labeleff.run_options import RunOptions
    from labeleff.study import load_study, with_vectors
    from labeleff.time_limit import seconds_of
    from labeleff.trackers.tracker import check_trackers, follow

    seconds = None if time_limit is None else seconds_of(time_limit)
    check_engine(engine, ray_address, gpu_share)
    trackers = check_trackers(track or [], "--track")
    checked = load_study(study, sets or [])
    if vectors is not None:
        checked = with_vectors(checked, str(vectors))
    part = None if shard is None else _part(shard, checked, trackers)
    folder = out or (Path("runs") / checked.name if part is None else part.folder(checked.name))
    from labeleff.launch import measure

    options = RunOptions(
        folder=folder,
        jobs=jobs,
        device=device,
        data=data_folder(data_dir),
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
    failed = measure(checked, options)
    if part is None:
        _conclude(folder)
        follow(folder, trackers)
    else:
        print(f"records: {folder}; `labeleff merge` puts the {part.count} parts together and reports on them")
    if failed:
        list_failed([failure(checked, record) for record in failed])
        raise typer.Exit(1)


def _part(text: str, study: Study, trackers: Sequence[str]) -> Shard:
    """The part of a study that --shard names; OptionError for what can't be done in parts."""
    from labeleff.shards import Shard

    part = Shard.of(text)
    if trackers:
        raise OptionError("--track: found a shard, expected a whole study; use `labeleff track` on the merged folder")
    if study.auto is not None:
        raise OptionError("--shard: found a study whose ladder is chosen by what is measured, expected a fixed one")
    return part


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of one study: shards, machines.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder; what is there is merged too.")],
) -> None:
    """Put records of one study together and report on them; unlike conditions and conflicting numbers are refused.

    Exit status 1 where cells are missing or failed: what to do about them is said.
    """
    from labeleff.merge_command import merge_into

    counts, *lacks = merge_into(folders, out)
    print(counts)
    _conclude(out)
    for text in lacks:
        print(text, file=sys.stderr)
    if lacks:
        raise typer.Exit(1)


@app.command()
def plan(
    study: StudyArgument,
    sets: SetOption = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes to estimate for.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Count what is already measured here (default: runs/STUDY)."),
    ] = None,
    export_draws: Annotated[
        Path | None,
        typer.Option("--export-draws", help="Write the label indices of every draw and rung here."),
    ] = None,
    cells: Annotated[bool, typer.Option("--cells", help="List every single cell with its key.")] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Time every kind of work here first, for about a minute.")
    ] = False,
    device: DeviceOption = "auto",
    price: Annotated[
        str | None, typer.Option(metavar="MONEY", help="Price of an hour of the machine, e.g. 2.5 or 2.5USD.")
    ] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """List what a study would measure, with counts and estimates of time, memory and cost; no result comes of it."""
    from labeleff.estimate import available_cores
    from labeleff.planning import show_plan
    from labeleff.price import Price
    from labeleff.study import load_study

    checked, priced = load_study(study, sets or []), None if price is None else Price.of(price)
    processes, name = jobs or available_cores(), None
    if calibrate:
        from labeleff.calibration.command import calibrate as measure_speeds

        name = measure_speeds(checked, device, processes)
    folder = out or Path("runs") / checked.name
    show_plan(checked, folder, processes, every_cell=cells, price=priced, device=name)
    if export_draws is not None:
        from labeleff.launch import export
        from labeleff.places import data_folder

        export(checked, export_draws, data_folder(data_dir), offline)


@app.command("list")
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="studies, tasks, encoders, pretexts, presets or protocols (default: all).")
    ] = None,
) -> None:
    """List built-in studies and plug-ins with their options."""
    from labeleff.planning import KINDS, show_list

    if kind is not None and kind not in KINDS:
        from labeleff.errors import UnknownNameError

        raise UnknownNameError("kind", kind, KINDS)
    show_list([kind] if kind else list(KINDS))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with records.jsonl.")],
    baseline: Annotated[str | None, typer.Option(metavar="ARM", help="Measure the others against this arm.")] = None,
    method: Annotated[str | None, typer.Option(help=f"{METHODS} (default: the study's).")] = None,
    level: Annotated[float | None, typer.Option(help="Probability that intervals hold (default: the study's).")] = None,
    target: TargetOption = None,
    cost_per_label: CostOption = None,
    cost_unit: UnitOption = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=NAME", help="Report on another recorded metric of a task; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: DIR itself).")] = None,
) -> None:
    """Rebuild CSVs, figures and report.md from records.jsonl, byte for byte; options replace what the study says."""
    from labeleff import asked
    from labeleff.reporting.study_report import build
    from labeleff.reporting.wishes import Wishes

    cost = asked.cost(cost_per_label, cost_unit)
    targets, metrics = asked.targets(target or []), asked.metrics(metric or [])
    _say(build(folder, Wishes(baseline, method, level, targets, cost, out, metrics)))


@app.command()
def track(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with records.jsonl.")],
    to: Annotated[list[str], typer.Option("--to", metavar="NAME", help=f"{TRACKERS}.")],
) -> None:
    """Write a folder's records, finished or not, to trackers; again replaces what was written before."""
    from labeleff.trackers.tracker import check_trackers, follow

    if follow(folder, check_trackers(to, "--to")):
        raise typer.Exit(1)


@app.command()
def ask(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A text of stories and questions (default: standard input).")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="RUN", help="Folder of a run that read stories (default: learn bAbI task 1)."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Which of the run's tasks, e.g. qa1.")] = None,
    vectors: Annotated[
        Path | None,
        typer.Option("--vectors", help="word2vec or GloVe file: read unknown words as the nearest known ones."),
    ] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """Answer questions about a story, typed, piped or from a file, by a trained reader.

    A question ends in a question mark or begins like one; an empty line begins a new story.
    """
    from labeleff.asking import converse, prepare
    from labeleff.places import cache_folder, data_folder

    conversation = prepare(model, task, vectors, data_folder(data_dir), cache_folder(), offline=offline)
    converse(conversation, file)


@app.command()
def utility(
    runs: Annotated[Path, typer.Argument(metavar="RUNS.csv", help="One row a run: arm, n, run, accuracy.")],
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM", help="What the others are measured against (default: by its name).")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=THEIRS", help="A column of another name, e.g. --column accuracy=top1."),
    ] = None,
    scale: Annotated[str | None, typer.Option(help="fraction or percent (default: detected).")] = None,
    delimiter: Annotated[str | None, typer.Option(help="comma, semicolon or tab (default: detected).")] = None,
    level: Annotated[float, typer.Option(help="Probability that intervals hold.")] = 0.90,
    method: Annotated[str, typer.Option(help=f"{METHODS}.")] = "bayes",
    convention: Annotated[
        str, typer.Option(help="definition, or selfstudy: add what the paper's reference code computes.")
    ] = "definition",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: runs/NAME-utility).")] = None,
    title: Annotated[str | None, typer.Option(help="The report's title.")] = None,
    metric_name: Annotated[str, typer.Option(help="What the accuracies are called.")] = "accuracy",
    chance: Annotated[float | None, typer.Option(help="Chance level in 0..1, to flag what is near it.")] = None,
    test_count: Annotated[int | None, typer.Option(help="Test examples, for the test set's sampling error.")] = None,
    target: TargetOption = None,
    cost_per_label: CostOption = None,
    cost_unit: UnitOption = None,
) -> None:
    """Report the utility of runs measured elsewhere, from a CSV file; optional columns: draw, seed, task."""
    from labeleff import asked
    from labeleff.runs import options as runs_options
    from labeleff.runs.runs_report import build

    options = runs_options.Options(
        path=runs,
        out=out or Path("runs") / f"{runs.stem}-utility",
        command=["labeleff", *sys.argv[1:]],
        baseline=baseline,
        columns=runs_options.columns(column or []),
        scale=runs_options.scale(scale),
        delimiter=runs_options.delimiter(delimiter),
        level=level,
        method=method,
        convention=runs_options.convention(convention),
        title=title,
        metric=metric_name,
        chance=chance,
        test_count=test_count,
        targets=asked.targets(target or []),
        cost=asked.cost(cost_per_label, cost_unit),
    )
    path, notes = build(options)
    print(f"read {runs}: {'; '.join(notes)}")
    _say(path)


@app.command()
def check(
    plugin: Annotated[str, typer.Argument(metavar="NAME", help="A plug-in's name, MODULE, or MODULE:OBJECT.")],
    kind: Annotated[str | None, typer.Option(help="task, encoder, pretext or protocol, where it isn't clear.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the plug-in.")
    ] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """Run a plug-in on small made images and say, check by check, whether it keeps its contract."""
    from labeleff.assignments import assigned
    from labeleff.installed import kind_called
    from labeleff.places import data_folder

    named, given = kind_called(kind), assigned(options or [])
    from labeleff.checks.command import check as run_checks
    from labeleff.tensors import Source

    if not run_checks(plugin, named, given, Source(data_folder(data_dir), offline)):
        raise typer.Exit(1)


@data_app.command("show")
def data_show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task of images, or shapes for rendered ones.")],
    factors: Annotated[
        str | None, typer.Option(help="shapes: what varies: texture, colour, viewpoint, lighting; TCVL, -CV-, ...")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Pixels a side, where the task leaves it open.")] = None,
    objects: Annotated[int | None, typer.Option(help="shapes: objects an image, 1 or 4.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other option of the task.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, test or, for shapes, validation.")] = "train",
    columns: Annotated[int, typer.Option(min=1, max=100, help="Images a row.")] = 12,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The PNG (default: TASK.png).")] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """Write a contact sheet of a task's images, class by class or with their masks and depths, as PNG."""
    from labeleff.assignments import assigned
    from labeleff.places import data_folder
    from labeleff.showing import show
    from labeleff.tensors import Source

    given = assigned(options or []) | {
        key: value for key, value in (("factors", factors), ("size", size), ("objects", objects)) if value is not None
    }
    name = "-".join(
        [task.replace("/", "-"), *(str(given[key]) for key in ("factors", "size", "objects") if key in given)]
    )
    path = out or Path(f"{name}.png")
    print(show(task, given, split, columns, Source(data_folder(data_dir), offline), path))
    print(f"sheet: {path}")


app.command()(bench)
app.command(epilog=tracking.COMPARE)(tracking.compare)
app.command()(tracking.history)
app.command()(tracking.noise)


def _conclude(folder: Path) -> None:
    """Report on what a folder has now."""
    from labeleff.reporting.study_report import build

    _say(build(folder))


def _say(report: Path) -> None:
    """A report's verdict, with what stands before it, and where it lies."""
    head, _, rest = report.read_text(encoding="utf-8").partition("\n\n## Verdict\n\n")
    verdict = re.split("\n\nWeak points of this evidence:\n|\n\n## ", rest, maxsplit=1)[0]
    print(re.sub("\n\n+", "\n", "\n\n".join([*head.split("\n\n")[1:], verdict])))
    print(f"report: {report}")


def main() -> None:
    """Entry point: a user's mistake prints one or two lines and exits 2; a bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal can't show must not end the command
            stream.reconfigure(errors="backslashreplace")
    try:
        app(standalone_mode=True)
    except LabeleffError as error:
        print(f"labeleff: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as error:
        print(
            "labeleff: interrupted; what was finished is recorded, run the same command to go on",
            file=sys.stderr,
        )
        sys.exit(143 if isinstance(error, Terminated) else 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
