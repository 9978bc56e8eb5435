"""What a table's values are: which metric, whether less of it is better, and how they are mapped to scores in 0..1."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import special

from labeleff.catalogue.metric_names import recognised
from labeleff.catalogue.metrics import METRICS, PUBLISHED, Metric, Units, metric
from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.observations import Observation, Observed
from labeleff.reporting.external.reading import Reading
from labeleff.stats.resampling import Runs, means

ROOM = 1.1
"""Distance of the score 0 from a perfect value, over that of the table's worst value, where a metric has no worst."""
STRETCH = 3.0
"""Times as far from a perfect value as the baseline from which on an arm's worst mean moves the others' numbers."""
CLEAR = 2.0
"""Standard errors by which all arms together must get worse with labels to be refused."""
SURE = 0.99
"""Probability, by Student's t, with which the baseline alone must get worse with labels to be refused."""
EVERY = "every arm"
ASK = "--lower-is-better, or --higher-is-better where more is better after all"
_NAMELESS = {"", "value", "values", "score", "scores", "result", "results", "metric"}


def metric_of(observed: Observed, options: Reading) -> Metric:
    """The metric of the values, whose `lower` is the direction that they are read in.

    A name of which less is better is never taken for more: RunsError asks for the direction. OptionError for a
    direction that the name contradicts.
    """
    names = [name for name in (options.metric, observed.value_name) if name]
    known = {name: entry for name in names if (entry := recognised(name)) is not None}
    doubtful = next((name for name, entry in known.items() if entry.lower), None)
    if options.lower_is_better is None and doubtful is not None:
        where = "--metric-name" if doubtful == options.metric else f"{_source(observed)}, column {doubtful!r}"
        raise RunsError(f"{where}: found {known[doubtful].one} by this name, of which less is better, expected {ASK}")
    entry = known.get(options.metric or "") or known.get(observed.value_name)
    if entry is None:
        entry = _unknown(observed.value_name, options)
    elif options.lower_is_better and not entry.lower:
        raise OptionError(
            f"--lower-is-better: found {entry.one} by its name ({names[0]!r}), of which more is better; name another "
            "metric, e.g. --metric-name error"
        )
    elif entry.lower and not options.lower_is_better:
        entry = replace(entry, share=True, of_examples=False, worst=0.0, best=1.0, percent=True, open=False)
    if options.metric and options.metric not in PUBLISHED:
        entry = replace(entry, name=options.metric, words=options.metric, plural=f"{options.metric} values")
    return entry


def _unknown(column: str, options: Reading) -> Metric:
    """A metric without a known name: a share of examples, or where less is better what its values make of it."""
    if not options.lower_is_better:
        return metric(options.metric) if options.metric else METRICS["accuracy"]
    name = options.metric or column
    if name.lower() in _NAMELESS:
        return PUBLISHED["error"]
    return Metric(name, name, f"{name} values", share=False, worst=math.inf, best=0.0, open=True)


def _source(observed: Observed) -> str:
    return observed.rows[0].source if observed.rows else "the table"


def with_range(entry: Metric, *, shares: bool) -> Metric:
    """A metric whose range wasn't known, where its values are shares or aren't."""
    if not entry.percent or entry.worst < math.inf:
        return entry
    return replace(entry, worst=1.0, open=False) if shares else replace(entry, percent=False)


def units_of(entry: Metric, values: Collection[float], best: float | None, chance: float | None) -> tuple[Units, str]:
    """Units of a metric with these values, and a sentence on what was chosen; empty where nothing was.

    Raises OptionError for values that are better than a perfect one.
    """
    top = entry.best if best is None else best
    sign = -1.0 if top < entry.worst else 1.0
    extreme = max(values, key=lambda value: sign * value)
    if sign * extreme > sign * top:
        given = "--best" if best is not None else f"a perfect {entry.words}"
        raise OptionError(f"{given}: found {top:.10g} beside the value {extreme:.10g}, which is better; give --best")
    least = min([*values, *([] if chance is None else [chance])], key=lambda value: sign * value)
    note = f"a perfect {entry.words} is {top:.10g}" if best is not None else ""
    if math.isfinite(entry.worst) and (not entry.open or sign * least >= sign * entry.worst):
        return Units(entry.worst, top, entry.percent), note
    worst = _rounded_outwards(top + ROOM * ((least - top) or -sign), top)
    chosen = f"{entry.plural} have no worst value: {worst:.10g} stands for it, a little over the worst of the table"
    return Units(worst, top, entry.percent), "; ".join(text for text in (note, chosen) if text)


def stretched(groups: Mapping[tuple[str | None, str], Runs], entry: Metric, units: Units, baseline: str | None) -> str:
    """Sentence on an arm far worse than the baseline, by which the worst value for all was chosen; else empty.

    Without a known baseline the arm is compared with the worst of the others.
    """
    if units.worst == entry.worst:
        return ""
    least = {key: float(means(runs).min()) for key, runs in groups.items()}
    key = min(least, key=lambda key: least[key])
    own = [other for other in least if other[1] == baseline]
    others = own or sorted((other for other in least if other[1] != key[1]), key=lambda other: least[other])[:1]
    near = max(others, key=lambda other: least[other], default=key)
    if 1 - least[key] <= STRETCH * (1 - least[near]):
        return ""
    what, beside = (f"{arm!r}" if task is None else f"{arm!r} on {task}" for task, arm in (key, near))
    return (
        f"{what} is as bad as {units.short(least[key])}, over {STRETCH:g} times as far from a perfect {entry.words} as "
        f"{beside} ever is ({units.short(least[near])}): the worst value that stands for all was chosen by it, and "
        "moves what is extrapolated for others; without those rows, or in a table of their own, it doesn't"
    )


def _rounded_outwards(value: float, centre: float) -> float:
    """The value rounded to two digits, away from `centre`."""
    step = 10.0 ** (math.floor(math.log10(abs(value - centre))) - 1)
    rounded = math.ceil(abs(value - centre) / step) * step
    return float(f"{centre + math.copysign(rounded, value - centre):.10g}")


def check_trend(
    groups: Mapping[tuple[str | None, str], Runs],
    rows: Sequence[Observation],
    entry: Metric,
    *,
    baseline: str | None,
    insisted: bool,
) -> str:
    """Refuse a table in which every arm, or the baseline, gets worse with labels beyond its noise.

    A sentence where that is insisted on, else empty. Raises RunsError, which asks for the direction.
    """
    what = falling(groups, baseline)
    better = "less" if entry.lower else "more"
    if not what:
        return ""
    if insisted:
        return f"{what} gets worse with more labels, as {better} is taken for better"
    row = next((row for row in rows if row.arm == baseline), rows[0])
    place = row.source if what == EVERY else f"{row.source}, {row.place}, column {row.column!r}"
    raise RunsError(
        f"{place}: found values that get worse with more labels in {what}, if {better} is better as with "
        f"{entry.plural}; expected {ASK}"
    )


def falling(groups: Mapping[tuple[str | None, str], Runs], baseline: str | None) -> str:
    """What gets worse with labels, beyond its noise: every arm together, the baseline alone, or nothing: empty."""
    step = _step([value for runs in groups.values() for rung in runs.values() for value in rung.values()])
    falls = {key: _fall(runs, step) for key, runs in groups.items() if len(runs) > 1}
    if not falls:
        return ""
    if min(fall.size for fall in falls.values()) > 0 and _clearly(list(falls.values()), CLEAR):
        return EVERY
    own = [fall for (_, arm), fall in falls.items() if arm == baseline]
    df = sum(fall.df for fall in own)
    wide = [fall._replace(error=max(fall.error, fall.scatter)) for fall in own]
    sure = df > 0 and _clearly(wide, float(special.stdtrit(df, SURE)))
    return f"the baseline {baseline!r}" if sure else ""


class _Fall(NamedTuple):
    """Fall of the scores from the first rung to the last along a line in ln n."""

    size: float
    error: float
    """Its standard error by how far runs of a rung are apart; with one run a rung that of `scatter`.

    Equal runs are no certainty: each rung's mean is unknown by the smallest step between the table's values.
    """
    scatter: float
    """Its standard error by how far rungs are from the line; 0 for two rungs, but for that step."""
    df: float
    """Degrees of freedom of both together; 0 where nothing is known of them."""


def _clearly(falls: Sequence[_Fall], errors: float) -> bool:
    """Whether the sum of falls is over this number of standard errors."""
    return sum(fall.size for fall in falls) > errors * math.hypot(*(fall.error for fall in falls))


def _step(values: Sequence[float]) -> float:
    """The smallest step between values that differ: what they are counted or printed in, or less."""
    steps = np.diff(np.unique(values))
    return float(steps.min(initial=1.0, where=steps > 1e-9))


def _fall(runs: Runs, step: float) -> _Fall:
    x = np.log(np.array(sorted(runs), dtype=float))
    x = (x - x.mean()) / (x[-1] - x[0])
    rungs = [np.array(list(runs[n].values())) for n in sorted(runs)]
    means, counts = np.array([rung.mean() for rung in rungs]), np.array([len(rung) for rung in rungs])
    weights = x / (x @ x)
    residuals, free = means - means.mean() - x * (weights @ means), max(len(x) - 2, 0)
    scatter = float(np.sqrt((residuals @ residuals) / max(free, 1) * (weights @ weights)))
    df = int((counts - 1).sum())
    error = scatter
    if df:
        variance = sum(float(((rung - rung.mean()) ** 2).sum()) for rung in rungs) / df / counts
        error = float(np.sqrt((weights**2 * variance).sum()))
    least = step * float(np.sqrt(weights @ weights))
    return _Fall(float(-(weights @ means)), max(error, least), max(scatter, least), df + free)
