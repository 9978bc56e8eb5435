"""`labeleff.probe`: how many labels do the features of several encoders save, for arrays in memory or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeleff.catalogue.declaration import Spec
from labeleff.errors import OptionError

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
    read: bool = False,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> dict[str, Any]:
    """Build the tables of a study in which every file with every protocol is an arm.

    `given` are options of the task; `target` may be any kind of target, or "auto". The files are read where the label
    counts aren't given or `read` asks for it, of which `progress(done, total, what)` hears. Raises LabeleffError for
    options that make no sense and files that can't be read.
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
    ladder = _ladder(task, progress) if read or not rungs else []
    return {
        "name": name,
        "tasks": [{"name": task.name, **task.options}],
        "encoders": ["rows"],
        "arms": arms,
        "baseline": f"{first}/{protocols[0]}",
        "rungs": [*(rungs or ladder)],
        "draws": draws,
        "subset": subset,
        **({} if draws_from is None else {"draws_from": draws_from}),
    }


def _ladder(task: Spec, progress: Callable[[int, int, str], None]) -> list[int]:
    """Choose label counts from two per class up to the whole training set."""
    from labeleff.files import data_folder
    from labeleff.plugins.tasks.embeddings import one_two_five
    from labeleff.training.examples import Source, load_task

    loaded = load_task(task, Source(data_folder(), offline=True, progress=progress))
    return one_two_five(PER_CLASS * len(loaded.classes) or FEWEST, len(loaded.train))


def probe(
    features: Mapping[str, ArrayLike],
    labels: ArrayLike,
    out: str | Path,
    *,
    test: float | ArrayLike | tuple[Mapping[str, ArrayLike], ArrayLike] = 0,
    protocols: Sequence[str] | None = None,
    baseline: str | None = None,
    rungs: Sequence[int] | None = None,
    draws: int = 5,
    subset: str = "stratified",
    jobs: int = 1,
    **options: Any,
) -> Results:
    """Measure how many labels each encoder's features save, and return the folder's results.

    Arrays may be numpy's, torch's tensors, pandas' frames and series, or lists.

    Args:
        features: arrays (N, dim) of finite numbers by encoder, `{"clip": x, "dino": y}`; row i is one item in all.
        labels: its class, a name or a number, or its value, (N,); or truths of several labels, (N, K).
        out: folder of the records and of the arrays, which are written to its folder `arrays`.
        test: items set aside for testing: their number (0: a fifth of all), their share (over 0 and under 1), a boolean
            mask (N,) that is true for them; or features and labels of other items.
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
    from labeleff.plugins.tasks.embedding_files.probed_arrays import probed_arrays

    arrays, folder = probed_arrays(features, labels, test), Path(out)
    files = ";".join(f"{name}={folder / 'arrays' / name}.npy" for name in arrays.features)
    given = {"files": files, "held_out": arrays.held_out, "by_position": True}
    arrays.write(folder / "arrays")
    table = study_table(given, protocols, baseline, rungs, draws, subset, name="probe")
    return run(table, folder, jobs=jobs, **options)
