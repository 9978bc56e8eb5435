"""Tables of a report as CSV; missing values are empty cells."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeleff.catalogue.metrics import Units
from labeleff.curves.bounds import Reading, equivalent, multiplier, savings, worth
from labeleff.curves.least_squares import FormulaFit
from labeleff.curves.utility import UtilityPoint
from labeleff.reporting.findings import Comparison, FittedFormula, TargetLabels, rank_comparisons
from labeleff.reporting.measurements import Measurements, Place
from labeleff.stats.moderation import wilson

if TYPE_CHECKING:
    import pandas as pd

    from labeleff.study.prices import Cost

Row = dict[str, Any]
NONE = None, None
"""Ends of an interval that isn't there."""


def columns(text: str) -> list[str]:
    """Split a text into names of columns."""
    return text.split()


INTEGERS = columns(
    "draws seeds failed missing test_count difference_pairs rungs n_first n_last above below df draw seed step "
    "validation_count peak_memory_bytes distinct_labels unseen_count"
)
SUMMARY = columns(
    "task encoder arm n metric mean sd low high runs draws seeds failed missing chance test_count test_low "
    "test_high baseline difference difference_low difference_high difference_p difference_pairs"
)
"""`low`, `high`: interval of the mean over draws and seeds; `test_low`, `test_high`: the test set's sampling
error, where the metric is a share of its examples; `difference`: from the baseline, in pairs where draws are shared
(0 pairs: unpaired), with its p value; `missing`: planned runs that haven't finished or failed yet."""
UTILITY = columns(
    "task encoder arm baseline n runs accuracy baseline_accuracy kind utility utility_at_least "
    "utility_at_most utility_low utility_high low_is_bound high_is_bound n1 n1_at_least n1_at_most "
    "n1_low n1_high p_above p_below p_never factor saved saved_low saved_high saved_at_least saved_at_most "
    "saved_unit flags simultaneous_low simultaneous_high assumption effective_data_transferred "
    "effective_data_transferred_low effective_data_transferred_high effective_data_transferred_at_least "
    "effective_data_transferred_at_most data_multiplier data_multiplier_low data_multiplier_high "
    "data_multiplier_at_least data_multiplier_at_most"
)
"""`accuracy`: by the metric that `summary.csv` names; `utility`: measured for the kind "inside", a model's for
"extrapolated", where n1 is `factor` times the last rung; `utility_at_least`, `utility_at_most`: bounds measured
outside the ladder; `p_never`: share of the model's curves that never reach the accuracy; `saved`: n1 - n labels at the
price of one, empty without a price; `simultaneous_low`, `simultaneous_high`: interval of `utility` that holds for all
rungs and arms of a place at once; `assumption`: what fails of what the row rests on;
`effective_data_transferred`: n U(n) = n1 - n labels, and `data_multiplier`: U(n) + 1 = n1/n, as in Hernandez et al.
(2021), Scaling Laws for Transfer, section 2."""

TARGETS = columns(
    "task encoder arm target rungs kind n n_at_least n_at_most n_low n_high p_never factor baseline share "
    "share_at_least share_at_most reason assumption"
)
"""`target`: the accuracy that needs `n` labels; kinds and bounds as in UTILITY; `share`: `n` over the baseline's."""
CURVES = columns(
    "task encoder arm family rungs formula parameters standard_errors rss df p_value leave_one_out residual_max reason"
)
"""`parameters`, `standard_errors`: JSON, by name; `rss`: over the variances of the means, in accuracy squared where no
rung has two runs; `p_value`: of the chi-square test that the formula is correct; `leave_one_out`: mean absolute error
of a rung predicted from the others; `residual_max`: largest distance of a mean from the formula. For metrics that are
mapped to 0..1, `formula` shows how; parameters and rss are those of what is in its brackets."""
RANKING = columns(
    "task encoder arm baseline rungs n_first n_last mean_ratio low high mean_log2_ratio above below tied "
    "simultaneous_low simultaneous_high"
)
"""`mean_ratio`: the mean label ratio over the arm's rungs, the best first; arms that are set aside have no row;
`above`, `below`: numbers of rungs whose label count was brought down or up to the end of what the ladder measures;
`tied`: not distinguishable from the best; `simultaneous_low`, `simultaneous_high`: interval that holds for all arms and
rungs at once."""


def frame(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Build a data frame with columns `names`, in which counts stay integers where some are missing."""
    import pandas as pd

    whole = {name: "Int64" for name in INTEGERS if name in names}
    return pd.DataFrame(rows, columns=list(names)).astype(whole)


DIGITS, EXACT = 10, 17
"""Number of significant digits of a table, and the number that keeps every value exactly."""


@dataclass(frozen=True)
class Table:
    """Rows with the names of their columns; pandas, which takes long to load, is only needed for `frame`."""

    rows: Sequence[Row]
    names: Sequence[str]
    digits: int = DIGITS

    def frame(self) -> pd.DataFrame:
        """The table as a data frame."""
        return frame(self.rows, self.names)

    def csv(self) -> bytes:
        """The table as CSV, with the bytes that `to_csv` gives for its frame."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.names)
        writer.writerows([_cell(row.get(name), self.digits) for name in self.names] for row in self.rows)
        return stream.getvalue().encode()


def _cell(value: object, digits: int) -> object:
    """Text of a cell; empty for what is missing."""
    if isinstance(value, float):  # also numpy's; the writer has all digits
        return "" if value != value else float(value) if digits == EXACT else f"{value:.{digits}g}"
    return no_formula(value)


def to_csv(table: pd.DataFrame) -> bytes:
    """Write the table as UTF-8 CSV with `\\n` line ends; the same table gives the same bytes everywhere.

    A name that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    return table.map(no_formula).to_csv(index=False, lineterminator="\n", float_format="%.10g").encode()


def no_formula(value: object) -> object:
    """The value as a table has it: a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def summary(measured: Measurements) -> Table:
    """Table of accuracies: one row per task, encoder, arm and rung, also for planned rungs without a finished run."""
    rows = [row for place in measured.places for arm in measured.arms for row in _arm_rows(measured, place, arm)]
    return Table(rows, SUMMARY)


def _arm_rows(measured: Measurements, place: Place, arm: str) -> Iterable[Row]:
    setting, level, runs = measured.settings[place], measured.level, measured.at(place, arm)
    units = setting.units
    failures = measured.failed.get((place, arm), {})
    intervals = {item.n: item for item in measured.intervals.get((place, arm), [])}
    from_baseline = measured.differences.get((place, arm))
    differences = {item.ns[0]: item for item in from_baseline.rungs} if from_baseline else {}
    for n in measured.rungs_at(place, arm):
        values = list(runs.get(n, {}).values())
        interval, difference = intervals.get(n), differences.get(n)
        failed, count = failures.get(n, 0), setting.test_count if values else None
        size = count if setting.sampled else None
        test = wilson(units.value(interval.mean), size, level=level) if interval and size else NONE
        ends = units.ends(interval.low, interval.high) if interval else NONE
        difference_ends = units.changes(difference.low, difference.high) if difference else NONE
        yield {
            "task": place.task,
            "encoder": place.encoder,
            "arm": arm,
            "n": n,
            "metric": setting.metric,
            "mean": interval and units.value(interval.mean),
            "sd": abs(units.change(float(np.std(values, ddof=1)))) if len(values) > 1 else None,
            "low": ends[0],
            "high": ends[1],
            "runs": len(values),
            "draws": len({draw for draw, _ in runs.get(n, {})}) if "draw" in measured.shared else None,
            "seeds": len({seed for _, seed in runs.get(n, {})}) if "seed" in measured.shared else None,
            "failed": None if measured.planned_runs is None else failed,
            "missing": None if measured.planned_runs is None else measured.planned_runs - len(values) - failed,
            "chance": None if setting.chance is None else units.value(setting.chance),
            "test_count": count,
            "test_low": test[0],
            "test_high": test[1],
            "baseline": measured.baseline,
            "difference": difference and units.change(difference.mean),
            "difference_low": difference_ends[0],
            "difference_high": difference_ends[1],
            "difference_p": difference and difference.p_value,
            "difference_pairs": difference and difference.pairs,
        }


def utilities(comparisons: Sequence[Comparison], cost_at: Callable[[Place], Cost | None] | None = None) -> Table:
    """Table of utilities: one row per arm and rung, with savings where labels have a price."""
    rows = [
        _utility(item, point, joint, cost_at(item.place) if cost_at else None)
        for item in comparisons
        for point, joint in zip(item.points, item.joint, strict=True)
    ]
    return Table(rows, UTILITY)


def _utility(item: Comparison, point: UtilityPoint, joint: UtilityPoint, cost: Cost | None) -> Row:
    units = item.units
    return {
        "task": item.place.task,
        "encoder": item.place.encoder,
        "arm": item.arm,
        "baseline": item.baseline,
        "n": point.n,
        "runs": point.runs,
        "accuracy": units.value(point.accuracy),
        "baseline_accuracy": None if point.baseline_accuracy is None else units.value(point.baseline_accuracy),
        "kind": point.kind,
        **_numbers("utility", worth(point)),
        "low_is_bound": point.low_bound,
        "high_is_bound": point.high_bound,
        **_numbers("n1", equivalent(point)),
        "p_above": point.p_above,
        "p_below": point.p_below,
        "p_never": point.p_never,
        "factor": point.factor,
        **(_numbers("saved", savings(point, cost.per_label)) if cost else {}),
        "saved_unit": cost and cost.unit,
        "flags": "; ".join(point.flags),
        "simultaneous_low": joint.low,
        "simultaneous_high": joint.high,
        "assumption": "; ".join(item.doubts(point.n)),
        **_numbers("effective_data_transferred", savings(point, 1.0)),
        **_numbers("data_multiplier", multiplier(point)),
    }


def _numbers(name: str, reading: Reading) -> Row:
    """Columns of a number: its value, its interval, and its bounds measured outside the ladder."""
    return {
        name: reading.value,
        f"{name}_low": reading.low,
        f"{name}_high": reading.high,
        f"{name}_at_least": None if reading.kind == "below" else reading.bound,
        f"{name}_at_most": reading.bound if reading.kind == "below" else None,
    }


def targets(items: Sequence[TargetLabels], baseline: str) -> Table:
    """Table of the labels for target accuracies: one row per arm and target."""
    rows = [
        {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "arm": item.arm,
            "target": item.units.value(item.target),
            "rungs": item.rungs,
            **(
                _numbers("n", item.labels)
                | {"kind": item.labels.kind, "p_never": item.labels.p_never, "factor": item.labels.factor}
                if item.labels
                else {}
            ),
            "baseline": baseline,
            "share": item.share.value,
            "share_at_least": item.share.at_least,
            "share_at_most": item.share.at_most,
            "reason": item.reason,
            "assumption": "; ".join(item.doubts),
        }
        for item in items
    ]
    return Table(rows, TARGETS)


def ranking(comparisons: Sequence[Comparison]) -> Table:
    """Table of mean label ratios: one row per arm that has one, the best of a place first."""
    rows = [
        {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "arm": item.arm,
            "baseline": item.baseline,
            "rungs": len(mean.ns),
            "n_first": mean.ns[0],
            "n_last": mean.ns[-1],
            "mean_ratio": mean.ratio,
            "low": mean.low,
            "high": mean.high,
            "mean_log2_ratio": mean.log2,
            "above": mean.above,
            "below": mean.below,
            "tied": mean.tied,
            "simultaneous_low": mean.joint_low,
            "simultaneous_high": mean.joint_high,
        }
        for item, mean in rank_comparisons(comparisons)
    ]
    return Table(rows, RANKING)


def curves(items: Sequence[FittedFormula], baseline: str) -> Table:
    """Table of formulas fitted to the baseline: one row per place and formula."""
    rows = [
        {
            "task": item.place.task,
            "encoder": item.place.encoder,
            "arm": baseline,
            "family": item.name,
            "rungs": item.rungs,
            **(_formula(item.fit, item.units) if item.fit else {}),
            "df": item.df,
            "p_value": item.p_value,
            "reason": item.reason,
        }
        for item in items
    ]
    return Table(rows, CURVES)


def _formula(fit: FormulaFit, units: Units) -> Row:
    return {
        "formula": units.formula(fit.text),
        "parameters": _json(fit.parameters),
        "standard_errors": _json(fit.standard_errors),
        "rss": fit.rss,
        "leave_one_out": None if fit.leave_one_out is None else abs(units.change(fit.leave_one_out)),
        "residual_max": abs(units.change(float(np.abs(fit.residuals).max()))),
    }


def _json(numbers: Mapping[str, float] | None) -> str | None:
    """Numbers by name as JSON, with as many digits as other numbers in the tables."""
    return None if numbers is None else json.dumps({name: float(f"{value:.10g}") for name, value in numbers.items()})
