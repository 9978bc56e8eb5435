"""What in joined files weakens numbers measured on them: items, groups and classes by side, and repeated items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.files import forget
from labeleff.plugins.tasks.embedding_files.columns import first_few
from labeleff.plugins.tasks.embedding_files.join import Joined
from labeleff.plugins.tasks.embedding_files.row_findings import met_again, repeated, row_hashes
from labeleff.plugins.tasks.embedding_files.targets import Targets
from labeleff.plugins.tasks.embedding_files.train_test import Division, shared_groups

Items = NDArray[np.int64]
"""Sorted positions among the joined items."""


def weak_points(joined: Joined, division: Division, again: Mapping[str, Items], targets: Targets) -> tuple[str, ...]:
    """Say, the gravest first, what weakens numbers measured on these items; `again` as `repeats` gives it."""
    test, train = len(division.test), len(division.train)
    return (
        *(
            f"**Test items in training**: test items with the numbers of a training item in {names}: "
            f"{_share(len(items), test)}, {first_few(joined.ids[items])}. An arm that meets them among its labels may "
            "remember them, and so many points of a score need nothing else"
            for names, items in _by_items(again, division.test)
        ),
        *_classes(targets, division),
        *_groups(joined, division),
        *(
            f"**Repeated training items**: training items with the numbers of an earlier one in {names}: "
            f"{_share(len(items), train)}, {first_few(joined.ids[items])}. So many labels tell an arm nothing new"
            for names, items in _by_items(again, division.train)
        ),
    )


def repeats(joined: Joined, division: Division) -> dict[str, Items]:
    """Find, by encoder, test items with the numbers of a training item, and training items with those of an earlier."""
    found = {}
    for name, features in joined.features.items():
        rows, hashes = joined.rows[name], row_hashes(features)
        train, test = rows[division.train], rows[division.test]
        odd = np.union1d(met_again(features, train, test, hashes), repeated(features, train, hashes))
        found[name] = np.flatnonzero(np.isin(rows, odd))
        forget(features)
    return found


def _by_items(again: Mapping[str, Items], side: Items) -> Iterator[tuple[str, Items]]:
    """Yield the items of one side with the encoders that have exactly these, most items first."""
    names: dict[tuple[int, ...], list[str]] = {}
    for name, items in again.items():
        names.setdefault(tuple(np.intersect1d(items, side).tolist()), []).append(name)
    for positions, several in sorted(names.items(), key=lambda pair: -len(pair[0])):
        if positions:
            yield ", ".join(several), np.array(positions)


def _classes(targets: Targets, division: Division) -> Iterator[str]:
    """Say which classes or labels one side alone has, as is said of images."""
    if not targets.classes:
        return
    kind, of = "labels" if targets.kind == "several" else "classes", len(targets.classes)
    test = targets.values[division.test]
    unlearned, untested = (~_present(targets.values[rows], of) for rows in (division.train, division.test))
    if unlearned.any():
        items = int(unlearned[test].sum() if test.ndim == 1 else (test & unlearned).any(1).sum())
        share = f", {_share(items, len(test))} of the test items" if items else ""
        most = f". No accuracy can be over {100 - 100 * items / len(test):.1f} %" if items and test.ndim == 1 else ""
        yield (
            f"**Classes on one side**: {int(unlearned.sum()):,} of {of:,} {kind} without a training item, which can't "
            f"be learned: {first_few(np.array(targets.classes)[unlearned])}{share}{most}"
        )
    if untested.any():
        yield (
            f"**Classes on one side**: {int(untested.sum()):,} of {of:,} {kind} without a test item, which aren't "
            f"tested: {first_few(np.array(targets.classes)[untested])}"
        )


def _present(values: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Whether items with `values` (n,), or with truths (n, K), have each of `count` classes or labels."""
    return np.bincount(values, minlength=count) > 0 if values.ndim == 1 else np.asarray(values.any(0))


def _groups(joined: Joined, division: Division) -> Iterator[str]:
    groups, items = shared_groups(joined.labels, division.train, division.test)
    if items:
        yield (
            f"**Groups on both sides**: test items of a group that training items are from: "
            f"{_share(items, len(division.test))}, of groups {first_few(groups)}. Scores say less about new groups"
        )


def _share(count: int, whole: int) -> str:
    return f"{count:,} of {whole:,} ({100 * count / whole:.1f} %)"
