"""`records.jsonl` to CSVs, figures and `report.md`: derived, and the same byte for byte however often."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labeleff import answers_report, evidence, figures, tables
from labeleff.answers_report import Told
from labeleff.cell import Budget
from labeleff.errors import RecordError
from labeleff.explanation import explain
from labeleff.files import write_whole
from labeleff.markdown import break_even, percent, table, worth
from labeleff.results import Comparison, Place, Results, compare_arms, load, place_of
from labeleff.stats import Runs
from labeleff.verdict import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT = "report.md"


def build(folder: Path) -> Path:
    """Read `folder/records.jsonl`, write the CSVs, `figures/` and `report.md` beside it; gives report.md's path.

    Works on partial records. Raises RecordError where there is no run to report on or the folder can't be
    written, StudyError where the recorded study can't be read.
    """
    results = load(folder)
    comparisons, told = compare_arms(results), answers_report.tell(results)
    files: dict[str, bytes] = {
        "summary.csv": tables.to_csv(tables.summary(results)),
        "utility.csv": tables.to_csv(tables.utilities(comparisons)),
        "throughput.csv": tables.to_csv(tables.throughput(results)),
    }
    files |= told.files
    drawn = {place: dict(_figures(results, place, comparisons)) for place in results.places}
    for group in drawn.values():
        for name, figure in group.items():
            files[f"figures/{name}.png"] = figures.render(figure, "png")
            files[f"figures/{name}.svg"] = figures.render(figure, "svg")
    names = {place: list(group) for place, group in drawn.items()}
    files[REPORT] = "\n\n".join(_document(results, comparisons, names, told)).encode() + b"\n"
    for name, content in files.items():
        _write(folder / name, content)
    return folder / REPORT


def _write(path: Path, content: bytes) -> None:
    """Put a whole file in its place at once."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise RecordError(f"{path}: can't be written: {error.strerror}") from error


def _figures(results: Results, place: Place, comparisons: Sequence[Comparison]) -> Iterator[tuple[str, Figure]]:
    """File names (without ending) and figures of one place, as far as there is something to draw."""
    slug = re.sub(r"[^a-z0-9]+", "-", results.title(place).lower()).strip("-")
    if place in results.ladders and any(results.arm_runs(place, arm) for arm in results.arms):
        yield f"accuracy-{slug}", figures.accuracy(results, place)
    here = [item for item in comparisons if item.place == place]
    if here:
        yield f"utility-{slug}", figures.utility(results, here)
    pretexts = figures.pretexts(results, place)
    if pretexts is not None:
        yield f"pretexts-{slug}", pretexts


def _document(
    results: Results, comparisons: Sequence[Comparison], names: dict[Place, list[str]], told: Told
) -> Iterator[str]:
    study = results.study
    yield f"# {study.title or study.name}"
    if study.smoke:
        yield (
            "> **Rehearsal.** This study only shows that the whole path works. Its models are hardly trained and its "
            "numbers mean nothing."
        )
    yield "## Verdict"
    if told.verdict:
        yield "\n".join(f"- {text}" for text in told.verdict)
    if not comparisons and len(study.arms) > 1:
        finished = sum(results.value(record) is not None for record in results.cells)
        yield (
            f"No utility can be given yet: {finished} of {results.expected} cells have finished, and it takes the "
            f"baseline {study.baseline} at two rungs and another arm at one."
        )
    for place in results.places:
        here = [item for item in comparisons if item.place == place]
        if here:
            heading = f"{results.title(place)}:\n\n" if len(results.places) > 1 else ""
            yield heading + "\n".join(f"- {verdict(item)}" for item in here)
    weak = [*told.weak, *(evidence.flags(results, comparisons) if results.ladders else [])]
    if weak:
        yield "Weak points of this evidence:"
        yield "\n".join(f"- {text}" for text in weak)
    for place in results.ladders:
        yield from _section(results, place, [c for c in comparisons if c.place == place], names[place])
    yield from told.paragraphs
    yield from _throughput(results)
    yield from _failures(results)
    if results.ladders:
        yield from explain(results)
    yield from _conditions(results)
    yield "## Reproduce"
    yield f"```\n{shlex.join(results.run.command)}\n```"
    yield "The tables and figures here are rebuilt from `records.jsonl` by `labeleff report` with this folder."


def _section(results: Results, place: Place, comparisons: Sequence[Comparison], names: Sequence[str]) -> Iterator[str]:
    title = results.title(place)
    yield f"## {title}"
    if title != str(place):
        yield f"In full: {place}."
    yield from _accuracies(results, place)
    if comparisons:
        yield f"### Utility against {results.study.baseline}"
        yield _utilities(results, comparisons)
    for name in names:
        what = name.partition("-")[0]
        yield f"![{what} at {title}](figures/{name}.png)"
    yield from _pretexts(results, place)


def _accuracies(results: Results, place: Place) -> Iterator[str]:
    study = results.study
    sizes = [(len(study.runs), "run"), (study.draws, "draw"), (study.seeds, "seed")]
    runs, draws, seeds = (f"{size} {what}{'s' if size != 1 else ''}" for size, what in sizes)
    design = f"{runs} a rung: {draws} of labels, {seeds}, {study.pairing}"
    yield f"### {results.metric(place.task).capitalize()} on the test split (%), mean ± standard deviation"
    header = ["arm", *(f"n = {n:,}" for n in study.rungs)]
    rows = []
    for arm in results.arms:
        found = results.arm_runs(place, arm)
        rows.append([arm, *(_mean(found, n, len(study.runs)) for n in study.rungs)])
    yield table(header, rows)
    chance = results.chance(place.task)
    yield f"{design}." + ("" if chance is None else f" Chance: {percent(chance)} %.")


def _mean(runs: Runs, n: int, wanted: int) -> str:
    """`61.3 ± 1.2`, with the number of runs where some are missing, or a dash."""
    values = list(runs.get(n, {}).values())
    if not values:
        return "–"
    mean = sum(values) / len(values)
    short = f" ({len(values)} of {wanted})" if len(values) < wanted else ""
    if len(values) == 1:
        return f"{percent(mean)}{short}"
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{percent(mean)} ± {percent(deviation)}{short}"


def _utilities(results: Results, comparisons: Sequence[Comparison]) -> str:
    header = ["arm", *(f"n = {n:,}" for n in results.study.rungs), "break-even at n"]
    rows = []
    for item in comparisons:
        points = {point.n: worth(point) for point in item.points}
        rows.append([item.arm, *(points.get(n, "–") for n in results.study.rungs), break_even(item.crossing)])
    return table(header, rows)


def _pretexts(results: Results, place: Place) -> Iterator[str]:
    here = [item for item in results.pretrainings if place_of(item.pretraining) == place]
    here = [item for item in here if item.status == "ok"]
    if not here:
        return
    known = list(dict.fromkeys(key for item in here for key in sorted(item.metrics)))
    yield "### Pretexts"
    rows = []
    for item in here:
        values = [_metric(key, item.metrics.get(key)) for key in known]
        rows.append([item.pretraining.pretext.label, str(item.pretraining.seed), *values])
    names = [key.replace("heldout_", "held-out ") + (" (%)" if "accuracy" in key else "") for key in known]
    yield table(["pretext", "seed", *names], rows)


def _metric(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return percent(value) if "accuracy" in name else f"{value:.4g}"


def _throughput(results: Results) -> Iterator[str]:
    frame = tables.throughput(results)
    cached = sum(item.cached for item in results.pretrainings)
    if frame.empty and not cached:
        return
    yield "## Throughput"
    header = ["what", "encoder", "images/s, median [quartiles]", "windows", "device", "precision", "layout"]
    rows = []
    for row in frame.to_dict("records"):
        if not row["windows"]:
            continue
        speed = f"{row['images_per_second']:,.0f} [{row['lower_quartile']:,.0f}, {row['upper_quartile']:,.0f}]"
        seed = f", seed {row['seed']}" if isinstance(row["seed"], int) else ""
        peak = row["peak_memory_bytes"]
        rows.append(
            [f"{row['what']} {row['arm']}{seed}", row["encoder"], speed, f"{row['windows']}"]
            + [row[key] for key in ("device", "precision", "layout", "threads", "batch")]
            + [f"{peak / 2**20:,.0f}" if isinstance(peak, int) else "–"]
        )
    if rows:
        yield table([*header, "threads", "batch", "peak MiB"], rows, left=2)
    note = (
        "A window is an epoch, or a stretch of steps where epochs are short. The first window of a training is "
        "warm-up and left out where there are more."
    )
    yield note + (
        f" {cached} pretrained encoders came from the cache; their time belongs to an earlier run and is not shown."
        if cached
        else ""
    )


def _failures(results: Results) -> Iterator[str]:
    failed = [record for record in results.cells if results.value(record) is None]
    if not failed:
        return
    yield "## Failed cells"
    rows = []
    for record in failed:
        cell, reason = record.cell, record.reason or "finished without a value"
        arm = f"{cell.pretext.name}/{cell.protocol.name}"
        where = [cell.task.label, cell.encoder.label, arm, f"{cell.n:,}", str(cell.draw), str(cell.seed)]
        rows.append([*where, " ".join(reason.split())])
    yield table(["task", "encoder", "arm", "n", "draw", "seed", "reason"], rows, left=3)


def _conditions(results: Results) -> Iterator[str]:
    yield "## Conditions"
    rows = []
    for number, run in enumerate(results.runs, start=1):
        prefix = f"run {number}: " if len(results.runs) > 1 else ""
        precision = ", ".join(f"{name}: {kind}" for name, kind in sorted(run.conditions.precision.items()))
        rows += [
            [f"{prefix}started", run.started],
            [f"{prefix}device", run.conditions.device],
            [f"{prefix}precision", precision],
            [f"{prefix}torch", run.conditions.torch],
            *([f"{prefix}data of {task}", digest] for task, digest in sorted(run.conditions.data.items())),
            *(
                [f"{prefix}{key}", _text(value)]
                for key, value in sorted(run.environment.items())
                if value is not None and key != "device"
            ),
        ]
    for task, facts in results.run.tasks.items():
        rows += [[f"{task}: {key}", _text(value)] for key, value in sorted(facts.items())]
    yield table(["condition", "value"], rows, left=2)
    if results.study.budget:
        yield "Budgets:"
        yield table(["for", "budget"], [[k, _budget(b)] for k, b in sorted(results.study.budget.items())], left=2)


def _text(value: object) -> str:
    """Nested values on one line: `lr 0.05, steps (min 8, max 8)`."""
    if isinstance(value, dict):
        pairs = (
            (key, f"({_text(inner)})" if isinstance(inner, dict) else _text(inner)) for key, inner in value.items()
        )
        return ", ".join(f"{key} {inner}" for key, inner in pairs)
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)


def _budget(budget: Budget) -> str:
    return _text(budget.model_dump(mode="json", exclude_none=True))
