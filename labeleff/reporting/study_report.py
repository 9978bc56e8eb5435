"""`records.jsonl` to CSVs, figures and `report.md`: derived, and the same byte for byte however often."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from labeleff import catalogue
from labeleff.cell import Budget
from labeleff.collection import without_collection
from labeleff.curves.method_table import needed
from labeleff.durations import duration
from labeleff.metrics import DENSE
from labeleff.record import PretrainingRecord
from labeleff.reporting import (
    agreement,
    chosen_ladder,
    device_time,
    estimates,
    other_metrics,
    outputs,
    place_figures,
    probes,
    sections,
    shortcomings,
    tables,
)
from labeleff.reporting.answers_report import StoryReport, story_report
from labeleff.reporting.explanation import explain
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.markdown import percent, table
from labeleff.reporting.measured import Place
from labeleff.reporting.outputs import REPORT, Section
from labeleff.reporting.place_figures import Material
from labeleff.reporting.rank_agreement import Agreement, agreements
from labeleff.reporting.results import Results, load
from labeleff.reporting.throughput import throughput
from labeleff.reporting.wishes import ReportOptions
from labeleff.study import Study

if TYPE_CHECKING:
    import pandas as pd


@without_collection()
def build(folder: Path, options: ReportOptions | None = None) -> Path:
    """Read `folder/records.jsonl`, write the CSVs, `figures/` and `report.md`; gives report.md's path.

    Works on partial records. `options` replace what the study says of how to look at them. Raises RecordError where
    there is no run to report on or the folder can't be written, StudyError where the recorded study can't be read or
    an option doesn't go with it.
    """
    options = (options or ReportOptions()).beside(folder)
    out = options.out or folder
    results = load(folder, options.changes, options.text)
    outputs.write(out, outputs.assemble(report(results, options)))
    return out / REPORT


def report(results: Results, options: ReportOptions) -> list[Section]:
    """All sections of a study's report, in order."""
    findings = find(results.measured)
    agreed, stories = agreements(results, findings.measured), story_report(results)
    flags = shortcomings.flags(results, findings) if results.ladders else []
    return [
        Section([*_heading(results), *_verdict(results, findings, agreed, stories)]),
        Section([*sections.weak_points([*flags, *stories.weak])]),
        Section(files=_tables(results, findings, agreed)),
        *_places(results, findings, agreed),
        *stories.sections,
        chosen_ladder.section(results),
        throughput_section(results),
        device_time.section(results, findings),
        estimates.section(results),
        failed_cells(results),
        Section([*explain(findings.measured)] if results.ladders else []),
        fairness(results.study),
        conditions(results),
        Section([*_reproduce(results, options)]),
    ]


def _places(results: Results, findings: Findings, agreed: list[Agreement]) -> Iterator[Section]:
    """What is said of each place whose accuracy is measured at several label counts."""
    drawn = place_figures.draw(Material(findings, results, agreed)) if results.ladders else {}
    for place in results.ladders:
        yield sections.section(findings, place, drawn[place])
        yield agreement.section(agreed, place, findings.measured)
        yield other_metrics.section(results, place)
        yield pretexts_section(results, place)
        yield probes.section(results, place)


def _tables(results: Results, findings: Findings, agreed: list[Agreement]) -> dict[str, bytes]:
    """Tables with rows of all places."""
    files = outputs.csvs(findings) | agreement.to_files(agreed)
    return files | other_metrics.to_files(results) | probes.to_files(results)


def _heading(results: Results) -> Iterator[str]:
    study = results.study
    yield f"# {study.title or study.name}"
    if study.smoke:
        yield (
            "> **Rehearsal.** This study only shows that the whole path works. Its models are hardly trained and its "
            "numbers mean nothing."
        )
    yield from _stopped(results)


def _verdict(results: Results, findings: Findings, agreed: list[Agreement], stories: StoryReport) -> Iterator[str]:
    study = results.study
    yield "## Verdict"
    if not findings.comparisons and len(study.arms) > 1:
        finished = sum(results.value(record) is not None for record in results.cells)
        yield (
            f"No utility can be given yet: {finished} of {results.expected} cells have finished, and it takes the "
            f"baseline {study.baseline} at {needed(study.curve)} rungs and another arm at one."
        )
    yield from sections.verdicts(findings)
    sentences = [*agreement.verdict(agreed, findings.measured), *stories.verdict]
    if sentences:
        yield "\n".join(f"- {text}" for text in sentences)


def _stopped(results: Results) -> Iterator[str]:
    """That the newest run ended before all was measured."""
    left = results.expected - len(results.cells)
    if results.stop is not None and left:
        yield (
            f"> **Stopped by the time limit** of {duration(results.stop.limit)}: {left} of {results.expected} cells "
            "aren't measured. What tells most a second was measured first; the same command goes on with what is left."
        )


def _reproduce(results: Results, options: ReportOptions) -> Iterator[str]:
    yield "## Reproduce"
    yield f"```\n{_commands(results)}\n```"
    where = "the folder of records" if options.out else "this folder"
    yield (
        f"The tables and figures here are rebuilt from `records.jsonl` by the following, where DIR is {where}:\n\n"
        f"```\nlabeleff report DIR{f' {options.text}' if options.text else ''}\n```"
    )


def _commands(results: Results) -> str:
    """What measured it: the newest run's command or, of a study in shards, everyone's."""
    commands = [shlex.join(run.command) for run in results.runs]
    parts = list(dict.fromkeys(text for text in commands if " --shard" in text))
    return "\n".join([*parts, "labeleff merge DIR... --out DIR"]) if len(parts) > 1 else commands[-1]


def pretexts_section(results: Results, place: Place) -> Section:
    """What the pretexts of a place reached; empty where none was trained."""
    return Section([*_pretexts(results, place)])


def _pretexts(results: Results, place: Place) -> Iterator[str]:
    here = [item for item in results.pretrainings_at(place) if item.status == "ok"]
    if not here:
        return
    known = list(dict.fromkeys(key for item in here for key in sorted(item.metrics)))
    yield "### Pretexts"
    rows = []
    for item in here:
        values = [_metric(key, item.metrics.get(key)) for key in known]
        pretext, seed = item.pretraining.pretext, str(item.pretraining.seed)
        rows.append([pretext.label, seed if catalogue.encoder_seed(pretext) is None else "–", *values])
    names = [
        key.replace("heldout_", "held-out ").replace("_", " ") + (" (%)" if "accuracy" in key else "") for key in known
    ]
    yield table(["pretext", "seed", *names], rows)
    outside = dict.fromkeys(_provenance(item) for item in here if item.provenance is not None)
    if outside:
        yield "\n".join(f"- {text}" for text in outside)


def _provenance(item: PretrainingRecord) -> str:
    return f"{item.pretraining.pretext.label}: {item.provenance}. SHA-256 of its tensors: `{item.weights_sha256}`."


def _metric(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if "parameters" in name:
        return f"{value:,.0f}"
    return percent(value) if "accuracy" in name else f"{value:.4g}"


def throughput_section(results: Results) -> Section:
    """Speeds of pretrainings and trained arms, also as `throughput.csv`."""
    frame = throughput(results)
    return Section([*_throughput(results, frame)], {"throughput.csv": tables.to_csv(frame)})


def _throughput(results: Results, frame: pd.DataFrame) -> Iterator[str]:
    cached = sum(item.cached for item in results.pretrainings)
    if frame.empty and not cached:
        return
    yield "## Throughput"
    unit = " or ".join(dict.fromkeys(results.about(place) for place, _ in results.groups))
    header = ["what", "encoder", f"{unit}/s, median [quartiles]", "windows", "device", "precision", "layout"]
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


def failed_cells(results: Results) -> Section:
    """Cells without a value, with the reason; empty where there is none."""
    return Section([*_failures(results)])


def _failures(results: Results) -> Iterator[str]:
    failed = [record for record in results.cells if results.value(record) is None]
    if not failed:
        return
    yield "## Failed cells"
    rows = []
    for record in failed:
        cell, reason = record.cell, record.reason or "finished without a value"
        arm = results.study.arm_of(cell)
        where = [cell.task.label, cell.encoder.label, arm, f"{cell.n:,}", str(cell.draw), str(cell.seed)]
        rows.append([*where, " ".join(reason.split())])
    yield table(["task", "encoder", "arm", "n", "draw", "seed", "reason"], rows, left=3)


def fairness(study: Study) -> Section:
    """What was the same for all arms."""
    return Section(["### What was kept fair", "\n".join(f"- {text}" for text in _fairness(study))])


def _fairness(study: Study) -> Iterator[str]:
    yield "A pretext sees images without labels, and no test image. A protocol sees exactly n labels."
    if more := sorted({arm.protocol.name for arm in study.arms if arm.protocol_plugin.unlabelled}):
        yield f"In addition {', '.join(more)} sees the other training images, without labels."
    if any(arm.protocol.options.get("mask") is False for arm in study.arms):
        yield "With `mask=False` images without a label are taught to be class 0, a defect repeated on purpose."
    if any(arm.pretext_plugin.loaded for arm in study.arms):
        yield "Weights from outside were made elsewhere: what images and labels they have seen isn't known here."
    if study.probe is not None:
        yield (
            "Encoders are probed from outside while a pretext trains them, on a copy and on training examples alone; "
            "pretexts see neither the probe's labels nor its scores, and it changes no number."
        )
    yield "The test split is scored once a cell, at the end of training; nothing is chosen by it."
    dense = [plugin.goal in DENSE for _, plugin in study.declared_tasks]
    balanced = "balanced over the classes"
    if any(dense):
        yield "Where every pixel has a label, one of the n labels is the whole map of an image."
        balanced = "at random" if all(dense) else f"{balanced} (at random where every pixel has a label)"
    if any(catalogue.images_of(task) != task for task in study.tasks):
        yield "Tasks with the same training images take the same pretrained encoders."
    subset = {"stratified": balanced, "random": "at random", "prefix": "the first n images"}
    yield (
        f"Labels are drawn {subset[study.subset]} and nested: the same draw gives every arm the same labels, and a "
        "larger rung contains the smaller ones."
        if study.subset != "prefix"
        else "Labels are the first n images, the same in every run: draws bring no spread."
    )
    yield "One budget table holds for all arms; it is listed under Conditions."


def conditions(results: Results) -> Section:
    """Machine, versions, data and budgets of every run."""
    return Section([*_conditions(results)])


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
            *([f"{prefix}{what}", origin] for what, origin in sorted(run.conditions.plugins.items())),
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
        rows = [[k, _budget(b)] for k, b in sorted(results.study.budget.items())]
        rows += [
            [f"{name}: {k}", _budget(b)]
            for name, block in results.study.stories.items()
            for k, b in sorted(block.budget.items())
            if b != results.study.budget.get(k)
        ]
        yield table(["for", "budget"], rows, left=2)


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
