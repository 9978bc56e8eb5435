"""Your embeddings: files of features that encoders made of the same items, joined with labels by id.

Items are in the order of their ids, so that the order of rows in the files changes no draw.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError, OptionError
from labeleff.files import forget
from labeleff.plugins.tasks.embedding_files.columns import Embeddings, first_few
from labeleff.plugins.tasks.embedding_files.embedding_reader import read_embeddings
from labeleff.plugins.tasks.embedding_files.join import Joined, join
from labeleff.plugins.tasks.embedding_files.label_file import inside, read_labels
from labeleff.plugins.tasks.embedding_files.targets import Kind, Targets, read_targets
from labeleff.plugins.tasks.embedding_files.train_test import Division, own_division, seeded_division
from labeleff.plugins.tasks.embedding_files.weak_points import repeats, weak_points
from labeleff.training.examples import Examples, Source, StoredFeatures, Task
from labeleff.training.goals.interface import Goal
from labeleff.training.goals.item_classes import ItemClasses
from labeleff.training.goals.item_labels import ItemLabels
from labeleff.training.goals.item_values import ItemValues

SHARE = 5
"""Without a split and a number of test items, one of this many items is a test item."""


TASKS: Mapping[Kind, str] = {
    "classes": "embeddings/classify",
    "several": "embeddings/multilabel",
    "ordinal": "embeddings/regress",
    "real": "embeddings/regress",
}
"""Task of every kind of target; grades may also be taken for classes."""


def load(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the files of `options["files"]`, `NAME=FILE;NAME=FILE`, with the classes of `labels` or inside the files.

    A FILE may end in `:ARRAY`. Raises DataError for whatever is wrong in the files, OptionError for options that make
    no sense.
    """
    joined, targets = _read(options, source)
    if targets.kind not in {"classes", "ordinal"}:
        found = f"found {targets.kind} targets, expected one class per item; {TASKS[targets.kind]} takes them"
        raise DataError(f"{joined.labels.source}: {found}")
    return _task("embeddings/classify", ItemClasses(), joined, targets, options)


def load_labels(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load files as `load` does, with any number of labels per item: lists, or columns of 0 and 1."""
    return _task("embeddings/multilabel", ItemLabels(), *_read(options, source), options)


def load_values(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load files as `load` does, with one real value per item, or one grade, whose number is the value."""
    joined, targets = _read(options, source)
    if targets.kind == "ordinal":
        values = np.array([float(name) for name in targets.classes])[targets.values]
        targets = replace(targets, values=values, classes=())
    return _task("embeddings/regress", ItemValues(), joined, targets, options)


def target_kind(options: Mapping[str, OptionValue]) -> Kind:
    """Find out what kind of targets the labels are, without a look at any features; classes where that can't be told.

    What is wrong with the labels is then said when they are joined.
    """
    ids = str(options.get("ids", ""))
    try:
        if options["labels"]:
            return read_targets(read_labels(Path(str(options["labels"])), ids)).kind
        encoders = [read_embeddings(path, array, ids) for path, array in parse_files(str(options["files"])).values()]
        return read_targets(inside(next((one for one in encoders if one.labels is not None), encoders[0]))).kind
    except DataError:
        return "classes"


def _read(options: Mapping[str, OptionValue], source: Source) -> tuple[Joined, Targets]:
    places = parse_files(str(options["files"]))
    encoders, ids = dict[str, Embeddings](), str(options["ids"])
    for number, (name, (path, array)) in enumerate(places.items()):
        source.progress(number, len(places), "reading embeddings")
        encoders[name] = read_embeddings(path, array, ids)
    labels = read_labels(Path(str(options["labels"])), ids) if options["labels"] else None
    if ids and ids not in {labels.id_column if labels else "", *(one.id_column for one in encoders.values())}:
        raise OptionError(f"ids: found no column {ids!r} in any file, expected one that has the items' ids")
    joined = join(encoders, labels, drop=bool(options["drop"]), by_position=bool(options["by_position"]))
    kind = str(options["target"])
    return joined, read_targets(joined.labels, None if kind == "auto" else cast(Kind, kind))


def _task(name: str, goal: Goal, joined: Joined, targets: Targets, options: Mapping[str, OptionValue]) -> Task:
    """Make the task of joined items: divided, described, with what weakens it."""
    division = _division(joined, targets, options)
    again = repeats(joined, division)
    paths = ", ".join(str(path) for path, _ in parse_files(str(options["files"])).values())
    notes = [*joined.notes, *division.notes]
    return Task(
        name,
        _examples(division.train, targets),
        _examples(division.test, targets),
        targets.classes,
        "; ".join([f"{len(joined):,} items of {paths}", *notes, *_met_again(joined, division, again)]),
        goal=goal,
        ids=tuple(joined.ids[division.train].tolist()),
        features={encoder: _stored(joined, encoder) for encoder in joined.features},
        notes=tuple(notes),
        weak_points=weak_points(joined, division, again, targets),
    )


def parse_files(text: str) -> dict[str, tuple[Path, str | None]]:
    """Parse `NAME=FILE;NAME=FILE:ARRAY` to paths and arrays by name; raises OptionError for other texts."""
    places: dict[str, tuple[Path, str | None]] = {}
    for part in text.split(";"):
        name, equals, file = (piece.strip() for piece in part.partition("="))
        if not (name and equals and file) or not name.replace("_", "").replace("-", "").isalnum():
            raise OptionError(f"files: found {part!r}, expected NAME=FILE, the name of letters, digits, - and _")
        if name in places:
            raise OptionError(f"files: found the name {name!r} twice, expected names that differ")
        path, colon, array = file.rpartition(":")
        split = bool(colon and path and not Path(file).exists() and len(path) > 1)
        places[name] = (Path(path), array) if split else (Path(file), None)
    return places


def _division(joined: Joined, targets: Targets, options: Mapping[str, OptionValue]) -> Division:
    """Divide as the files say, else by seed, `held_out` items for the test set (0: a fifth of all).

    `held_out` goes before the split of a file that isn't the labels', and is refused beside that of the labels.
    """
    test, labels = int(options["held_out"]), joined.labels
    if labels.split is not None and test and not labels.split_source:
        found = f"{test}, but {labels.source} says which items are for training and testing"
        raise OptionError(f"held_out: found {found}; leave held_out out, or take the split out of that file")
    if labels.split is not None and not test:
        return own_division(labels)
    division = seeded_division(targets, test or max(1, len(joined) // SHARE), int(options["seed"]), labels)
    unused = [] if labels.split is None else [f"{labels.split_source}: its split isn't used, as held_out is {test}"]
    return replace(division, notes=(*unused, *division.notes))


def _examples(rows: NDArray[np.int64], targets: Targets) -> Examples:
    return Examples(torch.from_numpy(rows)[:, None], torch.from_numpy(targets.values[rows]))


def _stored(joined: Joined, name: str) -> StoredFeatures:
    """Features of one encoder, with the SHA-256 of the items' rows in their order."""
    features, rows = joined.features[name], joined.rows[name]
    digest = hashlib.sha256(f"{features.dtype} {len(rows)} {features.shape[1]}".encode())
    step = max(1, 2**22 // features.shape[1])
    for start in range(0, len(rows), step):
        digest.update(np.ascontiguousarray(features[rows[start : start + step]]).data)
    forget(features)
    return StoredFeatures(features, rows, digest.hexdigest())


def _met_again(joined: Joined, division: Division, again: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """Say for every encoder how many test items have the numbers of a training item."""
    found = {name: np.intersect1d(items, division.test) for name, items in again.items()}
    return [
        f"{name}: {len(items):,} test items are training items again: {first_few(joined.ids[items])}"
        for name, items in found.items()
        if len(items)
    ]


def one_two_five(least: int, most: int) -> list[int]:
    """List label counts 1, 2, 5, 10, ... from `least` to `most`, and `most` itself where it is no neighbour."""
    series = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    rungs = [n for n in itertools.takewhile(lambda n: n <= most, series) if n >= least]
    return rungs if rungs and most < 1.5 * rungs[-1] else [*rungs, most]
