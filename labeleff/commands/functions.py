"""Commands as functions: `labeleff.run`, `labeleff.report` and `labeleff.compare`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeleff.comparison.regression import Outcome
    from labeleff.reporting.results import Results
    from labeleff.study.schema import Study


def run(
    study: str | Path | Mapping[str, Any] | Study,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    data: str | Path | None = None,
    quiet: bool = True,
    **options: Any,
) -> Results:
    """Measure the cells of a study that a folder lacks, and return the folder's results.

    Args:
        study: a built-in study's name, the path of a TOML file, its tables, or a checked study.
        out: folder of the records; `runs/NAME` by default. Cells that are recorded there aren't measured again.
        overrides: `key=value` texts set over the study, as `--set` does.
        jobs: worker processes on a CPU, 1 or more. 1 trains in this process; with more, a script needs
            `if __name__ == "__main__":`, as always when Python starts processes.
        data: folder of data sets; by default `LABELEFF_DATA`, else the user's data folder.
        quiet: whether to hide progress.
        **options: `device`, `pack`, `engine`, `ray_address`, `gpu_share`, `offline`, `retry_failed`, and `time_limit`
            in seconds, as `labeleff run` has them.

    Cells that fail are in the results' `failed`, each with its reason. Raises UnknownNameError for an unknown option,
    LabeleffError for everything that is wrong before or around the cells, InterruptedRunError for Ctrl-C.
    """
    from labeleff.execution.engines.engine_table import check_engine
    from labeleff.execution.launch import measure
    from labeleff.files import data_folder
    from labeleff.reporting.results import load
    from labeleff.scheduling.run_options import RunOptions
    from labeleff.study.loading import folder_of
    from labeleff.study.option_values import in_range

    names = ("device", "pack", "engine", "ray_address", "gpu_share", "offline", "retry_failed", "time_limit")
    _check_names("labeleff.run", options, names)
    in_range("jobs", jobs, "worker processes, 1 or more", least=1)
    if options.get("pack") is not None:
        in_range("pack", options["pack"], "cells trained as one, 1 or more", least=1)
    checked = _check_study(study, overrides)
    folder = Path(out) if out is not None else Path("runs") / checked.name
    check_engine(options.get("engine", "local"), options.get("ray_address"), options.get("gpu_share"))
    place = data_folder(None if data is None else str(data))
    base = folder_of(str(study)) if isinstance(study, str | Path) else Path()
    command = ["labeleff", "run", _study_argument(study, checked), "--out", str(folder)]
    command += [word for text in overrides for word in ("--set", text)]
    settings = {"jobs": jobs, "data": place, "base": base, "quiet": quiet, **options}
    measure(checked, RunOptions(folder=folder, command=command, **settings))
    return load(folder)


def report(folder: str | Path, **options: Any) -> Path:
    """Write a folder's tables, figures and report.md again from its records; returns the path of report.md.

    `options` replace what the study says: `baseline`, `method`, `level` (over 0.5 and under 1), `targets` (accuracies
    in 0..1), `cost` (`labeleff.study.prices.Cost`), `metrics` (pairs of task and metric), `headline` (the label count
    whose utility opens the verdict), and `out`, another folder.
    Raises RecordError where there is no run to report on, StudyError for options that don't fit the study.
    """
    from labeleff.reporting.options import ReportOptions
    from labeleff.reporting.study_report import build

    _check_names("labeleff.report", options, [field.name for field in dataclasses.fields(ReportOptions)])
    if options.get("out") is not None:
        options["out"] = Path(options["out"])
    for name in ("targets", "metrics"):
        if name in options:
            options[name] = tuple(options[name])
    return build(Path(folder), ReportOptions(**options))


def compare(
    base: str | Path | Results, new: str | Path | Results, *, fail_on: Sequence[str] = (), level: float | None = None
) -> Outcome:
    """Judge each number that two runs of a study share: `new` is better, the same, worse, or it can't be told.

    `fail_on` has rules as `labeleff compare --fail-on` takes them; by default the gate of `new`'s study counts. `level`
    is the probability that intervals contain the true value. The outcome has `rows`, `rulings` and `overall`. Raises
    OptionError for a rule that can't be read or names what neither run has.
    """
    from labeleff.comparison import regression
    from labeleff.reporting.results import Results, load
    from labeleff.study.gate import criteria
    from labeleff.study.option_values import level_in_range

    old, fresh = (side if isinstance(side, Results) else load(Path(side)) for side in (base, new))
    rules = criteria(fresh.study.gate, fail_on, [], [])
    return regression.compare(old, fresh, rules, fresh.study.level if level is None else level_in_range(level))


def _check_names(function: str, options: Mapping[str, Any], names: Sequence[str]) -> None:
    from labeleff.errors import UnknownNameError

    for name in options:
        if name not in names:
            raise UnknownNameError(f"option of {function}", name, names)


def _check_study(study: str | Path | Mapping[str, Any] | Study, overrides: Sequence[str]) -> Study:
    from labeleff.study.label_conditions import with_noise_files
    from labeleff.study.loading import load_study, parse_study
    from labeleff.study.overrides import assign
    from labeleff.study.schema import Study

    if isinstance(study, str | Path):
        return load_study(str(study), overrides)
    table = study.model_dump(mode="json") if isinstance(study, Study) else dict(study)
    for assignment in overrides:
        assign(table, assignment)
    return with_noise_files(parse_study(table, "the study given to labeleff.run"), Path.cwd())


def _study_argument(study: object, checked: Study) -> str:
    """Name the study as the command line would; one that isn't a file gets the name of a file."""
    return str(study) if isinstance(study, str | Path) else f"{checked.name}.toml"
