"""`labeleff compare`, `history` and `noise`: runs against each other.

They read records alone and never import torch.
"""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder with records.jsonl.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write Markdown, CSV and JSON here.")]
COMPARE = (
    "Exit status: 0 same, better, or no regression found; 1 it can't be evaluated: cells are missing, failed or were "
    "measured under other conditions, or an arm's scores have no interval; 2 usage or input error; 3 regression: a "
    "rule fails. Rules are about NEW - BASE: 'utility@1000 < -0.2', 'throughput < -5%', "
    "'accuracy@500[rotation/finetune] < -0.01', 'accuracy@* worse', 'worse'. '@' names a label count, '@*' every one, "
    "without it the whole ladder is meant; in brackets arm, task and encoder, '*' for any. A rule fails where the "
    "interval's near end is beyond the bound too; 'accuracy@500 < -0.01 point' lets the point alone count."
)


def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Folder of the run to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of the run to judge.")],
    fail_on: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="A rule; may be repeated (default: NEW's [gate] table, else 'worse')."),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=AMOUNT",
            help="Half width of what counts as the same, e.g. accuracy=0.01, accuracy@50=0.03, throughput=5%.",
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PERCENT", help="Noise of throughput, time or memory from start to start, e.g. throughput=2%."
        ),
    ] = None,
    level: Annotated[float | None, typer.Option(help="Probability of intervals (default: NEW's study's).")] = None,
    out: Out = None,
) -> None:
    """Say of every number that two runs of a study have whether NEW is better, the same, worse, or can't be told."""
    from labeleff.comparison import regression_report
    from labeleff.comparison.regression import compare as compare_results
    from labeleff.comparison.regression_report import as_csv, as_json
    from labeleff.records.conditions import origin
    from labeleff.reporting.output_files import check_folder
    from labeleff.reporting.results import load
    from labeleff.study.gate import criteria

    criteria(None, fail_on or [], margin or [], noise or [])  # mistakes in options before anything is read
    if out is not None:
        check_folder(out)
    old, fresh = load(base), load(new)
    rules = criteria(fresh.study.gate, fail_on or [], margin or [], noise or [])
    outcome = compare_results(old, fresh, rules, _level(level, fresh.study.level))
    sides = origin(old.run, str(base)), origin(fresh.run, str(new))
    print(regression_report.summary(outcome, *sides))
    if out is not None:
        from labeleff.reporting.output_files import write

        files = {"compare.md": regression_report.document(outcome, *sides).encode(), "compare.csv": as_csv(outcome)}
        write(out, files | {"compare.json": as_json(outcome, *sides)})
        print(f"report: {out / 'compare.md'}")
    raise typer.Exit(outcome.status)


def history(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...", help="Folders of runs of one study or of `bench`, and files of pytest --benchmark-json."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write Markdown, CSV, figures and dashboards' JSON here.")
    ] = None,
) -> None:
    """Follow the headline numbers of one study over time: levels, changes, and series of like conditions."""
    from labeleff.comparison import benchmark_json, headlines, history_report
    from labeleff.comparison.history import history as arrange
    from labeleff.reporting.output_files import check_folder

    if out is not None:
        check_folder(out)
    entries = [benchmark_json.entry(file) if (file := _benchmarks(path)) else headlines.entry(path) for path in sources]
    timeline = arrange(entries)
    again = len(entries) - len(timeline.entries)
    print(f"{len(timeline.entries)} runs{f' ({again} given again)' if again else ''}, {len(timeline.series)} series")
    for entry in timeline.entries:
        if entry.missing:
            print(f"{entry.origin.name}: {entry.missing:,} cells missing or failed")
    for heading, texts in (
        ("", history_report.level_changes(timeline)),
        ("new series: ", history_report.new_series(timeline)),
    ):
        for text in texts:
            print(f"{heading}{text.replace('**', '').replace('`', '')}")
    if tests := history_report.by_chance(timeline):
        print(tests)
    if out is not None:
        from labeleff.reporting import output_files

        drawings = history_report.figures(timeline)
        files = {
            "history.md": history_report.document(timeline, list(drawings)).encode(),
            "history.csv": history_report.as_csv(timeline),
        }
        output_files.write(out, files | history_report.dashboards(timeline) | output_files.pictures(drawings))
        print(f"report: {out / 'history.md'}")


def _benchmarks(source: Path) -> Path | None:
    """The file of benchmarks that a source of a history is or, as a folder of `labeleff bench`, has."""
    from labeleff.records.folders import BENCH, measured

    inside = source / BENCH
    if inside.is_file() and not measured([source])[0]:
        return inside
    return source if source.suffix == ".json" else None


def noise(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR DIR...", help="Folders of repeated runs of one study.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write noise.md, noise.csv and gate.toml here.")
    ] = None,
) -> None:
    """Measure by how much runs of the same study differ, and print margins for its [gate] table (an A/A test)."""
    from labeleff.comparison import noise_floor as noise_floors
    from labeleff.comparison.noise_floor import gate_table, noise_floor
    from labeleff.reporting.output_files import check_folder

    if out is not None:
        check_folder(out)
    floor = noise_floor(folders)
    print(f"{noise_floors.summary(floor)}\n\n{noise_floors.rows(floor)}\n\n{gate_table(floor)}", end="")
    if out is not None:
        from labeleff.reporting.output_files import write

        text = noise_floors.document(floor, [str(folder) for folder in folders])
        files = {"noise.md": text.encode(), "noise.csv": noise_floors.as_csv(floor)}
        write(out, files | {"gate.toml": gate_table(floor).encode()})
        print(f"report: {out / 'noise.md'}")


def _level(option: float | None, usual: float) -> float:
    from labeleff.study.option_values import level_in_range

    return usual if option is None else level_in_range(option)
