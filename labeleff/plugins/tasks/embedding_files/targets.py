"""Labels as numbers: one class per item, several labels, ordered grades, or real values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, UnknownNameError
from labeleff.plugins.tasks.embedding_files.columns import as_text, first_few
from labeleff.plugins.tasks.embedding_files.label_file import Labels

Kind = Literal["classes", "several", "ordinal", "real"]
"""One class per item; any number of labels per item; grades in order; real values."""
SEPARATORS = re.compile(r"[|;]")
"""Marks between the labels of an item that has several."""
ABSENT = {"", "nan", "na", "n/a", "none", "null", "?"}
"""Texts, in small letters, that are no label."""
MANY = 100
"""Number of classes from which on they should have two items each on average."""
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.0+)?")
_DIGITS = re.compile(r"[0-9]+")
"""With zeros in front, as in 01, these are names and no numbers."""
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Targets:
    """Targets of N items: `values` int64 (N,) of classes or grades, bool (N, K), or float64 (N,) of real values.

    `classes` are the names by number, in the order of numbers where all are whole (10 after 2), else of texts; empty
    for real values.
    """

    kind: Kind
    values: NDArray[Any]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def strata(self) -> NDArray[Any]:
        """What draws and splits are stratified by: the values, or tenths of the ranks of real ones."""
        if self.kind != "real":
            return self.values
        ranks = np.argsort(np.argsort(self.values, kind="stable"), kind="stable")
        return ranks * 10 // len(ranks)


def read_targets(labels: Labels, kind: Kind | None = None) -> Targets:
    """Convert labels as written to targets; the kind is guessed where none is given and only one makes sense.

    Raises DataError for missing labels, with their count and first ids, for numbers that may be no class, and for
    texts that may be several labels; UnknownNameError for an unknown kind.
    """
    if kind is not None and kind not in get_args(Kind):
        raise UnknownNameError("kind of target", str(kind), get_args(Kind))
    values = labels.values
    if values.ndim == 2:
        if kind not in {None, "several"}:
            raise DataError(f"{labels.source}: found {values.shape[1]} labels per item, expected one, as {kind} has")
        return _flags(labels, values)
    if values.dtype.kind == "b":
        values = np.where(values, "true", "false")
    if values.dtype.kind == "f":
        return _numbers(labels, values, kind)
    texts = np.char.strip(as_text(labels.source, values))
    if kind == "several":
        return _lists(labels, texts)
    _check_present(labels, np.isin(np.char.lower(texts), [*ABSENT]))
    if kind == "real" or (kind is None and not _all(_WHOLE, texts) and _all(_REAL, texts) and not _all(_DIGITS, texts)):
        return _numbers(labels, _parse(labels, texts), "real")
    return _classes(labels, texts, kind)


def _all(pattern: re.Pattern[str], texts: NDArray[np.str_]) -> bool:
    return all(pattern.fullmatch(text) for text in np.unique(texts).tolist())


def _ids(labels: Labels) -> NDArray[np.str_]:
    return np.arange(len(labels)).astype(str) if labels.ids is None else labels.ids


def _check_present(labels: Labels, absent: NDArray[np.bool_]) -> None:
    if absent.any():
        found = f"no label for {int(absent.sum()):,} of {len(absent):,} items: {first_few(_ids(labels)[absent])}"
        raise DataError(f"{labels.source}: found {found}; expected one each, or the items left out")


def _flags(labels: Labels, values: NDArray[Any]) -> Targets:
    """Targets of columns of 0 and 1."""
    if values.dtype.kind in "US":
        values = np.char.strip(as_text(labels.source, values))
        wrong, ones = ~np.isin(values, ["0", "1"]), values == "1"
    else:
        wrong, ones = ~np.isin(values, [0, 1]), values == 1
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f"{labels.source}, item {str(_ids(labels)[row])!r}, label {column}"
        raise DataError(f"{where}: found {values[row, column]}, expected 0 or 1")
    names = labels.names or tuple(map(str, range(values.shape[1])))
    return Targets("several", ones, names)


def _lists(labels: Labels, texts: NDArray[np.str_]) -> Targets:
    """Targets of lists of labels, with | or ; between them; an empty list is no label at all."""
    lists = [{part.strip() for part in SEPARATORS.split(text)} - {""} for text in texts.tolist()]
    classes = _sorted({one for items in lists for one in items})
    if not classes:
        raise DataError(f"{labels.source}: found no label in any list, expected labels separated by | or ;")
    places = {name: k for k, name in enumerate(classes)}
    values = np.zeros((len(lists), len(classes)), bool)
    for row, items in enumerate(lists):
        values[row, [places[one] for one in items]] = True
    return Targets("several", values, classes)


def _sorted(names: set[str]) -> tuple[str, ...]:
    """Sort names: by their numbers where all are whole and written alike, else as texts."""
    whole = all(_WHOLE.fullmatch(name) for name in names) and len({int(float(name)) for name in names}) == len(names)
    return tuple(sorted(names, key=lambda name: (int(float(name)), name) if whole else (0, name)))


def _classes(labels: Labels, texts: NDArray[np.str_], kind: Kind | None) -> Targets:
    if kind is None and (mixed := [t for t in np.unique(texts).tolist() if SEPARATORS.search(t)]):
        hint = "say which: the kind 'several' or 'classes'"
        raise DataError(f"{labels.source}: found the label {mixed[0]!r}, which may be several labels; {hint}")
    whole = _all(_WHOLE, texts)
    if whole:
        texts = np.array([str(int(float(text))) for text in texts.tolist()])
    names = _sorted(set(np.unique(texts).tolist()))
    if len(names) < 2:
        raise DataError(f"{labels.source}: found one class, {names[0]!r}, expected at least two")
    if kind == "ordinal" and not whole:
        raise DataError(f"{labels.source}: found the grade {names[0]!r}, expected whole numbers as grades")
    if kind is None and whole:
        _check_numbers_name_classes(labels, texts, names)
    places = {name: c for c, name in enumerate(names)}
    values = np.array([places[text] for text in texts.tolist()], dtype=np.int64)
    return Targets("ordinal" if kind == "ordinal" else "classes", values, names)


def _check_numbers_name_classes(labels: Labels, texts: NDArray[np.str_], names: tuple[str, ...]) -> None:
    """Refuse numbers that look like no label at all, or like measurements."""
    if names[0] == "-1" and names != ("-1", "1"):
        count = int((texts == "-1").sum())
        hint = "leave such items out, or say that the kind is 'classes'"
        raise DataError(
            f"{labels.source}: found {count:,} labels -1 beside {names[1]}, which may mean no label; {hint}"
        )
    if len(names) >= MANY and 2 * len(names) > len(texts):
        found = f"{len(names):,} different numbers as labels of {len(texts):,} items"
        raise DataError(f"{labels.source}: found {found}; say which kind they are: 'real', 'ordinal' or 'classes'")


def _parse(labels: Labels, texts: NDArray[np.str_]) -> NDArray[np.float64]:
    for row, text in enumerate(texts.tolist()):
        if not _REAL.fullmatch(text):
            where = f"{labels.source}, item {str(_ids(labels)[row])!r}"
            raise DataError(f"{where}: found {text[:40]!r}, expected a number, as the kind 'real' says")
    return texts.astype(np.float64)


def _numbers(labels: Labels, values: NDArray[Any], kind: Kind | None) -> Targets:
    """Targets of numbers with a fraction, or of whole ones that are stored like those."""
    values = values.astype(np.float64)
    _check_present(labels, ~np.isfinite(values))
    if kind == "several":
        raise DataError(f"{labels.source}: found one number per item, expected lists, or columns of 0 and 1")
    if kind == "real" or (kind is None and (values != np.round(values)).any()):
        if (values == values[0]).all():
            raise DataError(f"{labels.source}: found one value, {values[0]}, for every item, expected at least two")
        return Targets("real", values)
    if (fraction := np.flatnonzero(values != np.round(values))).size or np.abs(values).max() >= 2**53:
        worst = fraction[0] if fraction.size else np.abs(values).argmax()
        where = f"{labels.source}, item {str(_ids(labels)[worst])!r}"
        raise DataError(f"{where}: found {values[worst]}, expected whole numbers, as the kind {kind!r} says")
    return _classes(labels, values.astype(np.int64).astype(str), kind)
