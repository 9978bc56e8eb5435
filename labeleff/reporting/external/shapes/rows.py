"""Rows of a table as they are meant: of one metric, with the names of their blocks, apart from notes and headings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from itertools import pairwise

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, Heading, cell_error, counted, is_note, quote
from labeleff.reporting.external.label_counts import parse
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import quote_argument, quote_list
from labeleff.reporting.external.shapes.layout import Layout, column_name
from labeleff.reporting.external.shapes.melting import SUMMARIES, Entry
from labeleff.reporting.external.shapes.repeats import RUN

_NAMES = {"metric", "metrics", "metricname", "measure"}

_DIFFERENCES = re.compile(
    r"(?:(?:abs|rel)(?:olute|ative|\.)?\s+)?(?:[Δ∆]|delta|gains?|improvements?|diff(?:erence)?s?\.?)"
    r"(?:\s*[(%].*|\s+(?:over|vs|to|from|of|on|against|w\.?r\.?t)\b.*)?",
    re.IGNORECASE,
)
"""Names of rows that are differences of others."""
_SIGNED = re.compile(r"[(\[$\s]*[+\-−↑↓▲▼]\s*[0-9.]")
_UP = re.compile(r"[(\[$\s]*[+↑▲]")

FEWEST = 2
"""Least number of rows of a block, and of blocks: a blank beside names in every row is a slip."""
WORDS = 3
"""Least number of words of a note below a table that no mark begins."""
MOST = 4
"""Most rows that a note names."""


def without_header_again(grid: Grid) -> Grid:
    """The grid without rows that are its header once more, or one of the rows that were joined to it; and a sentence.

    Such a row has a cell for every field, or for some of those that several rows of the header were joined to.
    """
    rows = tuple([row for row in grid.rows if not _is_header(grid.fields, row.cells)])
    if len(rows) in (0, len(grid.rows)):
        return grid
    again = [row.place for row in grid.rows if _is_header(grid.fields, row.cells)]
    places = ", ".join(again[:MOST]) + (" ..." if len(again) > MOST else "")
    return replace(
        grid, rows=rows, notes=(*grid.notes, f"{counted(len(again), 'row')} like the header left out ({places})")
    )


def _is_header(fields: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether the cells are names of their columns: all of them, or parts `a` and `b` of joined names `a_b`."""
    if cells[-1] not in fields[-1]:
        return False
    named = [(name, cell) for name, cell in zip(fields, cells, strict=True) if cell]
    joined = sum("_" in name for name in fields) > 1 and len(named) > 1
    return tuple(cells) == tuple(fields) or (joined and all(f"_{cell}_" in f"_{name}_" for name, cell in named))


def of_one_metric(grid: Grid, reading: Reading) -> tuple[Grid, str]:
    """The grid's rows of one metric, and its name; the whole grid and no name where no column names metrics.

    Raises RunsError for several metrics, of which none is chosen.
    """
    given = set(reading.columns.values())
    places = [at for at, name in enumerate(grid.fields) if names.plain(name) in _NAMES and name not in given]
    found = list(dict.fromkeys(row.cells[places[0]] for row in grid.rows)) if len(places) == 1 else []
    if not found or any(names.metric_rank(name) is None for name in found):
        return grid, ""
    wanted = names.metric_words(reading.metric) if reading.metric else ""
    chosen = [name for name in found if names.metric_words(name) == wanted] if len(found) > 1 else found
    if len(chosen) != 1:
        listed, column = quote_list(found), grid.fields[places[0]]
        hint = f"give --metric-name {quote_argument(found[0])} for its rows alone"
        raise cell_error(grid.source, grid.place, column, listed, "one metric", hint)
    rows = tuple(row for row in grid.rows if row.cells[places[0]] == chosen[0])
    left = f"rows of other metrics left out: {', '.join(name for name in found if name != chosen[0])}"
    return replace(grid, rows=rows, notes=(*grid.notes, *([left] if len(found) > 1 else []))), chosen[0]


def filled(grid: Grid, layout: Layout) -> Grid:
    """The grid with the names of tasks, arms and label counts in every row of their blocks, and a sentence on it."""
    cells = [list(row.cells) for row in grid.rows]
    places = [layout.rows[name] for name in ("task", "arm", "n") if name in layout.rows]
    blocks = [at for at in places if _in_blocks([row[at] for row in cells])]
    for at in blocks:
        for above, row in pairwise(cells):
            row[at] = row[at] or above[at]
    if not blocks:
        return grid
    rows = tuple(row._replace(cells=tuple(full)) for row, full in zip(grid.rows, cells, strict=True))
    listed = ", ".join(column_name(grid, at) for at in blocks)
    return replace(grid, rows=rows, notes=(*grid.notes, f"empty cells take the name above them in {listed}"))


def _in_blocks(cells: Sequence[str]) -> bool:
    """Whether a column has names at the top of blocks alone: each over one row or more, and none twice in turn."""
    if "" not in cells or not cells[0]:
        return False
    tops = [at for at, cell in enumerate(cells) if cell]
    lengths = [end - top for top, end in zip(tops, [*tops[1:], len(cells)], strict=True)]
    named = [cells[at] for at in tops]
    return len(tops) >= FEWEST and min(lengths) >= FEWEST and all(a != b for a, b in pairwise(named))


def without_notes(grid: Grid, layout: Layout, reading: Reading) -> Grid:
    """The grid without rows of one cell below all others, and a sentence on them.

    Where a row without a value is an error, only those that begin as notes do, or have some words, are left out.
    """
    lone, end = _lone(grid, layout), len(grid.rows)
    notes = {at for at, note in lone.items() if is_note(note.text) or len(note.text.split()) >= WORDS}
    notes = set(lone) if reading.skip_empty or len(layout.values) > 1 else notes
    while end > 1 and end - 1 in notes:
        end -= 1
    left = _left_out(lone[at] for at in range(end, len(grid.rows)))
    return replace(grid, rows=grid.rows[:end], notes=(*grid.notes, *left))


def sectioned(grid: Grid, layout: Layout) -> Grid:
    """The grid without rows of one cell, which head the rows below them; headings right below each other are one.

    Rows of one name alone, several times, are those of an arm that wasn't measured. Where all values are in one
    column, a row without any is a run that has none.
    """
    lone = _lone(grid, layout) if len(layout.values) > 1 else {}
    blocks = 0 in layout.used and any(not row.cells[0] for at, row in enumerate(grid.rows) if at not in lone)
    if not lone or blocks:
        return grid
    sections: dict[str, Heading] = {}
    heading = marked = None
    headed = False
    for at, row in enumerate(grid.rows):
        if grid.sections.get(row.place) != marked:
            heading = marked = grid.sections.get(row.place)
            headed = True
        if at in lone:
            heading = Heading(heading.place, f"{heading.text}, {lone[at].text}") if heading and headed else lone[at]
        elif heading:
            sections[row.place] = heading
        headed = at in lone
    found = {heading.text for heading in sections.values()}
    if not grid.sections and len(found) == 1 and len(set(sections.values())) > 1:
        return grid
    return replace(grid, rows=tuple(row for at, row in enumerate(grid.rows) if at not in lone), sections=sections)


def _lone(grid: Grid, layout: Layout) -> dict[int, Heading]:
    """Rows, by their numbers, whose only cell is a text in the first column or the arms', and no other row's name."""
    columns = {0, layout.rows.get("arm", 0)}
    found: dict[int, tuple[int, Heading]] = {}
    for number, row in enumerate(grid.rows):
        places = [at for at, cell in enumerate(row.cells) if cell]
        if len(places) == 1 and places[0] in columns:
            at, text = places[0], row.cells[places[0]]
            if re.search(r"[^\W\d_]", text) and not (at == layout.rows.get("n") and parse(text)):
                found[number] = (at, Heading(row.place, " ".join(text.split()).rstrip(" :")))
    if len(found) == len(grid.rows):
        return {}
    others = {at: {row.cells[at] for number, row in enumerate(grid.rows) if number not in found} for at in columns}
    return {number: heading for number, (at, heading) in found.items() if grid.rows[number].cells[at] not in others[at]}


def without_summaries(grid: Grid, entries: Sequence[Entry], reading: Reading) -> tuple[list[Entry], list[str]]:
    """The entries without averages of others and differences to others, and a sentence that names them.

    Both go by their names, of averages also those of tasks; differences also by the sign that all their values have and
    others don't. RunsError where beside such values a single arm is left: the others are told as differences to it.
    """
    cells: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        cells[entry.arm].append(entry.value)
    signed = {arm for arm, values in cells.items() if _are_differences(values)}
    named = {arm for arm in cells if arm.casefold() in SUMMARIES or _names_a_difference(arm)} - {reading.baseline}
    beside = cells.keys() - named - signed
    if signed and len(beside) == 1:
        entry = next(entry for entry in entries if entry.arm in signed)
        found, expected = quote(entry.value), f"a value without a sign, as those of {next(iter(beside))!r}"
        raise cell_error(grid.source, entry.row.place, entry.column, found, expected, "write values, not differences")
    arms = named | signed if len(beside) >= FEWEST else set()
    tasks = {entry.task for entry in entries}
    means = {task for task in tasks if task is not None and task.casefold() in SUMMARIES}
    means = means if len(tasks - means) >= FEWEST else set()
    left = {
        entry.arm if entry.arm in arms else entry.task: entry
        for entry in reversed(entries)
        if _is_of(entry, arms, means)
    }
    if not left:
        return list(entries), []
    listed = ", ".join(f"{quote(name or '')} ({entry.row.place})" for name, entry in reversed(left.items()))
    kept = [entry for entry in entries if not _is_of(entry, arms, means)]
    return kept, [f"averages and differences of others are left out: {listed}"]


def _is_of(entry: Entry, arms: Set[str], tasks: Set[str | None]) -> bool:
    return entry.arm in arms or entry.task in tasks


def _names_a_difference(arm: str) -> bool:
    """Whether an arm has the name of a difference; one in capitals, such as `DELTA`, is a method's."""
    return _DIFFERENCES.fullmatch(arm) is not None and not re.match(r"[A-Z]{2}", arm)


def _are_differences(values: Sequence[str]) -> bool:
    """Whether all values have a sign, and some of them one that goes up."""
    return all(map(_SIGNED.match, values)) and any(map(_UP.match, values))


def apart(grid: Grid, layout: Layout, entries: Sequence[Entry]) -> tuple[Grid, list[Entry], list[str]]:
    """Arms that several headings have, each with its heading before its name; and sentences.

    The grid keeps the headings where arms have them. An arm has several where they are above the same label count of
    it. Headings that number runs tell no arms apart. RunsError where a heading is twice above the same names.
    """
    above = [grid.sections.get(entry.row.place) for entry in entries]
    headings = list(dict.fromkeys(grid.sections.values()))
    if all(map(_numbers_a_run, headings)):
        return replace(grid, sections={}), list(entries), _left_out(headings)
    met: dict[tuple[str | None, str, str], dict[str, Heading | None]] = defaultdict(dict)
    for entry, heading in zip(entries, above, strict=True):
        n = entry.n if "n" in layout.rows else ""
        first = met[entry.task, entry.arm, n].setdefault(heading.text if heading else "", heading)
        if first and heading and first != heading:
            found = f"the heading {quote(heading.text)} again (as in {first.place}), above the same names"
            raise RunsError(f"{grid.source}, {heading.place}: found {found}, expected headings that differ")
    shared = {arm for (_, arm, _), found in met.items() if len(found) > 1}
    if not shared:
        return replace(grid, sections={}), list(entries), _left_out(headings)
    named = [
        entry._replace(arm=f"{heading.text}: {entry.arm}") if heading and entry.arm in shared else entry
        for entry, heading in zip(entries, above, strict=True)
    ]
    used = {heading for entry, heading in zip(entries, above, strict=True) if entry.arm in shared}
    texts = ", ".join(heading.text for heading in headings if heading in used)
    note = f"arms that several headings have are kept apart by heading ({texts}): {', '.join(sorted(shared))}"
    return grid, named, [note, *_left_out([heading for heading in headings if heading not in used])]


def _numbers_a_run(heading: Heading) -> bool:
    run = RUN.fullmatch(heading.text)
    return run is not None and not run[1] + run[3]


def _left_out(headings: Iterable[Heading]) -> list[str]:
    """Sentence on rows of one cell that are left out."""
    listed = [f"{heading.place}: {quote(heading.text)}" for heading in headings]
    if not listed:
        return []
    more = f" and {len(listed) - MOST} more" if len(listed) > MOST else ""
    return [f"{counted(len(listed), 'row')} of one cell left out ({', '.join(listed[:MOST])}{more})"]
