"""Header and rows of a table of runs, checked cell by cell."""

from __future__ import annotations

import difflib
import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labeleff.errors import OptionError, RunsError, UnknownNameError
from labeleff.reporting.external.csv_text import DELIMITERS

REQUIRED = ("arm", "n", "run", "accuracy")
OPTIONAL = ("draw", "seed", "task")
LONGEST = 40
"""Largest number of characters of a cell that an error shows."""
MOST = 12
"""Largest number of columns that an error lists."""

_MAY_SHARE = {"run", "draw", "seed"}
"""Columns that may be one and the same column of the file."""
_OTHER_NAMES = {
    "arm": ("method", "model"),
    "n": ("labels", "n_labels", "num_labels", "budget"),
    "run": ("seed", "draw", "trial", "repeat"),
    "accuracy": ("acc", "top1", "test_accuracy", "score"),
}
"""Other common names of these columns, for hints."""
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[0-9]{1,15}")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_PLAIN = "a name without line breaks and control characters"
_NOT_MEASURED = {"nan", "inf", "infinity", "na", "n/a", "none", "null"}


def cell_error(source: str, line: int, column: str, found: str, expected: str, hint: str = "") -> RunsError:
    """Build the error for one cell, with file, line and column; `column` is the file's name of it, or its number."""
    ending = f"; {hint}" if hint else ""
    return RunsError(f"{source}, line {line}, column {column!r}: found {found}, expected {expected}{ending}")


def quote(cell: str) -> str:
    """Put a cell in quotes; of a long one only the beginning."""
    return repr(cell) if len(cell) <= LONGEST else f"{cell[:LONGEST]!r}... ({len(cell)} characters)"


def _unprintable(cell: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in cell)


def _quote_list(cells: Sequence[str]) -> str:
    """List the first cells in quotes."""
    return ", ".join(map(quote, cells[:MOST])) + (f" and {len(cells) - MOST} more" if len(cells) > MOST else "")


def column_names(columns: Mapping[str, str]) -> dict[str, str]:
    """Names of the file's columns by labeleff's names, completed from those that the user gave.

    Raises UnknownNameError or OptionError for a mapping that makes no sense.
    """
    for name in columns:
        if name not in (*REQUIRED, *OPTIONAL):
            raise UnknownNameError("column", name, (*REQUIRED, *OPTIONAL))
    sure = {name: columns.get(name, name).strip() for name in (*REQUIRED, *OPTIONAL) if name in {*REQUIRED, *columns}}
    if "" in sure.values():
        raise OptionError("columns: found an empty name, expected the name of a column in the file")
    for first, second in itertools.combinations(sure, 2):
        if sure[first] == sure[second] and not {first, second} <= _MAY_SHARE:
            raise OptionError(f"columns: {first} and {second} are both in {sure[first]!r}, expected two columns")
    rivals = {name: {other for other, of in sure.items() if of == name} for name in OPTIONAL if name not in sure}
    free = [name for name, others in rivals.items() if not others or {name, *others} <= _MAY_SHARE]
    return {**sure, **{name: name for name in free}}


@dataclass(frozen=True)
class RunRow:
    """One row, checked; `value` is the accuracy on the file's own scale."""

    line: int
    task: str | None
    arm: str
    n: int
    run: int
    draw: int | None
    seed: int | None
    value: float
    text: str
    """The accuracy as written in the file."""


@dataclass(frozen=True)
class Header:
    """Header of a table, which reads and checks the rows below it."""

    source: str
    line: int
    fields: tuple[str, ...]
    names: Mapping[str, str]
    """Names of the file's columns, by labeleff's names."""
    user_names: Mapping[str, str]
    """Names that the user gave, by labeleff's names."""
    delimiter: str

    def places(self) -> dict[str, int]:
        """Indices of the file's columns, by labeleff's names. Raises RunsError for missing or repeated columns."""
        for at, field in enumerate(self.fields, start=1):
            if _unprintable(field):
                raise cell_error(self.source, self.line, str(at), quote(field), _PLAIN)
        expected = [name for name in (*REQUIRED, *OPTIONAL) if name in REQUIRED or name in self.user_names]
        for name in expected:
            if self.names[name] not in self.fields:
                raise self._missing(name)
        places = {name: self.fields.index(of) for name, of in self.names.items() if of in self.fields}
        for name, place in places.items():
            if self.fields.count(self.fields[place]) > 1:
                again = f"it twice (fields {place + 1} and {self.fields.index(self.fields[place], place + 1) + 1})"
                raise self.error(self.line, name, again, "it once")
        return places

    def error(self, line: int, name: str, found: str, expected: str, hint: str = "") -> RunsError:
        """Build the error for one cell; `name` is labeleff's name of its column."""
        return cell_error(self.source, line, self.names[name], found, expected, hint)

    def _missing(self, name: str) -> RunsError:
        numbers = [field for field in self.fields if _NUMBER.fullmatch(field.replace(",", "."))]
        if numbers and not set(self.names.values()) & set(self.fields):
            found = f"no header (the first row has the number {numbers[0]!r})"
            return self.error(self.line, name, found, f"a header with {', '.join(REQUIRED)}")
        free = [field for field in self.fields if field and field not in (self.names[of] for of in REQUIRED)]
        by_small = {field.lower(): field for field in free}
        usual = [other for other in _OTHER_NAMES.get(name, ()) if other in by_small]
        near = difflib.get_close_matches(self.names[name].lower(), by_small, n=1, cutoff=0.5) or usual
        hint = f"did you mean {by_small[near[0]]!r}? Then map it: {name}={by_small[near[0]]}" if near else ""
        return self.error(self.line, name, f"the columns {_quote_list(self.fields)}", "this one too", hint)

    def row(self, line: int, cells: Sequence[str], places: Mapping[str, int]) -> RunRow:
        """Check one row's fields. Raises RunsError."""
        if len(cells) != len(self.fields):
            raise self._ragged(line, cells)
        by_name = {name: cells[place] for name, place in places.items()}
        for name, cell in by_name.items():
            if not cell:
                raise self.error(line, name, "an empty cell", "a value", "leave a run that wasn't measured out")
        return RunRow(
            line=line,
            task=self._label(line, "task", by_name["task"]) if "task" in by_name else None,
            arm=self._label(line, "arm", by_name["arm"]),
            n=self._whole(line, "n", by_name["n"], least=1),
            run=self._whole(line, "run", by_name["run"], least=0),
            draw=self._whole(line, "draw", by_name["draw"], least=0) if "draw" in by_name else None,
            seed=self._whole(line, "seed", by_name["seed"], least=0) if "seed" in by_name else None,
            value=self._number(line, by_name["accuracy"]),
            text=by_name["accuracy"],
        )

    def _ragged(self, line: int, cells: Sequence[str]) -> RunsError:
        expected = f"{len(self.fields)} as in the header"
        if len(cells) < len(self.fields):
            column, hint = self.fields[len(cells)], "a field is missing"
            if len(cells) == 1:
                hint = f"the header is separated by {DELIMITERS[self.delimiter]}"
        else:
            column, hint = str(len(self.fields) + 1), "quote fields that hold the delimiter"
            if self.delimiter == "," and any(cell.isdigit() for cell in cells):
                hint += ", and write decimals with a point, not a comma"
        return cell_error(self.source, line, column, f"{len(cells)} fields", expected, hint)

    def _label(self, line: int, name: str, cell: str) -> str:
        if _unprintable(cell):
            hint = "is a quote missing?" if "\n" in cell or "\r" in cell else ""
            raise self.error(line, name, quote(cell), _PLAIN, hint)
        return cell

    def _whole(self, line: int, name: str, cell: str, *, least: int) -> int:
        if _WHOLE.fullmatch(cell) and int(cell) >= least:
            return int(cell)
        hint = ""
        if re.fullmatch(r"[0-9]{1,3}([,.' ][0-9]{3})+", cell):
            hint = "write it without separators of thousands, and without decimals"
        elif _NUMBER.fullmatch(cell) and least <= float(cell) < 1e15 and float(cell).is_integer():
            hint = f"write {int(float(cell))}"
        raise self.error(line, name, quote(cell), f"a whole number from {least} to 10^15 - 1", hint)

    def _number(self, line: int, cell: str) -> float:
        if not _NUMBER.fullmatch(cell):
            hint = ""
            if _DECIMAL_COMMA.fullmatch(cell):
                hint = "write decimals with a point, not a comma"
            elif cell.endswith("%"):
                hint = "write it without the percent sign"
            elif cell.lower().lstrip("+-") in _NOT_MEASURED:
                hint = "leave a run that wasn't measured out"
            raise self.error(line, "accuracy", quote(cell), "a number in 0..1 or in percent", hint)
        value = float(cell)
        if not 0 <= value <= 100:
            raise self.error(line, "accuracy", quote(cell), "an accuracy in 0..1, or in 0..100 percent")
        return value
