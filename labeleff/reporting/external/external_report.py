"""Report of a table of runs: CSVs, figures and `report.md` without a study."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from labeleff.curves.methods import rungs_needed
from labeleff.errors import OptionError, RunsError
from labeleff.files import without_collection
from labeleff.reporting import glossary, output_files, place_figures, runs_csv
from labeleff.reporting.external import reference_code
from labeleff.reporting.external.baseline_names import BASELINES, like_baseline
from labeleff.reporting.external.grid import composed
from labeleff.reporting.external.options import Options
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.runs_table import Pair, RunsTable
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.head.answer import Asked
from labeleff.reporting.head.lines import contents, head, head_figure
from labeleff.reporting.markdown import table as markdown_table
from labeleff.reporting.measurements import Measurements, Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.place_figures import Material
from labeleff.reporting.sections import accuracy_and_utility, weak_results
from labeleff.reporting.sections.explanation import explain

MOST = 12
"""Largest number of arms that an error lists."""


def choose_baseline(table: RunsTable, requested: str | None) -> tuple[str, str]:
    """Name of the baseline, and a sentence that says how it was chosen.

    Raises OptionError where none is requested and not exactly one arm has a name of BASELINES.
    """
    if requested is not None:
        given = composed(requested)
        return given, f"the baseline is {given!r}, as given"
    candidates = like_baseline(table.arms)
    if len(candidates) == 1:
        return candidates[0], f"the baseline is {candidates[0]!r}, by its name"
    examples = ", ".join(map(repr, BASELINES[:1] + BASELINES[3:5]))
    why = f"{_arm_list(candidates)} are named like one" if candidates else f"no arm is named like one ({examples})"
    raise OptionError(f"--baseline isn't given and {why}, expected one of the arms {_arm_list(table.arms)}")


def _arm_list(arms: list[str]) -> str:
    return ", ".join(map(repr, arms[:MOST])) + (f" and {len(arms) - MOST} more" if len(arms) > MOST else "")


def view(table: RunsTable, baseline: str, options: Options) -> Measurements:
    """Measurements from a table of runs. Raises RunsError for a baseline or a headline without rungs."""
    for pair in table.against(baseline):
        _check_rungs(table, pair, options.method)
    table = table.without_names(baseline)
    return Measurements(
        settings={Place(task): options.setting(table, task) for task in table.tasks},
        arms=tuple(table.arms),
        baseline=baseline,
        runs={(Place(task), arm): runs for (task, arm), runs in table.groups.items()},
        level=options.level,
        method=options.method,
        design=_design(table),
        shared=table.shared,
        targets=options.scores(table),
        cost=options.cost,
        headline=_headline(table, baseline, options.headline),
        summarised=frozenset((Place(task), arm) for task, arm in table.summarised),
        run_numbers={(Place(task), arm): numbers for (task, arm), numbers in table.run_numbers.items()},
        look=options.look.among(table.arms),
    )


def _headline(table: RunsTable, baseline: str, headline: int | None) -> int | None:
    """The label count named beforehand; RunsError where no arm beside the baseline has it."""
    rungs = {n for (_, arm), runs in table.groups.items() if arm != baseline for n in runs}
    if headline is not None and headline not in rungs:
        listed = ", ".join(map(str, sorted(rungs)[:MOST]))
        raise RunsError(f"{table.source}: --headline-n: found {headline}, expected a label count of an arm: {listed}")
    return headline


def _check_rungs(table: RunsTable, pair: Pair, method: str) -> None:
    rungs, least = len(pair.baseline_runs), rungs_needed(method)
    if rungs < least:
        where = "" if pair.task is None else f", task {pair.task!r}"
        raise RunsError(
            f"{table.source}{where}: --method {method} has {least} parameters and needs as many label counts of the "
            f"baseline, found {rungs}; take another method"
        )


def _design(table: RunsTable) -> str:
    counts = {len(rung) for runs in table.groups.values() for rung in runs.values()}
    least, most = min(counts), max(counts)
    runs = f"{most} run{'s' if most > 1 else ''}" if least == most else f"{least} to {most} runs"
    listed = f"Means of {runs}" if table.summarised == set(table.groups) else f"{runs} a rung{_as_means(table)}"
    pairing = f"paired by {' and '.join(table.shared)}" if table.paired else "independent between arms"
    return f"{listed}, {pairing}"


def _as_means(table: RunsTable) -> str:
    """Clause on runs of which the table has means alone; empty where it has none."""
    if not table.summarised:
        return ""
    return ", as means" if table.summarised == set(table.groups) else ", of some arms as means"


@without_collection()
def build(options: Options) -> tuple[Path, tuple[str, ...]]:
    """Read the table and write its report to `options.out`, as a whole or not at all.

    Returns report.md's path and, in sentences, how the table was read.

    Raises RunsError for what is wrong in the file, OptionError for what is wrong in the options.
    """
    table = read_runs(options.paths, options.reading, level=options.level, chance=options.chance)
    baseline, baseline_note = choose_baseline(table, options.baseline)
    table = table.with_baseline_curves(baseline)
    notes = (*table.notes, baseline_note)
    measured = view(table, baseline, options)
    findings = find(measured)
    files = output_files.assemble(
        [
            *_results(findings, options),
            *([reference_code.section(measured)] if options.convention == "selfstudy" else []),
            Section([*explain(measured), runs_csv.note(measured), *glossary.section()]),
            Section([*origin(table, notes, options)]),
        ],
        measured.look,
        measured.names,
    )
    return write_beside(options, files), notes


def write_beside(options: Options, files: Mapping[str, bytes]) -> Path:
    """Write a report's files, and return report.md's path; OptionError where one of them would replace the table."""
    for name in files:
        if (options.out / name).exists() and any((options.out / name).samefile(path) for path in options.paths):
            raise OptionError(f"--out: {options.out / name} is the table itself, expected another folder")
    output_files.write(options.out, files)
    return options.out / output_files.REPORT


def _results(findings: Findings, options: Options) -> Iterator[Section]:
    opening = Section([f"# {options.title or f'What the runs in {options.files} are worth'}"])
    yield opening
    flags = [*weak_results.few_runs(findings.measured), *weak_results.flags(findings)]
    figures = place_figures.figures(Material(findings))
    places = [accuracy_and_utility.section(findings, place, figures[place]) for place in findings.measured.places]
    asked = Asked(findings)
    yield Section(
        [*head(asked, flags), *head_figure(asked, places), *contents(findings, [opening, *places])],
        files=output_files.csvs(findings) | runs_csv.to_files(findings.measured),
    )
    yield from places
    yield Section([*accuracy_and_utility.weak_points(flags)])


def origin(table: RunsTable, notes: Sequence[str], options: Options) -> Iterator[str]:
    """The last sections in paragraphs: file, how it was read, and the command that makes the report again."""
    yield "## Where the numbers come from"
    runs = sum(len(rung) for runs in table.groups.values() for rung in runs.values())
    tasks = [task for task in table.tasks if task is not None]
    facts = [
        ["files" if options.more else "file", options.files],
        ["SHA-256", table.sha256],
        ["runs", f"{runs:,}{_as_means(table)}"],
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
