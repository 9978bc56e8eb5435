"""`labeleff.probe`: how many labels do the features of several encoders save, for arrays in memory or files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labeleff.catalogue.declaration import Spec
from labeleff.errors import OptionError
from labeleff.plugins.tasks.embedding_files.columns import check_numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from labeleff.reporting.results import Results

DEFAULTS = (("linear", "knn"), ("ridge", "knn"))
"""Default protocols for labels, and for values."""
FEWEST = 10
"""Label count at which a ladder for values begins."""
PER_CLASS = 2
"""Fewest labels per class at which a ladder begins by default."""


def study_table(
    given: Mapping[str, Any],
    protocols: Sequence[str] | None = None,
    baseline: str | None = None,
    rungs: Sequence[int] | None = None,
    draws: int = 5,
    subset: str = "stratified",
    name: str = "embeddings",
    draws_from: str | None = None,
) -> dict[str, Any]:
    """Build the tables of a study in which every file with every protocol is an arm.

    `given` are options of the task; `target` may be any kind of target, or "auto". The files are read where the label
    counts aren't given. Raises LabeleffError for options that make no sense and files that can't be read.
    """
    from labeleff.catalogue import lookup
    from labeleff.errors import UnknownNameError
    from labeleff.plugins.tasks.embeddings import TASKS, parse_files, target_kind

    kind = given.get("target", "auto")
    kind = target_kind({"labels": "", **given}) if kind == "auto" else kind
    if kind not in TASKS:
        raise UnknownNameError("target", str(kind), ["auto", *TASKS])
    task = lookup.complete("task", TASKS[kind], {**given, "target": "auto" if kind == "classes" else kind})
    protocols = protocols or DEFAULTS[task.name == TASKS["real"]]
    names = [*parse_files(str(given["files"]))]
    if baseline is not None and baseline not in names:
        raise UnknownNameError("file (as baseline)", baseline, names)
    if trained := [one for one in protocols if lookup.find("protocol", one).trained]:
        able = ", ".join(plugin.name for plugin in lookup.plugins("protocol") if not plugin.trained)
        raise OptionError(f"protocols: found {trained[0]!r}, which trains the encoder, expected some of {able}")
    ordered = sorted(names, key=lambda of: of != (baseline or names[0]))
    arms = [{"pretext": {"name": "embedding", "of": of}, "protocol": one} for of in ordered for one in protocols]
    first = f"embedding(of={ordered[0]})" if len(names) > 1 else "embedding"
    return {
        "name": name,
        "tasks": [{"name": task.name, **task.options}],
        "encoders": ["rows"],
        "arms": arms,
        "baseline": f"{first}/{protocols[0]}",
        "rungs": [*(rungs or _ladder(task))],
        "draws": draws,
        "subset": subset,
        **({} if draws_from is None else {"draws_from": draws_from}),
    }


def _ladder(task: Spec) -> list[int]:
    """Choose label counts from two per class up to the whole training set."""
    from labeleff.files import data_folder
    from labeleff.plugins.tasks.embeddings import one_two_five
    from labeleff.training.examples import Source, load_task

    loaded = load_task(task, Source(data_folder(), offline=True))
    return one_two_five(PER_CLASS * len(loaded.classes) or FEWEST, len(loaded.train))


def probe(
    features: Mapping[str, ArrayLike],
    labels: ArrayLike,
    out: str | Path,
    *,
    test: int | tuple[Mapping[str, ArrayLike], ArrayLike] = 0,
    protocols: Sequence[str] | None = None,
    baseline: str | None = None,
    rungs: Sequence[int] | None = None,
    draws: int = 5,
    subset: str = "stratified",
    jobs: int = 1,
    **options: Any,
) -> Results:
    """Measure how many labels each encoder's features save, and return the folder's results.

    Args:
        features: arrays (N, dim) by encoder; row i is the same item in each.
        labels: its class or value, (N,), or truths of several labels, (N, K).
        out: folder of the records and of the arrays, which are written to its folder `arrays`.
        test: number of items set aside for testing (0: a fifth), or features and labels of test items.
        protocols: frozen protocols; every encoder with every protocol is an arm. By default `linear` and `knn`, or for
            real values `ridge` and `knn`.
        baseline: encoder that others are compared with; the first by default.
        rungs: label counts; by default 1, 2, 5, 10, ... from two per class up to all training items.
        draws: draws of labels.
        subset: way to draw them, as in a study.
        jobs: worker processes on a CPU.
        **options: those of `labeleff.run`.

    Raises OptionError for arrays that don't fit each other, LabeleffError as `labeleff.run`.
    """
    from labeleff.commands.functions import run

    folder = Path(out)
    parts = {name: [np.asarray(array)] for name, array in {**features, "labels": labels}.items()}
    if "labels" in features or not features:
        raise OptionError(
            f"features: found {', '.join(features) or 'none'}, expected arrays by names other than labels"
        )
    if not isinstance(test, int):
        others = {**test[0], "labels": test[1]}
        if set(others) != set(parts):
            raise OptionError(f"test: found {', '.join(test[0])}, expected {', '.join(features)}")
        for name, array in others.items():
            parts[name].append(np.asarray(array))
    _check_counts(parts)
    _write_arrays(folder / "arrays", parts)
    files = ";".join(f"{name}={folder / 'arrays' / name}.npy" for name in features)
    given = {"files": files, "held_out": test if isinstance(test, int) else 0, "by_position": True}
    table = study_table(given, protocols, baseline, rungs, draws, subset, name="probe")
    return run(table, folder, jobs=jobs, **options)


def _check_counts(parts: Mapping[str, list[np.ndarray]]) -> None:
    """Raise OptionError where arrays have other numbers of rows than the labels, or can't be put under each other."""
    for name, arrays in parts.items():
        for side, array, labels in zip(("training", "test"), arrays, parts["labels"], strict=False):
            if array.ndim == 0 or len(array) != len(labels):
                found = f"{len(array) if array.ndim else 1:,} {side} rows"
                raise OptionError(f"{name}: found {found}, expected {len(labels):,} as there are labels")
        if name != "labels":
            check_numbers(name, arrays[0].dtype)
        if any(array.shape[1:] != arrays[0].shape[1:] or array.dtype != arrays[0].dtype for array in arrays):
            shapes = " and ".join(f"{array.dtype} {array.shape}" for array in arrays)
            raise OptionError(f"{name}: found {shapes} for training and test, expected the same width and type")


def _write_arrays(folder: Path, parts: Mapping[str, list[np.ndarray]]) -> None:
    """Write one `.npy` per encoder, with labels and, where test items are given, splits beside it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        counts = [len(array) for array in parts["labels"]]
        split = np.repeat(np.array(["train", "test"][: len(counts)]), counts)
        for name, arrays in parts.items():
            if name != "labels":
                np.save(folder / f"{name}.npy", np.concatenate(arrays), allow_pickle=False)
                np.save(folder / f"{name}.labels.npy", np.concatenate(parts["labels"]), allow_pickle=False)
                if len(counts) > 1:
                    np.save(folder / f"{name}.split.npy", split, allow_pickle=False)
    except OSError as error:
        raise OptionError(f"{folder}: can't be written: {error.strerror or error}") from error
