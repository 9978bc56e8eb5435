"""Tables of encoded images and labels, in Parquet or Arrow files, with Hugging Face's names of splits and classes.

A data set in these files is plain data: nothing in it is executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.decoding import Picture, decode
from labeleff.plugins.tasks.pictures.making import Labels

IMAGES = ("image", "img", "picture", "photo")
LABELS = ("label", "labels", "fine_label", "class", "target", "category")
SUFFIXES = (".parquet", ".arrow")
_ROWS = 256
_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError)


def table_files(root: Path) -> list[Path]:
    """Parquet and Arrow files below a folder, or the one file, sorted by path; what Hugging Face caches is left out."""
    if root.is_file():
        return [root]
    found = (path for path in root.rglob("*") if path.suffix in SUFFIXES and not path.name.startswith("cache-"))
    return sorted(found, key=lambda path: path.relative_to(root).parts)


def of_split(files: Sequence[Path], root: Path, split: str) -> list[Path]:
    """Files with the split's name as a word of their path below `root`: `data/train-00000-of-00002.parquet`.

    Raises DataError where there is none, with what was found.
    """
    base = root.parent if root.is_file() else root
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(split)}(?![A-Za-z0-9])")
    chosen = [path for path in files if word.search(path.relative_to(base).as_posix())]
    if not chosen:
        names = ", ".join(path.relative_to(base).as_posix() for path in files[:8]) or "no such file"
        raise DataError(f"{root}: found {names}, expected .parquet or .arrow files with {split!r} in their name")
    return chosen


@dataclass(frozen=True)
class TableSplit:
    """The files of one split with the columns of images and labels."""

    files: Sequence[Path]
    image: str
    label: str

    @classmethod
    def of(cls, files: Sequence[Path], image: str, label: str) -> TableSplit:
        """Find the columns by the names asked for, or by usual ones for `auto`; DataError with the columns."""
        schema = _schema(files[0])
        return cls(files, _column(files[0], schema, image, IMAGES), _column(files[0], schema, label, LABELS))

    @property
    def names(self) -> list[str] | None:
        """Names of the classes as Hugging Face's schema has them; None where it doesn't."""
        metadata = (_schema(self.files[0]).metadata or {}).get(b"huggingface")
        try:
            feature = json.loads(metadata)["info"]["features"][self.label] if metadata else {}
        except (ValueError, KeyError, TypeError):
            return None
        names = feature.get("names") if isinstance(feature, dict) else None
        return [*map(str, names)] if isinstance(names, list) and names else None

    def values(self) -> list[int | str]:
        """Labels as they are stored; DataError naming file and row for a missing one or one of another type."""
        values: list[int | str] = []
        for path in self.files:
            for row, value in enumerate(value for batch in _batches(path, self.label) for value in batch.to_pylist()):
                if type(value) not in {int, str} or value == -1:
                    raise DataError(f"{path}, row {row}, {self.label}: found {value!r}, expected a class")
                values.append(value)
        return values

    def pictures(self, background: str) -> Iterator[Picture]:
        """Decode the images one by one; DataError naming file and row."""
        for path in self.files:
            cells = (cell for batch in _batches(path, self.image) for cell in batch)
            for row, cell in enumerate(cells):
                yield decode(_bytes(cell.as_py(), f"{path}, row {row}, {self.image}"), f"{path}, row {row}", background)


def _bytes(value: Any, where: str) -> bytes:
    """The encoded image in a cell: bytes, or Hugging Face's table of `bytes` and `path`."""
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        found = (
            f"a path without bytes, {value['path']!r}" if isinstance(value, dict) and "path" in value else type(value)
        )
        raise DataError(f"{where}: found {found}, expected the bytes of an image; store the images inside the table")
    return content


def _column(path: Path, schema: pa.Schema, asked: str, usual: Sequence[str]) -> str:
    for name in usual if asked == "auto" else (asked,):
        if name in schema.names:
            return name
    expected = " or ".join(map(repr, usual)) if asked == "auto" else repr(asked)
    raise DataError(f"{path}: found columns {', '.join(schema.names)}, expected {expected}; name them in the study")


def _schema(path: Path) -> pa.Schema:
    try:
        if path.suffix == ".arrow":
            with pa.ipc.open_stream(str(path)) as stream:
                return stream.schema
        return pq.read_schema(path)
    except _BROKEN as error:
        raise DataError(f"{path}: not a readable {path.suffix} file: {error}") from error


def _batches(path: Path, column: str) -> Iterator[pa.Array]:
    """Yield one column of a file, block by block."""
    try:
        if path.suffix == ".arrow":
            with pa.ipc.open_stream(str(path)) as stream:
                yield from (batch.column(column) for batch in stream)
        else:
            with pq.ParquetFile(path) as file:
                yield from (batch.column(0) for batch in file.iter_batches(_ROWS, columns=[column]))
    except _BROKEN as error:
        raise DataError(f"{path}, {column}: can't be read: {error}") from error


def numbered(
    values: Sequence[Sequence[int | str]], names: Sequence[str] | None, where: str
) -> tuple[list[str], list[Labels]]:
    """Classes and the labels of every split as their numbers; integers are sorted as numbers, texts as texts.

    Raises DataError for labels of two types, numbers beyond the names, and one class.
    """
    distinct = set().union(*values)
    if len({type(value) for value in distinct}) > 1:
        raise DataError(f"{where}: found labels that are numbers and labels that are texts, expected one kind")
    order: list[Any] = sorted(distinct)
    if names is not None and isinstance(order[0], int):
        if order[-1] >= len(names) or order[0] < 0:
            raise DataError(f"{where}: found the label {order[-1]}, expected under {len(names)}, the number of names")
        order = [*range(len(names))]
    if len(set(values[0])) < 2:
        raise DataError(f"{where}: found one class in training, {values[0][0]!r}, expected at least two")
    places = {value: place for place, value in enumerate(order)}
    labels = [np.array([places[value] for value in split], dtype=np.int64) for split in values]
    return [*names] if names is not None and isinstance(order[0], int) else [*map(str, order)], labels
