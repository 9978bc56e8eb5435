"""How much is lost where a table prints `mean±s.d.` with one decimal in place of the runs.

    python benchmarks/printed_means.py [FOLDER]

Every case is a baseline and another arm, once as runs that are independent between arms, once as the cells that a paper
would print of them, read as `labeleff utility` reads a table. Simulated cases have ten runs a rung; real ones are the
runs of examples/runs.csv and of the records under reports/, with as many runs as they have. Writes
`printed_means.csv` (one row per point) to FOLDER, by default reports/tables, and prints a summary. One process, about two minutes.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import simulated
from csv_rows import to_csv

from labeleff.curves.utility import Accuracies, UtilityPoint, utilities, utility
from labeleff.reporting.external.reader import parse_runs
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.results import load
from labeleff.stats.resampling import Runs

CASES = 30
"""Simulated cases per family of curves."""
RUNS = 10
HOME = Path(__file__).parent.parent
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


def as_printed(baseline: Arm, arm: Arm) -> list[UtilityPoint]:
    """Utility from the cells of a table with one decimal in percent."""
    lines = ["arm,n,accuracy,runs"]
    for name, runs in (("base", baseline), ("arm", arm)):
        for n, rung in runs.items():
            lines.append(f"{name},{n},{100 * np.mean(rung):.1f}±{100 * np.std(rung, ddof=1):.1f},{len(rung)}")
    table = parse_runs("\n".join(lines).encode(), "printed", Reading(lower_is_better=False, scale="percent"))
    return utilities(table.groups[None, "base"], {"arm": table.groups[None, "arm"]})["arm"].points


def with_printed_means(arm: Arm) -> Arm:
    """The runs, moved until their means are the printed ones: what rounding means alone does."""
    shifts = {n: round(float(np.mean(rung)), 3) - float(np.mean(rung)) for n, rung in arm.items()}
    return {n: [min(max(value + shifts[n], 0.0), 1.0) for value in rung] for n, rung in arm.items()}


def compare(source: str, baseline: Accuracies, arm: Accuracies) -> Iterator[dict[str, object]]:
    """One row per label count: n1 and its interval from the runs and from what is printed of them."""
    raw, printed = utility(baseline, arm), as_printed(baseline, arm)
    moved = utility(with_printed_means(baseline), with_printed_means(arm))
    for one, other, third in zip(raw, printed, moved, strict=True):
        row: dict[str, object] = {"source": source, "n": one.n, "runs": one.runs, "kind": one.kind}
        for name, point in (("runs", one), ("printed", other)):
            row |= {f"n1_{name}": point.n1, f"low_{name}": point.n1_low, f"high_{name}": point.n1_high}
        row["n1_ratio"] = other.n1 / one.n1 if other.n1 and one.n1 else None
        row["rounding_ratio"] = third.n1 / one.n1 if third.n1 and one.n1 else None
        ends = one.n1_low, one.n1_high, other.n1_low, other.n1_high
        row["width_ratio"] = (
            math.log(other.n1_high / other.n1_low) / math.log(one.n1_high / one.n1_low) if all(ends) else None
        )
        yield row


def summary(rows: Sequence[Mapping[str, object]], name: str) -> str:
    """What share of the points inside the ladder agrees, and by how much intervals are wider."""
    inside = [row for row in rows if row["kind"] == "inside"]
    ratios = np.array([row["n1_ratio"] for row in inside if row["n1_ratio"]], dtype=float)
    widths = np.array([row["width_ratio"] for row in inside if row["width_ratio"]], dtype=float)
    low, middle, high = np.quantile(widths, [0.1, 0.5, 0.9])
    close = np.mean(np.abs(ratios - 1) < 0.01)
    moved = np.array([row["rounding_ratio"] for row in inside if row["rounding_ratio"]], dtype=float)
    off = np.quantile(np.abs(ratios - 1), 0.9)
    return (
        f"{name}: {len(ratios)} points inside, n1 within 1 % in {close:.0%} (90 % within {off:.2%}; from the runs "
        f"themselves with rounded means {np.mean(np.abs(moved - 1) < 0.01):.0%}); intervals are {middle:.3f} times as "
        f"wide in the median (10 to 90 %: {low:.2f} to {high:.2f})"
    )


def main(folder: Path) -> None:
    """Compare all cases, write their rows and print the summary."""
    rng = np.random.default_rng(20)
    cases = [*(made(family, rng) for family in simulated.FAMILIES for _ in range(CASES)), *real()]
    rows = [row for case in cases for row in compare(*case)]
    folder.mkdir(parents=True, exist_ok=True)
    shown = [{key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    (folder / "printed_means.csv").write_text(to_csv(shown))
    print(summary([row for row in rows if row["source"] == "simulated"], "simulated, ten runs"))
    others = [row for row in rows if row["source"] != "simulated"]
    print(summary([row for row in others if row["runs"] >= RUNS], "real, ten runs or more"))
    print(summary([row for row in others if row["runs"] < RUNS], "real, fewer runs"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HOME / "reports" / "tables")
