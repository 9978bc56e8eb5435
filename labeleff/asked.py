"""What a report can be asked for beside utility: labels for given accuracies, and what is saved at a price a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field, field_validator

from labeleff.cell import Frozen
from labeleff.errors import OptionError, StudyError
from labeleff.option_values import in_range, pairs
from labeleff.record import FILE_NAME


class Cost(Frozen):
    """The price of one label, in whatever is paid: money, hours."""

    per_label: float = Field(gt=0, allow_inf_nan=False)
    unit: str = "USD"

    @field_validator("unit")
    @classmethod
    def _short(cls, unit: str) -> str:
        if not (unit.strip() and unit.isprintable() and len(unit) <= 20):
            raise StudyError(f"found {unit!r}, expected a name of up to 20 characters without line breaks, e.g. hours")
        return unit

    @property
    def text(self) -> str:
        """`0.05 USD a label`."""
        return f"{self.per_label:g} {self.unit} a label"


def check_targets(targets: Sequence[float]) -> None:
    """Raise StudyError for what is no accuracy in 0..1, and for one named twice."""
    for place, target in enumerate(targets):
        if not 0 <= target <= 1:
            raise StudyError(f"targets: found {target:g}, expected accuracies in 0..1 (percent divided by 100)")
        if target in targets[:place]:
            raise StudyError(f"targets: found {target:g} twice, expected every accuracy once")


def targets(values: Iterable[float]) -> tuple[float, ...]:
    """Accuracies in 0..1 from those of options `--target`, where what is over 1 is in percent."""
    found: list[float] = []
    for value in values:
        in_range("--target", value, "an accuracy in 0..1, or over 1 in percent up to 100", least=0, most=100)
        target = value / 100 if value > 1 else value
        if target in found:
            raise OptionError(f"--target: found {value:g} twice, expected every accuracy once")
        found.append(target)
    return tuple(found)


def metrics(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Tasks and metrics from options `--metric TASK=NAME`."""
    expected = "TASK=NAME, e.g. shapes/segment=mean_iou"
    found = pairs(values, "--metric", expected, "one metric a task")
    if nameless := [task for task, name in found.items() if not name]:
        raise OptionError(f"--metric: found {f'{nameless[0]}='!r}, expected {expected}")
    return tuple(found.items())


def cost(per_label: float | None, unit: str | None) -> Cost | None:
    """The price from options `--cost-per-label` and `--cost-unit`."""
    if per_label is None:
        if unit is not None:
            raise OptionError("--cost-unit: found no --cost-per-label, expected both")
        return None
    in_range("--cost-per-label", per_label, "a price over 0, e.g. 0.05", over=0)
    try:
        return Cost(per_label=per_label) if unit is None else Cost(per_label=per_label, unit=unit)
    except StudyError as error:
        raise OptionError(f"--cost-unit: {error}") from error


def check_folder(out: Path) -> None:
    """Raise OptionError for a file, and for the folder of a study's records."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out: {out} is a file, expected a folder")
    if (out / FILE_NAME).exists():
        raise OptionError(f"--out: {out} holds a study's {FILE_NAME}, expected a folder for this report alone")
