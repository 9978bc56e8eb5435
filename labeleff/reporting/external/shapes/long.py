"""Long tables: one value per row, beside its arm and label count."""

from __future__ import annotations

from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns, quote_list
from labeleff.reporting.external.shapes.layout import Layout
from labeleff.reporting.external.shapes.repeats import repeats
from labeleff.reporting.external.shapes.spreads import all_ends, beside

UNSURE = 3
"""Rank of names that only contain a metric's."""


def value_column(columns: Columns) -> int | None:
    """Index of the column of what was measured; None without one. Raises RunsError where several may be it."""
    fields = columns.grid.fields
    if "accuracy" in columns.given:
        return columns.find("accuracy")
    ranked = [
        (rank, at)
        for at in columns.free()
        if (rank := columns.metric_rank(at)) is not None and columns.some_values_in(at)
    ]
    if columns.reading.metric is not None:
        wanted = [
            at for _, at in ranked if names.metric_words(fields[at]) == names.metric_words(columns.reading.metric)
        ]
        ranked = [(0, at) for at in wanted] or ranked
    ranked = ranked or [(4, at) for at in _unknown_values(columns)]
    if not ranked:
        return None
    best = min(rank for rank, _ in ranked)
    candidates = [at for rank, at in ranked if rank == best]
    runs = {value.at for value in repeats(columns)[0]}
    if runs and all(at in runs or best >= UNSURE or names.is_average(fields[at]) for at in candidates):
        return None
    exact = [at for at in candidates if fields[at] == "accuracy"]
    if exact and not any(names.names_a_split(fields[at]) for at in candidates if at not in exact):
        candidates = exact
    if len(candidates) == 1 and names.is_validation(fields[candidates[0]]):
        candidates += [at for rank, at in ranked if best < rank < UNSURE and not names.is_validation(fields[at])]
    if len(candidates) > 1:
        raise columns.several("accuracy", candidates)
    at = candidates[0]
    if fields[at] != "accuracy":
        columns.guessed.append(f"values from {fields[at]!r}")
    columns.places["accuracy"] = at
    return at


def _unknown_values(columns: Columns) -> list[int]:
    """Indices of columns of broken numbers that no known name stands for."""
    for name in ("n", "task", "draw", "seed", "arm"):
        columns.find(name)
    columns.run_columns()
    found = columns.value_columns()
    ends = all_ends(columns, found)
    return [at for at in found if columns.broken(at) and at not in ends]


def is_one_arm(columns: Columns) -> bool:
    """Whether a table without arms is one arm's, as the user says; no column may tell rows of several arms apart."""
    fields, taken = columns.grid.fields, columns.places.values()
    others = [at for at in range(len(fields)) if at not in taken and columns.words_in(at)]
    several = any(len({row.cells[at] for row in columns.grid.rows}) > 1 for at in others)
    return columns.reading.one_arm and "{" not in columns.grid.source and not several


def layout(columns: Columns) -> Layout:
    """Layout of a long table. Raises RunsError for columns that aren't there."""
    grid = columns.grid
    at = value_column(columns)
    parts: tuple[str, ...] = ("arm", "n", "task", "draw", "seed")
    for name in (*parts[1:], "arm"):
        columns.find(name)
    runs = columns.run_columns()
    if columns.arm() is None and grid.arm is None and not is_one_arm(columns):
        raise columns.missing("arm")
    if "n" not in columns.places:
        raise columns.missing("n")
    rows = {name: columns.places[name] for name in parts if name in columns.places}
    if at is not None:
        return Layout("long", (beside(columns, at, alone=True),), rows, runs, grid.fields[at])
    found, name = repeats(columns)
    if found:
        columns.guessed.append(f"a run each from {quote_list([grid.fields[value.at] for value in found])}")
        return Layout("long", tuple(found), rows, (), name)
    raise columns.missing("accuracy")
