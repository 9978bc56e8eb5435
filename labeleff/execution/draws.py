"""Draws of labels, nested by construction: the examples of every rung.

In any subset a draw is one order of the whole pool, and rung n is its first n examples, so a small rung lies inside
every larger one. The order depends on the task's name, its labels and the draw alone: every arm and seed meets the
same labels.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeleff.catalogue.declaration import Spec
from labeleff.errors import LadderError
from labeleff.execution.given_labels.long_tail import tail_of
from labeleff.execution.published_subsets import ids_sha256, positions_of, published_positions
from labeleff.seeding import generator
from labeleff.stats.stratification import balanced_order, covering_order, proportional_order, several_labels_order
from labeleff.study.cell import Subset

if TYPE_CHECKING:
    from labeleff.study.schema import Study
    from labeleff.training.examples import Task

Indices = NDArray[np.int64]
"""Positions in the training pool, int64, 0 up to the pool's size - 1."""

MANIFEST = "manifest.json"
BY_ID = ".ids.txt"
"""Ending of lists of ids, beside those of indices."""
LONGEST = 100
"""Most characters of a task's label in the name of its folder."""
LONGEST_OF_SYSTEMS = 255
"""Most characters of a name that file systems take."""
PLAIN = re.compile(r"[\w.]*\w(/[\w.]*\w)?(\(\w+=[\w.]*\w(, \w+=[\w.]*\w)*\))?", re.ASCII)
"""Labels of which no two give one name when punctuation is replaced."""


def draw_order(labels: Indices, draw: int, *, subset: Subset, task: str) -> Indices:
    """Order the pool's examples as a draw takes them: a permutation of 0..N-1, int64 (N,), for `labels` (N,).

    `stratified` gives each class its share, `balanced` each as many while they last, `covering` its share and one at
    least; `random` ignores labels, and `prefix` is the order of the files, the same in every draw. Labels (N, K) of
    truths are several per example, and only `stratified` and those that ignore labels are made of them. `task` is the
    task's name, without options.
    """
    if subset == "prefix":
        return np.arange(len(labels), dtype=np.int64)
    rng = generator("draw", task, draw)
    shuffled = np.argsort(rng.random(len(labels)), kind="stable")
    if subset == "random":
        return shuffled
    if labels.ndim == 2:
        if subset != "stratified":
            raise LadderError(f"found subset {subset!r} of examples with several labels each, expected 'stratified'")
        return several_labels_order(labels.astype(bool), shuffled)
    if subset == "balanced":
        return balanced_order(labels, shuffled, rng)
    order = proportional_order(labels, shuffled, rng)
    return order if subset == "stratified" else covering_order(labels, order)


def pool_order(task: Task, spec: Spec, draw: int, *, subset: Subset, ratio: float | None = None) -> Indices:
    """Order a task's training examples, or those in the long tail of `ratio`, as a draw takes them: int64 (M,)."""
    labels = task.strata.numpy()
    if ratio is None:
        return draw_order(labels, draw, subset=subset, task=spec.name)
    kept = tail_of(task, ratio)
    return kept[draw_order(labels[kept], draw, subset=subset, task=spec.name)]


def rung_indices(order: Indices, n: int) -> Indices:
    """Take the first `n` examples of a draw's order, sorted: int64 (n,). Raises LadderError in too small a pool."""
    if not 1 <= n <= len(order):
        raise LadderError(
            f"{n} labels asked for, but the training pool has {len(order)} examples; "
            f"choose rungs between 1 and {len(order)}"
        )
    return np.sort(order[:n])


def indices_sha256(indices: Indices) -> str:
    """Compute the SHA-256 of sorted indices as little-endian int64, which names a set of labels."""
    return hashlib.sha256(np.sort(indices).astype("<i8").tobytes()).hexdigest()


def check_rung(
    labels: Indices,
    indices: Indices,
    classes: Sequence[str],
    *,
    allow_missing_classes: bool = False,
    absent: Collection[str] = (),
) -> list[str]:
    """Name the classes that the rung `indices` has no example of, for the pool's `labels` (N,) or truths (N, K).

    Raises LadderError where there are such classes and the study doesn't allow them, unless they are several
    per example, and where the rung has more labels than the pool. `absent` classes, which no larger rung would have,
    don't count.
    """
    if len(indices) > len(labels):
        raise LadderError(f"{len(indices)} labels asked for, but the training pool has {len(labels)} examples")
    missing = [name for name in absent_classes(labels[indices], classes) if name not in absent]
    if missing and labels.ndim == 1 and not allow_missing_classes:
        raise LadderError(
            f"the rung of {len(indices)} labels has no example of {len(missing)} of {len(classes)} classes: "
            f"{', '.join(missing)}; take a larger rung, or set allow_missing_classes = true to measure that on purpose"
        )
    return missing


def draw_path(folder: Path, task_label: str, draw: int, n: int) -> Path:
    """Path of a list of labels: `folder/cifar10-classify/draw0-n50.txt` for `cifar10/classify`.

    Where the label is long, or not of names and plain values alone, its folder's name ends in a digest of it: so it can
    be written, and no two tasks share one.
    """
    name = _plain(task_label)
    if len(name) > LONGEST or not PLAIN.fullmatch(task_label):
        name = f"{name[:LONGEST]}-{hashlib.sha256(task_label.encode()).hexdigest()[:12]}"
    return folder / name / f"draw{draw}-n{n}.txt"


def _plain(task_label: str) -> str:
    """Name of a folder without a digest, as every label had one before there were digests."""
    return re.sub(r"[^A-Za-z0-9._=]+", "-", task_label).strip("-.")


def _published_path(folder: Path, task_label: str, draw: int, n: int) -> Path:
    """Path of a list that may have been written before there were digests, or by hand."""
    path, before = draw_path(folder, task_label, draw, n), _plain(task_label)
    old = len(before) <= LONGEST_OF_SYSTEMS and not path.parent.exists() and (folder / before).exists()
    return folder / before / path.name if old else path


def class_counts(labels: Indices, classes: int) -> list[int]:
    """Count the examples of each of `classes` (n,), or of each of several labels (n, K)."""
    counts = labels.sum(0) if labels.ndim == 2 else np.bincount(labels, minlength=classes)
    return [int(count) for count in counts]


def read_draws(
    folder: Path, task_label: str, draw: int, n: int, *, pool: int | None = None, ids: Sequence[str] | None = None
) -> Indices:
    """Read the published labels of a draw and rung: sorted int64 (n,), from a list in any order.

    With `ids` (N,) of the pool the list of ids is read; without one, and without an exported list, see
    `published_subsets` for what `folder` may also be. A manifest beside the list is checked where there is one; a
    bare list will do. `pool` is the number of training examples where it is known. Raises LadderError naming file,
    line, what was found and expected.
    """
    path = _published_path(folder, task_label, draw, n)
    if folder.is_file():
        return published_positions(folder, ids if ids is not None else [*map(str, range(pool or 0))], draw, n)
    if ids is not None and path.with_suffix(BY_ID).exists():
        return _read_ids(path, task_label, n, ids)
    if not path.parent.exists() and any(folder.glob("*@*-label.json")):
        return published_positions(folder, ids if ids is not None else [*map(str, range(pool or 0))], draw, n)
    indices = _parse(path, _text(path))
    if len(indices) != n:
        raise LadderError(f"{path}: found {len(indices)} indices, expected {n} as its name says")
    manifest = _manifest(path.parent / MANIFEST, task_label)
    for size, where in ((pool, "the training pool"), (manifest.get("pool"), MANIFEST)):
        if size is not None and indices and max(indices) >= size:
            line = indices.index(max(indices)) + 1
            raise LadderError(f"{path}, line {line}: found {max(indices)}, expected under {size}, the size of {where}")
    result = np.sort(np.array(indices, dtype=np.int64))
    if manifest:
        _check_hash(path, indices_sha256(result), manifest)
    return result


def _read_ids(path: Path, task_label: str, n: int, ids: Sequence[str]) -> Indices:
    """Read the list of ids beside a list of indices, which holds for files in another order too."""
    beside = path.with_suffix(BY_ID)
    members = _text(beside).splitlines()
    if len(members) != n:
        raise LadderError(f"{beside}: found {len(members)} ids, expected {n} as its name says")
    manifest = _manifest(path.parent / MANIFEST, task_label)
    if manifest:
        _check_hash(path, ids_sha256(members), manifest, "ids_sha256")
    return positions_of(str(beside), members, ids)


def _text(path: Path) -> str:
    """Read the text of a file; raises LadderError where it can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise LadderError(
            f"{path}: not there; expected the sorted indices of the labels, one a line, as "
            "'labeleff plan STUDY --export-draws DIR' writes them"
        ) from error
    except UnicodeDecodeError as error:
        raise LadderError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise LadderError(f"{path}: can't be read: {error.strerror}") from error


def _parse(path: Path, text: str) -> list[int]:
    """Parse a list of integers, one per line; raises LadderError for anything else and for one that comes twice."""
    seen: dict[int, int] = {}
    for line, entry in enumerate(text.splitlines(), start=1):
        if not re.fullmatch(r"\s*[0-9]{1,18}\s*", entry):
            raise LadderError(f"{path}, line {line}: found {entry!r}, expected an integer of 0 or more")
        index = int(entry)
        if index in seen:
            raise LadderError(
                f"{path}, line {line}: found {index} again, expected each index once (see line {seen[index]})"
            )
        seen[index] = line
    return list(seen)


def _manifest(path: Path, task_label: str) -> dict[str, Any]:
    """Read the manifest beside a list; empty where there is none."""
    if not path.exists():
        return {}
    try:
        manifest = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise LadderError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise LadderError(f"{path}: found no table 'files', expected a manifest of exported draws")
    if manifest.get("task") != task_label:
        raise LadderError(f"{path}: found draws of {manifest.get('task')!r}, expected {task_label!r}")
    return manifest


def _check_hash(path: Path, actual: str, manifest: dict[str, Any], kind: str = "sha256") -> None:
    entry = manifest["files"].get(path.name, {})
    expected = entry.get(kind) if isinstance(entry, dict) else None
    if actual != expected:
        what = "indices" if kind == "sha256" else "ids"
        raise LadderError(
            f"{path}: found {what} of SHA-256 {actual}, expected {expected or 'an entry'} in {MANIFEST}; "
            "take the files as published, or export the draws again"
        )


@dataclass(frozen=True)
class LabelRule:
    """The way a study chooses labels; `published` is the folder or file of lists to read instead of drawing."""

    subset: Subset
    published: Path | None = None
    allow_missing_classes: bool = False

    @classmethod
    def of(cls, study: Study, base: Path) -> LabelRule:
        """The rule of a study, whose relative paths are below `base`."""
        published = (base / Path(study.draws_from).expanduser()).resolve() if study.draws_from else None
        return cls(study.subset, published, any(block.allow_missing_classes for block in study.blocks))


@dataclass(frozen=True)
class ChosenLabels:
    """Labels of one draw and rung: sorted positions in the training split (n,), their hash, and absent classes."""

    indices: Indices
    sha256: str
    missing: list[str]
    given: Indices | None = None
    """Classes that training is told (n,), in the order of `indices`, where labels have noise; None: the true ones."""
    wrong: float | None = None
    """Share of `given` that is wrong; None without noise."""


def absent_classes(labels: Indices, classes: Sequence[str]) -> list[str]:
    """Name the classes without an example among `labels` (n,), or the labels without one among truths (n, K)."""
    counts = class_counts(labels, len(classes))
    return [name for name, count in zip(classes, counts, strict=True) if count == 0]


def choose_labels(
    task: Task, spec: Spec, rule: LabelRule, draw: int, n: int, ratio: float | None = None
) -> ChosenLabels:
    """Choose the labels of a task's draw at rung n, out of the long tail of `ratio` where there is one.

    Raises LadderError where there are too few, naming the numbers.
    """
    strata = task.strata.numpy()
    if rule.published is None:
        order = pool_order(task, spec, draw, subset=rule.subset, ratio=ratio)
        if ratio is not None and n > len(order):
            kept = f"imbalance {ratio:g} leaves {len(order):,} of {len(strata):,} training examples"
            raise LadderError(f"{n:,} labels asked for, but {kept}; choose rungs up to {len(order)}")
        indices = rung_indices(order, n)
    else:
        indices = read_draws(rule.published, spec.label, draw, n, pool=len(strata), ids=task.ids)
    return as_chosen(task, indices, allow_missing_classes=rule.allow_missing_classes)


def as_chosen(task: Task, indices: Indices, *, allow_missing_classes: bool) -> ChosenLabels:
    """Hash sorted positions (n,) and name the classes that they lack; raises LadderError where none may be lacking."""
    missing: list[str] = []
    if not task.goal.dense and task.classes:
        strata = task.strata.numpy()
        absent = absent_classes(strata, task.classes)
        missing = check_rung(strata, indices, task.classes, allow_missing_classes=allow_missing_classes, absent=absent)
    return ChosenLabels(indices, indices_sha256(indices), missing)
