"""Columns of a file of embeddings: which array is what, checked and brought to memory or mapped.

A reader of a format gives its arrays by name, whole or block by block. This file finds the embeddings, ids, labels,
splits and groups among them. Arrays that are streamed are small enough to be held, or are written once to the cache
folder and mapped from there.
"""

from __future__ import annotations

import contextlib
import glob
import re
import struct
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, LabeleffError
from labeleff.files import cache_folder
from labeleff.plugins.tasks.sources.arrays import Array, Streamed, load_or_make
from labeleff.study.cell import content_key

Columns = Mapping[str, Array | Streamed]
"""Arrays of a file by name; their first axis is the row."""

ROLES: Mapping[str, tuple[str, ...]] = {
    "features": ("features", "embeddings", "embedding", "feats", "vectors", "x", "image_embeds", "text_embeds"),
    "ids": ("ids", "id", "filename", "filenames", "keys", "key", "names", "paths"),
    "labels": ("labels", "label", "y", "targets", "target", "classes"),
    "split": ("split", "splits"),
    "group": ("group", "groups"),
}
"""Names, in small letters, under which a file may have each of its columns."""
ITEMS = (
    *("uid", "uuid", "guid", "item_id", "sample_id", "example_id", "image_id", "img_id", "file_id", "doc_id"),
    *("file_name", "image_name", "item_name", "sample_name", "file_path", "filepath", "image_path", "img_path"),
    *("image_file", "path", "file", "image", "img", "item", "sample", "url"),
)
"""Names, the surest first, under which a file without ids of those of ROLES may have them, if all of them differ."""
UNITS = ("patient", "subject", "person", "speaker", "participant", "site", "scene", "video", "slide")
"""Names of what several items may be of, which then are one group."""
LONGEST = 300
"""Most characters of a text that may be an id."""
HELD = 2**22
"""Bytes up to which an array that is streamed is held in memory and not written to the cache."""
DAMAGE = (
    *(OSError, ValueError, EOFError, RuntimeError, KeyError, IndexError, TypeError, OverflowError, MemoryError),
    *(SyntaxError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile),
)
"""Errors by which the libraries that read these formats report a damaged file."""
NUMBERS = "numbers: float16, float32, float64 or integers"
NAMELESS = re.compile(r"\s*|Unnamed: \d+(\.\d+|_level_\d+)?")
"""Names that pandas gives an index, by writing a table or by reading it again."""
DIGITS = re.compile(r"\d+")
BOOKKEEPING = re.compile(r"(?i:(.+[\W_])?(id|idx|label|fold)|index|row|class|category|cluster|y_true)|.*[a-z]I[dD]")
"""Names, without a number at their end, of what is said of items and is no dimension."""
PATTERN = 3
"""Least number of columns whose names differ in a number alone that make a pattern."""

Said = Callable[[], NDArray[np.str_] | None]
"""Reads a column of one value per row as texts (N,); None where one is missing, or too long for an id."""


class TableColumns(dict[str, Array | Streamed]):
    """Columns of a table, and beside them those of one number per row, any of which may be dimensions.

    `numbers` says of each whether it has whole numbers, None where that can't be told; `stack` puts some side by side;
    `index` is the one that pandas wrote, as texts (N,); `said` reads those of one text or whole number per row; `names`
    are those of all, without an index.
    """

    def __init__(
        self,
        columns: Columns,
        numbers: Mapping[str, bool | None],
        stack: Callable[[list[str]], Array | Streamed],
        index: NDArray[np.str_] | None,
        said: Mapping[str, Said],
        names: Sequence[str],
    ) -> None:
        super().__init__(columns)
        self.numbers, self.stack, self.index, self.said, self.names = numbers, stack, index, said, names


@contextlib.contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
    """Turn a library's complaint about a damaged file into a DataError that names the file and the format."""
    try:
        yield
    except LabeleffError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there; expected {form}") from error
    except DAMAGE as error:
        found = (str(getattr(error, "strerror", None) or error) or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path}: can't be read: found {found}; expected {form}, whole and undamaged") from error


@dataclass(frozen=True)
class Embeddings:
    """One encoder's embeddings with what their file says about each row; what it doesn't say is None.

    `features` (N, dim), N and dim at least 1, in the type of the file and mapped from the disk where that is possible;
    `ids` (N,) texts, each once; `labels` (N,) or (N, K) as written; `split` and `group` (N,) as written.
    """

    source: str
    features: Array
    ids: NDArray[np.str_] | None = None
    labels: Array | None = None
    split: Array | None = None
    group: Array | None = None
    notes: tuple[str, ...] = ()
    """Sentences on which columns of a table were taken for the embeddings."""
    index: NDArray[np.str_] | None = None
    """Index (N,) that pandas wrote, which says where rows of two files are of different items."""
    id_column: str = ""
    """Column of the ids where ROLES don't tell it."""
    guessed: bool = False
    """Whether the ids are those of a column of ITEMS, which nobody named."""
    texts: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    """Columns (N,) of a file without ids that have another text in every row."""

    def __len__(self) -> int:
        return len(self.features)


def dimensions(where: str, numbers: Mapping[str, bool | None], pattern: str | None) -> tuple[list[str], list[str]]:
    """Choose the dimensions among columns of one number per row, in their order, with sentences on the choice.

    `numbers` as of a table; those whose names match `pattern` are taken, an index without a name is left out. Raises
    DataError where no pattern is given and a column may be no dimension, as `_strays` says.
    """
    nameless = [name for name in numbers if NAMELESS.fullmatch(name)]
    named = [name for name in numbers if name not in nameless]
    names = named if pattern is None else [name for name in named if fnmatchcase(name, pattern)]
    if pattern is not None and not names:
        raise DataError(f"{where}: found the columns {_spans(named) or 'none'}, expected names like {pattern!r} too")
    if pattern is None and (odd := [name for name in nameless if not numbers[name]]):
        hint = "'id' if it has the items' ids, or one like those of the other dimensions"
        raise DataError(f"{where}: found the column {odd[0]!r}, which isn't an index, expected a name: {hint}")
    strays = _strays({name: numbers[name] for name in named}) if pattern is None and named else []
    if strays:
        others = [name for name in named if name not in strays]
        listed = ", ".join(map(repr, strays[:5])) + (f" and {len(strays) - 5} more" if len(strays) > 5 else "")
        beside = f"the dimensions {_spans(others)}" if others else "no dimension"
        raise DataError(
            f"{where}: found {listed} beside {beside}, expected dimensions alone; name it id, label, split or group if "
            f"it is one, drop it, or say which columns are dimensions: {_choices(Path(where).name, others, strays)}"
        )
    left = [name for name in named if pattern is not None and not fnmatchcase(name, pattern)]
    notes = [f"{len(names):,} dimension{'s' if len(names) > 1 else ''}: {_spans(names)}"] if names else []
    notes += [f"the column {name!r} left out as an index" for name in nameless]
    notes += [f"left out, as their names aren't like {pattern!r}: {_spans(left)}"] if left else []
    return names, [f"{where}: {note}" for note in notes]


def _strays(numbers: Mapping[str, bool | None]) -> list[str]:
    """List the columns that may be no dimension: by their names, else by whole numbers beside real ones.

    The largest family of names that differ in one number is of dimensions, and so are others of its kind of numbers;
    where these are most columns, the rest are strays. Names of what is said of items always are.
    """
    families = _families([*numbers])
    main = max(families, key=lambda key: len(families[key]))
    kinds = {key: Counter(numbers[name] for name in several) for key, several in families.items()}
    most = {key: (kind[True] > kind[False]) - (kind[True] < kind[False]) for key, kind in kinds.items()}
    alike = [key for key, several in families.items() if len(several) > 1 and most[key] in {0, most[main]}]
    numbered = {name for key in alike for name in families[key]}
    mixed = {True, False} <= set(numbers.values())
    if not PATTERN <= len(numbered) > len(numbers) / 2:
        numbered = {name for name, kind in numbers.items() if not (mixed and kind)}
    own = set(families[main]) if len(families[main]) > 1 else set()
    said = {name for name in numbered - own if BOOKKEEPING.fullmatch(re.sub(r"[\W_]*\d+$", "", name))}
    return [name for name in numbers if name not in numbered or name in said]


def _families(names: Sequence[str]) -> dict[str, list[str]]:
    """Part names into families that differ in one number, wherever it is, each name in the largest that it fits."""
    keys = {n: [n[: d.start()] + "#" + n[d.end() :] for d in DIGITS.finditer(n)][::-1] or [n] for n in names}
    sizes = Counter(key for several in keys.values() for key in several)
    families: dict[str, list[str]] = {}
    for name, several in keys.items():
        families.setdefault(max(several, key=sizes.__getitem__), []).append(name)
    return families


def _spans(names: Sequence[str]) -> str:
    """Name columns in their order, those that are numbered alike by the first and the last, and a few of many."""
    family = {name: key for key, several in _families(names).items() for name in several}
    spans: list[list[str]] = []
    for name in names:
        spans[-1].append(name) if spans and family[spans[-1][0]] == family[name] else spans.append([name])
    parts = [f"{span[0]} … {span[-1]}" if len(span) > 2 else ", ".join(span) for span in spans]
    return ", ".join([*parts[:4], "…", parts[-1]] if len(parts) > 5 else parts)


def _choices(file: str, names: Sequence[str], strays: Sequence[str]) -> str:
    """Say how to take all columns, or `names` alone where a pattern tells them from the strays."""
    pattern = "[0-9]*".join(map(glob.escape, next(iter(_families(names)), "").split("#")))
    apart = all(fnmatchcase(name, pattern) != (name in strays) for name in (*names, *strays))
    return f"'{file}:{pattern}' for those or '{file}:*' for all" if names and apart else f"'{file}:*' for all"


def check_numbers(where: str, dtype: np.dtype[Any]) -> None:
    """Raise DataError unless a type is one of numbers; objects are refused with the way out."""
    if dtype.hasobject:
        raise pickled(where)
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise DataError(f"{where}: found {dtype}, expected {NUMBERS}")


def pickled(where: str) -> DataError:
    """Build the error for objects of Python, which would have to be unpickled."""
    return DataError(
        f"{where}: found Python objects, which aren't unpickled, since that could run any code; expected plain "
        "numbers or texts: save numpy.stack(rows) for numbers, numpy.array(texts, dtype=str) for texts"
    )


def whole(path: Path, name: str, column: Array | Streamed) -> Array:
    """Bring a column to memory, or map it from a copy in the cache folder where it is larger than `HELD` bytes."""
    if not isinstance(column, Streamed):
        return column
    size = int(np.prod(column.shape)) * np.dtype(column.dtype).itemsize
    if size <= HELD:
        return np.concatenate([*column.blocks()])
    state = path.stat()
    key = content_key("embeddings", str(path.resolve()), state.st_size, state.st_mtime_ns, name)
    return load_or_make(cache_folder() / "embeddings" / key, lambda: {"array": column})["array"]


def as_text(where: str, values: Array) -> NDArray[np.str_]:
    """Convert texts, bytes in UTF-8 or whole numbers to texts; raises DataError for other values."""
    if values.dtype.kind == "U":
        return values
    if values.dtype.kind == "S":
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: found bytes that aren't UTF-8, expected texts: {error.reason}") from error
    if values.dtype.kind in "iu":
        return values.astype(str)
    if values.dtype.hasobject:
        raise pickled(where)
    raise DataError(f"{where}: found {values.dtype}, expected texts or whole numbers")


def flat(where: str, values: Array, several: bool = False) -> Array:
    """Return one value per row (N,), which may come as (N, 1); with `several` (N, K) is left as it is."""
    if values.dtype.hasobject:
        raise pickled(where)
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim == 1 or (several and values.ndim == 2):
        return values
    raise DataError(f"{where}: found shape {values.shape}, expected one value per row (N,)")


def is_number(text: str) -> bool:
    """Whether a cell is a number as Python writes them."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def item_rank(name: str) -> int | None:
    """The place of a column's name in ITEMS, in any case and number; None where it isn't among them."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", name.rpartition("/")[2].strip()).lower()
    return next((ITEMS.index(one) for one in (plain, plain.removesuffix("s")) if one in ITEMS), None)


def differ(values: NDArray[np.str_] | None) -> bool:
    """Whether texts (N,) may be ids: all are there, of one line, not measured numbers, and no two are equal."""
    if values is None or len(values) < 2 or len(np.unique(values)) < len(values):
        return False
    texts = values.tolist()
    if any(not text or len(text) > LONGEST or "\n" in text or "\r" in text for text in texts):
        return False
    return all(text.isdecimal() for text in texts) or not all(map(is_number, texts))


def guessed_ids(said: Mapping[str, Said]) -> str | None:
    """Name the column of ITEMS that has ids, the surest where several have; None where none has."""
    ranks = {name: rank for name in said if (rank := item_rank(name)) is not None}
    return next((name for name in sorted(ranks, key=ranks.__getitem__) if differ(said[name]())), None)


def unique_texts(said: Mapping[str, Said]) -> dict[str, NDArray[np.str_]]:
    """Read the columns that have another text in every row, numbers aside."""
    read = {name: values for name, one in said.items() if (values := one()) is not None}
    return {
        name: values for name, values in read.items() if differ(values) and not all(map(is_number, values.tolist()))
    }


def unused(source: str, names: Sequence[str], grouped: bool) -> list[str]:
    """Say which columns aren't used, and what those named in UNITS could be, unless the items are `grouped`."""
    if not names:
        return []
    units = [name for name in names if re.sub(r"[\W_]*(?i:id)?$", "", name).lower() in UNITS]
    of = f"; call {units[0]!r} 'group' to keep what is of one on one side" if units and not grouped else ""
    return [f"{source}: column{'s' if len(names) > 1 else ''} not used: {_spans(names)}{of}"]


def check_ids(where: str, values: Array) -> NDArray[np.str_]:
    """Return ids as texts (N,); raises DataError for empty and repeated ones, with their count and first rows."""
    ids = as_text(where, flat(where, values))
    empty = np.flatnonzero(np.char.str_len(ids) == 0)
    if len(empty):
        raise DataError(f"{where}: found {len(empty):,} empty ids, first in row {empty[0]}, expected an id per row")
    if len(broken := np.flatnonzero((np.char.find(ids, "\n") >= 0) | (np.char.find(ids, "\r") >= 0))):
        raise DataError(f"{where}: found an id with a line break in row {broken[0]}, expected ids of one line")
    unique, first, counts = np.unique(ids, return_index=True, return_counts=True)
    if len(unique) < len(ids):
        repeated = unique[counts > 1]
        again = int(np.flatnonzero(ids == repeated[0])[1])
        rows = f"rows {first[counts > 1][0]} and {again}"
        raise DataError(
            f"{where}: found {len(repeated):,} ids more than once, such as {str(repeated[0])!r} in {rows}, "
            "expected each id once"
        )
    return ids


def first_few(ids: Sequence[str] | NDArray[np.str_], most: int = 3) -> str:
    """List the first ids in quotes."""
    return ", ".join(repr(str(one)) for one in ids[:most]) + (", ..." if len(ids) > most else "")
