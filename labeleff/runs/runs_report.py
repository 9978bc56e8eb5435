"""A table of runs to CSVs, figures and `report.md`: what a study's folder gives, without a study."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from labeleff.collection import without_collection
from labeleff.errors import OptionError
from labeleff.reporting import evidence, outputs, place_figures, sections
from labeleff.reporting.explanation import explain
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.markdown import table as markdown_table
from labeleff.reporting.outputs import Section
from labeleff.reporting.place_figures import Material
from labeleff.runs import selfstudy_table
from labeleff.runs.as_measured import choose_baseline, view
from labeleff.runs.options import Options
from labeleff.runs.reader import read_runs
from labeleff.runs.table import RunsTable


@without_collection()
def build(options: Options) -> tuple[Path, tuple[str, ...]]:
    """Read the table and write its report to `options.out`, as a whole or not at all.

    Gives report.md's path and, in sentences, how the table was read.

    Raises RunsError for what is wrong in the file, OptionError for what is wrong in the options.
    """
    table = read_runs(options.path, columns=options.columns, delimiter=options.delimiter, scale=options.scale)
    baseline, said = choose_baseline(table, options.baseline)
    notes = (*table.notes, said)
    measured = view(table, baseline, options)
    findings = find(measured)
    files = outputs.assemble(
        [
            *_results(findings, options),
            *([selfstudy_table.section(measured)] if options.convention == "selfstudy" else []),
            Section([*explain(measured)]),
            Section([*_origin(table, notes, options)]),
        ]
    )
    for name in files:
        if (options.out / name).exists() and (options.out / name).samefile(options.path):
            raise OptionError(f"--out: {options.out / name} is the table itself, expected another folder")
    outputs.write(options.out, files)
    return options.out / outputs.REPORT, notes


def _results(findings: Findings, options: Options) -> Iterator[Section]:
    yield Section([f"# {options.title or f'What the runs in {options.path.name} are worth'}", "## Verdict"])
    flags = [*evidence.few_runs(findings.measured), *evidence.flags(findings)]
    yield Section([*sections.verdicts(findings), *sections.weak_points(flags)], outputs.csvs(findings))
    drawn = place_figures.draw(Material(findings))
    for place in findings.measured.places:
        yield sections.section(findings, place, drawn[place])


def _origin(table: RunsTable, notes: Sequence[str], options: Options) -> Iterator[str]:
    yield "## Where the numbers come from"
    runs = sum(len(rung) for runs in table.groups.values() for rung in runs.values())
    tasks = [task for task in table.tasks if task is not None]
    facts = [
        ["file", table.source],
        ["SHA-256", table.sha256],
        ["runs", f"{runs:,}"],
        ["arms", ", ".join(table.arms)],
        *([["tasks", ", ".join(tasks)]] if tasks else []),
    ]
    yield markdown_table(["what", "value"], facts, left=2)
    yield "How it was read:"
    yield "\n".join(f"- {text}" for text in notes)
    yield (
        "The runs were measured elsewhere. Whether all arms had the same labels, test set and budget, and whether "
        "nothing was chosen on the test set, is not known here."
    )
    yield "## Reproduce"
    yield f"```\n{shlex.join(options.command)}\n```"
