"""Published subsets of a training set, read by the ids of their examples, and lists of ids with their SHA-256.

A subset file is a JSON table of named lists of ids; a TSV or CSV table with a column per fold, of ids or of marks
beside an id; a text with a list per line, or one id per line; or a folder of FixMatch's lists
(`NAME.SEED@N-label.json`, Sohn et al. 2020). Draw d at rung n is the d-th list, from 0, of those with n ids. Where
examples have no ids, their positions in the training set are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import LadderError, RunsError
from labeleff.reporting.external.csv_text import decode, records, sniff

Subsets = dict[str, list[str]]
"""Lists of ids by name, in the order of the file."""

FIXMATCH = re.compile(r"(?P<name>.+)\.(?P<seed>[0-9]+)@(?P<count>[0-9]+)-label\.json")
IDS = ("id", "ids", "filename", "key", "name", "index")
"""Names of a column of ids, in small letters."""
MARKS = {"1": True, "train": True, "true": True, "x": True, "0": False, "test": False, "false": False, "": False}
"""Whether an example is in a fold, by its cell in small letters."""


def ids_sha256(ids: Iterable[str]) -> str:
    """Compute the SHA-256 of ids, sorted, one per line in UTF-8: it names a set of labels in any order of the files."""
    return hashlib.sha256("".join(f"{one}\n" for one in sorted(ids)).encode()).hexdigest()


def published_positions(path: Path, ids: Sequence[str], draw: int, n: int) -> NDArray[np.int64]:
    """Find the sorted positions in the training set of a published subset's examples: int64 (n,).

    `ids` are those of the training set, each once. Raises LadderError where the file can't be read, has no such list,
    or lists an id twice or one that no training example has.
    """
    subsets = read_subsets(path)
    fitting = [name for name, members in subsets.items() if len(members) == n]
    if draw >= len(fitting):
        sizes = sorted({len(members) for members in subsets.values()})
        counted = ", ".join(f"{sum(len(m) == size for m in subsets.values())} of {size:,}" for size in sizes[:12])
        raise LadderError(f"{path}: found {len(fitting)} lists of {n:,} ids ({counted}), expected one for draw {draw}")
    name = fitting[draw]
    return positions_of(f"{path}, list {name!r}", subsets[name], ids)


def positions_of(where: str, members: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
    """Find the sorted positions of members among ids; raises LadderError for repeated and unknown ones."""
    if len(set(members)) < len(members):
        again = next(one for i, one in enumerate(members) if one in members[:i])
        raise LadderError(f"{where}: found the id {again!r} again, expected each id once")
    places = {str(one): place for place, one in enumerate(ids)}
    if unknown := [one for one in members if one not in places]:
        found = f"{len(unknown):,} of {len(members):,} ids that no training example has, such as {unknown[0]!r}"
        raise LadderError(f"{where}: found {found}; expected ids like {str(ids[0])!r}")
    return np.sort(np.array([places[one] for one in members], dtype=np.int64))


def read_subsets(path: Path) -> Subsets:
    """Read all lists of a file or folder; raises LadderError with file, line, what was found and expected."""
    if path.is_dir():
        return _fixmatch(path)
    try:
        text = decode(path.read_bytes(), str(path))
    except OSError as error:
        raise LadderError(f"{path}: can't be read: {error.strerror or error}") from error
    except RunsError as error:
        raise LadderError(str(error)) from error
    read = {".json": _json, ".tsv": _table, ".csv": _table, ".txt": _lines}.get(path.suffix.lower())
    if read is None:
        raise LadderError(f"{path}: found the ending {path.suffix!r}, expected .json, .tsv, .csv or .txt")
    subsets = read(path, text)
    if not any(subsets.values()):
        raise LadderError(f"{path}: found no id, expected lists of ids")
    return subsets


def _fixmatch(folder: Path) -> Subsets:
    """Lists of FixMatch's files, by their numbers of labels and seeds."""
    matches = [m for path in folder.iterdir() if (m := FIXMATCH.fullmatch(path.name))]
    if not matches:
        raise LadderError(f"{folder}: found no file NAME.SEED@N-label.json, expected one per subset")
    if len(names := {match["name"] for match in matches}) > 1:
        raise LadderError(f"{folder}: found lists of {', '.join(sorted(names))}, expected those of one data set")
    subsets: Subsets = {}
    for match in sorted(matches, key=lambda match: (int(match["count"]), int(match["seed"]))):
        path = folder / match.string
        [members] = read_subsets(path).values()
        if len(members) != int(match["count"]):
            raise LadderError(f"{path}: found {len(members)} ids, expected {match['count']} as its name says")
        subsets[match.string] = members
    return subsets


def _json(path: Path, text: str) -> Subsets:
    try:
        loaded = json.loads(text, object_pairs_hook=lambda pairs: _unique(path, pairs))
    except json.JSONDecodeError as error:
        raise LadderError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise LadderError(f"{path}: found tables without end, expected a table of named lists of ids") from error
    if isinstance(loaded, list):
        loaded = {path.stem: loaded}
    if isinstance(loaded, dict) and "label" in loaded and set(loaded) <= {"label", "distribution"}:
        loaded = {path.stem: loaded["label"]}  # FixMatch's lists have the classes' shares beside them
    if not isinstance(loaded, dict):
        raise LadderError(f"{path}: found a {type(loaded).__name__}, expected a table of named lists of ids")
    return {name: _members(f"{path}, list {name!r}", members) for name, members in loaded.items()}


def _unique(path: Path, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := [name for i, name in enumerate(names) if name in names[:i]]:
        raise LadderError(f"{path}: found the name {repeated[0]!r} twice, expected names that differ")
    return dict(pairs)


def _members(where: str, members: Any) -> list[str]:
    if not isinstance(members, list):
        raise LadderError(f"{where}: found a {type(members).__name__}, expected a list of ids")
    for one in members:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise LadderError(f"{where}: found {one!r}, expected texts or whole numbers as ids")
    return [str(one) for one in members]


def _table(path: Path, text: str) -> Subsets:
    """Read a table: with a column of ids the others mark each fold's, else every column is a fold's list."""
    try:
        rows = [*records(text, sniff(text, IDS), str(path))]
    except RunsError as error:
        raise LadderError(str(error)) from error
    if len(rows) < 2:
        raise LadderError(f"{path}: found {len(rows)} rows, expected a header and one row per id")
    header = rows[0][1]
    _unique(path, [(name, None) for name in header])
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise LadderError(
                f"{path}, line {line}: found {len(cells)} fields, expected {len(header)} as in the header"
            )
    if header[0].lower() not in IDS:
        return {name: [cells[i] for _, cells in rows[1:] if cells[i]] for i, name in enumerate(header)}
    return _marked(path, header, rows[1:])


def _marked(path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> Subsets:
    subsets: Subsets = {name: [] for name in header[1:]}
    for line, (identity, *cells) in rows:
        for name, cell in zip(header[1:], cells, strict=True):
            if cell.lower() not in MARKS:
                expected = "1 or train for an example of the fold, 0 or test for others"
                raise LadderError(f"{path}, line {line}, column {name!r}: found {cell!r}, expected {expected}")
            if MARKS[cell.lower()]:
                subsets[name].append(identity)
    return subsets


def _lines(path: Path, text: str) -> Subsets:
    """Read one list per line, or, where no line has two ids, one id per line."""
    lines: Mapping[int, list[str]] = {i: line.split() for i, line in enumerate(text.splitlines(), start=1)}
    if all(len(words) <= 1 for words in lines.values()):
        return {path.stem: [word for words in lines.values() for word in words]}
    return {f"line {i}": words for i, words in lines.items() if words}
