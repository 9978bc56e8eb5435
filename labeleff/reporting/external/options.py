"""Options of `labeleff utility`, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labeleff.catalogue.metrics import metric
from labeleff.curves.methods import BAYES, methods
from labeleff.errors import LabeleffError, OptionError, UnknownNameError
from labeleff.reporting.external.csv_text import DELIMITERS
from labeleff.reporting.external.rows import column_names
from labeleff.reporting.external.runs_table import Scale
from labeleff.reporting.output_files import check_folder
from labeleff.stats.interval_level import LEVEL
from labeleff.study.option_values import in_range, level_in_range, pairs

if TYPE_CHECKING:
    from labeleff.study.prices import Cost

Convention = Literal["definition", "selfstudy"]
"""U(n) as the paper defines it, or also as its reference code computes it."""

_SCALES: Mapping[str, Scale] = {"fraction": "fraction", "percent": "percent"}
_CONVENTIONS: Mapping[str, Convention] = {"definition": "definition", "selfstudy": "selfstudy"}


@dataclass(frozen=True)
class Options:
    """Values of the command's options; None where something is to be detected, or left out of the report.

    Raises OptionError or UnknownNameError naming the option that can't be used.
    """

    path: Path
    out: Path
    """Folder of the report."""
    command: Sequence[str]
    """Command line that makes the same report again."""
    baseline: str | None = None
    columns: Mapping[str, str] | None = None
    """Names of the file's columns, by labeleff's names."""
    scale: Scale | None = None
    delimiter: str | None = None
    level: float = LEVEL
    method: str = BAYES
    convention: Convention = "definition"
    title: str | None = None
    metric: str = "accuracy"
    chance: float | None = None
    test_count: int | None = None
    targets: tuple[float, ...] = ()
    """Target accuracies in 0..1."""
    cost: Cost | None = None
    headline: int | None = None
    """Label count whose utility opens the verdict; None for the mean over the ladder."""

    def __post_init__(self) -> None:
        level_in_range(self.level)
        if self.chance is not None:
            in_range("--chance", self.chance, "an accuracy from 0 to under 1, e.g. 0.1", least=0, under=1)
        if self.test_count is not None:
            in_range("--test-count", self.test_count, "a number of examples from 1", least=1)
        if not metric(self.metric).share:
            raise OptionError(
                f"--metric-name: {self.metric} is the better the smaller, expected a metric in 0..1 of which more is "
                "better"
            )
        if self.method not in methods():
            raise UnknownNameError("--method", self.method, methods())
        for option, text in (("--title", self.title), ("--metric-name", self.metric)):
            if text is not None and not (text.strip() and text.isprintable()):
                raise OptionError(f"{option}: found {text!r}, expected a name without line breaks")
        check_folder(self.out)


def columns(assignments: Sequence[str]) -> dict[str, str]:
    """Names of the file's columns by labeleff's names, from assignments `NAME=THEIRS`. Raises OptionError."""
    names = pairs(assignments, "--column", "NAME=THEIRS, e.g. accuracy=top1", "every column once")
    try:
        column_names(names)
    except LabeleffError as error:
        raise OptionError(f"--column: {str(error).removeprefix('columns: ')}") from error
    return names


def delimiter(text: str | None) -> str | None:
    """Delimiter from itself, its name, or `\\t`. Raises UnknownNameError for anything else."""
    by_name = {**{mark: mark for mark in DELIMITERS}, **{name: mark for mark, name in DELIMITERS.items()}, "\\t": "\t"}
    if text is None or text in by_name:
        return None if text is None else by_name[text]
    raise UnknownNameError("--delimiter", text, DELIMITERS.values())


def scale(text: str | None) -> Scale | None:
    """Scale from its name, `fraction` or `percent`. Raises UnknownNameError for anything else."""
    if text is not None and text not in _SCALES:
        raise UnknownNameError("--scale", text, _SCALES)
    return None if text is None else _SCALES[text]


def convention(text: str) -> Convention:
    """Convention from its name, `definition` or `selfstudy`. Raises UnknownNameError for anything else."""
    if text not in _CONVENTIONS:
        raise UnknownNameError("--convention", text, _CONVENTIONS)
    return _CONVENTIONS[text]
