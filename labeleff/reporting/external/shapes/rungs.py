"""Label counts of entries as rungs: units, whole-data rows, and counts within 1 % of each other."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from labeleff.errors import OptionError, RunsError, UnknownNameError
from labeleff.reporting.external.baseline_names import like_baseline
from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.grid import counted as amount
from labeleff.reporting.external.label_counts import LabelUnits, label_units
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes.columns import quote_argument
from labeleff.reporting.external.shapes.layout import Layout, column_name
from labeleff.reporting.external.shapes.melting import Entry
from labeleff.reporting.external.shapes.names import words

NEAR = 1.01
"""Largest ratio of label counts that are one rung."""
MOST = 4
"""Most examples in a note."""
_WHOLE_DATA = re.compile(
    r"fully[ _-]*supervised|full[ _-]+supervision|supervised[ _-]*\(?(?:full|all|100 ?%)(?:[ _-]*(?:data|labels))?\)?",
    re.IGNORECASE,
)
"""Names of rows that are the baseline trained on every label."""


class Counted(NamedTuple):
    """One value at its label count."""

    source: str
    entry: Entry
    arm: str
    n: int
    run: int | None
    """Number of the run; None where the table has none."""


def count(
    grid: Grid, layout: Layout, entries: Sequence[Entry], numbers: Sequence[int | None], reading: Reading
) -> tuple[list[Counted], list[str]]:
    """Entries at their label counts, without those on a whole data set of unknown size; and sentences. RunsError."""
    units = _units(grid, layout, entries, reading)
    known: dict[tuple[str, str | None], int | None] = {}
    arms = {entry.arm for entry in entries}
    whole = {arm for arm in arms if _WHOLE_DATA.fullmatch(arm)}
    baseline = _baseline(arms - whole, reading) if whole else None
    counted, aside = [], []
    for entry, number in zip(entries, numbers, strict=True):
        text = "all" if entry.arm in whole else entry.n
        key = (text, entry.task)
        if key not in known:
            known[key] = units.labels(*key)
        n = known[key]
        arm = baseline if entry.arm in whole else entry.arm
        if n is None or arm is None:
            aside.append(entry)
        else:
            counted.append(Counted(grid.source, entry, arm, n, None if entry.arm in whole else number))
    _check_pools(reading, units, known, {entry.task for entry in entries})
    counted, notes = _without_copies(counted, entries, whole)
    notes = [*_unit_notes(units, known), *notes, *_aside_notes(aside, whole, baseline)]
    if not counted:
        first, found = entries[0], "values on whole data sets alone"
        raise cell_error(grid.source, first.row.place, first.column, found, "label counts", "give --pool N")
    return counted, notes


def _check_pools(
    reading: Reading, units: LabelUnits, known: Iterable[tuple[str, str | None]], tasks: set[str | None]
) -> None:
    """Refuse a --pool that nothing in the file is a share of, or whose task isn't in the file."""
    for task in (name for name in reading.pools if name not in (*tasks, None)):
        raise OptionError(f"--pool: {UnknownNameError('task', str(task), [each for each in tasks if each])}")
    if reading.pools and not any(units.of_pool(text) for text, _ in known):
        raise OptionError(
            "--pool: nothing in the file is a share of all labels, expected shares, percentages or a row for all "
            f"labels; give --label-unit percent or share if {next(iter(known))[0]!r} is one"
        )


def _units(grid: Grid, layout: Layout, entries: Sequence[Entry], reading: Reading) -> LabelUnits:
    """What the label counts of a grid count; errors name the first cell, or the header, with the count at fault."""
    at = layout.rows.get("n")
    columns = {value.n: column_name(grid, value.at) for value in layout.values if value.n}

    def fail(text: str, found: str, expected: str, hint: str) -> RunsError:
        if at is None:
            return cell_error(grid.source, grid.place, columns.get(text, text), found, expected, hint)
        row = next((entry.row for entry in entries if entry.n == text), entries[0].row)
        return cell_error(grid.source, row.place, column_name(grid, at), found, expected, hint)

    texts = list(dict.fromkeys(entry.n for entry in entries))
    return label_units(texts, words(grid.fields[at]) if at is not None else (), reading, fail)


def _baseline(arms: set[str], reading: Reading) -> str | None:
    """The arm that rows of the whole data set belong to; None where it isn't known."""
    if reading.baseline is not None:
        return reading.baseline if reading.baseline in arms else None
    found = like_baseline(sorted(arms))
    return found[0] if len(found) == 1 else None


def _without_copies(
    counted: Sequence[Counted], entries: Sequence[Entry], whole: set[str]
) -> tuple[list[Counted], list[str]]:
    """Whole-data values without those that another column of the task, or the baseline's own cell, has already."""
    if not whole:
        return list(counted), []
    own = {(entry.arm, entry.task, entry.column, entry.value) for entry in entries}
    kept: list[Counted] = []
    seen: dict[tuple[str | None, str], None] = {}
    copies = 0
    for each in counted:
        entry = each.entry
        if entry.arm in whole:
            key = (entry.task, entry.value)
            if key in seen or (each.arm, entry.task, entry.column, entry.value) in own:
                copies += 1
                continue
            seen[key] = None
        kept.append(each)
    names = ", ".join(sorted(whole))
    notes = [f"{amount(copies, 'cell')} of {names} like another of the same task: counted once"] if copies else []
    several = [task for task, times in Counter(task for task, _ in seen).items() if times > 1]
    if several:
        notes.append(
            f"{names}: values in several columns of a task are further measurements of one rung, whose runs count "
            f"together ({', '.join(str(task) for task in several)})"
        )
    return kept, notes


def _aside_notes(aside: Sequence[Entry], whole: set[str], baseline: str | None) -> list[str]:
    """Sentences on whole-data values that are set aside."""
    if not aside:
        return []
    tasks = dict.fromkeys(entry.task for entry in aside if entry.task is not None)
    of = f" of {', '.join(tasks)}" if tasks else ""
    if whole and baseline is None:
        return [f"{', '.join(sorted(whole))}{of} set aside: which arm is the baseline isn't known; give --baseline"]
    way = " ".join(f"--pool {quote_argument(f'{task}=N')}" for task in tasks) or "--pool N"
    return [f"{amount(len(aside), 'value')} on all labels{of} set aside: their number isn't known; give {way}"]


def _unit_notes(units: LabelUnits, known: Mapping[tuple[str, str | None], int | None]) -> list[str]:
    """Sentence with examples of label counts that aren't written as plain counts."""
    changed = [
        (text, task, n)
        for (text, task), n in known.items()
        if n is not None and re.sub(r"\.0+$|[^0-9.]", "", text) != str(n)
    ]
    examples = [f"{text} is {n:,}" + (f" of {task}" if task else "") for text, task, n in changed[:MOST]]
    words = {"share": " as shares", "percent": " as percentages", "per class": " per class"}
    more = " ..." if len(changed) > MOST else ""
    return [f"label counts{words.get(units.bare, '')}: {', '.join(examples)}{more}"] if examples else []


def join_near(counted: list[Counted], numbered: bool) -> tuple[list[Counted], list[str]]:
    """Label counts within 1 % of each other as one rung of a task: its most frequent count; and a sentence.

    Counts stay apart where all arms have the same ones, or where a numbered run of an arm is measured at several.
    """
    tasks: dict[str | None, Counter[int]] = defaultdict(Counter)
    for each in counted:
        tasks[each.entry.task][each.n] += 1
    clusters = {
        task: list(filter(lambda cluster: len(cluster) > 1, _clusters(sorted(ns)))) for task, ns in tasks.items()
    }
    if not any(clusters.values()):
        return counted, []
    become: dict[tuple[str | None, int], int] = {}
    for task, found in clusters.items():
        for cluster in found:
            if _strangers([each for each in counted if each.entry.task == task and each.n in cluster], numbered):
                common = max(cluster, key=lambda n: (tasks[task][n], -n))
                become.update({(task, n): common for n in cluster if n != common})
    examples = dict.fromkeys(f"{n:,} is read as {common:,}" for (_, n), common in become.items())
    joined = [each._replace(n=become.get((each.entry.task, each.n), each.n)) for each in counted]
    return joined, [f"label counts within 1 % are one rung: {', '.join(examples)}"] if become else []


def _clusters(ns: Sequence[int]) -> list[list[int]]:
    """Ascending counts in groups whose last is within 1 % of the first."""
    clusters: list[list[int]] = []
    for n in ns:
        if clusters and n <= NEAR * clusters[-1][0]:
            clusters[-1].append(n)
        else:
            clusters.append([n])
    return clusters


def _strangers(near: Sequence[Counted], numbered: bool) -> bool:
    """Whether near counts are one rung: arms have different ones, and no numbered run is measured twice."""
    by_arm: dict[str, set[int]] = defaultdict(set)
    runs: set[tuple[object, ...]] = set()
    for each in near:
        by_arm[each.arm].add(each.n)
        runs.add((each.arm, each.run))
    if numbered:
        return len(runs) == len(near)
    return all(len(ns) == 1 for ns in by_arm.values()) and len({frozenset(ns) for ns in by_arm.values()}) > 1
