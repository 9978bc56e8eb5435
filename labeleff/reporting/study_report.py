"""Report of a study: `records.jsonl` to CSVs, figures, `report.md`.

The same records give the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from labeleff.curves.methods import rungs_needed
from labeleff.errors import OptionError
from labeleff.files import without_collection
from labeleff.records.run_estimate import duration
from labeleff.reporting import calibration, glossary, output_files, place_figures, runs_csv
from labeleff.reporting.effort import estimates, images_seen, selected_labels, throughput, time_to_accuracy, tuning
from labeleff.reporting.effort.throughput import throughput_section
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.head.answer import Asked
from labeleff.reporting.head.lines import contents, head, head_figure
from labeleff.reporting.label_quality import section as label_quality
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.output_files import REPORT, Files, Section
from labeleff.reporting.place_figures import Material
from labeleff.reporting.pretraining.section import section as pretraining_points
from labeleff.reporting.rank_agreement import Agreement, agreements
from labeleff.reporting.results import Results, load
from labeleff.reporting.sections import (
    accuracy_and_utility,
    agreement,
    auto_ladder,
    class_utility,
    other_metrics,
    pretexts,
    probes,
    untrained,
    weak_data,
    weak_design,
)
from labeleff.reporting.sections.conditions import conditions, failed_cells, fairness
from labeleff.reporting.sections.explanation import explain
from labeleff.reporting.sections.stories import story_report
from labeleff.reporting.study_figures import study_figures


@without_collection()
def build(folder: Path, options: ReportOptions | None = None) -> Path:
    """Read `folder/records.jsonl`, write the CSVs, `figures/` and `report.md`, and return report.md's path.

    Partial records are enough. `options` replace settings of the study. Raises RecordError where
    there is no run to report on or the folder can't be written, StudyError where the recorded study can't be read or
    an option doesn't go with it.
    """
    options = (options or ReportOptions()).beside(folder)
    out = options.out or folder
    results = load(folder, options.changes, options.text)
    if options.noisy_price is not None and not results.study.noises:
        raise OptionError("--cost-per-noisy-label: found a study without noise, expected one with `noise`")
    measured = results.measured
    look = replace(options.look, names=results.study.names).among(measured.arms)
    findings = find(replace(measured, look=look))
    output_files.write(out, report(results, findings, options))
    return out / REPORT


def report(results: Results, findings: Findings, options: ReportOptions) -> Files:
    """All files of a study's report; `findings` are those of its measured arms, and say how figures are drawn."""
    classes = [results.fact(place.task, "classes") for place in results.ladders]
    names = {str(name) for listed in classes if isinstance(listed, list) for name in listed} | findings.measured.names
    return output_files.assemble(_sections(results, findings, options), findings.measured.look, names)


def _sections(results: Results, findings: Findings, options: ReportOptions) -> list[Section]:
    rank_agreements, stories = agreements(results, findings.measured), story_report(results)
    flags = weak_design.flags(results, findings) if results.ladders else weak_design.of_records(results)
    weak = [*flags, *stories.weak]
    asked = Asked(findings, results.study.asks, [*agreement.verdict(rank_agreements, findings.measured)])
    places = [*_places(results, findings, rank_agreements)]
    opening = Section([*_heading(results), *_unfinished(results, findings)])
    links = contents(findings, [opening, *places])
    return [
        opening,
        Section([*head(asked, weak, stories.verdict), *head_figure(asked, places), *links]),
        Section(files=_tables(results, findings, rank_agreements)),
        *places,
        label_quality.section(results, findings.measured),
        pretraining_points(results, findings.measured),
        *stories.sections,
        pretexts.section(results),
        auto_ladder.section(results),
        selected_labels.section(results),
        images_seen.section(results),
        tuning.section(results),
        throughput.device_time_section(results, findings),
        time_to_accuracy.section(results, findings),
        Section([*accuracy_and_utility.weak_points(weak)]),
        Section([*_as_read(results)]),
        failed_cells(results),
        Section([*explain(findings.measured), runs_csv.note(findings.measured)] if results.ladders else []),
        fairness(results.study),
        Section([*glossary.section()]),
        throughput_section(results),
        estimates.section(results),
        conditions(results),
        Section([*_reproduce(results, options)]),
    ]


def _places(results: Results, findings: Findings, rank_agreements: list[Agreement]) -> Iterator[Section]:
    """Sections of every place whose accuracy is measured at several label counts."""
    further = study_figures(results, findings.measured, rank_agreements)
    figures = place_figures.figures(Material(findings, further)) if results.ladders else {}
    for place in results.ladders:
        yield accuracy_and_utility.section(findings, place, figures[place])
        yield agreement.section(rank_agreements, place, findings.measured)
        yield other_metrics.section(results, place)
        yield class_utility.section(results, place)
        yield probes.section(results, place)
        yield calibration.section(results, place)


def _tables(results: Results, findings: Findings, rank_agreements: list[Agreement]) -> dict[str, bytes]:
    """Tables with rows of all places."""
    files = output_files.csvs(findings) | agreement.to_files(rank_agreements)
    if results.ladders:
        files |= runs_csv.to_files(findings.measured, results.run_metrics)
    files |= class_utility.to_files(results)
    return files | other_metrics.to_files(results) | probes.to_files(results) | calibration.to_files(results)


def _as_read(results: Results) -> Iterator[str]:
    """Say how files of embeddings were read, where more is to be said than which they are."""
    tasks = [task.label for task, plugin in results.study.declared_tasks if plugin.examples == "items"]
    found = {task: str(results.fact(task, "provenance") or "").split("; ") for task in tasks}
    if any(len(parts) > 1 for parts in found.values()):
        yield "## How the data were read"
        yield "\n".join(f"- {part}" for parts in found.values() for part in dict.fromkeys(parts))


def _heading(results: Results) -> Iterator[str]:
    study = results.study
    yield f"# {study.title or study.name}"
    if study.smoke:
        yield (
            "> **Rehearsal.** This study only shows that the whole path works. Its models are hardly trained and its "
            "numbers mean nothing."
        )
    else:
        yield from untrained.flags(results)
    yield from _stopped(results)
    yield from weak_data.warnings(results)


def _unfinished(results: Results, findings: Findings) -> Iterator[str]:
    study = results.study
    if not findings.comparisons and len(study.arms) > 1:
        finished = sum(results.value(record) is not None for record in results.cells)
        yield (
            f"No utility can be given yet: {finished} of {results.cell_count} cells have finished, and it takes the "
            f"baseline {study.baseline} at {rungs_needed(study.curve)} rungs and another arm at one."
        )


def _stopped(results: Results) -> Iterator[str]:
    """Note that the time limit ended the newest run before all cells were measured."""
    left = results.cell_count - len(results.cells)
    if results.stop is not None and left:
        yield (
            f"> **Stopped by the time limit** of {duration(results.stop.limit)}: {left} of {results.cell_count} cells "
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
    """Commands that measured the study: the newest run's or, for a study in shards, those of all runs."""
    commands = [shlex.join(run.command) for run in results.runs]
    parts = list(dict.fromkeys(text for text in commands if " --shard" in text))
    return "\n".join([*parts, "labeleff merge DIR... --out DIR"]) if len(parts) > 1 else commands[-1]
