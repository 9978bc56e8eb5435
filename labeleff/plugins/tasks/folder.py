"""Images in folders of yours: PATH/train/CLASS/*.png|jpg|jpeg|... and PATH/test/CLASS/*.

Classes are the folders' names, sorted; images come in the order of their paths, from deeper folders too. A file is
read by its content, whatever its suffix; what isn't read is counted and named before a run starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.class_folders import SPLITS, check_classes, list_split, notes
from labeleff.plugins.tasks.pictures.decoding import decode
from labeleff.plugins.tasks.pictures.squares import Fitting, Squares
from labeleff.training.examples import Examples, Source, Task


def load(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task in the folder `options["path"]`, images `options["size"]` pixels per side.

    Raises DataError for a missing or empty folder, classes whose names differ by a typing error, and an image that
    can't be read, naming it.
    """
    return load_folder(source.place(str(options["path"])), "folder/classify", options, source)


def load_folder(root: Path, name: str, options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task `name` from a folder with the layout of this module."""
    splits = {split: list_split(root / split) for split in SPLITS}
    check_classes(root, splits)
    said, unread = notes(root, splits)
    classes = sorted({class_ for found in splits.values() for class_ in found.files})
    labelled = [
        (path, classes.index(class_))
        for split in SPLITS
        for class_, paths in splits[split].files.items()
        for path in paths
    ]
    squares = _read([path for path, _ in labelled], root, Fitting.of(options), source)
    images, labels = torch.from_numpy(squares.images()), torch.tensor([label for _, label in labelled])
    count = len(splits["train"])
    return Task(
        name,
        Examples(images[:count], labels[:count]),
        Examples(images[count:], labels[count:]),
        tuple(classes),
        f"images in {root}",
        facts=squares.facts
        | telling_modes(squares.modes()[:count], labels[:count].numpy(), classes)
        | ({"not read": unread} if unread else {}),
        notes=tuple(said),
        ids=tuple(path.relative_to(root).as_posix() for path, _ in labelled[:count]),
    )


def _read(paths: Sequence[Path], root: Path, fitting: Fitting, source: Source) -> Squares:
    """Read all pictures; DataError names the file."""
    squares = Squares(len(paths), fitting)
    for i, path in enumerate(paths):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: not a readable image: {error.strerror}; replace or remove it") from error
        squares.put(i, decode(data, str(path), fitting.background))
        source.progress(i + 1, len(paths), f"reading images of {root.name}")
    return squares


def telling_modes(modes: Sequence[str], labels: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Classes by the modes that may tell them: of half of a class at least, and of half of the classes at most."""
    counts: dict[str, NDArray[np.int64]] = {}
    for mode in sorted(set(modes)):
        counts[mode] = np.bincount(labels[[m == mode for m in modes]], minlength=len(classes))
    sizes = np.maximum(sum(counts.values(), np.zeros(len(classes), np.int64)), 1)
    telling = {
        mode: [name for name, number in zip(classes, of, strict=True) if number]
        for mode, of in counts.items()
        if (of / sizes).max() >= 0.5 and (of > 0).sum() <= (sizes > 0).sum() / 2
    }
    return {"modes of some classes": telling} if telling else {}
