"""Options of `labeleff report`, which replace settings of the study.

None of them changes a measurement.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labeleff.errors import OptionError, StudyError
from labeleff.reporting.output_files import check_folder
from labeleff.study.option_values import in_range, pairs
from labeleff.study.prices import Cost


def targets(values: Iterable[float]) -> tuple[float, ...]:
    """Accuracies in 0..1 from the values of options `--target`; values over 1 are in percent.

    Raises OptionError for values outside 0..100 and for repeated ones.
    """
    targets: list[float] = []
    for value in values:
        in_range("--target", value, "an accuracy in 0..1, or over 1 in percent up to 100", least=0, most=100)
        target = value / 100 if value > 1 else value
        if target in targets:
            raise OptionError(f"--target: found {value:g} twice, expected every accuracy once")
        targets.append(target)
    return tuple(targets)


def metrics(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Tasks and metrics from options `--metric TASK=NAME`. Raises OptionError for anything else."""
    expected = "TASK=NAME, e.g. shapes/segment=mean_iou"
    by_task = pairs(values, "--metric", expected, "one metric a task")
    if nameless := [task for task, name in by_task.items() if not name]:
        raise OptionError(f"--metric: found {f'{nameless[0]}='!r}, expected {expected}")
    return tuple(by_task.items())


def cost(per_label: float | None, unit: str | None) -> Cost | None:
    """Price from options `--cost-per-label` and `--cost-unit`; None without the first. Raises OptionError."""
    if per_label is None:
        if unit is not None:
            raise OptionError("--cost-unit: found no --cost-per-label, expected both")
        return None
    in_range("--cost-per-label", per_label, "a price over 0, e.g. 0.05", over=0)
    try:
        return Cost(per_label=per_label) if unit is None else Cost(per_label=per_label, unit=unit)
    except StudyError as error:
        raise OptionError(f"--cost-unit: {error}") from error


@dataclass(frozen=True)
class ReportOptions:
    """Values of the options; None or empty where the study's own setting holds."""

    baseline: str | None = None
    method: str | None = None
    level: float | None = None
    targets: tuple[float, ...] = ()
    """Accuracies in 0..1."""
    cost: Cost | None = None
    out: Path | None = None
    metrics: tuple[tuple[str, str], ...] = ()
    """Names of tasks, each with the metric to report on."""
    headline: int | None = None
    """Label count whose utility opens the verdict."""

    @property
    def changes(self) -> dict[str, Any]:
        """Keys of the study that the options replace, with their values."""
        values = {
            "baseline": self.baseline,
            "curve": self.method,
            "level": self.level,
            "targets": list(self.targets) or None,
            "cost": self.cost and self.cost.model_dump(),
            "metrics": dict(self.metrics) or None,
            "headline": self.headline,
        }
        return {key: value for key, value in values.items() if value is not None}

    @property
    def text(self) -> str:
        """Command line of these options; empty where there are none."""
        words: list[str] = []
        for option, value in (("--baseline", self.baseline), ("--method", self.method), ("--level", self.level)):
            words += [] if value is None else [option, str(value)]
        for target in self.targets:
            words += ["--target", repr(target)]
        if self.cost is not None:
            words += ["--cost-per-label", repr(self.cost.per_label), "--cost-unit", self.cost.unit]
        for task, metric in self.metrics:
            words += ["--metric", f"{task}={metric}"]
        words += [] if self.headline is None else ["--headline-n", str(self.headline)]
        return shlex.join([*words, *(["--out", str(self.out)] if self.out else [])])

    def beside(self, records: Path) -> ReportOptions:
        """The same options, with `out` None where it is the folder of records.

        Raises OptionError where `out` is a file or holds other records.
        """
        if self.out is None or (self.out.exists() and records.exists() and self.out.samefile(records)):
            return replace(self, out=None)
        check_folder(self.out)
        return self
