"""Coverage of a chosen ladder's intervals: `python benchmarks/auto_coverage.py [--studies 100] [--out DIR]`.

To end as soon as intervals are narrow is a choice by the data, which can cost coverage. Studies are simulated as in
benchmarks/simulated.py: curves of five families and of none of them, 5 to 9 rungs, 3 to 10 runs per rung, an arm that
shares the baseline's draws. U(n) is requested at two rungs of the lower half, and the chooser may measure what the
simulated ladder has. Where the true n1 lies inside the largest ladder, the interval is checked, beside that of the
whole ladder in the same world.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simulated
from csv_rows import to_csv
from simulated import FAMILIES

from labeleff.reporting.markdown import table
from labeleff.scheduling.ladder_chooser import Choice, Chooser, Question, State

WIDTHS = (0.3, 0.5, 0.8)
BASE, ARM = "baseline", "arm"
GROUPS = ("whole ladder", "chosen ladder", "chosen, ended narrow", "chosen, ended wide")


def hits(family: str, number: int, seed: int, width: float) -> tuple[list[tuple[str, bool]], float]:
    """Check one world: (kind of interval, whether it has the true value), and the share of training steps chosen."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family), number])
    world = simulated.world(family, rng)
    ratio, luck = simulated.ratio_of(rng, world.ns), world.luck(rng)
    tables = {
        BASE: simulated.runs(world.measure(rng, luck), world.ns),
        ARM: simulated.runs(world.measure(rng, luck, simulated.moved(world, ratio)), world.ns),
    }
    values = {
        Choice(arm, n, run): v for arm, rungs in tables.items() for n, runs in rungs.items() for run, v in runs.items()
    }
    rungs = tuple(int(n) for n in world.ns)
    at = tuple(sorted(int(n) for n in rng.choice(rungs[: len(rungs) // 2 + 1], 2, replace=False)))
    question = Question(
        baseline=BASE,
        arms=(ARM,),
        at=at,
        rungs=rungs,
        runs=tuple((draw, 0) for draw in range(world.noise.draws)),
        width=width,
        cost=lambda choice: float(max(400, 0.2 * choice.n)),
        pretraining=lambda _: None,
    )
    chooser = Chooser(question)
    assert not chooser.advance(values)
    chosen = [choice for step in chooser.steps for choice in step.choices]
    found = []
    states = {
        "chosen ladder": State.of(question, chosen, values),
        "whole ladder": State.of(question, list(values), values),
    }
    for what, state in states.items():
        for n in at:
            truth, point = n * float(ratio(np.array(float(n)))), state.points[ARM, n]
            if rungs[0] <= truth <= rungs[-1]:
                covered = (point.n1_low or 0.0) <= truth <= (point.n1_high or math.inf)
                found.append((what, covered))
                if what == "chosen ladder":
                    found.append((f"chosen, ended {'narrow' if state.is_narrow(ARM, n) else 'wide'}", covered))
    return found, sum(map(question.cost, chosen)) / sum(map(question.cost, values))


def rows(studies: int, seed: int) -> list[dict[str, object]]:
    """Compute one row per width, family (and all of them) and group of intervals."""
    found: dict[tuple[float, str, str], list[bool]] = defaultdict(list)
    shares: dict[tuple[float, str], list[float]] = defaultdict(list)
    for width in WIDTHS:
        for family in FAMILIES:
            for number in range(studies):
                checked, share = hits(family, number, seed, width)
                for name in (family, "all"):
                    shares[width, name].append(share)
                    for what, covered in checked:
                        found[width, name, what].append(covered)
    return [
        {
            "width": width,
            "curves": family,
            "intervals": what,
            "count": len(covered),
            "coverage": float(np.mean(covered)),
            "standard_error": float(np.sqrt(np.mean(covered) * (1 - np.mean(covered)) / len(covered))),
            "median_share_of_steps": float(np.median(shares[width, family])),
        }
        for (width, family, what), covered in found.items()
    ]


def markdown(found: Sequence[dict[str, object]]) -> str:
    """Write a table with a row per requested width and group, over all families, with the worst family beside."""
    lines = []
    for width in WIDTHS:
        for what in GROUPS:
            here = {row["curves"]: row for row in found if (row["width"], row["intervals"]) == (width, what)}
            if "all" not in here:
                continue
            whole, parts = here.pop("all"), [row for row in here.values() if int(str(row["count"])) >= 50]
            worst = min(parts, key=lambda row: float(str(row["coverage"])), default=None)
            least = "–" if worst is None else f"{worst['coverage']:.3f} ({worst['curves']})"
            share = f"{whole['median_share_of_steps']:.0%}" if what == "chosen ladder" else ""
            hit = f"{whole['coverage']:.3f} ± {whole['standard_error']:.3f}"
            lines.append([f"{width:g}", what, f"{whole['count']:,}", hit, least, share])
    header = ["width asked for", "intervals", "count", "coverage", "least of a family (from 50 on)", "training steps"]
    return table(header, lines, left=2)


def main() -> None:
    """Print the table, and write it where a folder is given."""
    parser = argparse.ArgumentParser(description="Coverage of nominal 90 % intervals of chosen ladders.")
    parser.add_argument("--studies", type=int, default=100, help="simulated studies a family and width")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for coverage.md and coverage.csv")
    arguments = parser.parse_args()
    found = rows(arguments.studies, arguments.seed)
    text = (
        f"{arguments.studies} studies a family and width, seed {arguments.seed}, nominal 90 %.\n\n{markdown(found)}\n"
    )
    print(text)
    if arguments.out:
        (arguments.out / "coverage.md").write_text(f"# Coverage of chosen ladders\n\n{text}", encoding="utf-8")
        (arguments.out / "coverage.csv").write_text(to_csv(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
