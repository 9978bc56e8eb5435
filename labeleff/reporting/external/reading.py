"""How tables are to be read: what the user says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external.grid import Grid, composed, quote

MOST = 5
"""Most cells of a table's first row that an error lists."""
Shape = Literal["long", "by-arm", "by-n", "by-task-and-n"]
"""One value per row, or a column per arm, per label count, or per task and label count."""
Spread = Literal["sd", "population-sd", "se", "ci"]
"""What follows a mean: sample or population standard deviation, standard error, or interval."""


@dataclass(frozen=True)
class Reading:
    """What the user says of tables; None where it is to be recognised."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of the files' columns, by labeleff's names."""
    delimiter: str | None = None
    """Character between the fields of delimited text."""
    scale: Literal["fraction", "percent"] | None = None
    """Scale of values in 0..1 or 0..100."""
    shape: Shape | None = None
    label_unit: Literal["labels", "per class", "percent", "share"] | None = None
    """What label counts without a mark count."""
    baseline: str | None = None
    """The arm that whole-data rows such as `fullysupervised` belong to."""
    per_class: int | None = None
    """Number of classes, where label counts are given per class."""
    pools: Mapping[str | None, int] = field(default_factory=dict)
    """Number of all labels by task (None: of every other task), for shares and for whole-data rows."""
    runs: int | None = None
    """Number of runs that means are over, where the table doesn't say."""
    spread: Spread | None = None
    lower_is_better: bool | None = None
    best: float | None = None
    """Value of a perfect result, where it isn't the end of the metric's range."""
    metric: str | None = None
    """Name of what was measured, where the table doesn't say or is wrong."""
    pattern: str | None = None
    """Pattern of paths of a folder of files, with `{arm}`, `{n}` and the like."""
    value: str | None = None
    """Name of the value in files of a pattern, with dots for nesting."""
    skip_empty: bool = False
    """Whether rows without a value are left out."""
    one_arm: bool = False
    """Whether a table without arms has one, by the file's name."""
    sheet: str | None = None
    """Name of the sheet of a workbook, or number of a table in a text that has several."""

    def __post_init__(self) -> None:
        if self.baseline is not None:  # in the form that names in tables are read in
            object.__setattr__(self, "baseline", composed(self.baseline))


@dataclass(frozen=True)
class Offer:
    """One of the tables of a text."""

    line: int
    """Where it begins, from 1."""
    read: Callable[[], Grid]
    """Reads it. Raises RunsError with line and column."""
    names: Sequence[str] = ()
    """Its first row."""
    caption: str = ""
    end: int | None = None
    """The line where it ends, where that is known."""


def read_chosen(source: str, offers: Sequence[Offer], wanted: str | None) -> Grid:
    """Read the only table of a text, or the one whose number `wanted` is, in the order of their lines.

    Where neither line nor caption tells tables apart, an error lists their first rows. Raises RunsError, or
    UnknownNameError for a number that no table has.
    """
    ordered = sorted(offers, key=lambda offer: offer.line)
    shown = [f"line {offer.line}{f', {quote(offer.caption)}' if offer.caption else ''}" for offer in ordered]
    twice = {text for text, times in Counter(shown).items() if times > 1}
    told = [
        f"{text}, first row {', '.join(map(quote, offer.names[:MOST]))}" if text in twice and offer.names else text
        for text, offer in zip(shown, ordered, strict=True)
    ]
    numbered = {str(at): text for at, text in enumerate(told, start=1)}
    name, notes = choose(source, "table", numbered, wanted)
    grid = ordered[int(name) - 1].read()
    return replace(grid, notes=(*notes, *grid.notes))


def choose(source: str, kind: str, known: Mapping[str, str], wanted: str | None) -> tuple[str, list[str]]:
    """Name of the table to read, and a note where it isn't the only one.

    `known` has names or numbers of the tables, in their order, with what tells them apart ("line 12"); `kind` is what
    the file calls them. Raises RunsError where none or several could be meant, UnknownNameError for one that isn't
    there.
    """
    if not known:
        raise RunsError(f"{source}: found no {kind} with cells, expected one")
    if wanted is None and len(known) > 1:
        listed = ", ".join(f"{name} ({what})" if what else repr(name) for name, what in known.items())
        raise RunsError(f"{source}: found {len(known)} {kind}s, expected one; choose by --sheet: {listed}")
    if wanted is not None and wanted not in known:
        raise UnknownNameError(f"--sheet of {source}", wanted, known)
    name = next(iter(known)) if wanted is None else wanted
    return name, [f"{kind} {name!r} of {len(known)} was read"] if len(known) > 1 else []
