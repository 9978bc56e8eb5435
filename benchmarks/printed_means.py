"""How much is lost where a table prints `mean±s.d.` with one decimal in place of the runs.

    python benchmarks/printed_means.py [FOLDER]

Every case is a baseline and another arm, once as runs that are independent between arms, once as the cells that a paper
would print of them, read as `labeleff utility` reads a table. Simulated cases have ten runs a rung; real ones are the
runs of examples/runs.csv and of the records under reports/, with as many runs as they have. Writes
`printed_means.csv` (one row per point) to FOLDER, by default reports/tables, and prints a summary. One process, two
minutes.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simulated
from csv_rows import to_csv

from labeleff.curves.utility import UtilityPoint, utilities
from labeleff.reporting.external.formats import delimited
from labeleff.reporting.external.measured import measured
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes.recognise import observations
from labeleff.reporting.results import load
from labeleff.stats.resampling import Runs

CASES = 30
"""Simulated cases per family of curves."""
RUNS = 10
HOME = Path(__file__).parent.parent
DECIMALS = (1, 2)
STEEP = 4.0
"""Points per doubling of the labels from which on the rounding of one mean, 0.05 points, is under 1 % of the labels."""
Row = dict[str, Any]
Arm = Mapping[int, Sequence[float]]
Case = tuple[str, Arm, Arm]


def made(family: str, rng: np.random.Generator) -> Case:
    """Ten independent runs per rung of a simulated study of benchmarks/coverage.py."""
    base = dataclasses.replace(simulated.world(family, rng), noise=simulated.Noise(RUNS))
    arm = simulated.moved(base, simulated.ratio_of(rng, base.ns))
    sides = [base.measure(rng, base.luck(rng), curve) for curve in (None, arm)]
    first, other = ({int(n): side[:, 0, k].tolist() for k, n in enumerate(base.ns)} for side in sides)
    return "simulated", first, other


def real() -> Iterator[Case]:
    """Every arm against the baseline: of the example, and of the records with three runs a rung or more."""
    example: dict[str, dict[int, list[float]]] = {}
    with (HOME / "examples" / "runs.csv").open() as file:
        for row in csv.DictReader(file):
            example.setdefault(row["arm"], {}).setdefault(int(row["n"]), []).append(float(row["accuracy"]))
    base = "scratch/finetune"
    yield from (("examples/runs.csv", example[base], runs) for arm, runs in example.items() if arm != base)
    for path in sorted((HOME / "reports").glob("**/records.jsonl")):
        measured = load(path.parent).measured
        for place in measured.places:
            baseline = _lists(measured.at(place, measured.baseline))
            for arm in measured.arms:
                runs = _lists(measured.at(place, arm))
                if arm != measured.baseline and len(baseline) > 1 and runs and _least([baseline, runs]) > 2:
                    yield str(path.parent.relative_to(HOME)), baseline, runs


def _lists(runs: Runs) -> Arm:
    return {n: list(rung.values()) for n, rung in runs.items()}


def _least(arms: Sequence[Arm]) -> int:
    return min(len(rung) for arm in arms for rung in arm.values())


def apart(arm: Arm, first: int) -> Runs:
    """Runs of which no two rungs or arms share any: a printed mean can't say which of them belong together."""
    return {
        n: {(first + 100 * at + k, first + 100 * at + k): value for k, value in enumerate(rung)}
        for at, (n, rung) in enumerate(sorted(arm.items()))
    }


def as_printed(baseline: Arm, arm: Arm, decimals: int) -> list[UtilityPoint]:
    """Utility from the cells of a table in percent."""
    lines = ["arm,n,accuracy,runs"]
    for name, runs in (("base", baseline), ("arm", arm)):
        for n, rung in runs.items():
            mean, sd = 100 * np.mean(rung), 100 * np.std(rung, ddof=1)
            lines.append(f"{name},{n},{mean:.{decimals}f}±{sd:.{decimals}f},{len(rung)}")
    how = Reading(lower_is_better=False, scale="percent")
    table = measured(observations([delimited.read("\n".join(lines).encode(), "printed", how)], how), how)
    return utilities(table.groups[None, "base"], {"arm": table.groups[None, "arm"]})["arm"].points


def compare(source: str, baseline: Arm, arm: Arm) -> Iterator[Row]:
    """One row per label count and number of decimals: n1 from the runs, and from what is printed of them."""
    raw = utilities(apart(baseline, 0), {"arm": apart(arm, 100_000)})["arm"].points
    for decimals in DECIMALS:
        for one, other in zip(raw, as_printed(baseline, arm, decimals), strict=True):
            ends = one.n1_low, one.n1_high, other.n1_low, other.n1_high
            both = one.n1 is not None and other.n1 is not None
            bounded = one.kind == "inside" and all(ends) and one.n1_high > one.n1_low
            yield {
                "source": source,
                "decimals": decimals,
                "n": one.n,
                "runs": one.runs,
                "kind": one.kind,
                "points_per_doubling": rise(baseline, one.n1) if one.kind == "inside" else None,
                "n1_runs": one.n1,
                "n1_printed": other.n1,
                "n1_ratio": other.n1 / one.n1 if both else None,
                "width_runs": math.log(one.n1_high / one.n1_low) if bounded else None,
                "width_ratio": math.log(ends[3] / ends[2]) / math.log(ends[1] / ends[0]) if bounded else None,
            }


def rise(baseline: Arm, n1: float) -> float:
    """Points of accuracy that twice the labels bring the baseline at `n1`, between the means of the rungs around it."""
    ns = sorted(baseline)
    at = min(max(int(np.searchsorted(ns, n1)), 1), len(ns) - 1)
    low, high = ns[at - 1], ns[at]
    return 100 * float(np.mean(baseline[high]) - np.mean(baseline[low])) / math.log2(high / low)


def summary(rows: Sequence[Row], name: str) -> str:
    """What share of the points inside the ladder agrees, and by how much intervals are wider."""
    rows = [row for row in rows if row["kind"] == "inside" and row["n1_ratio"]]
    off = np.abs([row["n1_ratio"] - 1 for row in rows])
    wide = [row for row in rows if row["width_ratio"]]
    low, middle, high = np.quantile([row["width_ratio"] for row in wide], [0.05, 0.5, 0.95])
    moved = [2 * abs(math.log(row["n1_ratio"])) / row["width_runs"] for row in wide]
    return (
        f"{name}: {len(rows)} points, n1 within 1 % in {np.mean(off < 0.01):.0%} (90 % within "
        f"{np.quantile(off, 0.9):.1%}, or {np.quantile(moved, 0.9):.2f} half intervals); intervals {middle:.3f} times "
        f"as wide ({low:.2f} to {high:.2f})"
    )


def main(folder: Path) -> None:
    """Compare all cases, write their rows and print the summary."""
    rng = np.random.default_rng(20)
    cases = [*(made(family, rng) for family in simulated.FAMILIES for _ in range(CASES)), *real()]
    rows = [row for case in cases for row in compare(*case)]
    folder.mkdir(parents=True, exist_ok=True)
    shown = [{key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    (folder / "printed_means.csv").write_text(to_csv(shown))
    groups = {
        "simulated, ten runs": lambda row: row["source"] == "simulated",
        "real, ten runs or more": lambda row: row["source"] != "simulated" and row["runs"] >= RUNS,
        "real, three to nine runs": lambda row: row["source"] != "simulated" and row["runs"] < RUNS,
    }
    for name, holds in groups.items():
        for decimals in DECIMALS:
            chosen = [row for row in rows if holds(row) and row["decimals"] == decimals]
            steep = [row for row in chosen if (row["points_per_doubling"] or 0) >= STEEP]
            print(summary(chosen, f"{name}, {decimals} decimals"))
            if steep:
                print(summary(steep, f"{name}, {decimals} decimals, {STEEP:g} points or more per doubling"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HOME / "reports" / "tables")
