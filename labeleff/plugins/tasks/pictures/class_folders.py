"""Folders of pictures by class: what is in them is read, refused, or counted and named."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.decoding import is_picture
from labeleff.seeding import generator

SUFFIXES = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".avif"),
}
"""Suffixes of formats that are read; a file that bears one must be a picture."""
UNREADABLE = {
    *(".heic", ".heif", ".jxl", ".exr", ".hdr", ".psd", ".svg", ".svgz", ".eps", ".dcm", ".nii", ".tga", ".ico"),
    *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".raw", ".npy", ".npz", ".mat"),
}
"""Suffixes of formats that aren't read and hold pictures: an error, as a class without them would be another."""
EXPECTED = (
    "expected PATH/train/CLASS/*.png|jpg|jpeg and PATH/test/CLASS/*, or PATH/CLASS/* with `held_out = 0.2` in the "
    "task, a share of each class for testing"
)
SPLITS = ("train", "test")
JUNK = {"thumbs.db", "desktop.ini"}
"""Files that Windows writes into folders of pictures."""


@dataclass
class ClassFolders:
    """Pictures of one split by class, and what else lies there."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    """Pictures by class, in the order of their paths; classes sorted by name."""
    deeper: list[Path] = field(default_factory=list)
    """Pictures in folders inside of class folders, which are read too."""
    passed: dict[str, list[Path]] = field(default_factory=dict)
    """Files that aren't read, by reason."""

    def __len__(self) -> int:
        return sum(map(len, self.files.values()))

    def _pass(self, reason: str, path: Path) -> None:
        self.passed.setdefault(reason, []).append(path)

    def _add(self, name: str, folder: Path) -> None:
        """Add the pictures of a class folder, at any depth."""
        self.files[name] = []
        for path in walk(folder):
            inside = path.relative_to(folder)
            if any(part.startswith(".") for part in inside.parts):
                self._pass("hidden", path)
            elif path.suffix.lower() in UNREADABLE:
                raise DataError(
                    f"{path}: found a {path.suffix} image, expected .png, .jpg, .jpeg or another that Pillow reads; "
                    "convert it"
                )
            elif path.suffix.lower() in SUFFIXES or (path.name.lower() not in JUNK and is_picture(path)):
                self.files[name].append(path)
                if len(inside.parts) > 1:
                    self.deeper.append(path)
            else:
                self._pass("no pictures", path)


def list_split(split: Path) -> ClassFolders:
    """List the pictures of a split by class.

    Raises DataError for a missing folder, one without class folders, a class without pictures, and a picture of a
    format that isn't read.
    """
    found = ClassFolders()
    for path in _children(split):
        if path.name.startswith("."):
            for hidden in walk(path):
                found._pass("hidden", hidden)
        elif path.is_dir():
            found._add(path.name, path)
        else:
            found._pass("outside of class folders", path)
    if not found.files:
        raise DataError(f"{split}: found no class folders; {EXPECTED}")
    if empty := [name for name, images in found.files.items() if not images]:
        others = sum(map(len, found.passed.values()))
        also = f" ({_named(found.passed, split)})" if others else ""
        raise DataError(f"{split}: found no images in class {', '.join(empty)}{also}; {EXPECTED}")
    return found


def set_aside(root: Path, share: float, seed: int) -> dict[str, ClassFolders]:
    """Part the pictures of PATH/CLASS/* in two: of every class a share, rounded and one at least, is for testing.

    Which they are depends on seed, class and number of pictures. Raises DataError where there are splits already, and
    for a class of one picture.
    """
    if there := [split for split in SPLITS if (root / split).is_dir()]:
        raise DataError(f"{root}: found the folder {there[0]!r} and held_out = {share:g}; leave out one of them")
    found = list_split(root)
    train, test = ClassFolders(deeper=found.deeper, passed=found.passed), ClassFolders()
    for name, paths in found.files.items():
        if len(paths) < 2:
            raise DataError(f"{root / name}: found one image, expected two at least, one of them for testing")
        order = generator(f"images set aside of {name}", seed).permutation(len(paths))
        chosen = {*order[: min(max(1, round(share * len(paths))), len(paths) - 1)].tolist()}
        train.files[name] = [path for number, path in enumerate(paths) if number not in chosen]
        test.files[name] = [path for number, path in enumerate(paths) if number in chosen]
    return {"train": train, "test": test}


def _children(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name; DataError where it can't be listed."""
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        beside = [path.name for path in sorted(folder.parent.glob("*")) if not path.name.startswith(".")][:8]
        found = f"; found {', '.join(beside)} there" if beside else ""
        raise DataError(f"{error.filename}: can't be listed: {error.strerror}{found}; {EXPECTED}") from error


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted by their paths' parts; a link to a folder above is followed once."""
    if folder.is_file():
        yield folder
        return
    found, seen = [], set()
    for here, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(here, name) for name in files]
    yield from sorted(found, key=lambda path: path.relative_to(folder).parts)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: can't be listed: {error.strerror}; {EXPECTED}") from error


def check_classes(root: Path, splits: Mapping[str, ClassFolders]) -> None:
    """Check that classes are the same in the splits, as far as a typing error could make them differ.

    Raises DataError for names that differ only in case, spaces or Unicode composition, for splits without a common
    class, and for one class. A class on one side alone is left to the report's weak points.
    """
    spellings: dict[str, dict[str, str]] = {}
    for split, found in splits.items():
        for name in found.files:
            spellings.setdefault(_plain(name), {}).setdefault(name, f"{split}/{name}")
    for same in (list(same.values()) for same in spellings.values() if len(same) > 1):
        raise DataError(
            f"{root}: found class folders {' and '.join(map(ascii, same))}, which differ only in case, spaces or "
            "Unicode composition; expected one name per class, so rename or join them"
        )
    train, test = (set(splits[split].files) for split in SPLITS)
    if not train & test:
        raise DataError(
            f"{root}: found no class in both splits: {', '.join(sorted(train))} in train, {', '.join(sorted(test))} "
            "in test; expected the same folders in both"
        )
    if len(train) < 2:
        raise DataError(f"{root}: found one class, {min(train)}, expected at least two")


def _plain(name: str) -> str:
    """A class's name without case, spaces and composition."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def notes(root: Path, splits: Mapping[str, ClassFolders], *, flat: bool = False) -> tuple[list[str], dict[str, int]]:
    """Sentences on what is read from deeper folders and on what isn't read, and the counts of the latter by reason.

    With `flat`, classes are in `root` itself, without folders of splits.
    """
    sentences: list[str] = []
    counts: dict[str, int] = {}
    for split, found in splits.items():
        place = root if flat else root / split
        if found.deeper:
            count = sum(map(len, splits.values())) if flat else len(found)
            sentences.append(
                f"{place}: {len(found.deeper):,} of {count:,} images are in folders inside of class "
                f"folders and are read too, first {found.deeper[0].relative_to(root)}"
            )
        if found.passed:
            sentences.append(f"{place}: not read: {_named(found.passed, root)}")
        counts |= {f"{reason} in {place.name}": len(paths) for reason, paths in found.passed.items()}
    for path in [] if flat else _children(root):
        if path.name not in SPLITS and not path.name.startswith("."):
            number = sum(1 for _ in walk(path))
            sentences.append(f"{path}: not read: {number:,} file{'s' if number != 1 else ''} beside train and test")
            counts[f"in {path.name}"] = number
    return sentences, counts


def _named(passed: Mapping[str, list[Path]], root: Path) -> str:
    """Counts of files by reason, each with the first one's path below `root`."""
    return "; ".join(
        f"{len(paths):,} file{'s' if len(paths) != 1 else ''}, {reason}, first {paths[0].relative_to(root)}"
        for reason, paths in passed.items()
    )
