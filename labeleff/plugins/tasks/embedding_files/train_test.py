"""Training and test items: as the files say, or divided by seed, in folds, and never within a group."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, OptionError
from labeleff.plugins.tasks.embedding_files.columns import as_text, first_few
from labeleff.plugins.tasks.embedding_files.label_file import Labels
from labeleff.plugins.tasks.embedding_files.targets import Targets
from labeleff.plugins.tasks.sources.arrays import Array
from labeleff.seeding import generator
from labeleff.stats.stratification import folds_by_group, iterative_folds, stratified_folds

Rows = NDArray[np.int64]
WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "valid", "val", "dev"),
}
"""Words of a split, in small letters."""


@dataclass(frozen=True)
class Division:
    """Sorted positions of training and of test items, with sentences on what was left out or is odd."""

    train: Rows
    test: Rows
    notes: tuple[str, ...] = ()


def own_division(labels: Labels) -> Division:
    """Divide items as their files say: `train` or `test`; those of a validation split are left out, and counted.

    Raises DataError for other words, among them numbers and truths, which might mean either side.
    """
    assert labels.split is not None
    source = labels.divided_in
    if fault := split_fault(source, labels.split):
        raise DataError(f"{source}: {fault}")
    sides = words(as_text(source, labels.split))
    train, test, validation = (np.flatnonzero(sides == side) for side in WORDS)
    used = [f"{source}: its split is used"] if labels.split_source else []
    notes = [f"{source}: {len(validation):,} items of the validation split left out"] if len(validation) else []
    return Division(train, test, (*used, *notes, *_group_note(labels, train, test)))


def words(split: NDArray[np.str_]) -> NDArray[np.str_]:
    """Write every split (N,) as one of WORDS, in whichever of its words and letters it is; others stay, small."""
    known = {word: side for side, several in WORDS.items() for word in several}
    unique, places = np.unique(np.char.lower(np.char.strip(split)), return_inverse=True)
    return np.array([known.get(word, word) for word in unique.tolist()], dtype=np.str_)[places]


def split_fault(source: str, split: Array) -> str:
    """Say why splits (N,) don't divide the items: they are truths or numbers, have other words, or are of one side.

    Empty where they do.
    """
    if split.dtype.kind not in "US":
        expected = "the words 'train' and 'test': a mask doesn't say which side it means"
        return f"found splits of {split.dtype}, expected {expected}"
    sides = words(as_text(source, split))
    if strange := sorted(set(np.unique(sides).tolist()) - set(WORDS)):
        return f"found the split {strange[0]!r}, expected 'train' and 'test' ('validation' is left out)"
    train, test = (int((sides == side).sum()) for side in ("train", "test"))
    return "" if train and test else f"found {train:,} training and {test:,} test items, expected some of both"


def whole_groups(source: str, group: Array) -> tuple[NDArray[np.str_], str]:
    """Return groups (N,) as texts, whole numbers alike in any type, with why they are none, empty where they are.

    pandas makes whole numbers real ones, 3.0, where some item of a table has none.
    """
    if group.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = group.astype(np.int64)
        odd = np.flatnonzero(whole != group)
        if not len(odd):
            return whole.astype(np.str_), ""
        found = f"{len(odd):,} of {len(group):,} groups that are no whole numbers, such as {group[odd[0]]}"
        expected = "texts or whole numbers of all items, in it or in a column 'group' of --labels FILE"
        return whole.astype(np.str_), f"found {found}, expected {expected}"
    texts = group.astype(np.str_) if group.dtype.kind == "b" else as_text(source, group)
    unique, places = np.unique(texts, return_inverse=True)
    numbers = [re.fullmatch(r"(-?[0-9]+)(\.0+)?", one) for one in unique.tolist()]
    if all(numbers):
        return np.array([number[1] for number in numbers if number], dtype=np.str_)[places], ""
    return texts, ""


def shared_groups(labels: Labels, train: Rows, test: Rows) -> tuple[NDArray[np.str_], int]:
    """Find the groups that both sides have, and the number of test items in them."""
    if labels.group is None:
        return np.array([], np.str_), 0
    groups = as_text(labels.grouped_in, labels.group)
    both = np.intersect1d(groups[train], groups[test])
    return both, int(np.isin(groups[test], both).sum())


def _group_note(labels: Labels, train: Rows, test: Rows) -> list[str]:
    both, items = shared_groups(labels, train, test)
    if not len(both):
        return []
    return [f"{labels.grouped_in}: {len(both):,} groups on both sides, with {items:,} test items: {first_few(both)}"]


def folds(targets: Targets, count: int, seed: int, labels: Labels | None = None) -> Rows:
    """Number the `count` folds of all items: (N,), 0 to count - 1, sizes that differ by one at most.

    They are stratified by the targets, or, where `labels` has groups, hold whole groups and are of about one size.
    Raises OptionError where there are fewer items or groups than folds.
    """
    sizes = [len(targets) // count + (i < len(targets) % count) for i in range(count)] if count > 0 else []
    if count < 2 or min(sizes) < 1:
        raise OptionError(f"found {count} folds of {len(targets):,} items, expected from 2 folds to one per item")
    return _divide(targets, sizes, seed, labels)


def seeded_division(targets: Targets, test: int, seed: int, labels: Labels | None = None) -> Division:
    """Set `test` items aside, stratified by the targets; with groups about as many, in whole groups.

    Raises OptionError unless both sides get an item.
    """
    if not 1 <= test < len(targets):
        raise OptionError(f"found {test:,} test items of {len(targets):,}, expected from 1 to {len(targets) - 1:,}")
    numbers = _divide(targets, [test, len(targets) - test], seed, labels)
    return fold_division(numbers, 0)


def fold_division(numbers: Rows, fold: int) -> Division:
    """Take one fold as the test items and the others for training."""
    return Division(np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold))


def _divide(targets: Targets, sizes: list[int], seed: int, labels: Labels | None) -> Rows:
    rng = generator("division of items", seed)
    if labels is not None and labels.group is not None:
        _, groups = np.unique(as_text(labels.grouped_in, labels.group), return_inverse=True)
        if groups.max() + 1 < len(sizes):
            found = f"{groups.max() + 1} groups"
            raise OptionError(
                f"{labels.grouped_in}: found {found}, expected at least one for each of {len(sizes)} parts"
            )
        return folds_by_group(groups, sizes, rng)
    shuffled = rng.permutation(len(targets))
    if targets.strata.ndim == 2:
        return iterative_folds(targets.strata, sizes, shuffled, rng)
    return stratified_folds(targets.strata, sizes, shuffled, rng)
