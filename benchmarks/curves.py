"""Every method on measured learning curves: `python benchmarks/curves.py DATA_DIR [--out reports/curves]`.

DATA_DIR is described in benchmarks/measured_cases.py. Data sets are split in two by a hash of their name: anything may
be tuned on the half `choice`, and results are quoted on the half `report` (the default).

Errors are |ln(n / truth)| over answers that aren't infinite, and with infinite ones counted as CAP times the last rung.
The interval score (Gneiting and Raftery 2007, JASA 102, section 6.2) is in ln, width plus 2 / 0.1 times the miss, with
ends brought to between an eighth of the first rung and CAP times the last one, so that an open end costs its distance
to that cap. Where the truth isn't a number, coverage means what can be checked: the interval must reach over the last
point of the dense curve (above), or down to the first rung (below). The truth of a network's case has noise of its
own: coverage is given as it is, and with intervals widened by that noise in quadrature.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import measured_cases
import numpy as np
from csv_rows import to_csv
from measured_cases import HALVES, Case, Worth

from labeleff.curves.interpolation import METHODS as INTERPOLATIONS
from labeleff.curves.methods import FORMULAS, rungs_needed
from labeleff.curves.solvers import invert_many
from labeleff.curves.utility import utility
from labeleff.reporting.markdown import table

DEFAULT = "bayes"
METHODS = (DEFAULT, *INTERPOLATIONS, *FORMULAS)
ONE_RUN = (DEFAULT, "pchip")
"""Methods that are compared on ladders of one run per rung."""
RESAMPLES = 2000
FEWEST_CLUSTERS = 8
"""Number of data sets from which on ratios get an interval by resampling them."""
CAP = 1000.0
LEVEL = 0.90
NORMAL = 1.6449
"""Distance of the ends of a normal 90 % interval from its middle, in standard deviations."""
PLACES: dict[str, Callable[[Case], bool]] = {
    "interior": lambda case: case.kind == "interior",
    "extrapolate": lambda case: case.kind == "extrapolate",
    "above": lambda case: case.kind == "above",
    "below": lambda case: case.kind == "below",
}
GAPS: dict[str, Callable[[Case], bool]] = {
    "extrapolate, to 2x": lambda case: case.kind == "extrapolate" and gap(case) <= 2,
    "extrapolate, 2x to 4x": lambda case: case.kind == "extrapolate" and 2 < gap(case) <= 4,
    "extrapolate, past 4x": lambda case: case.kind == "extrapolate" and gap(case) > 4,
}
"""Extrapolations by the multiple of the last rung; by the default method alone."""


@dataclass(frozen=True)
class Answer:
    """What is said of one case, beside its truth: a label count (inf for never) and an interval, or None without."""

    n: float
    low: float | None
    high: float | None
    truth: float | None
    truth_sd: float
    first: float
    last: float
    dense_last: float = math.inf
    above: bool = False

    def covered(self, *, allowance: bool = False) -> float:
        """Check whether the interval has the true value, or agrees with what is known of it; nan without."""
        if self.low is None or self.high is None:
            return math.nan
        if self.truth is None:
            return float(self.high > self.dense_last if self.above else self.low <= self.first)
        low, high = self._widened() if allowance else (self.low, self.high)
        return float(low <= self.truth <= high)

    def _widened(self) -> tuple[float, float]:
        """Widen each side by the truth's noise, in ln."""
        low, high = (min(max(end, self.first * 1e-9), self.last * 1e9) for end in (self.low or 0.0, self.high or 0.0))
        middle = min(max(self.n, low), high)
        down, up = (math.hypot(math.log(ratio), NORMAL * self.truth_sd) for ratio in (middle / low, high / middle))
        return middle * math.exp(-down), middle * math.exp(up)

    @property
    def score(self) -> float:
        """The interval score in ln; lower is better; nan without interval or truth."""
        if self.truth is None or self.low is None or self.high is None:
            return math.nan
        caps = self.first / 8, self.last * CAP
        low, high, truth = (math.log(min(max(n, caps[0]), caps[1])) for n in (self.low, self.high, self.truth))
        return high - low + 2 / (1 - LEVEL) * (max(low - truth, 0.0) + max(truth - high, 0.0))

    @property
    def log_ratio(self) -> float:
        """ln(n / truth), inf for never; nan where the truth isn't a number."""
        return math.nan if self.truth is None else math.log(self.n / self.truth)

    @property
    def error(self) -> float:
        """The error in ln; nan where the answer is never, or the truth isn't a number."""
        return abs(self.log_ratio) if self.n < math.inf else math.nan

    @property
    def capped_error(self) -> float:
        """The error in ln with label counts over CAP times the last rung brought to it."""
        return math.nan if self.truth is None else abs(math.log(min(self.n, CAP * self.last) / self.truth))


def invert(case: Case, method: str) -> Answer:
    """Invert one case by a method."""
    [each] = invert_many(list(case.ladder), list(case.ladder.values()), [case.target], level=LEVEL, method=method)
    low, high = (None, None) if each.p_above is None else (each.low, each.high)
    ends = case.truth, case.truth_sd, case.first, case.last, case.dense_last, case.kind == "above"
    return Answer(each.n, low, high, *ends)


def value(case: Worth, method: str) -> Answer:
    """Compute n1 of one arm by a method; where it is only a bound, that is the answer."""
    [point] = utility(case.ladder, {case.n: case.arm}, level=LEVEL, method=method)
    n, low, high = point.n1 or point.n1_bound, point.n1_low or 0.0, point.n1_high or math.inf
    assert n is not None
    known = point.p_above is not None
    first, last = min(case.ladder), max(case.ladder)
    return Answer(n, low if known else None, high if known else None, case.truth, case.truth_sd, first, last)


def mean(values: Sequence[float], how: Callable[..., float] = np.mean) -> float:
    """Average the numbers that there are; nan where there is none."""
    known = [value for value in values if not math.isnan(value)]
    return float(how(known)) if known else math.nan


def summary(answers: Sequence[Answer]) -> dict[str, float]:
    """Summarise one method on cases of one place."""
    return {
        "cases": len(answers),
        "median_error": mean([each.error for each in answers], np.median),
        "mean_error": mean([each.error for each in answers]),
        "mean_error_capped": mean([each.capped_error for each in answers]),
        "median_ratio": math.exp(mean([each.log_ratio for each in answers], np.median)),
        "coverage": mean([each.covered() for each in answers]),
        "over": mean([float(each.low > each.truth) for each in answers if each.truth and each.low is not None]),
        "under": mean([float(each.high < each.truth) for each in answers if each.truth and each.high is not None]),
        "coverage_truth_noise": mean([each.covered(allowance=True) for each in answers]),
        "interval_score": mean([each.score for each in answers]),
        "never": mean([float(each.n == math.inf) for each in answers]),
        "inside": mean([float(each.n <= each.last) for each in answers]),
        "without_interval": mean([float(each.low is None) for each in answers]),
    }


def ratio(clusters: Sequence[str], over: Sequence[float], under: Sequence[float]) -> str:
    """Write the ratio of the means of two methods' numbers over cases where both have one, with its 90 % interval.

    Whole data sets are resampled, as the cases of one are alike; with few of them there is no interval.
    """
    both = np.isfinite(over) & np.isfinite(under)
    if not both.any():
        return ""
    names, place = np.unique(clusters, return_inverse=True)
    sums = np.array([np.bincount(place[both], np.array(v)[both], len(names)) for v in (over, under)])
    text = f"{sums[0].sum() / sums[1].sum():.2f}"
    if len(names) < FEWEST_CLUSTERS:
        return text
    drawn = sums[:, np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))].sum(axis=2)
    drawn = drawn[:, drawn[1] > 0]
    low, high = np.quantile(drawn[0] / drawn[1], [0.05, 0.95])
    return f"{text} ({low:.2f} to {high:.2f})"


Row = dict[str, object]


def rows(source: str, runs: str, cases: Sequence[Case], methods: Sequence[str]) -> Iterator[Row]:
    """Yield one row per place and method, with the default's errors and scores over the method's."""
    for place, chosen in {**PLACES, **GAPS}.items():
        here = [(case, invert(case, DEFAULT)) for case in cases if chosen(case)]
        for method in methods if place in PLACES else (DEFAULT,):
            pairs = [pair for pair in here if len(pair[0].ladder) >= rungs_needed(method)]
            if not pairs:
                continue
            able, default = zip(*pairs, strict=True)
            found = default if method == DEFAULT else [invert(case, method) for case in able]
            clusters = [case.cluster for case in able]
            yield {
                "source": source,
                "runs": runs,
                "place": place,
                "method": method,
                **summary(found),
                "error_ratio": ratio(clusters, [a.error for a in default], [a.error for a in found]),
                "score_ratio": ratio(clusters, [a.score for a in default], [a.score for a in found]),
            }


def worth_rows(runs: str, worths: Sequence[Worth]) -> Iterator[Row]:
    """Yield one row per place and method for utilities; errors of ln n1 are those of ln(1 + U)."""
    for kind in ("inside", "beyond"):
        here = [worth for worth in worths if worth.kind == kind]
        for method in ONE_RUN if here else ():
            found = [value(worth, method) for worth in here]
            names = {"source": "networks", "runs": runs, "place": f"utility, {kind}", "method": method}
            yield {**names, **summary(found), "error_ratio": "", "score_ratio": ""}


def gap(case: Case) -> float:
    """The truth as a multiple of the last rung."""
    return (case.truth or math.inf) / case.last


def milliseconds(cases: Sequence[Case], method: str) -> float:
    """Measure the median processor time of one inversion with its interval, in ms."""
    samples = []
    for case in cases[:50]:
        start = time.process_time()
        invert(case, method)
        samples.append((time.process_time() - start) * 1e3)
    return float(np.median(samples))


def all_rows(
    tables: Sequence[Case], networks: Sequence[Case], worths: Sequence[Worth], methods: Sequence[str]
) -> Iterator[Row]:
    """Yield the rows of all sources, first with all runs, then with the first of every rung alone."""
    for source, cases in (("tables", tables), ("networks", networks)):
        yield from rows(source, "all", cases, methods)
        yield from rows(source, "one", [case.one_run() for case in cases], ONE_RUN)
    yield from worth_rows("all", worths)
    yield from worth_rows("one", [worth.one_run() for worth in worths])


def markdown(found: Sequence[Row]) -> str:
    """Write all rows, with errors and scores to three digits."""
    names = list(found[0])
    lines = [
        ["" if cell != cell else f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row.values()]
        for row in found
    ]
    return table([name.replace("_", " ") for name in names], lines, left=4)


def main() -> None:
    """Print the table of one half, and write it where a folder is given."""
    parser = argparse.ArgumentParser(description="Inversion methods on measured learning curves, as Markdown tables.")
    parser.add_argument("data", type=Path, help="folder with development_cases.json and image_development.json.gz")
    parser.add_argument("--half", choices=(*HALVES, "all"), default="report", help="which half of the data sets")
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=METHODS, help="methods, the default among them"
    )
    parser.add_argument("--out", type=Path, help="folder for real.md and real.csv")
    arguments = parser.parse_args()
    cases, worths = measured_cases.networks(arguments.data)
    everything = measured_cases.tabular(arguments.data), cases, worths
    chosen = [measured_cases.half(items, arguments.half) for items in everything]
    found = list(all_rows(*chosen, arguments.methods))
    times = ", ".join(f"{method} {milliseconds(chosen[0], method):.1f} ms" for method in arguments.methods)
    text = f"Half `{arguments.half}`, nominal {LEVEL:.0%}.\n\n{markdown(found)}\n\nTime per inversion: {times}.\n"
    print(text)
    if arguments.out:
        (arguments.out / "real.md").write_text(f"# Inversion of real learning curves\n\n{text}", encoding="utf-8")
        (arguments.out / "real.csv").write_text(to_csv(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
