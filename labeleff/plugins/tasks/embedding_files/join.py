"""Embeddings of several encoders joined with labels, by id and never by position alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError
from labeleff.plugins.tasks.embedding_files.columns import Embeddings, as_text, first_few
from labeleff.plugins.tasks.embedding_files.label_file import Labels, inside
from labeleff.plugins.tasks.embedding_files.row_findings import Rows, look
from labeleff.plugins.tasks.embedding_files.train_test import split_fault, whole_groups, words
from labeleff.plugins.tasks.sources.arrays import Array

Ids = NDArray[np.str_]
DROP = "leave them out with --drop"


@dataclass(frozen=True)
class Joined:
    """Items that every encoder has and that are labelled, sorted by id, or in the files' order where that joins them.

    `rows` are each encoder's positions of the items in `features`; `labels` belong to the items, in their order;
    `notes` say which columns of tables are dimensions, what was left out and what is odd about rows.
    """

    ids: Ids
    features: Mapping[str, Array]
    rows: Mapping[str, Rows]
    labels: Labels
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def join(
    encoders: Mapping[str, Embeddings], labels: Labels | None = None, *, drop: bool = False, by_position: bool = False
) -> Joined:
    """Join encoders' embeddings with labels, which are the first file's own where None are given.

    Split and group are those of `labels`, else of the files, which must agree. What doesn't join is counted and
    refused, or left out and said with `drop`; so are rows that aren't finite. With `by_position` rows without ids are
    joined in their order, where the counts agree. Raises DataError.
    """
    if not encoders:
        raise DataError("found no embeddings, expected at least one encoder")
    given, labels = labels is not None, _own_labels(encoders) if labels is None else labels
    keys = _keys(encoders, labels, by_position)
    _check_indices([labels, *encoders.values()])
    ids, missing = _common(encoders, labels, keys, drop)
    label_rows = _positions(keys[""], ids)
    rows = {n: label_rows if keys[n] is keys[""] else _positions(keys[n], ids) for n in encoders}
    taken, said = _with_split_and_group(_taken(labels, label_rows), encoders, rows, ids, given)
    keep, notes = _finite(encoders, rows, ids, drop)
    return Joined(
        ids[keep],
        {name: one.features for name, one in encoders.items()},
        {name: positions[keep] for name, positions in rows.items()},
        _taken(taken, np.flatnonzero(keep)),
        (
            *dict.fromkeys([note for one in encoders.values() for note in one.notes]),
            *labels.notes,
            *said,
            *missing,
            *notes,
        ),
    )


def _own_labels(encoders: Mapping[str, Embeddings]) -> Labels:
    """Labels inside the files, which must agree where several have them."""
    with_labels = [one for one in encoders.values() if one.labels is not None]
    first = inside(with_labels[0] if with_labels else next(iter(encoders.values())))
    for other in with_labels[1:]:
        _check_agreement(first, inside(other))
    return first


def _check_agreement(first: Labels, other: Labels) -> None:
    """Raise DataError where two files give one item different labels."""
    if first.ids is None or other.ids is None:
        ids = np.arange(min(len(first), len(other))).astype(str)
        left = right = np.arange(len(ids))
    else:
        ids, left, right = np.intersect1d(first.ids, other.ids, assume_unique=True, return_indices=True)
    ours, theirs = first.values[left], other.values[right]
    if ours.dtype.kind != theirs.dtype.kind and "U" in (ours.dtype.kind, theirs.dtype.kind):
        ours, theirs = ours.astype(str), theirs.astype(str)
    if ours.shape != theirs.shape:
        raise DataError(f"{other.source}: found labels {theirs.shape}, expected {ours.shape} as in {first.source}")
    differing = np.flatnonzero((ours != theirs).reshape(len(ids), -1).any(1))
    if len(differing):
        found = f"{len(differing):,} items with other labels than in {first.source}: {first_few(ids[differing])}"
        raise DataError(f"{other.source}: found {found}; expected the same, or the right ones by --labels FILE")


def _with_split_and_group(
    labels: Labels, encoders: Mapping[str, Embeddings], rows: Mapping[str, Rows], ids: Ids, given: bool
) -> tuple[Labels, list[str]]:
    """Labels of the items with the split and group that some file has, with sentences on files that were chosen.

    `given` labels go before the files, as their values do. A file's split that doesn't divide the items, or its group
    that is none where another file has one, is left out. Raises DataError where two files differ.
    """
    notes: list[str] = []
    for role in ("split", "group"):
        own = getattr(labels, role)
        found = {} if own is None else {labels.source: own}
        for name, one in encoders.items():
            if getattr(one, role) is not None:
                found.setdefault(one.source, getattr(one, role)[rows[name]])
        plain = {source: _plain(role, source, values) for source, values in found.items()}
        faults = {source: fault for source, (_, fault) in plain.items() if fault}
        used = labels.source if own is not None else next((one for one in found if one not in faults), None)
        if role == "group" and faults and used in {None, *faults}:
            source = used or next(iter(faults))
            raise DataError(f"{source}: {faults[source]}")
        notes += [f"{one}: its {role} is left out: {fault}" for one, fault in faults.items() if one != used]
        if used is None or used in faults:  # a split of the labels' own is refused where it divides
            continue
        changes: dict[str, Any] = {role: found[used] if role == "split" else plain[used][0]}
        others = {one: texts for one, (texts, _) in plain.items() if one not in {used, *faults}}
        notes += _check_others(role, (used, plain[used][0]), others, ids, given and own is not None)
        if own is None:
            changes[f"{role}_source"] = used
            notes += [f"{used}: its group is used"] if role == "group" else []
        labels = replace(labels, **changes)
    return labels, notes


def _plain(role: str, source: str, values: Array) -> tuple[NDArray[np.str_], str]:
    """Texts (N,) that are equal where two files say the same, in whichever types and words, and what is wrong."""
    if role == "group":
        return whole_groups(source, values)
    fault = split_fault(source, values)
    return np.empty(0, np.str_) if fault else words(as_text(source, values)), fault


def _check_others(role: str, used: tuple[str, Ids], others: Mapping[str, Ids], ids: Ids, given: bool) -> list[str]:
    """Say where other files have another split or group; raises DataError unless the one that is used was `given`."""
    notes = []
    for other, theirs in others.items():
        differing = np.flatnonzero(used[1] != theirs)
        found = f"{other}: found {len(differing):,} of {len(ids):,} items with another {role} than in {used[0]}"
        if len(differing) and not given:
            expected = f"expected the same, or the right one in a column {role!r} of --labels FILE"
            raise DataError(f"{found}: {first_few(ids[differing])}; {expected}")
        notes += [f"{found}, whose {role} is used"] if len(differing) else []
    return notes


def _keys(encoders: Mapping[str, Embeddings], labels: Labels, by_position: bool) -> dict[str, Ids]:
    """Ids by which the rows are joined, the labels' under an empty name; raises DataError where there are none."""
    files: dict[str, Embeddings | Labels] = {**encoders, "": labels}
    ids = {name: one.ids for name, one in files.items()}
    if by_position:
        ids = {name: None if _only_guessed(one, files) else one.ids for name, one in files.items()}
    anonymous = [files[name] for name, one in ids.items() if one is None]
    if not anonymous:
        return {name: one for name, one in ids.items() if one is not None}
    counts = {len(one) for one in files.values()}
    if len(counts) > 1:
        listed = ", ".join(f"{one.source} {len(one):,}" for one in files.values())
        found = f"found no ids and other numbers of rows ({listed})"
        raise DataError(f"{anonymous[0].source}: {found}, expected ids in each file{_ids_hint(anonymous[0])}")
    if not by_position and len({one.source for one in files.values()}) > 1:
        raise DataError(
            f"{anonymous[0].source}: found no ids to join its rows by, expected an array 'ids'"
            f"{_ids_hint(anonymous[0])}; where row i is the same item in every file, say so with --by-position"
        )
    known = [(files[name].source, one) for name, one in ids.items() if one is not None]
    _check_order(known)
    _check_texts(known, anonymous)
    order = known[0][1] if known else _numbers(counts.pop())
    return dict.fromkeys(files, order)


def _only_guessed(one: Embeddings | Labels, files: Mapping[str, Embeddings | Labels]) -> bool:
    """Whether ids were guessed by a column's name and most are none of another file's, so that they say nothing."""
    others = [other.ids for other in files.values() if other.ids is not None and other.source != one.source]
    if one.ids is None or not one.guessed or {len(other) for other in files.values()} != {len(one)}:
        return False
    return any(2 * int(np.isin(one.ids, other).sum()) < len(one) for other in others)


def _ids_hint(one: Embeddings | Labels) -> str:
    """Name the columns of a file that could have its ids."""
    if not one.texts:
        return ""
    names = [*map(repr, one.texts)][:3]
    whose = f"its column {names[0]} has" if len(names) == 1 else f"its columns {', '.join(names)} have"
    return f"; {whose} another text in every row: say which has the ids by --ids {names[0][1:-1]}"


def _check_order(known: Sequence[tuple[str, Ids]]) -> None:
    """Refuse a join by position of files whose ids say otherwise."""
    for source, ids in known[1:]:
        differing = np.flatnonzero(ids != known[0][1])
        if len(differing):
            found = f"{str(ids[differing[0]])!r} in row {differing[0]}"
            expected = f"{str(known[0][1][differing[0]])!r} as in {known[0][0]}, since other files have no ids"
            raise DataError(f"{source}: found the id {found}, expected {expected}")


def _check_texts(known: Sequence[tuple[str, Ids]], anonymous: Sequence[Embeddings | Labels]) -> None:
    """Refuse a join by position of files one of which has the ids of another, or a column of its, in another order."""
    before = [(source, "", ids) for source, ids in known[:1]]
    for one in anonymous:
        for name, texts in one.texts.items():
            for source, column, others in before:
                common, ours, theirs = np.intersect1d(texts, others, assume_unique=True, return_indices=True)
                moved = np.flatnonzero(ours != theirs)
                if source == one.source or 2 * len(common) < len(texts) or not len(moved):
                    continue
                found = f"{str(common[moved[0]])!r} in row {ours[moved[0]]} of its column {name!r}"
                expected = f"in row {theirs[moved[0]]} as in {f'{column!r} of ' if column else ''}{source}"
                hint = f"rows aren't the same items by position; join by that column with --ids {name}"
                raise DataError(f"{one.source}: found {found}, expected it {expected}: {hint}")
        before += [(one.source, name, texts) for name, texts in one.texts.items()]


def _check_indices(files: Sequence[Embeddings | Labels]) -> None:
    """Refuse a join by position of files whose indices say that their rows are in another order."""
    if all(one.ids is not None for one in files):
        return
    indices = [(one.source, one.index) for one in files if one.index is not None]
    for other, index in indices[1:]:
        source, first = indices[0]
        differing = np.flatnonzero(index != first)
        if len(differing):
            row = differing[0]
            found, expected = f"the index {str(index[row])!r} in row {row}", f"{str(first[row])!r} as in {source}"
            raise DataError(
                f"{other}: found {found}, expected {expected}, "
                "since rows without ids are joined in their order; write the index as a column 'id' in every file, or "
                "leave it out (index=False) where row i is the same item in both"
            )


def _numbers(count: int) -> Ids:
    """Positions as ids that sort in their order."""
    return np.char.zfill(np.arange(count).astype(str), len(str(max(count - 1, 0))))


def _common(
    encoders: Mapping[str, Embeddings], labels: Labels, keys: Mapping[str, Ids], drop: bool
) -> tuple[Ids, list[str]]:
    """Ids that the labels and every encoder have, sorted, with sentences on those left out."""
    if all(np.array_equal(keys[""], keys[name]) for name in encoders):  # sorting texts is slow
        return np.sort(keys[""]), []
    ids = np.sort(keys[""])
    for name, one in encoders.items():
        ids = np.intersect1d(ids, keys[name])
        if not len(ids):
            others = f"{labels.source} and the files before it" if len(encoders) > 1 else labels.source
            found = f"no id of {others} ({first_few(keys[''])})"
            raise DataError(f"{one.source}: found {found} among its own, such as {first_few(keys[name])}")
    notes = []
    everything = {"": labels.source} | {name: one.source for name, one in encoders.items()}
    union = np.unique(np.concatenate([*keys.values()]))
    for name, source in everything.items():
        absent = np.setdiff1d(union, keys[name])
        if len(absent):
            what = "labels" if name == "" else "embeddings"
            notes.append(f"{source}: no {what} for {len(absent):,} of {len(union):,} ids: {first_few(absent)}")
    if notes and not drop:
        raise DataError(f"{'; '.join(notes)}; expected the same ids in every file, or {DROP}")
    return ids, [f"{note}; left out" for note in notes]


def _positions(keys: Ids, ids: Ids) -> Rows:
    """Positions of `ids` in `keys`, which hold them all."""
    order = np.argsort(keys, kind="stable")
    return order[np.searchsorted(keys, ids, sorter=order)]


def _finite(
    encoders: Mapping[str, Embeddings], rows: Mapping[str, Rows], ids: Ids, drop: bool
) -> tuple[NDArray[np.bool_], list[str]]:
    """Items whose embeddings are all finite, with sentences on all odd rows; raises DataError for others."""
    keep, notes = np.ones(len(ids), bool), []
    for name, one in encoders.items():
        findings = look(one.features, one.source)
        names = one.ids if one.ids is not None else _numbers(len(one))
        sentences = findings.sentences(names)
        bad = np.isin(rows[name], findings.not_finite)
        if bad.any() and not drop:
            raise DataError(f"{'; '.join(sentences)}; expected finite numbers: mend them, or {DROP}")
        keep &= ~bad
        notes += sentences
    if not keep.any():
        raise DataError(f"{'; '.join(notes)}; expected a row with finite numbers in every file")
    if not keep.all():
        notes.append(f"{int((~keep).sum()):,} items with NaN or infinite numbers left out")
    return keep, notes


def _taken(labels: Labels, rows: Rows) -> Labels:
    """Labels of some rows, in this order."""
    ids, split, group = (None if one is None else one[rows] for one in (labels.ids, labels.split, labels.group))
    return replace(labels, values=labels.values[rows], ids=ids, split=split, group=group)
