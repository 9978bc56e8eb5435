"""Report of a study: `records.jsonl` to CSVs, figures, `report.md`.

The same records give the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from labeleff.curves.methods import rungs_needed
from labeleff.records.collection import without_collection
from labeleff.records.run_estimate import duration
from labeleff.reporting import output_files, place_figures, runs_csv
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.output_files import REPORT, Section
from labeleff.reporting.place_figures import Material
from labeleff.reporting.rank_agreement import Agreement, agreements
from labeleff.reporting.results import Results, load
from labeleff.reporting.sections import (
    accuracy_and_utility,
    agreement,
    auto_ladder,
    class_utility,
    estimates,
    other_metrics,
    probes,
    throughput,
    untrained,
    weak_data,
    weak_design,
)
from labeleff.reporting.sections.conditions import conditions, failed_cells, fairness
from labeleff.reporting.sections.explanation import explain
from labeleff.reporting.sections.pretexts import section
from labeleff.reporting.sections.stories import StoryReport, story_report
from labeleff.reporting.sections.throughput import throughput_section
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
    output_files.write(out, output_files.assemble(report(results, options)))
    return out / REPORT


def report(results: Results, options: ReportOptions) -> list[Section]:
    """All sections of a study's report, in order."""
    findings = find(results.measured)
    rank_agreements, stories = agreements(results, findings.measured), story_report(results)
    flags = weak_design.flags(results, findings) if results.ladders else []
    return [
        Section([*_heading(results), *_verdict(results, findings, rank_agreements, stories)]),
        Section([*accuracy_and_utility.weak_points([*flags, *stories.weak])]),
        Section(files=_tables(results, findings, rank_agreements)),
        *_places(results, findings, rank_agreements),
        *stories.sections,
        auto_ladder.section(results),
        throughput_section(results),
        throughput.device_time_section(results, findings),
        estimates.section(results),
        failed_cells(results),
        Section([*explain(findings.measured), runs_csv.note(findings.measured)] if results.ladders else []),
        fairness(results.study),
        conditions(results),
        Section([*_reproduce(results, options)]),
    ]


def _places(results: Results, findings: Findings, rank_agreements: list[Agreement]) -> Iterator[Section]:
    """Sections of every place whose accuracy is measured at several label counts."""
    further = study_figures(results, findings.measured, rank_agreements)
    figures = place_figures.draw(Material(findings, further)) if results.ladders else {}
    for place in results.ladders:
        yield accuracy_and_utility.section(findings, place, figures[place])
        yield agreement.section(rank_agreements, place, findings.measured)
        yield other_metrics.section(results, place)
        yield class_utility.section(results, place)
        yield section(results, place)
        yield probes.section(results, place)


def _tables(results: Results, findings: Findings, rank_agreements: list[Agreement]) -> dict[str, bytes]:
    """Tables with rows of all places."""
    files = output_files.csvs(findings) | agreement.to_files(rank_agreements)
    if results.ladders:
        files |= runs_csv.to_files(findings.measured, results.run_metrics)
    files |= class_utility.to_files(results)
    return files | other_metrics.to_files(results) | probes.to_files(results)


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


def _verdict(
    results: Results, findings: Findings, rank_agreements: list[Agreement], stories: StoryReport
) -> Iterator[str]:
    study = results.study
    yield "## Verdict"
    if not findings.comparisons and len(study.arms) > 1:
        finished = sum(results.value(record) is not None for record in results.cells)
        yield (
            f"No utility can be given yet: {finished} of {results.cell_count} cells have finished, and it takes the "
            f"baseline {study.baseline} at {rungs_needed(study.curve)} rungs and another arm at one."
        )
    yield from accuracy_and_utility.verdicts(findings)
    sentences = [*agreement.verdict(rank_agreements, findings.measured), *stories.verdict]
    if sentences:
        yield "\n".join(f"- {text}" for text in sentences)


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
