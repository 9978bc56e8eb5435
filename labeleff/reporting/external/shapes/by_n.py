"""Tables with a column per label count, or per task and label count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labeleff.reporting.external.grid import cell_error
from labeleff.reporting.external.reading import Shape
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns, quote_argument, quote_list
from labeleff.reporting.external.shapes.headers import HeaderCount
from labeleff.reporting.external.shapes.layout import Layout, ValueColumn, header_error
from labeleff.reporting.external.shapes.long import is_one_arm
from labeleff.reporting.external.shapes.spreads import beside


def layout(columns: Columns, counts: Sequence[HeaderCount], shape: Shape) -> Layout:
    """Layout of a table whose header has label counts. Raises RunsError for one without arms."""
    grid = columns.grid
    counts = [each for each in counts if bool(each.task) == (shape == "by-task-and-n")]
    if not counts:
        found = f"the columns {quote_list(grid.fields)}"
        expected = "label counts in their names" + (", after a task's" if shape == "by-task-and-n" else "")
        raise cell_error(grid.source, grid.place, "n", found, expected)
    counts = _of_one_metric(columns, counts)
    columns.places.update({f"value {each.at}": each.at for each in counts})
    rows = {name: place for name in ("task", "draw", "seed") if (place := columns.find(name)) is not None}
    runs = columns.run_columns()
    arm = columns.arm()
    if arm is not None:
        rows["arm"] = arm
    elif grid.arm is None and not is_one_arm(columns):
        raise columns.missing("arm")
    return Layout(shape, _with_spreads(columns, counts, shape), rows, runs, counts[0].metric)


def _of_one_metric(columns: Columns, counts: Sequence[HeaderCount]) -> list[HeaderCount]:
    """The columns of one metric: of the one that was asked for where there are several. Raises RunsError."""
    found = list(dict.fromkeys(each.metric for each in counts))
    wanted = names.metric_words(columns.reading.metric) if columns.reading.metric else None
    chosen = [name for name in found if names.metric_words(name) == wanted] if len(found) > 1 else found
    if len(chosen) != 1:
        error = header_error(columns.grid, "accuracy")
        raise error(
            f"columns of {quote_list(found)}",
            "those of one",
            f"give --metric-name {quote_argument(found[0] or found[1])}",
        )
    return [each for each in counts if each.metric == chosen[0]]


def _with_spreads(columns: Columns, counts: Sequence[HeaderCount], shape: Shape) -> tuple[ValueColumn, ...]:
    """Columns of values, each with its spread and the spread's kind."""
    values = []
    for each in counts:
        value = beside(columns, each.at, alone=False)
        values.append(replace(value, n=each.n, task=each.task if shape == "by-task-and-n" else None))
    return tuple(values)
