"""Error rates and power of verdicts on made curves: `python benchmarks/verdicts.py [--studies 200] [--out FILE.csv]`.

Every study has a baseline top - drop n^-power and arms that need 1 / ratio of its labels everywhere, so that U is
ratio - 1 at every rung; 3 runs per rung, independent. The report's own functions compute and word the verdicts.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from csv_rows import to_csv

from labeleff.curves.methods import BAYES
from labeleff.reporting.findings import Comparison, find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.sections.accuracy_and_utility import verdicts

RUNS = 3
LEVEL = 0.90
PLACE = Place("made")


@dataclass(frozen=True)
class Ladder:
    """A baseline's curve, its rungs, and the standard deviation of one run."""

    ns: tuple[int, ...]
    top: float
    drop: float
    power: float
    sd: float


LADDERS = {
    "decades, saturating": Ladder((10, 100, 1000, 10_000), 0.90, 3.0, 0.7, 0.005),
    "1-2-5, saturating": Ladder((10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000), 0.90, 3.0, 0.7, 0.005),
    "digits-like": Ladder((100, 1000, 10_000, 60_000), 0.995, 2.5, 0.6, 0.001),
    "slowly rising": Ladder((50, 100, 200, 500, 1000, 2000, 5000), 0.90, 2.0, 0.5, 0.012),
    "noisy, never flat": Ladder((50, 100, 200, 400, 800, 1600), 0.92, 1.6, 0.35, 0.02),
}


def measured(ladder: Ladder, arms: int, ratio: float, method: str, seed: int) -> Measurements:
    """Simulate one study."""
    rng = np.random.default_rng([seed, arms])
    names = ("scratch", *(f"arm {number + 1}" for number in range(arms)))
    runs = {}
    for number, name in enumerate(names):
        true = ladder.top - ladder.drop * (np.array(ladder.ns) * (ratio if number else 1.0)) ** -ladder.power
        values = np.clip(true + rng.normal(0, ladder.sd, (RUNS, len(ladder.ns))), 0, 1)
        runs[PLACE, name] = {
            n: {(RUNS * number + run, 0): float(values[run, place]) for run in range(RUNS)}
            for place, n in enumerate(ladder.ns)
        }
    return Measurements(
        {PLACE: Setting("made", ladder.ns)}, names, "scratch", runs, level=LEVEL, method=method, design="", shared=()
    )


def picked_pointwise(comparisons: list[Comparison]) -> float:
    """The highest lower end of all points' own intervals, which is what nothing corrects."""
    return max(point.low if point.low is not None else -1.0 for item in comparisons for point in item.points)


def told(text: str) -> Iterator[tuple[float, float]]:
    """Intervals that a verdict tells of U, and of the mean ratio less 1."""
    number = r"([^ \],]+)"
    for low, high in re.findall(rf"U = \S+ \[{number}, {number}[^\]]*\]", text):
        yield float(low.replace(",", "").replace("…", "-1")), _end(high)
    for low in re.findall(r"more than U = (\S+) \(", text):
        yield float(low.replace(",", "")), float("inf")
    for low, high in re.findall(rf"does the work of (?:[<>]= )?\S+ \[{number}, {number}\]", text):
        yield float(low) - 1, _end(high) - 1


def _end(text: str) -> float:
    return float("inf") if text in ("…", "no") else float(text.replace(",", ""))


def rates(ladder: Ladder, arms: int, ratio: float, method: str, studies: int) -> dict[str, object]:
    """Shares of studies: called worth labels, an interval wholly over or under the truth, not to be trusted."""
    counts = np.zeros(5)
    for seed in range(studies):
        findings = find(measured(ladder, arms, ratio, method, seed))
        text, truth = "\n".join(verdicts(findings)), ratio - 1
        intervals = list(told(text))
        counts += (
            picked_pointwise(findings.comparisons) > truth,
            any(low > truth + 0.005 for low, _ in intervals),
            any(high < truth - 0.005 for _, high in intervals),
            "is worth" in re.sub("Whether .* is worth|is worth no", "", text),
            "Not to be trusted" in text,
        )
    names = ("pointwise_pick_over", "told_over", "told_under", "called_worth", "distrusted")
    return dict(zip(names, (counts / studies).round(3).tolist(), strict=True))


def rows(studies: int, method: str) -> Iterator[dict[str, object]]:
    """One row per ladder, number of arms and true utility."""
    for name, ladder in LADDERS.items():
        for arms, ratio in ((1, 1.0), (4, 1.0), (1, 1.5), (4, 1.5), (1, 2.0), (4, 2.0)):
            row = {"ladder": name, "arms": arms, "truth": ratio - 1, "studies": studies}
            yield row | rates(ladder, arms, ratio, method, studies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--method", default=BAYES)
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    table = []
    print("shares of studies; nominal: 0.05 over, 0.05 under, 0.05 called worth where U = 0")
    for row in rows(options.studies, options.method):
        table.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if options.out:
        options.out.write_bytes(to_csv(table))


if __name__ == "__main__":
    main()
