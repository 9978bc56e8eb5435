"""`labeleff features`: the frozen features of a study's encoder for all images of its task, as a file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeleff.commands.options.shared import DataOption, DeviceOption, OfflineOption, QuietOption, SetOption
from labeleff.errors import OptionError, UnknownNameError, UnwritableError

if TYPE_CHECKING:
    from labeleff.catalogue.declaration import Spec
    from labeleff.execution.frozen_features import FrozenFeatures
    from labeleff.execution.job_runner import JobRunner
    from labeleff.execution.progress import PreparationBars
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.study.cell import Pretraining
    from labeleff.study.schema import Study


def features(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A built-in study's name, a .toml file, or the folder of a run.")
    ],
    arm: Annotated[str, typer.Option("--arm", metavar="NAME", help="Arm or pretext of the study, or scratch.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.npz", help="The file of features.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the encoder, one of the study's.")] = 0,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Task, where the study has several.")] = None,
    encoder: Annotated[str | None, typer.Option(metavar="NAME", help="Encoder, where the study has several.")] = None,
    half: Annotated[bool, typer.Option("--half", help="float16, half as large.")] = False,
    draws: Annotated[
        Path | None,
        typer.Option("--draws", metavar="FILE.json", help="Write the study's draws of labels there too, by id."),
    ] = None,
    sets: SetOption = None,
    device: DeviceOption = "auto",
    data_dir: DataOption = None,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the frozen features of a study's encoder for all images; an encoder that isn't in the cache is trained."""
    check_place(out, "--out", ".npz")
    if draws is not None:
        check_place(draws, "--draws", ".json")
    checked = read_study(study, sets or [])
    pretraining = encoder_of(checked, arm, seed, task, encoder)

    from labeleff.execution.frozen_features import draws_by_id, frozen_features
    from labeleff.execution.progress import PreparationBars
    from labeleff.files import data_folder, write_whole
    from labeleff.scheduling.run_options import RunOptions

    options = RunOptions(folder=out.parent, device=device, data=data_folder(data_dir), offline=offline, quiet=quiet)
    with PreparationBars(quiet=quiet) as bars:
        place = _workplace(checked, pretraining, options, bars)
        lists = None if draws is None else draws_by_id(place, checked, pretraining.task)
        what = f"{pretraining.pretext.name}, seed {pretraining.seed}"
        made = frozen_features(
            place, pretraining, half, lambda stage, done, total: bars.advance(done, total, f"{stage} {what}")
        )
    try:
        _write(out, made)
        if draws is not None:
            write_whole(draws, f"{json.dumps(lists)}\n".encode())
    except OSError as error:
        raise UnwritableError(f"{error.filename}: can't be written: {error.strerror}") from error
    print(f"features: {out}, {made.shape_text}\nSHA-256 of the numbers: {made.sha256}")
    if draws is not None:
        print(f"draws: {draws}; `draws_from` in a study and `labeleff embeddings --draws-from` take it")


def _workplace(
    study: "Study", pretraining: "Pretraining", options: "RunOptions", bars: "PreparationBars"
) -> "JobRunner":
    """Make the workplace, and check that all of the study is ready before anything is trained."""
    from labeleff.execution.frozen_features import check_task
    from labeleff.execution.job_runner import JobRunner
    from labeleff.execution.preparation.preflight import check_installed, check_ready
    from labeleff.execution.run_facts import settings_of
    from labeleff.training.device import one_core
    from labeleff.training.examples import Source

    check_task(pretraining.task)
    check_installed(study)
    place = JobRunner(settings_of(study, options), Source(options.data, options.offline, bars.advance))
    check_ready(study, place)
    if place.device.type == "cpu":
        one_core()
    return place


def _write(path: Path, made: "FrozenFeatures") -> None:
    """Write the arrays, which the same features give the same bytes."""
    import numpy as np

    from labeleff.files import open_whole

    with open_whole(path) as file:
        np.savez(file, **made.arrays)  # type: ignore[arg-type]


def check_place(path: Path, option: str, ending: str) -> None:
    """Raise OptionError unless a file with this ending can be written at `path`."""
    if path.suffix != ending:
        raise OptionError(f"{option} {path}: found the ending {path.suffix!r}, expected {ending}")
    if path.is_dir():
        raise OptionError(f"{option} {path}: found a folder, expected a file")
    nearest = next(place for place in path.absolute().parents if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise OptionError(f"{option} {path}: {nearest} isn't a folder that can be written into")


def read_study(study: str, sets: list[str]) -> "Study":
    """Read a study by name or file, or that of a run's folder, with `key=value` set over it."""
    from labeleff.study.loading import load_study, parse_study
    from labeleff.study.overrides import assign

    if not Path(study).is_dir():
        return load_study(study, sets)
    from labeleff.reporting.results import load

    table = load(Path(study)).study.model_dump(mode="json")
    for assignment in sets:
        assign(table, assignment)
    return parse_study(table, study)


def encoder_of(study: "Study", arm: str, seed: int, task: str | None, encoder: str | None) -> "Pretraining":
    """Find the encoder that an arm, or the arms of a pretext, start from; raises OptionError where there are several.

    `scratch` needs no arm. Raises UnknownNameError for names that the study doesn't have.
    """
    from labeleff.catalogue import lookup

    if seed >= study.seeds:
        raise OptionError(f"--seed {seed}: found {study.seeds} seeds in study {study.name!r}, expected one under that")
    wanted, network = _chosen("task", task, study.tasks), _chosen("encoder", encoder, study.encoders)
    cells = [c for c in study.cells() if (c.task, c.encoder, c.seed) == (wanted, network, seed)]
    known: dict[str, dict[str, Pretraining]] = {}  # by name, then by key
    for cell in cells:
        short = study.arm_of(cell)
        for name in (short, short.rpartition("/")[0], cell.pretext.name, cell.pretext.label):
            known.setdefault(name, {})[cell.pretraining.key] = cell.pretraining
    if arm == "scratch" and arm not in known:
        untrained = {"pretext": lookup.complete("pretext", arm, {}), "budget": None, "task": wanted, "seed": seed}
        return cells[0].pretraining.model_copy(update=untrained)
    if arm not in known:
        raise UnknownNameError(f"arm or pretext of study {study.name!r}", arm, [*known, "scratch"])
    if len(known[arm]) > 1:
        full = ", ".join(one.pretext.label for one in known[arm].values())
        raise OptionError(f"--arm {arm}: found {full}, expected one of them")
    return next(iter(known[arm].values()))


def _chosen(kind: str, name: str | None, specs: Sequence["Spec"]) -> "Spec":
    """Choose by name or full label; without a name there must be one."""
    found = [one for one in specs if name in {None, one.name, one.label}]
    labels = [one.label for one in specs]
    if not found:
        raise UnknownNameError(f"{kind} of the study", str(name), labels)
    if len(found) > 1:
        raise OptionError(f"--{kind} {name or ''}: found {', '.join(labels)}, expected one of them")
    return found[0]
