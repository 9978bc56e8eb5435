"""How well every method inverts real learning curves: `python benchmarks/curves.py DATA_DIR [--half choice]`.

DATA_DIR holds `development_cases.json`: sparse ladders of real learning curves with a target and the label count
`truth_n1` at which the dense curve reaches it. Data sets are split in two by a hash of their name: anything may be
tuned on the half `choice`, and results are quoted on the half `report` (the default).

Errors are |log10(n / truth_n1)| over answers that aren't infinite. The interval score (Gneiting and Raftery 2007,
JASA 102, section 6.2) is in decades, width plus 2 / 0.1 times the miss, with ends brought to between an eighth of
the first rung and 1000 times the last one, so that an open end costs its distance to that cap. Where the truth isn't
a number, coverage asks what is known: the interval must reach over the last point of the dense curve
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

from labeleff.curve import invert
from labeleff.inversion import Inversion
from labeleff.seeding import stream_seed

METHODS = ("linear", "log", "pchip", "bayes")
KINDS = ("interior", "extrapolate", "above_asymptote", "below_first")
HALVES = ("choice", "report")
LEVEL = 0.90
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
    """The half that a data set belongs to."""
    return HALVES[stream_seed("half", dataset) % 2]


def answer(case: Case, method: str) -> Inversion:
    """What a method says of one case."""
    ns, accuracies = [rung["n"] for rung in case["rungs"]], [rung["accs"] for rung in case["rungs"]]
    return invert(ns, accuracies, case["target"], level=LEVEL, method=method)


def covered(case: Case, found: Inversion) -> bool:
    """Whether the interval holds the truth, or agrees with what is known of it."""
    low, high = ends(found)
    if case["kind"] == "above_asymptote":
        return high > case["n_last_dense"]
    if case["kind"] == "below_first":
        return low <= case["rungs"][0]["n"]
    return bool(low <= case["truth_n1"] <= high)


def ends(found: Inversion) -> tuple[float, float]:
    """Both ends; all cases have several runs a rung, hence intervals."""
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def interval_score(case: Case, found: Inversion) -> float:
    """In decades; lower is better."""
    caps = case["rungs"][0]["n"] / 8, case["rungs"][-1]["n"] * 1000
    low, high, truth = (math.log10(min(max(n, caps[0]), caps[1])) for n in (*ends(found), case["truth_n1"]))
    return high - low + 2 / (1 - LEVEL) * (max(low - truth, 0.0) + max(truth - high, 0.0))


def row(kind: str, method: str, cases: list[Case], found: list[Inversion]) -> tuple[str, ...]:
    """One line of the table."""
    known = [(case, each) for case, each in zip(cases, found, strict=True) if case["truth_n1"] is not None]
    errors = [abs(math.log10(each.n / case["truth_n1"])) for case, each in known if each.n != math.inf]
    scores = [interval_score(case, each) for case, each in known]
    inside = [each.n <= case["rungs"][-1]["n"] for case, each in zip(cases, found, strict=True)]
    return (
        kind,
        method,
        str(len(cases)),
        number(float(np.median(errors)) if errors else None),
        number(float(np.mean(errors)) if errors else None),
        number(float(np.mean([covered(*pair) for pair in zip(cases, found, strict=True)])), 2),
        number(float(np.mean(scores)) if scores else None),
        number(float(np.mean([each.n == math.inf for each in found])), 2),
        number(float(np.mean(inside)), 2),
    )


def number(value: float | None, digits: int = 3) -> str:
    """As in the table; empty where there is none."""
    return "" if value is None else f"{value:.{digits}f}"


def table(cases: list[Case]) -> Iterator[tuple[str, ...]]:
    """The lines by kind and method, then the cost by method."""
    yield HEADER
    yield ("---",) * len(HEADER)
    for kind in KINDS:
        chosen = [case for case in cases if case["kind"] == kind]
        for method in METHODS:
            yield row(kind, method, chosen, [answer(case, method) for case in chosen])


def milliseconds(cases: list[Case], method: str) -> float:
    """Median processor time of one inversion with its interval."""
    samples = []
    for case in cases[:100]:
        start = time.process_time()
        answer(case, method)
        samples.append((time.process_time() - start) * 1e3)
    return float(np.median(samples))


def main() -> None:
    """Print the table of one half."""
    parser = argparse.ArgumentParser(description="Inversion methods on real learning curves, as a Markdown table.")
    parser.add_argument("data", type=Path, help="folder with development_cases.json")
    parser.add_argument("--half", choices=HALVES, default="report", help="which half of the data sets")
    arguments = parser.parse_args()
    everything = json.loads((arguments.data / "development_cases.json").read_text())
    cases = [case for case in everything if half(case["dataset"]) == arguments.half]
    print(f"Half `{arguments.half}`: {len(cases)} cases of {len({case['dataset'] for case in cases})} data sets.\n")
    for line in table(cases):
        print("| " + " | ".join(line) + " |")
    print("\nProcessor time a curve: " + ", ".join(f"{m} {milliseconds(cases, m):.1f} ms" for m in METHODS))


if __name__ == "__main__":
    main()
