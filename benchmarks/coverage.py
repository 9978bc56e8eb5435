"""Coverage of intervals on simulated studies: `python benchmarks/coverage.py [--studies 600] [--out reports/curves]`.

Studies are simulated (benchmarks/simulated.py) from curves of five families and of none of them, with 5 to 9 rungs and
3 to 10 runs per rung. Every study asks where its curve reaches two targets inside the ladder and two beyond it (1.1 to
8 times the last rung), and for the utility of an arm that shares its draws, at every rung whose true n1 lies inside the
ladder, and beyond it up to 8 times the last rung; for break-even; and for the mean label ratio. The true values are
known.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import simulated
from csv_rows import to_csv
from simulated import FAMILIES, World

from labeleff.curves.break_even import crossing
from labeleff.curves.mean_ratio import mean_ratios
from labeleff.curves.solvers import invert_many
from labeleff.curves.utility import utilities

LEVEL = 0.90
FARTHEST = 8.0
METHODS = ("bayes", "pchip")
Hit = tuple[str, bool, float]
"""The quantity, whether the interval has its true value, and the interval's width in decades (inf where open)."""


def inversions(study: World, rng: np.random.Generator, method: str) -> Iterator[Hit]:
    """Check the intervals of two known targets inside the ladder and of two beyond it."""
    first, last = np.log(study.ns[0]), np.log(study.ns[-1])
    truths = np.exp([*rng.uniform(first, last, 2), *(last + rng.uniform(np.log(1.1), np.log(FARTHEST), 2))])
    accuracies = study.measure(rng, rng.standard_normal((study.runs, 2))).T.tolist()
    found = invert_many(study.ns.tolist(), accuracies, study.curve(truths), level=LEVEL, method=method)
    for place, (truth, each) in enumerate(zip(truths, found, strict=True)):
        assert each.low is not None
        assert each.high is not None
        where = "inversion, inside" if place < 2 else "inversion, beyond"
        yield where, bool(each.low <= truth <= each.high), width(each.low, each.high)


def width(low: float, high: float) -> float:
    """Width of an interval in decades."""
    return math.log10(high / low) if low > 0 and high < math.inf else math.inf


def ratio_of(rng: np.random.Generator, study: World):
    """Draw a label ratio as a function of n: often over 1 with few labels and falling, as that of pretraining."""
    start, end = rng.uniform(np.log(1.0), np.log(5.0)), rng.uniform(np.log(0.5), np.log(1.5))
    span = np.log(study.ns[-1] / study.ns[0])
    return lambda n: np.exp(start + (end - start) * np.clip(np.log(n / study.ns[0]) / span, 0, 1))


def with_seeds(table: np.ndarray, ns: np.ndarray) -> dict[int, dict[tuple[int, int], float]]:
    """Give each row of accuracies (runs, R) a draw and a seed of its own."""
    return {int(n): {(i, i): float(row[k]) for i, row in enumerate(table)} for k, n in enumerate(ns)}


def worths(study: World, rng: np.random.Generator, method: str) -> Iterator[Hit]:
    """Check utility, break-even and mean label ratio of an arm that shares its draws with the baseline."""
    ratio, luck = ratio_of(rng, study), rng.standard_normal((study.runs, 2))
    base = with_seeds(study.measure(rng, luck), study.ns)
    arm = with_seeds(study.measure(rng, luck, simulated.moved(study, ratio)), study.ns)
    found = utilities(base, {"arm": arm}, level=LEVEL, method=method)["arm"]
    truths = study.ns * ratio(study.ns)
    for point, truth in zip(found.points, truths, strict=True):
        low, high = point.n1_low or 0.0, point.n1_high or math.inf
        if study.ns[0] <= truth <= study.ns[-1]:
            yield "utility, inside", bool(low <= truth <= high), width(low, high)
        elif study.ns[-1] < truth <= FARTHEST * study.ns[-1]:
            yield "utility, beyond", bool(low <= truth <= high), width(low, high)
    place = simulated.crossing_of(ratio, study.ns[0], study.ns[-1])
    cross = crossing(base, arm, level=LEVEL, method=method)
    if place is not None and cross is not None:
        low, high = cross.low or 0.0, cross.high or math.inf
        yield "break-even", bool(low <= place <= high), width(low, high)
    mean = mean_ratios({"arm": found}, float(study.ns[0]), level=LEVEL)["arm"]
    if method == "bayes" and mean.low is not None and mean.high is not None and truths.max() <= 4 * study.ns[-1]:
        logs = np.log(ratio(study.ns))
        truth = math.exp(float(np.trapezoid(logs, np.log(study.ns)) / np.log(study.ns[-1] / study.ns[0])))
        yield "mean label ratio", bool(mean.low <= truth <= mean.high), width(mean.low, mean.high)


def simulate(studies: int, seed: int) -> dict[tuple[str, str, str], list[tuple[bool, float]]]:
    """Simulate studies and collect hits by (quantity, method, family)."""
    hits = defaultdict(list)
    for family in FAMILIES:
        for number in range(studies):
            for method in METHODS:
                rng = np.random.default_rng([seed, list(FAMILIES).index(family), number])
                study = simulated.world(family, rng)
                for quantity, hit, decades in (*inversions(study, rng, method), *worths(study, rng, method)):
                    hits[quantity, method, family].append((hit, decades))
    return hits


def rows(hits: dict[tuple[str, str, str], list[tuple[bool, float]]]) -> Iterator[dict[str, object]]:
    """Yield one row per quantity, method and family, and one over all families."""
    questions = list(dict.fromkeys(quantity for quantity, _, _ in hits))
    for quantity in questions:
        for method in METHODS:
            for family in (*FAMILIES, "all"):
                found = [
                    h
                    for (a, m, f), group in hits.items()
                    if (a, m) == (quantity, method)
                    for h in group
                    if family in (f, "all")
                ]
                if not found:
                    continue
                share = float(np.mean([hit for hit, _ in found]))
                yield {
                    "asked": quantity,
                    "method": method,
                    "curves": family,
                    "intervals": len(found),
                    "coverage": share,
                    "standard_error": math.sqrt(share * (1 - share) / len(found)),
                    "median_width_decades": float(np.median([decades for _, decades in found])),
                    "open": float(np.mean([decades == math.inf for _, decades in found])),
                }


def markdown(table: list[dict[str, object]]) -> str:
    """Write a table of coverage by quantity and method, with one column per family."""
    columns = [*FAMILIES, "all"]
    lines = ["| asked | method | " + " | ".join(columns) + " | median width (decades) |"]
    lines.append("|---|---|" + "---:|" * (len(columns) + 1))
    for quantity, method in dict.fromkeys((row["asked"], row["method"]) for row in table):
        here = {row["curves"]: row for row in table if (row["asked"], row["method"]) == (quantity, method)}
        cells = [f"{here[c]['coverage']:.3f} ({here[c]['intervals']:,})" if c in here else "" for c in columns]
        wide = here["all"]["median_width_decades"]
        cells.append("open" if wide == math.inf else f"{wide:.2f}")
        lines.append(f"| {quantity} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it as CSV where a folder is given."""
    parser = argparse.ArgumentParser(description="Coverage of nominal 90 % intervals on simulated studies.")
    parser.add_argument("--studies", type=int, default=600, help="simulated studies a family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for coverage.csv and coverage.md")
    arguments = parser.parse_args()
    start = time.process_time()
    table = list(rows(simulate(arguments.studies, arguments.seed)))
    what = f"{arguments.studies} studies a family, seed {arguments.seed}, nominal {LEVEL:.0%}"
    text = f"{what}; number of intervals in brackets.\n\n{markdown(table)}\n"
    print(f"{text}\n{time.process_time() - start:.0f} s of processor time")
    if arguments.out:
        (arguments.out / "coverage.md").write_text(f"# Coverage on simulated studies\n\n{text}", encoding="utf-8")
        (arguments.out / "coverage.csv").write_text(to_csv(table), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
