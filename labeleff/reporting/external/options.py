"""Options of `labeleff utility`, checked before anything is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labeleff.catalogue.metric_names import recognised
from labeleff.catalogue.metrics import Metric, Units
from labeleff.curves.methods import BAYES, methods
from labeleff.errors import LabeleffError, OptionError, UnknownNameError
from labeleff.reporting import options as reporting_options
from labeleff.reporting.external.csv_text import DELIMITERS
from labeleff.reporting.external.formats import path_patterns
from labeleff.reporting.external.grid import composed
from labeleff.reporting.external.label_counts import label_unit as _label_unit
from labeleff.reporting.external.means import WORDS
from labeleff.reporting.external.reading import Reading, Shape, Spread
from labeleff.reporting.external.runs_table import RunsTable, Scale
from labeleff.reporting.external.shapes.names import column_names
from labeleff.reporting.figures.look import Look
from labeleff.reporting.measurements import Setting
from labeleff.reporting.output_files import check_folder
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.stand_ins import MOST
from labeleff.study.option_values import in_range, level_in_range, pairs

if TYPE_CHECKING:
    from labeleff.study.prices import Cost

Convention = Literal["definition", "selfstudy"]
"""U(n) as the paper defines it, or also as its reference code computes it."""

_SCALES: Mapping[str, Scale] = {"fraction": "fraction", "percent": "percent"}
_SHAPES: Mapping[str, Shape] = {
    "long": "long",
    "by-arm": "by-arm",
    "by-n": "by-n",
    "by-task-and-n": "by-task-and-n",
}
SHORTEST = 3
"""Least length of what names of files have in common to be a name."""
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
    reading: Reading = field(default_factory=Reading)
    """What is said of the table."""
    more: tuple[Path, ...] = ()
    """Further files, read together with the first."""
    level: float = LEVEL
    method: str = BAYES
    convention: Convention = "definition"
    title: str | None = None
    chance: float | None = None
    """Value of guessing, in the metric's own units: a share in 0..1, or e.g. a loss."""
    test_count: int | None = None
    targets: tuple[float, ...] = ()
    """Target values in the metric's own units: shares in 0..1, or over 1 in percent, or e.g. losses."""
    cost: Cost | None = None
    headline: int | None = None
    """Label count whose utility opens the verdict; None for the mean over the ladder."""
    look: Look = field(default_factory=Look)
    """How figures are drawn."""

    def __post_init__(self) -> None:
        level_in_range(self.level)
        self._check_values()
        if self.test_count is not None:
            in_range("--test-count", self.test_count, "a number of examples from 1", least=1)
        if self.method not in methods():
            raise UnknownNameError("--method", self.method, methods())
        for option, text in (("--title", self.title), ("--metric-name", self.reading.metric)):
            if text is not None and not (text.strip() and text.isprintable()):
                raise OptionError(f"{option}: found {text!r}, expected a name without line breaks")
        check_folder(self.out)

    def _check_values(self) -> None:
        """Check chance and targets before anything is read, as far as the metric's range is known by then."""
        entry = recognised(self.reading.metric or "accuracy")
        if self.reading.lower_is_better or not (entry is None or entry.share):
            return
        if self.chance is not None:
            in_range("--chance", self.chance, "an accuracy from 0 to under 1, e.g. 0.1", least=0, under=1)
        reporting_options.targets(self.targets)

    def scores(self, table: RunsTable) -> tuple[float, ...]:
        """Scores of the targets, in 0..1. Raises OptionError for values that the table's metric can't have."""
        units, entry = table.units, table.metric
        values = reporting_options.targets(self.targets) if units.percent else self.targets
        return tuple(_score("--target", value, units, entry) for value in values)

    def setting(self, table: RunsTable, task: str | None) -> Setting:
        """What was measured at a task, with its chance level. Raises OptionError for a chance that can't be."""
        chance = table.metric.chance if self.chance is None else self.chance
        score = None if chance is None else _score("--chance", chance, table.units, table.metric)
        if score == 1:
            raise OptionError(f"--chance: found {chance:g}, expected a value that is worse than a perfect one")
        return Setting(
            title=task or self.title or short_name(self.paths, self.reading.pattern),
            rungs=tuple(sorted({n for (of, _), runs in table.groups.items() if of == task for n in runs})),
            metric=table.metric.name,
            chance=score,
            test_count=self.test_count,
            entry=table.metric,
            units=table.units,
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files in their order."""
        return self.path, *self.more

    @property
    def files(self) -> str:
        """Names of all files without their folders, or the pattern of their paths."""
        return self.reading.pattern or listed([path.name for path in self.paths])

    @property
    def read(self) -> str:
        """What is read, for a line on the screen."""
        return self.reading.pattern or listed([*map(str, self.paths)])


def paths(given: Sequence[Path] | None, pattern: str | None) -> list[Path]:
    """Paths of the command line; with a pattern the folder that it begins in. Raises OptionError without any."""
    if given or pattern is not None:
        return list(given or [Path()])
    raise OptionError("found no RUNS, expected tables of results, or --from with a pattern of paths")


def listed(names: Sequence[str]) -> str:
    """List names: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def short_name(paths: Sequence[Path], pattern: str | None) -> str:
    """Name of a table for folders and titles: its file's, or the last folder's before the fields of a pattern.

    Of several files what their names begin with, or else the number of files.
    """
    before = (pattern or "").partition("{")[0].rpartition("/")[0]
    if pattern is not None:
        return (paths[0] / before).resolve().name
    first, *others = [path.stem for path in paths]
    words = [first[: split.start()] for split in re.finditer(r"[ _.-]", first)] if others else [first]
    common = [name for name in words if len(name) >= SHORTEST and all(other.startswith(name) for other in others)]
    return common[-1] if common else first if not others else f"{len(paths)}-files"


def reading(
    *,
    pattern: str | None = None,
    value: str | None = None,
    sheet: str | None = None,
    column: Sequence[str] | None = None,
    delimiter: str | None = None,
    scale: str | None = None,
    shape: str | None = None,
    label_unit: str | None = None,
    per_class: int | None = None,
    pool: Sequence[str] | None = None,
    skip_empty: bool = False,
    baseline: str | None = None,
    metric: str | None = None,
    lower: bool | None = None,
    best: float | None = None,
    runs: int | None = None,
    spread: str | None = None,
) -> Reading:
    """What the command line says of a table. Raises OptionError or UnknownNameError naming the option."""
    if runs is not None:
        in_range("--runs", runs, f"a number of runs from 2 to {MOST:,}", least=2, most=MOST)
    if best is not None:
        in_range("--best", best, "a finite value")
    if per_class is not None:
        in_range("--per-class", per_class, "a number of classes from 1", least=1)
    if pattern is not None:
        path_patterns.fields(pattern)
    assignments = [*([f"accuracy={value}"] if value is not None else []), *(column or [])]
    return Reading(
        columns=columns(assignments),
        pattern=pattern,
        value=value,
        sheet=sheet,
        delimiter=_delimiter(delimiter),
        scale=_scale(scale),
        shape=_shape(shape),
        label_unit=_label_unit(label_unit),
        per_class=per_class,
        pools=pools(pool or []),
        skip_empty=skip_empty,
        baseline=baseline,
        metric=metric,
        lower_is_better=lower,
        best=best,
        runs=runs,
        spread=_spread(spread),
    )


def _score(option: str, value: float, units: Units, entry: Metric) -> float:
    """Score of a value that an option gives. Raises OptionError outside the metric's range."""
    low, high = sorted((units.worst, units.best))
    return units.score(in_range(option, value, f"{entry.one} in {low:g}..{high:g}", least=low, most=high))


def columns(assignments: Sequence[str]) -> dict[str, str]:
    """Names of the file's columns by labeleff's names, from assignments `NAME=THEIRS`. Raises OptionError."""
    names = pairs(assignments, "--column", "NAME=THEIRS, e.g. accuracy=top1", "every column once")
    try:
        column_names(names)
    except LabeleffError as error:
        raise OptionError(f"--column: {str(error).removeprefix('columns: ')}") from error
    return names


def _delimiter(text: str | None) -> str | None:
    """Delimiter from itself, its name, or `\\t`. Raises UnknownNameError for anything else."""
    by_name = {**{mark: mark for mark in DELIMITERS}, **{name: mark for mark, name in DELIMITERS.items()}, "\\t": "\t"}
    if text is None or text in by_name:
        return None if text is None else by_name[text]
    raise UnknownNameError("--delimiter", text, DELIMITERS.values())


def _scale(text: str | None) -> Scale | None:
    """Scale from its name, `fraction` or `percent`. Raises UnknownNameError for anything else."""
    if text is not None and text not in _SCALES:
        raise UnknownNameError("--scale", text, _SCALES)
    return None if text is None else _SCALES[text]


def _spread(text: str | None) -> Spread | None:
    """Kind of spread from its name. Raises UnknownNameError for anything else."""
    if text is not None and text not in WORDS:
        raise UnknownNameError("--spread", text, WORDS)
    return None if text is None else next(kind for kind in WORDS if kind == text)


def _shape(text: str | None) -> Shape | None:
    """Shape from its name. Raises UnknownNameError for anything else."""
    if text is not None and text not in _SHAPES:
        raise UnknownNameError("--shape", text, _SHAPES)
    return None if text is None else _SHAPES[text]


def pools(texts: Sequence[str]) -> dict[str | None, int]:
    """Numbers of all labels by task from `50000` and `svhn=604388`. Raises OptionError for anything else."""
    expected = "a number of labels from 1, or TASK=NUMBER, e.g. 50000 or svhn=604388"
    found: dict[str | None, int] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        task = composed(name.strip()) if equals else None
        count = re.sub(r"(?<=[0-9])[,_ ](?=[0-9]{3})", "", number.strip())
        if not re.fullmatch(r"[1-9][0-9]{0,14}", count) or task == "":
            raise OptionError(f"--pool: found {text!r}, expected {expected}")
        if task in found:
            raise OptionError(f"--pool: found {task or text!r} twice, expected every task once")
        found[task] = int(count)
    return found


def convention(text: str) -> Convention:
    """Convention from its name, `definition` or `selfstudy`. Raises UnknownNameError for anything else."""
    if text not in _CONVENTIONS:
        raise UnknownNameError("--convention", text, _CONVENTIONS)
    return _CONVENTIONS[text]
