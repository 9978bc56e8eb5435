"""Strict reader of tidy tables of runs.

A table has one row per run, with the columns arm, n, run, accuracy.

Optional columns: draw and seed (which labels, which initialisation; whole numbers) and task. Other columns are
ignored and named in the notes. Whatever is guessed is said in the notes, and the first mistake is an error with file,
line and column.

Accuracies: one scale for the whole file. Any value over 1 means percent; then values over 0 and up to 1 could be
either (0.9 %, or 90 % in another unit), so the file is refused unless the scale is given. 0 is the same in both.

Pairing: runs of different arms count as paired only where the file says so by a column draw. Without it every arm
gets draw numbers of its own (a run keeps its number over the arm's label counts), and a column seed is checked but
not used. With draws but without seeds, several runs of a draw get seed numbers of their own in every arm.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.csv_text import DELIMITERS, decode, records, sniff
from labeleff.reporting.external.rows import REQUIRED, Header, RunRow, cell_error, column_names, quote
from labeleff.reporting.external.runs_table import RunsTable, Scale
from labeleff.stats.resampling import Run, Runs


def read_runs(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    scale: Scale | None = None,
) -> RunsTable:
    """Read a CSV file in UTF-8 (a byte order mark is skipped).

    `columns` maps names of REQUIRED and OPTIONAL to names of the file: {"accuracy": "acc"}; run, draw and seed may be
    the same column. `delimiter` and `scale` are detected where they aren't given. Raises RunsError for whatever is
    wrong in the file, OptionError for arguments that can't be used.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunsError(f"{path}: can't be read: {error.strerror or error}") from error
    return parse_runs(content, str(path), columns=columns, delimiter=delimiter, scale=scale)


def parse_runs(
    content: bytes,
    source: str,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    scale: Scale | None = None,
) -> RunsTable:
    """Parse a file's bytes as `read_runs` does; `source` is its name in errors."""
    names = column_names(columns or {})
    if delimiter is not None and delimiter not in DELIMITERS:
        raise OptionError(f"delimiter: found {delimiter!r}, expected one of {', '.join(map(repr, DELIMITERS))}")
    if scale not in ("fraction", "percent", None):
        raise OptionError(f"scale: found {scale!r}, expected 'fraction' (0..1) or 'percent' (0..100)")
    text = decode(content, source)
    separator = delimiter or sniff(text, names.values())
    rows_of_fields = records(text, separator, source)
    line, header = next(rows_of_fields, (1, []))
    if not header:
        raise cell_error(source, 1, names["arm"], "an empty file", f"a header with {', '.join(REQUIRED)}")
    head = Header(source, line, tuple(header), names, columns or {}, separator)
    places = head.places()
    rows = [head.row(at, cells, places) for at, cells in rows_of_fields]
    if not rows:
        raise cell_error(source, line + 1, names["arm"], "no row after the header", "one row a run")
    used_scale, scale_note = _scale(rows, scale, head)
    _check_twins(rows, head)
    notes = (
        scale_note,
        f"fields are separated by {DELIMITERS[separator]}",
        _pairing(places),
        *_unused(header, places),
    )
    digest = hashlib.sha256(content).hexdigest()
    keys = _keys(rows)
    numbers: dict[tuple[str | None, str], dict[tuple[int, Run], int]] = {}
    for row, key in zip(rows, keys, strict=True):
        numbers.setdefault((row.task, row.arm), {})[row.n, key] = row.run
    return RunsTable(source, _groups(rows, used_scale), used_scale, _shared(places), notes, digest, dict(numbers))


def _scale(rows: Sequence[RunRow], requested: Scale | None, head: Header) -> tuple[Scale, str]:
    """Scale of the file's accuracies, and the sentence that says it."""
    over = [row for row in rows if row.value > 1]
    within = [row for row in rows if 0 < row.value <= 1]
    if requested == "fraction" and over:
        raise head.error(over[0].line, "accuracy", quote(over[0].text), "an accuracy in 0..1, as the scale given says")
    if requested is not None:
        return (
            requested,
            f"accuracies were read as {'percent' if requested == 'percent' else 'numbers in 0..1'}, as given",
        )
    if over and within:
        odd, others = (within, over) if len(within) <= len(over) else (over, within)
        also = f"{odd[0].text!r} beside {others[0].text!r} in line {others[0].line}"
        expected = "one scale in the whole file, 0..1 or percent (over 1)"
        hint = "is a decimal point missing?" if odd is over else "if all of it is percent, give the scale: percent"
        raise head.error(odd[0].line, "accuracy", also, expected, hint)
    if over:
        return "percent", "accuracies are in percent: all are 0 or over 1"
    return "fraction", "accuracies are in 0..1: none is over 1"


def _check_twins(rows: Sequence[RunRow], head: Header) -> None:
    """Refuse rows that repeat a run, and names that look the same but aren't."""
    runs: dict[tuple[object, ...], RunRow] = {}
    draws: dict[tuple[object, ...], RunRow] = {}
    names: dict[tuple[str, str], tuple[str, int]] = {}
    for row in rows:
        for column, name in (("task", row.task), ("arm", row.arm)):
            if name is None:
                continue
            first, line = names.setdefault((column, _skeleton(name)), (name, row.line))
            if first != name:
                raise head.error(row.line, column, repr(name), f"{first!r} as in line {line}, or a name less like it")
        group = (row.task, row.arm, row.n)
        twin = runs.setdefault((*group, row.run), row)
        if twin is not row:
            found = f"run {row.run} of arm {row.arm!r} at n = {row.n} again (as in line {twin.line})"
            raise head.error(row.line, "run", found, "every run once", "number the runs of an arm and n differently")
        if row.draw is not None and row.seed is not None:
            twin = draws.setdefault((*group, row.draw, row.seed), row)
            if twin is not row:
                found = f"draw {row.draw}, seed {row.seed} of arm {row.arm!r} at n = {row.n} again"
                raise head.error(row.line, "seed", f"{found} (as in line {twin.line})", "every draw and seed once")


def _skeleton(name: str) -> str:
    """Reduce a name to its looks: without case, invisible characters and variants of the same character."""
    visible = (character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", "".join(visible)).casefold()


def _pairing(places: Mapping[str, int]) -> str:
    if "draw" not in places:
        unused = "; the column seed isn't used" if "seed" in places else ""
        return f"no column draw: runs of different arms count as independent{unused}"
    if "seed" not in places:
        return "runs with the same draw count as paired; no column seed: seeds count as independent"
    return "runs with the same draw, or the same seed, count as paired"


def _shared(places: Mapping[str, int]) -> tuple[Literal["draw", "seed"], ...]:
    if "draw" not in places:
        return ()
    return ("draw", "seed") if "seed" in places else ("draw",)


def _unused(header: Sequence[str], places: Mapping[str, int]) -> list[str]:
    left = [name or "(without a name)" for at, name in enumerate(header) if at not in places.values()]
    return [f"columns not used: {', '.join(left)}"] if left else []


def _groups(rows: Sequence[RunRow], scale: Scale) -> dict[tuple[str | None, str], Runs]:
    """Runs by (task, arm) in the order of the file."""
    groups: dict[tuple[str | None, str], dict[int, dict[Run, float]]] = {}
    for row, key in zip(rows, _keys(rows), strict=True):
        value = row.value / 100 if scale == "percent" else row.value
        groups.setdefault((row.task, row.arm), {}).setdefault(row.n, {})[key] = value
    return dict(groups)


def _keys(rows: Sequence[RunRow]) -> list[Run]:
    """(draw, seed) of every row, independent of their order; numbers that the file lacks are made per arm."""
    runs = sorted({(row.arm, row.run) for row in rows})
    run_numbers = {run: number for number, run in enumerate(runs)}
    within: dict[tuple[object, ...], list[int]] = {}
    for row in rows:
        within.setdefault((row.task, row.arm, row.n, row.draw), []).append(row.run)
    most = max(len(group) for group in within.values())
    arms = {arm: number for number, arm in enumerate(sorted({row.arm for row in rows}))}

    def key(row: RunRow) -> Run:
        if row.draw is None:
            return run_numbers[row.arm, row.run], 0
        if row.seed is not None:
            return row.draw, row.seed
        index = sorted(within[row.task, row.arm, row.n, row.draw]).index(row.run)
        return row.draw, 0 if most == 1 else arms[row.arm] * most + index

    return [key(row) for row in rows]
