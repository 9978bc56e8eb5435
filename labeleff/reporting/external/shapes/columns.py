"""Columns of a grid by what they hold, from the names that the user gave and from common names."""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labeleff.errors import RunsError
from labeleff.reporting.external.grid import Grid, cell_error, quote
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.layout import NOT_MEASURED
from labeleff.reporting.external.shapes.names import REQUIRED
from labeleff.reporting.external.values import is_value

MOST = 12
"""Largest number of columns that an error lists."""
_USUAL = {
    "arm": ("method", "model"),
    "n": ("labels", "n_labels", "num_labels", "budget"),
    "run": ("seed", "draw", "trial", "repeat"),
    "accuracy": ("acc", "top1", "test_accuracy", "score"),
}
"""Other common names of these columns, for hints."""
_WITH_SPREAD = re.compile(r"[0-9]\s*(?:[±(\[]|\+/?-|\$?\\pm)")
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]{1,3})?")

_NUMBERED = re.compile(r"(.*?[^\W\d])[ _@:/(\[-]+[0-9.,]+ *%?[)\]]?")
"""A name before a number that stands apart: `mAP 50`, `acc@5`; not `top5`."""
_BY_N = "--shape by-n if the numbers in the columns' names are label counts"


@dataclass
class Columns:
    """Indices of a grid's columns by labeleff's names, found one name after the other."""

    grid: Grid
    reading: Reading
    given: Mapping[str, str]
    """Names that the user gave."""
    places: dict[str, int] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    """What was found under another name than labeleff's: `arm from 'method'`."""

    def find(self, name: str) -> int | None:
        """Find a column by its given, its own or a common name; None without. Raises RunsError for several."""
        if name in self.places:
            return self.places[name]
        if name == "run" and each_row(self.grid, self.reading):
            return None
        if name in self.given:
            return self._set(name, self._index(name, self.given[name]))
        if name in ("draw", "seed") and self.grid.fields.count(name) == 1 and self._shares_with_run(name):
            return self._set(name, self.grid.fields.index(name))
        for known in names.tiers(name) if name != "n" else ():
            at = self._one(name, [at for at in self.free() if names.plain(self.grid.fields[at]) in known])
            if at is not None:
                return self._set(name, at)
        return self._find_counts() if name == "n" else None

    def _shares_with_run(self, name: str) -> bool:
        """Whether the column of this name is taken by nothing but names that may share a column."""
        at = self.grid.fields.index(name)
        return {other for other, place in self.places.items() if place == at} <= {"run", "draw", "seed"}

    def _find_counts(self) -> int | None:
        """Column of label counts: one that doesn't speak of shares or classes where there are several."""
        fields = self.grid.fields
        if "n" in fields:
            return self._set("n", self._index("n", "n"))
        candidates = [at for at in self.free() if names.is_label_count(fields[at])]
        at = self._one("n", self._varied(candidates), counts=True)
        return None if at is None else self._set("n", at)

    def given_place(self, name: str) -> int | None:
        """Index of a column that the user named; None where none was."""
        return self.find(name) if name in self.given else None

    def run_columns(self) -> tuple[int, ...]:
        """Indices of the columns that number runs together: run, or trial and fold, or else seed."""
        if each_row(self.grid, self.reading):
            return ()
        if self.find("run") is not None:
            return (self.places["run"],)
        counted = [at for at in self.free() if names.plain(self.grid.fields[at]) in names.RUNS]
        seeds = [self.places[name] for name in ("draw", "seed") if name in self.places] if "seed" in self.places else []
        found = tuple(dict.fromkeys([*counted, *seeds]))
        if found:
            self.guessed.append(f"run from {' and '.join(repr(self.grid.fields[at]) for at in found)}")
        return found

    def free(self) -> list[int]:
        """Indices of fields with a name that no other name of labeleff stands for."""
        taken = {
            *self.places.values(),
            *(self.grid.fields.index(of) for of in self.given.values() if of in self.grid.fields),
        }
        return [at for at, name in enumerate(self.grid.fields) if name and at not in taken]

    def _varied(self, candidates: list[int]) -> list[int]:
        """The candidates that don't hold one and the same cell in all rows; all of them where every one does."""
        if len(candidates) < 2 or len(self.grid.rows) < 2:
            return candidates
        varied = [at for at in candidates if len({row.cells[at] for row in self.grid.rows}) > 1]
        return varied or candidates

    def _one(self, name: str, candidates: list[int], *, counts: bool = False) -> int | None:
        exact = [at for at in candidates if self.grid.fields[at] == name]
        candidates = exact or self._varied(candidates)
        if counts and len(candidates) > 1:
            from labeleff.reporting.external.label_counts import spoken_unit

            neutral = [at for at in candidates if spoken_unit(names.words(self.grid.fields[at])) is None]
            candidates = neutral if len(neutral) == 1 else candidates
        if len(candidates) > 1:
            raise self.several(name, candidates)
        return candidates[0] if candidates else None

    def several(self, name: str, candidates: Sequence[int]) -> RunsError:
        """Build the error for columns that may all be the one that is asked for."""
        fields = [self.grid.fields[at] for at in candidates]
        if len(set(fields)) < len(fields):
            return self.twice(candidates[0])
        ways = " or ".join(f"--column {name}={quote_argument(of)}" for of in fields[:4])
        found = f"the columns {quote_list(fields)}, which may all be it"
        if name == "accuracy" and _numbered(fields) == fields:
            ways += f", or {_BY_N}"
        return cell_error(self.grid.source, self.grid.place, name, found, "one", f"give {ways}")

    def twice(self, at: int) -> RunsError:
        """Build the error for a column that is there twice."""
        fields = self.grid.fields
        again = f"it twice (fields {at + 1} and {fields.index(fields[at], at + 1) + 1})"
        return cell_error(self.grid.source, self.grid.place, fields[at], again, "it once")

    def _index(self, name: str, of: str) -> int:
        fields = self.grid.fields
        if of not in fields:
            raise self.missing(name)
        if fields.count(of) > 1:
            raise self.twice(fields.index(of))
        return fields.index(of)

    def _set(self, name: str, at: int) -> int:
        of = self.grid.fields[at]
        if self.grid.fields.count(of) > 1:
            raise self.twice(at)
        self.places[name] = at
        if name not in self.given and of != name:
            self.guessed.append(f"{name} from {of!r}")
        return at

    def missing(self, name: str) -> RunsError:
        """Build the error for a column that isn't there, with the nearest name."""
        grid, of = self.grid, self.given.get(name, name)
        numbers = [name for name in grid.fields if _NUMBER.fullmatch(name.replace(",", "."))]
        if numbers and not self.places and not set(REQUIRED) & set(grid.fields):
            found = f"no header (the first row has the number {numbers[0]!r})"
            return cell_error(grid.source, grid.place, of, found, f"a header with {', '.join(REQUIRED)}")
        free = {grid.fields[at].lower(): grid.fields[at] for at in self.free() if at not in self.places.values()}
        usual = [other for other in _USUAL.get(name, ()) if other in free]
        near = difflib.get_close_matches(of.lower(), free, n=1, cutoff=0.5) or usual
        hint = f"did you mean {free[near[0]]!r}? Then map it: {name}={quote_argument(free[near[0]])}" if near else ""
        if name == "n" and not hint and _numbered(grid.fields):
            hint = f"give {_BY_N}"
        found = f"the columns {quote_list(grid.fields)}"
        return cell_error(grid.source, grid.place, of, found, "this one too", hint)

    def arm(self) -> int | None:
        """Column of arms: by its name, or the only one of words that nothing else stands for."""
        if (at := self.find("arm")) is not None:
            return at
        taken = set(self.places.values())
        candidates = [at for at in range(len(self.grid.fields)) if at not in taken and self.words_in(at)]
        if len(candidates) != 1 or self.grid.arm is not None or not taken:
            return None
        self.places["arm"] = candidates[0]
        if self.grid.fields[candidates[0]]:
            self.guessed.append(f"arm from {self.grid.fields[candidates[0]]!r}")
        return candidates[0]

    def _cells(self, at: int) -> set[str]:
        return {cell for row in self.grid.rows[:2000] if (cell := row.cells[at]).casefold() not in NOT_MEASURED}

    def metric_rank(self, at: int) -> int | None:
        """Rank of a column's name as one of what was measured; of `acc (95% CI)` where its cells are means with one."""
        name = self.grid.fields[at]
        if names.spread_kind(name) and any(map(_WITH_SPREAD.search, self._cells(at))):
            return names.metric_rank(names.without_spread(name))
        return names.metric_rank(name)

    def words_in(self, at: int) -> bool:
        """Whether a column's cells are names: none is a number alone."""
        cells = self._cells(at)
        return bool(cells) and not any(_NUMBER.fullmatch(cell) for cell in cells)

    def broken(self, at: int) -> bool:
        """Whether some of a column's cells hold a number that isn't whole."""
        return any(re.search(r"[0-9]?[.,][0-9]", cell) for cell in self._cells(at))

    def value_columns(self) -> list[int]:
        """Indices of free columns of values that are neither spreads nor epochs nor numbers of runs."""
        fields = self.grid.fields
        return [
            at
            for at in self.free()
            if self.values_in(at)
            and self._cells(at)
            and not names.spread_kind(fields[at])
            and not names.is_step(fields[at])
            and not names.is_tally(fields[at])
            and names.plain(fields[at]) not in names.RUNS
            and not names.is_other(fields[at])
        ]

    @staticmethod
    def number(cell: str) -> float | None:
        """The number that a cell begins with; None without one."""
        found = re.match(r"[$*\\{~(]*([+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+))", cell)
        return float(found[1].replace(",", ".")) if found else None

    def some_values_in(self, at: int) -> bool:
        """Whether some of a column's cells begin with a number, or it has none."""
        cells = self._cells(at)
        return not cells or any(re.match(r"[^A-Za-z]*[0-9]", cell) for cell in cells)

    def values_in(self, at: int, *, named: bool = False) -> bool:
        """Whether a column's cells are values or blanks: all begin with a number, or half of them and more are values.

        Of one that its header has `named` as values a single one is enough. What can't be read there is a mistake.
        """
        if all(re.match(r"[$*\\{~(]*[+-]?[.,]?[0-9]", cell) for cell in self._cells(at)):
            return True
        cells = [cell for row in self.grid.rows[:2000] if (cell := row.cells[at]).casefold() not in NOT_MEASURED]
        return sum(map(is_value, cells)) >= (1 if named else len(cells) / 2)

    def spreads_in(self, at: int) -> bool:
        """Whether some of a column's cells are spreads or intervals, or it has none: `0.8`, `±0.8`, `[60.9, 62.5]`."""
        cells = self._cells(at)
        begin = re.compile(r"[$*\\{~(\[]*(?:±|\+/?-|\\?pm)?[\s${]*[+-]?[.,]?[0-9]")
        return not cells or any(begin.match(cell) for cell in cells)


def each_row(grid: Grid, reading: Reading) -> bool:
    """Whether the user says that every row is a run."""
    return reading.columns.get("run", "").strip() == names.ROW and names.ROW not in grid.fields


def check_names(grid: Grid) -> None:
    """Refuse names of columns with line breaks and control characters."""
    for at, name in enumerate(grid.fields, start=1):
        if any(unicodedata.category(character) == "Cc" for character in name):
            expected = "a name without line breaks and control characters"
            raise cell_error(grid.source, grid.place, str(at), quote(name), expected)


def unused(grid: Grid, used: set[int]) -> list[int]:
    """Indices of fields that aren't used."""
    return [at for at in range(len(grid.fields)) if at not in used]


def check_beside(grid: Grid, used: set[int]) -> None:
    """Refuse numbers of some rows in a column without a name: those rows have a cell too many."""
    for at in unused(grid, used):
        filled = [] if grid.fields[at] else [row for row in grid.rows if row.cells[at]]
        if 2 * len(filled) < len(grid.rows) and any(_NUMBER.fullmatch(row.cells[at]) for row in filled):
            row = next(row for row in filled if _NUMBER.fullmatch(row.cells[at]))
            found, expected = quote(row.cells[at]), "a name above it, or no cell right of the others"
            raise cell_error(grid.source, row.place, str(at + 1), found, expected, "has the row a cell too many?")


def unused_note(grid: Grid, used: set[int]) -> list[str]:
    """Sentence that names the columns that aren't used, if there are any."""
    left = [grid.fields[at] or "(without a name)" for at in unused(grid, used)]
    return [f"columns not used: {', '.join(left)}"] if left else []


def quote_list(cells: Sequence[str]) -> str:
    """List the first cells in quotes."""
    return ", ".join(map(quote, cells[:MOST])) + (f" and {len(cells) - MOST} more" if len(cells) > MOST else "")


def quote_argument(name: str) -> str:
    """Put a name as a shell needs it."""
    return name if re.fullmatch(r"[\w./@%+=:,-]+", name) else shlex.quote(name)


def _numbered(fields: Sequence[str]) -> list[str]:
    """The names that differ by a number at their end alone, of the first kind of which there are several."""
    kinds: dict[str, list[str]] = {}
    for name in fields:
        if match := _NUMBERED.fullmatch(name):
            kinds.setdefault(match[1], []).append(name)
    return next((same for same in kinds.values() if len(same) > 1), [])
