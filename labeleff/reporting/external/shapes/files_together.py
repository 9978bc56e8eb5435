"""Several files as one table: arms kept apart by file, and what was measured the same in all of them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, cell_error
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.layout import Layout
from labeleff.reporting.external.shapes.rungs import Counted

_BROKEN = re.compile(r"[0-9]*[.,][0-9]+\s*%?")


def keep_apart(parts: Sequence[tuple[Grid, list[Counted]]]) -> tuple[list[list[Counted]], list[str]]:
    """Put the file's name before arms that several files have; and the sentence that says it."""
    files: dict[str, set[str]] = defaultdict(set)
    for grid, counted in parts:
        for arm in dict.fromkeys(each.arm for each in counted):
            files[arm].add(grid.source)
    shared = {arm for arm, of in files.items() if len(of) > 1}
    if not shared:
        return [counted for _, counted in parts], []
    named = [
        [
            each._replace(arm=f"{grid.origin or grid.source}: {each.arm}") if each.arm in shared else each
            for each in counted
        ]
        for grid, counted in parts
    ]
    arms = ", ".join(sorted(shared))
    return named, [f"arms that several files have are kept apart by file: {arms}"]


def value_name(parts: Iterable[tuple[Grid, Layout]]) -> str:
    """The files' name of what was measured. Raises RunsError where two files measured different things."""
    first: tuple[Grid, str] | None = None
    for grid, layout in parts:
        if not layout.value_name:
            continue
        if first and names.metric_words(first[1]) != names.metric_words(layout.value_name):
            found = f"another measure than {first[1]!r} in {first[0].source}"
            raise cell_error(grid.source, grid.place, layout.value_name, found, "the same in all files")
        first = first or (grid, layout.value_name)
    return first[1] if first else ""


def interval_level(parts: Iterable[tuple[Grid, Layout]]) -> float | None:
    """Probability of intervals by the names of their columns. Raises RunsError where those differ in it."""
    levels: dict[float, tuple[Grid, str]] = {}
    for grid, layout in parts:
        for at in sorted({at for value in layout.values for at in value.fields}):
            if (level := names.interval_level(grid.fields[at])) is not None:
                levels.setdefault(level, (grid, grid.fields[at]))
    if len(levels) > 1:
        (_, name), (grid, other) = list(levels.values())[:2]
        raise cell_error(grid.source, grid.place, other, f"intervals of another level than in {name!r}", "one level")
    return next(iter(levels), None)


def check_names(counted: Sequence[Counted], columns: dict[str, str]) -> None:
    """Refuse names that look the same but aren't, and numbers beside names; `columns`: those of task and arm."""
    _check_numbers(counted, columns)
    known: dict[tuple[str, str], tuple[str, Counted]] = {}
    distinct: dict[tuple[str, str | None], Counted] = {}
    for each in counted:
        distinct.setdefault((each.arm, each.entry.task), each)
    for each in distinct.values():
        for column, name in (("task", each.entry.task), ("arm", each.arm)):
            if name is None:
                continue
            first, of = known.setdefault((column, _skeleton(name)), (name, each))
            if first != name:
                raise _alike(each, columns.get(column, column), name, first, of)


def _check_numbers(counted: Sequence[Counted], columns: dict[str, str]) -> None:
    """Refuse a broken number as an arm beside arms with names: a cell is missing or too many in its row."""
    arms = {each.arm: each for each in reversed(counted)}
    number = next((each for arm, each in arms.items() if _BROKEN.fullmatch(arm)), None)
    if number is not None and any(re.search(r"[^\W\d]", arm) for arm in arms):
        column, found = columns.get("arm", "arm"), repr(number.arm)
        raise cell_error(
            number.source, number.entry.row.place, column, found, "a name, as in other rows", "is a cell missing?"
        )


def _alike(each: Counted, column: str, name: str, first: str, of: Counted) -> RunsError:
    expected = f"{first!r} as in {of.entry.row.place}, or a name less like it"
    return cell_error(each.source, each.entry.row.place, column, repr(name), expected)


def _skeleton(name: str) -> str:
    """Reduce a name to its looks: without case, invisible characters and variants of the same character."""
    visible = (character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", "".join(visible)).casefold()
