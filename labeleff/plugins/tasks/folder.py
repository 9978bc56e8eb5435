"""Images in folders of yours: PATH/train/CLASS/*.png|jpg|jpeg|... and PATH/test/CLASS/*.

Classes are the folders' names, sorted; images come in the order of their paths, from deeper folders too. A file is
read by its content, whatever its suffix; what isn't read is counted and named before a run starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.class_folders import (
    SPLITS,
    ClassFolders,
    check_classes,
    list_split,
    notes,
    set_aside,
)
from labeleff.plugins.tasks.pictures.decoding import Picture, decode
from labeleff.plugins.tasks.pictures.making import Origin, Part, make_task
from labeleff.training.examples import Source, Task


def load(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task in the folder `options["path"]`, images `options["size"]` pixels per side.

    Without folders of splits, `options["held_out"]` is the share of every class that is set aside for testing. Raises
    DataError for a missing or empty folder, classes whose names differ by a typing error, and an image that can't be
    read, naming it.
    """
    root = source.place(str(options["path"]))
    share, seed = float(options["held_out"]), int(options["seed"])
    if not share:
        return load_folder(root, "folder/classify", f"images in {root}", options, source)
    splits = set_aside(root, share, seed)
    test, count = len(splits["test"]), sum(map(len, splits.values()))
    provenance = (
        f"images in {root}; {test:,} of {count:,}, {share:g} of each class, set aside for testing by seed {seed}"
    )
    return load_folder(root, "folder/classify", provenance, options, source, splits)


def load_folder(
    root: Path,
    name: str,
    provenance: str,
    options: Mapping[str, OptionValue],
    source: Source,
    parted: Mapping[str, ClassFolders] | None = None,
) -> Task:
    """Load the task `name` from a folder with the layout of this module; `parted` are its splits where it has none."""
    splits = parted or {split: list_split(root / split) for split in SPLITS}
    check_classes(root, splits)
    said, unread = notes(root, splits, flat=parted is not None)
    classes = sorted({class_ for found in splits.values() for class_ in found.files})
    parts = [_part(splits[split], classes, str(options["background"])) for split in SPLITS]
    facts = {"not read": unread} if unread else {}
    ids = [path.relative_to(root).as_posix() for path in _paths(splits["train"])]
    origin = Origin(name, classes, provenance, f"images of {root.name}", facts, said, ids)
    return make_task(origin, parts, options, source)


def _part(found: ClassFolders, classes: Sequence[str], background: str) -> Part:
    labels = [classes.index(name) for name, paths in found.files.items() for _ in paths]
    pictures = (read_picture(path, background) for path in _paths(found))
    return Part(len(found), pictures, np.array(labels, dtype=np.int64))


def _paths(found: ClassFolders) -> Iterator[Path]:
    return (path for paths in found.files.values() for path in paths)


def read_picture(path: Path, background: str) -> Picture:
    """Read one file; DataError names it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: not a readable image: {error.strerror}; replace or remove it") from error
    return decode(data, str(path), background)
