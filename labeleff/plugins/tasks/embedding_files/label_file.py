"""Labels of items from a table with the columns id, label and, if wanted, split and group; or from an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, OptionError
from labeleff.plugins.tasks.embedding_files.columns import Embeddings, check_ids, guessed_ids, unique_texts, unused
from labeleff.plugins.tasks.embedding_files.text_format import TextTable, read_table
from labeleff.plugins.tasks.sources.arrays import Array


@dataclass(frozen=True)
class Labels:
    """What is said of items: `values` (N,) or (N, K) as written, `ids`, `split`, `group` (N,) or None.

    `split_source` and `group_source` are the files of split and group where these aren't of `source`.
    """

    source: str
    values: Array
    ids: NDArray[np.str_] | None = None
    split: Array | None = None
    group: Array | None = None
    names: tuple[str, ...] | None = None
    """Names of the K columns of labels; None where there is one column, or where they have no names."""
    split_source: str = ""
    group_source: str = ""
    index: NDArray[np.str_] | None = None
    """Index (N,) that pandas wrote."""
    id_column: str = ""
    """Column of the ids where ROLES don't tell it; it, `guessed` and `texts` are like those of embeddings."""
    guessed: bool = False
    texts: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Sentences on columns of a table that are ids under another name, or aren't used."""

    @property
    def divided_in(self) -> str:
        """Name of the file that has the split."""
        return self.split_source or self.source

    @property
    def grouped_in(self) -> str:
        """Name of the file that has the groups."""
        return self.group_source or self.source

    def __len__(self) -> int:
        return len(self.values)


def read_labels(path: Path, ids: str = "") -> Labels:
    """Read a table of labels: `id,label[,split][,group]`, or columns of 0 and 1 in place of label.

    `ids` names the column of the ids in a table that has it, else one of ITEMS may have them. Raises DataError for a
    table that can't be read, has no labels, or repeats an id.
    """
    table = read_table(path.expanduser())
    said = table.said()
    named = ids if ids in table.columns else None
    column = named or (None if table.role("ids") else guessed_ids(said))
    found = (column, table.columns[column]) if column is not None else table.role("ids")
    checked = None if found is None else check_ids(f"{path}, column {found[0]!r}", np.array(found[1], dtype=np.str_))
    split, group = (_array(table, role) for role in ("split", "group"))
    values, names = _values(table, column)
    free = [name for name in said if name != column and name not in (names or ())]
    notes = [f"{path}: its column {column!r} is taken for the ids"] if column is not None and named is None else []
    notes += unused(str(path), free, group is not None)
    texts = unique_texts({name: said[name] for name in free}) if checked is None else {}
    known: dict[str, Any] = {"id_column": column or "", "guessed": column is not None and named is None, "texts": texts}
    return Labels(str(path), values, checked, split, group, names, index=table.index(), notes=tuple(notes), **known)


def _array(table: TextTable, role: str) -> Array | None:
    found = table.role(role)
    return None if found is None else np.array(found[1], dtype=np.str_)


def _values(table: TextTable, ids: str | None) -> tuple[Array, tuple[str, ...] | None]:
    """Labels of one column, or of all columns without another meaning, which must then hold 0 and 1 alone."""
    one = table.role("labels")
    if one is not None:
        return np.array(one[1], dtype=np.str_), None
    names = tuple(name for name in table.said() if name != ids)
    if not names:
        raise DataError(f"{table.source}, line 1: found the columns {', '.join(table.columns)}, expected 'label' too")
    for name in names:
        for line, cell in zip(table.lines, table.columns[name], strict=True):
            if cell not in {"0", "1"}:
                expected = "0 or 1, since the table has no column 'label' and so one column per label"
                raise DataError(f"{table.source}, line {line}, column {name!r}: found {cell!r}, expected {expected}")
    return np.stack([np.array(table.columns[name], dtype=np.int8) for name in names], 1), names


def inside(embeddings: Embeddings) -> Labels:
    """Return the labels that a file of embeddings has; raises OptionError where it has none."""
    if embeddings.labels is None:
        raise OptionError(f"{embeddings.source}: found no labels, expected an array 'labels' in it, or --labels FILE")
    one = embeddings
    known: dict[str, Any] = {"id_column": one.id_column, "guessed": one.guessed, "texts": one.texts}
    return Labels(one.source, embeddings.labels, one.ids, one.split, one.group, index=one.index, **known)
