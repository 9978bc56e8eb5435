"""Every method on real learning curves: `python benchmarks/curves.py DATA_DIR [--out reports/curves]`.

DATA_DIR has `development_cases.json`: sparse ladders of real learning curves with a target and the label count
`truth_n1` at which the dense curve reaches it. Data sets are split in two by a hash of their name: anything may be
tuned on the half `choice`, and results are quoted on the half `report` (the default).

Errors are |log10(n / truth_n1)| over answers that aren't infinite. The interval score (Gneiting and Raftery 2007,
JASA 102, section 6.2) is in decades, width plus 2 / 0.1 times the miss, with ends brought to between an eighth of
the first rung and 1000 times the last one, so that an open end costs its distance to that cap. Where the truth isn't
a number, coverage means what can be checked: the interval must reach over the last point of the dense curve
(above_asymptote), or down to the first rung (below_first).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labeleff.curves.interpolation import METHODS as INTERPOLATIONS
from labeleff.curves.inversion import Inversion
from labeleff.curves.methods import FORMULAS
from labeleff.curves.solvers import invert
from labeleff.seeding import stream_seed

METHODS = ("bayes", *INTERPOLATIONS, *FORMULAS)
RESAMPLES = 2000
KINDS = ("interior", "extrapolate", "above_asymptote", "below_first")
HALVES = ("choice", "report")
LEVEL = 0.90
DEFAULT = "bayes"
HEADER = (
    "kind",
    "method",
    "cases",
    "median error",
    "mean error",
    "coverage",
    "interval score",
    "answered never",
    "finite inside the ladder",
)
Case = dict[str, Any]


def half(dataset: str) -> str:
    """Tell which half a data set belongs to."""
    return HALVES[stream_seed("half", dataset) % 2]


def answer(case: Case, method: str) -> Inversion:
    """Invert one case by a method."""
    ns, accuracies = [rung["n"] for rung in case["rungs"]], [rung["accs"] for rung in case["rungs"]]
    return invert(ns, accuracies, case["target"], level=LEVEL, method=method)


def covered(case: Case, inversion: Inversion) -> bool:
    """Check whether the interval has the true value, or agrees with what is known of it."""
    low, high = ends(inversion)
    if case["kind"] == "above_asymptote":
        return high > case["n_last_dense"]
    if case["kind"] == "below_first":
        return low <= case["rungs"][0]["n"]
    return bool(low <= case["truth_n1"] <= high)


def ends(inversion: Inversion) -> tuple[float, float]:
    """Give both ends of the interval; all cases have several runs per rung, so there is one."""
    assert inversion.low is not None
    assert inversion.high is not None
    return inversion.low, inversion.high


def interval_score(case: Case, inversion: Inversion) -> float:
    """Compute the interval score in decades; lower is better."""
    caps = case["rungs"][0]["n"] / 8, case["rungs"][-1]["n"] * 1000
    low, high, truth = (math.log10(min(max(n, caps[0]), caps[1])) for n in (*ends(inversion), case["truth_n1"]))
    return high - low + 2 / (1 - LEVEL) * (max(low - truth, 0.0) + max(truth - high, 0.0))


def error(case: Case, inversion: Inversion) -> float:
    """Compute the error in decades; nan where the answer is never, or the true value isn't a number."""
    return abs(math.log10(inversion.n / case["truth_n1"])) if case["truth_n1"] and inversion.n != math.inf else math.nan


Answers = dict[str, list[Inversion]]
"""Inversions by method, in the order of the cases."""


def row(cases: list[Case], found: list[Inversion]) -> dict[str, float]:
    """Summarise one method on the cases of one kind."""
    errors = np.array([error(*pair) for pair in zip(cases, found, strict=True)])
    known = [pair for pair in zip(cases, found, strict=True) if pair[0]["truth_n1"] is not None]
    return {
        "cases": len(cases),
        "median_error": float(np.nanmedian(errors)) if np.isfinite(errors).any() else math.nan,
        "mean_error": float(np.nanmean(errors)) if np.isfinite(errors).any() else math.nan,
        "coverage": float(np.mean([covered(*pair) for pair in zip(cases, found, strict=True)])),
        "interval_score": float(np.mean([interval_score(*pair) for pair in known])) if known else math.nan,
        "answered_never": float(np.mean([each.n == math.inf for each in found])),
        "finite_inside": float(
            np.mean([each.n <= case["rungs"][-1]["n"] for case, each in zip(cases, found, strict=True)])
        ),
    }


def ratio(cases: list[Case], over: np.ndarray, under: np.ndarray) -> tuple[float, float, float]:
    """Compute the ratio of the means of two methods' numbers over cases where both have one, with its 90 % interval.

    Whole data sets are resampled, as the cases of one are alike.
    """
    both = np.isfinite(over) & np.isfinite(under)
    names = sorted({case["dataset"] for case in cases})
    place = np.array([names.index(case["dataset"]) for case in cases])
    sums = np.array([[values[both & (place == k)].sum() for k in range(len(names))] for values in (over, under)])
    picks = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    drawn = sums[:, picks].sum(axis=2)
    low, high = np.nanquantile(drawn[0] / drawn[1], [0.05, 0.95])
    return float(sums[0].sum() / sums[1].sum()), float(low), float(high)


def ratios(kind: str, cases: list[Case], answers: Answers) -> Iterator[dict[str, object]]:
    """Yield ratios of the default's errors and interval scores to those of every other method."""
    measures = {"error": error, "interval score": interval_score}
    numbers = {
        (name, method): np.array([measure(*pair) for pair in zip(cases, found, strict=True)])
        for name, measure in measures.items()
        for method, found in answers.items()
    }
    for name, method in numbers:
        if method != DEFAULT:
            found, low, high = ratio(cases, numbers[name, DEFAULT], numbers[name, method])
            yield {"kind": kind, "of": name, "against": method, "ratio": found, "low": low, "high": high}


def milliseconds(cases: list[Case], method: str) -> float:
    """Measure the median processor time of one inversion with its interval, in ms."""
    samples = []
    for case in cases[:50]:
        start = time.process_time()
        answer(case, method)
        samples.append((time.process_time() - start) * 1e3)
    return float(np.median(samples))


def number(value: float, digits: int = 3) -> str:
    """Format a number for the table; empty where there is none."""
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def document(half_name: str, cases: list[Case]) -> Iterator[str]:
    """Write both tables in Markdown."""
    names = {case["dataset"] for case in cases}
    yield f"Half `{half_name}`: {len(cases)} cases of {len(names)} data sets, three runs a rung, nominal {LEVEL:.0%}.\n"
    yield "| " + " | ".join(HEADER) + " |\n|---|---|" + "---:|" * (len(HEADER) - 2)
    compared: list[dict[str, object]] = []
    for kind in KINDS:
        chosen = [case for case in cases if case["kind"] == kind]
        answers = {method: [answer(case, method) for case in chosen] for method in METHODS}
        for method, found in answers.items():
            cells = row(chosen, found)
            digits = {"cases": 0, "coverage": 2, "answered_never": 2, "finite_inside": 2}
            texts = [number(value, digits.get(name, 3)) for name, value in cells.items()]
            yield "| " + " | ".join((kind, method, *texts)) + " |"
        if kind in ("interior", "extrapolate"):
            compared += ratios(kind, chosen, answers)
    yield f"\nRatios of `{DEFAULT}` to every other method, under 1 where it is better, with 90 % intervals:\n"
    yield "| kind | of | against | ratio | interval |\n|---|---|---|---:|---:|"
    for each in compared:
        yield "| {kind} | {of} | {against} | {ratio:.2f} | {low:.2f} to {high:.2f} |".format(**each)
    yield "\nProcessor time a curve: " + ", ".join(f"{m} {milliseconds(cases, m):.1f} ms" for m in METHODS)


def main() -> None:
    """Print the tables of one half, and write them where a folder is given."""
    parser = argparse.ArgumentParser(description="Inversion methods on real learning curves, as Markdown tables.")
    parser.add_argument("data", type=Path, help="folder with development_cases.json")
    parser.add_argument("--half", choices=HALVES, default="report", help="which half of the data sets")
    parser.add_argument("--out", type=Path, help="folder for real.md")
    arguments = parser.parse_args()
    everything = json.loads((arguments.data / "development_cases.json").read_text())
    text = "\n".join(document(arguments.half, [c for c in everything if half(c["dataset"]) == arguments.half]))
    print(text)
    if arguments.out:
        (arguments.out / "real.md").write_text(f"# Inversion of real learning curves\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
