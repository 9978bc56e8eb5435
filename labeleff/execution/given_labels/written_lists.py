"""Lists of labels written: one text file per draw and rung, with a manifest of their hashes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labeleff.errors import LadderError
from labeleff.execution.draws import (
    BY_ID,
    MANIFEST,
    Indices,
    class_counts,
    draw_order,
    draw_path,
    indices_sha256,
    rung_indices,
)
from labeleff.execution.published_subsets import ids_sha256
from labeleff.files import write_whole
from labeleff.study.cell import Subset

GIVEN = ".labels.txt"
"""Ending of lists of noisy labels, beside those of indices."""


def export_draws(
    folder: Path,
    task_label: str,
    labels: Indices,
    rungs: Sequence[int],
    draws: Iterable[int],
    subset: Subset,
    ids: Sequence[str] | None = None,
    *,
    chosen: Callable[[int, int], Indices] | None = None,
    given: Callable[[int], Indices] | None = None,
) -> list[Path]:
    """Write one text file per draw and rung, one sorted index per line, and a manifest; return the lists' paths.

    `task_label` is the task's name with its options, as `Spec.label` has it; only the name before the bracket
    enters the draw. With the pool's `ids` (N,) each list of indices has one of ids beside it, which holds whatever
    the order of the files; the manifest has the SHA-256 of both. `chosen` has the sorted positions of a draw and rung
    where they aren't drawn from the whole pool. `given` has the pool's noisy labels, by draw: then each list also has
    a file of the numbers of its classes.
    Raises LadderError where a rung is over the pool or the folder can't be written.
    """
    files: dict[str, dict[str, Any]] = {}
    paths = []
    drawn = functools.cache(lambda draw: draw_order(labels, draw, subset=subset, task=task_label.split("(")[0]))
    try:
        for draw in draws:
            for n in rungs:
                indices = rung_indices(drawn(draw), n) if chosen is None else chosen(draw, n)
                path = draw_path(folder, task_label, draw, n)
                files[path.name] = {"draw": draw, "n": n, **write_list(path, indices, labels, ids)}
                if given is not None:
                    told = given(draw)[indices]
                    write_whole(path.with_suffix(GIVEN), "".join(f"{label}\n" for label in told).encode())
                    files[path.name]["wrong_labels"] = float((told != labels[indices]).mean())
                paths.append(path)
        if paths:
            write_manifest(paths[0].parent, task_label, subset, len(labels), files)
    except OSError as error:
        raise LadderError(f"{error.filename}: can't be written: {error.strerror}") from error
    return paths


def write_manifest(
    folder: Path, task_label: str, subset: Subset, pool: int, files: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the manifest of a folder's lists, whose entries are `files` by name; raises OSError where it can't be."""
    manifest = {"task": task_label, "subset": subset, "pool": pool, "files": files}
    write_whole(folder / MANIFEST, f"{json.dumps(manifest, indent=1)}\n".encode())


def write_list(path: Path, indices: Indices, labels: Indices, ids: Sequence[str] | None) -> dict[str, Any]:
    """Write sorted positions, and beside them ids where the pool has them; return what a manifest says of them.

    `labels` (N,) are the pool's. Raises OSError where a file can't be written.
    """
    write_whole(path, "".join(f"{index}\n" for index in indices).encode())
    entry: dict[str, Any] = {"sha256": indices_sha256(indices)}
    entry["counts"] = class_counts(labels[indices], int(labels.max()) + 1)
    if ids is not None:
        members = [ids[index] for index in indices.tolist()]
        write_whole(path.with_suffix(BY_ID), "".join(f"{one}\n" for one in members).encode())
        entry["ids_sha256"] = ids_sha256(members)
    return entry
