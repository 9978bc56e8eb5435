"""Data of a page's charts, from the tables that lie beside it: what is hovered over is what the CSVs have."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, cast

from labeleff.curves.bounds import Reading
from labeleff.curves.inversion import Kind
from labeleff.reporting.csv_tables import no_formula
from labeleff.reporting.figures.style import BEST, numbered
from labeleff.reporting.measurements import Place, Setting

Row = dict[str, str]
Chart = dict[str, Any]
"""Content of one chart as JSON: title, arms with their looks, and views with one mark per arm and rung."""
DASHES = {"-": [], "--": [6, 3], ":": [2, 2], "-.": [8, 3, 2, 3]}
"""Lengths of strokes and gaps of matplotlib's line styles."""
SHAPES = {
    "o": "M.9 0A.9 .9 0 1 1 -.9 0A.9 .9 0 1 1 .9 0Z",
    "s": "M-.8-.8H.8V.8H-.8Z",
    "D": "M0-1.1L1.1 0L0 1.1L-1.1 0Z",
    "^": "M0-1L1 .9H-1Z",
    "v": "M0 1L-1-.9H1Z",
    "P": "M-.4-1H.4V-.4H1V.4H.4V1H-.4V.4H-1V-.4H-.4Z",
    "*": "M0-1.2L.3-.4L1.1-.4L.5 .1L.7 .9L0 .5L-.7 .9L-.5 .1L-1.1-.4L-.3-.4Z",
    "X": "M-1-.5L-.5-1L0-.5L.5-1L1-.5L.5 0L1 .5L.5 1L0 .5L-.5 1L-1 .5L-.5 0Z",
    "h": "M0-1L.87-.5V.5L0 1L-.87 .5V-.5Z",
}
"""Outlines of matplotlib's markers as paths of SVG about 0, one unit from the centre."""
_TABLES = ("summary.csv", "utility.csv", "device_time.csv", "ranking.csv")
_VIEWS = (
    ("utility.csv", "utility", "utility U(n)"),
    ("device_time.csv", "utility_per_hour", "utility per device-hour"),
    ("utility.csv", "saved", "saved"),
)
"""Views of readings: their table, their columns' first word, and their name."""


def charts(files: Mapping[str, bytes], shown: Mapping[str, tuple[Place, Setting]]) -> dict[str, Chart]:
    """Charts of the places that have numbers to draw, by name; `files` are a report's tables by file name."""
    tables = {name: _read(files.get(name, b"")) for name in _TABLES}
    every = list(dict.fromkeys(row["arm"] for row in tables["summary.csv"]))
    found = {}
    for name, (place, setting) in shown.items():
        names = no_formula(place.task) or "", no_formula(place.encoder) or ""
        here = {file: [row for row in rows if (row["task"], row["encoder"]) == names] for file, rows in tables.items()}
        views = [view for view in (*_readings(here), _accuracy(here["summary.csv"], setting)) if view["marks"]]
        if views:
            found[name] = {"title": setting.title, "arms": _arms(here, every), "views": views}
    return found


def _read(table: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(table.decode(), newline="")))


def _number(text: str) -> float | None:
    return float(text) if text else None


def _arms(tables: Mapping[str, list[Row]], every: list[str]) -> list[dict[str, Any]]:
    """Every arm of a place with its look, as in figures; the baseline has no colour, which stands for the text's own.

    Looks follow from an arm's place among `every` arm of the report, so that it looks the same in all charts.
    Where there are more arms than can be told apart, those with the highest mean label ratio are shown at first.
    """
    rows = tables["summary.csv"]
    names = list(dict.fromkeys(row["arm"] for row in rows if row["mean"]))
    baseline = rows[0]["baseline"]
    others = [name for name in names if name != baseline]
    ranked = list(dict.fromkeys([*(row["arm"] for row in tables["ranking.csv"]), *others]))
    first = others if len(others) <= BEST else ranked[:BEST]
    styles = {name: numbered(index) for index, name in enumerate(name for name in every if name != baseline)}
    styles[baseline] = {"color": None, "marker": "o", "linestyle": "-"}
    return [
        {
            "name": name,
            "colour": styles[name]["color"],
            "dash": DASHES[styles[name]["linestyle"]],
            "shape": SHAPES[styles[name]["marker"]],
            "on": name == baseline or name in first,
        }
        for name in names
    ]


def _readings(tables: Mapping[str, list[Row]]) -> Iterator[dict[str, Any]]:
    """Views of utilities and what follows from them."""
    utilities = {(row["arm"], row["n"]): row for row in tables["utility.csv"]}
    for file, column, words in _VIEWS:
        rows = [row for row in tables[file] if row.get(f"{column}_low") is not None]
        marks = [_mark(row, column, utilities[row["arm"], row["n"]]) for row in rows]
        unit = next((row["saved_unit"] for row in rows if column == "saved" and row["saved_unit"]), "")
        named = [mark for mark in marks if mark is not None]
        if column == "saved" and not unit:
            continue
        yield {"key": column, "words": f"{words} {unit}".strip(), "file": file, "percent": False, "marks": named}


def _mark(row: Row, column: str, utility: Row) -> dict[str, Any] | None:
    """Mark of one reading, in the form that its arm's figure has; None where nothing can be placed."""
    bound = row[f"{column}_at_most"] or row[f"{column}_at_least"]
    reading = Reading(
        kind=cast(Kind, utility["kind"]),
        value=_number(row[column]),
        bound=_number(bound),
        low=_number(row[f"{column}_low"]),
        high=_number(row[f"{column}_high"]),
        interval=bool(utility["p_above"]),
        factor=_number(utility["factor"]),
        p_never=_number(utility["p_never"]),
    )
    place = {"point": reading.value, "extrapolated": reading.value, "lower limit": reading.low}.get(
        reading.shown, reading.bound
    )
    if place is None:
        return None
    limit = reading.shown == "lower limit"
    return {
        "arm": row["arm"],
        "n": int(row["n"]),
        "y": place,
        "low": None if limit else reading.low,
        "high": None if limit else reading.high,
        "ranged": reading.interval and not limit,
        "shown": reading.shown,
        "doubt": row["assumption"],
    }


def _accuracy(rows: list[Row], setting: Setting) -> dict[str, Any]:
    """View of the means of every arm."""
    marks = [
        {
            "arm": row["arm"],
            "n": int(row["n"]),
            "y": float(row["mean"]),
            "low": _number(row["low"]),
            "high": _number(row["high"]),
            "ranged": row["low"] != "",
            "shown": "point",
            "doubt": "",
        }
        for row in rows
        if row["mean"]
    ]
    words = setting.quantity.removesuffix(" (%)")
    return {"key": "mean", "words": words, "file": "summary.csv", "percent": setting.units.percent, "marks": marks}
