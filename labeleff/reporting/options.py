"""Options of `labeleff report`, which replace settings of the study.

None of them changes a measurement.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeleff.errors import OptionError, StudyError
from labeleff.reporting.figures.look import Look
from labeleff.reporting.output_files import check_folder
from labeleff.study.option_values import in_range, pairs

if TYPE_CHECKING:
    from labeleff.study.prices import Cost

_UNIT = r"[^\d\s.,+-](?:[^\d.,+-]*[^\d\s.,+-])?"
_PRICE = re.compile(rf"\s*(?P<before>{_UNIT})?\s*(?P<number>\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(?P<after>{_UNIT})?\s*")
"""A price with its unit before or after the number."""


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


def cost(price: str | float | None, unit: str | None) -> Cost | None:
    """Price of a label, and its unit from the same text (`0.35EUR`, `0.35 EUR`, `EUR0.35`, `$0.05`) or beside it.

    None without a price. Raises OptionError for anything that isn't a price over 0 in one unit.
    """
    from labeleff.study.prices import Cost

    if price is None:
        if unit is not None:
            raise OptionError("--cost-unit: found no --cost-per-label, expected both")
        return None
    number, found = _parse_price(price) if isinstance(price, str) else (price, None)
    in_range("--cost-per-label", number, "a price over 0, e.g. 0.05", over=0)
    if found and unit and found != unit:
        raise OptionError(f"--cost-unit: found {unit!r} beside --cost-per-label {price!r}, expected one unit")
    try:
        return Cost(per_label=number, unit=unit or found) if unit or found else Cost(per_label=number)
    except StudyError as error:
        raise OptionError(f"--cost-unit: {error}") from error


def _parse_price(text: str) -> tuple[float, str | None]:
    """Number and unit of a price; the unit may stand before the number or after it."""
    match = _PRICE.fullmatch(text)
    number = float(match["number"]) if match else 0.0
    if match is None or not 0 < number < math.inf or (match["before"] and match["after"]):
        expected = "a price over 0 with a decimal point, with its unit or without: 0.35EUR, $0.05 or 0.35"
        raise OptionError(f"--cost-per-label: found {text!r}, expected {expected}")
    return number, match["before"] or match["after"]


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
    noisy_price: float | None = None
    """Price of a label with noise, in the unit of `cost` or of the study's."""
    look: Look = field(default_factory=Look)
    """How figures are drawn."""

    def __post_init__(self) -> None:
        if self.noisy_price is not None:
            in_range("--cost-per-noisy-label", self.noisy_price, "a price over 0, e.g. 0.01", over=0)

    @property
    def changes(self) -> dict[str, Any]:
        """Keys of the study that the options replace, with their values."""
        values = {
            "baseline": self.baseline,
            "curve": self.method,
            "level": self.level,
            "targets": list(self.targets) or None,
            "cost": self._prices or None,
            "metrics": dict(self.metrics) or None,
            "headline": self.headline,
            "names": dict(self.look.names) or None,
        }
        return {key: value for key, value in values.items() if value is not None}

    @property
    def _prices(self) -> dict[str, Any]:
        noisy = {} if self.noisy_price is None else {"per_noisy_label": self.noisy_price}
        return (self.cost.model_dump(exclude_none=True) if self.cost else {}) | noisy

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
        if self.noisy_price is not None:
            words += ["--cost-per-noisy-label", repr(self.noisy_price)]
        for task, metric in self.metrics:
            words += ["--metric", f"{task}={metric}"]
        words += [] if self.headline is None else ["--headline-n", str(self.headline)]
        words += self.look.options
        return shlex.join([*words, *(["--out", str(self.out)] if self.out else [])])

    def beside(self, records: Path) -> ReportOptions:
        """The same options, with `out` None where it is the folder of records.

        Raises OptionError where `out` is a file or holds other records.
        """
        if self.out is None or (self.out.exists() and records.exists() and self.out.samefile(records)):
            return replace(self, out=None)
        check_folder(self.out)
        return self
