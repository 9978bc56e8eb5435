"""Coverage of intervals on simulated studies: `python benchmarks/coverage.py [--studies 200] [--out reports/curves]`.

A cell of the design is a family of true curves, a ladder, a kind of noise, a level of accuracy and whether the curve
saturates inside the ladder. CELLS holds every family with every ladder, every ladder with every level, and nearly
every pair of other factors. Each study asks where its curve reaches two targets inside the ladder and two beyond it
(1.1 to 8 times the last rung); for the utility of an arm with the same draws at every rung; for its break-even, where
there is one; and for its mean label ratio. The true values follow from the smooth curve, without any noise.
`invert_many` takes runs for independent, so it gets one mean per draw where draws have several seeds.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simulated
from csv_rows import to_csv
from simulated import FAMILIES, Array, Noise, World

from labeleff.curves.break_even import crossing
from labeleff.curves.mean_ratio import mean_ratios, trapezoids
from labeleff.curves.solvers import invert_many
from labeleff.curves.utility import FAR, utilities
from labeleff.reporting.markdown import table

LEVEL = 0.90
FARTHEST = 8.0
METHODS = ("bayes", "pchip")
ASKED = (
    "inversion, inside",
    "inversion, beyond",
    "utility, first rung",
    "utility, between",
    "utility, last rung",
    "break-even",
    "mean label ratio",
)
LADDERS = {
    "3 rungs over 2 decades": (500, 5000, 50000),
    "4 rungs over 3 decades": (10, 100, 1000, 10000),
    "8 rungs over 7 decades": tuple(10**k for k in range(1, 9)),
    "5 rungs over 1 decade": (100, 178, 316, 562, 1000),
    "9 rungs 1-2-5": (10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
    "10 rungs doubled": tuple(50 * 2**k for k in range(10)),
    "4 uneven rungs": (100, 1000, 10000, 60000),
}
NOISES = {
    "1 run": Noise(1),
    "2 runs": Noise(2),
    "3 runs": Noise(3),
    "10 runs": Noise(10),
    "2 runs, scatter": Noise(2, scatter=1.0),
    "3 runs, scatter": Noise(3, scatter=1.0),
    "10 runs, scatter": Noise(10, scatter=0.7),
    "3 draws x 3 seeds": Noise(3, 3, common=0.3, labels=0.3),
    "1 draw x 3 seeds": Noise(1, 3, common=0.3, labels=0.3),
    "1 draw x 10 seeds": Noise(1, 10, common=0.2, labels=0.2),
}
LEVELS: dict[str, Callable[[np.random.Generator], tuple[float, float]]] = {
    "near 0": lambda rng: (rng.uniform(0.01, 0.05), rng.uniform(0.1, 0.35)),
    "middle": lambda rng: (rng.uniform(0.2, 0.45), rng.uniform(0.55, 0.75)),
    "near 1": lambda rng: (rng.uniform(0.6, 0.9), rng.uniform(0.93, 0.995)),
}
"""Draws of the accuracies at the first and at the last rung."""
SHAPES = {"flat": (0.0, 0.1), "steep": (0.2, 1.0)}
"""Ranges of the share of the rise that comes in the last third of ln n."""
SPREAD = 0.02, 0.08
"""Standard deviation of a run as a multiple of sqrt(p (1 - p))."""
LEAST_SD = 0.0005
FLATTEST = 1e-6
"""Rise of accuracy per unit of ln n under which nothing is asked: no measurement could tell label counts apart."""


@dataclass(frozen=True)
class Cell:
    """One combination of factors, by the names of their levels."""

    family: str
    ladder: str
    noise: str
    level: str
    shape: str

    @property
    def name(self) -> str:
        """All levels of the factors."""
        return f"{self.family}; {self.ladder}; {self.noise}; {self.shape}, {self.level}"

    def world(self, rng: np.random.Generator) -> World:
        """Draw a study; its curve rises, and stays under 1 up to REACH times the last rung."""
        ns = np.array(LADDERS[self.ladder], dtype=float)
        third = ns[-1] * (ns[0] / ns[-1]) ** (1 / 3)
        least, most = SHAPES[self.shape]
        while True:
            low, high = LEVELS[self.level](rng)
            curve = simulated.between(ns[0], ns[-1], low, high, FAMILIES[self.family](rng, ns))
            late = (high - float(curve(np.array(third)))) / (high - low)
            if least <= late <= most and curve(np.array(ns[-1] * simulated.REACH)) < 1:
                break
        means = curve(ns)
        sd = simulated.spread(rng, ns, rng.uniform(*SPREAD), (-0.6, 0.0)) * np.sqrt(means * (1 - means))
        return World(curve, ns, np.maximum(sd, LEAST_SD), NOISES[self.noise])


CELLS = tuple(
    Cell(
        family=list(FAMILIES)[i % 6],
        ladder=list(LADDERS)[i % 7],
        noise=list(NOISES)[(i + i // 6) % 10],
        level=list(LEVELS)[i // 7 % 3],
        shape=list(SHAPES)[i // 21],
    )
    for i in range(42)
)
"""Every family meets every ladder, as 6 and 7 have no common factor; every ladder meets every level and shape."""


@dataclass(frozen=True)
class Answer:
    """One interval of a label count or ratio with the true value; without ends where there is no interval."""

    asked: str
    truth: float
    low: float | None
    high: float | None

    @property
    def decades(self) -> float:
        """Width of the interval; inf where it has no upper or lower end."""
        return math.log10(self.high / self.low) if self.low and self.high and self.high < math.inf else math.inf


def ends(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Complete an interval of which one end is open; both open mean that there is none."""
    return (None, None) if low is None and high is None else (low or 0.0, math.inf if high is None else high)


def slope(study: World, n: float) -> float:
    """Compute the rise of the true curve per unit of ln n."""
    return float(np.diff(study.curve(n * np.array([0.98, 1.02])))[0] / math.log(1.02 / 0.98))


def inversions(study: World, rng: np.random.Generator, method: str) -> Iterator[Answer]:
    """Ask for two known targets inside the ladder and two beyond it."""
    first, last = np.log(study.ns[0]), np.log(study.ns[-1])
    truths = np.exp([*rng.uniform(first, last, 2), *(last + rng.uniform(np.log(1.1), np.log(FARTHEST), 2))])
    accuracies = study.measure(rng, study.luck(rng))
    accuracies = accuracies.mean(axis=1) if study.noise.draws > 1 else accuracies[0]
    found = invert_many(study.ns.tolist(), accuracies.T.tolist(), study.curve(truths), level=LEVEL, method=method)
    for place, (truth, each) in enumerate(zip(truths, found, strict=True)):
        if slope(study, truth) > FLATTEST:
            low, high = (None, None) if each.p_above is None else (each.low, each.high)
            yield Answer(ASKED[0] if place < 2 else ASKED[1], truth, low, high)


def arm(study: World, rng: np.random.Generator) -> Callable[[Array], Array]:
    """Draw a label ratio with which the arm's accuracy is over 0 at every rung."""
    while True:
        ratio = simulated.ratio_of(rng, study.ns)
        if study.curve(study.ns * ratio(study.ns)).min() > 0.002:
            return ratio


def worths(study: World, rng: np.random.Generator, method: str) -> Iterator[Answer]:
    """Ask for utility, break-even and mean label ratio of an arm that has the baseline's draws."""
    ratio, luck, ns = arm(study, rng), study.luck(rng), study.ns
    base = simulated.runs(study.measure(rng, luck), ns)
    other = simulated.runs(study.measure(rng, luck, simulated.moved(study, ratio)), ns)
    found = utilities(base, {"arm": other}, level=LEVEL, method=method)["arm"]
    truths = ns * ratio(ns)
    for place, (point, truth) in enumerate(zip(found.points, truths, strict=True)):
        if slope(study, truth) > FLATTEST:
            asked = ASKED[2] if place == 0 else ASKED[4] if place == len(ns) - 1 else ASKED[3]
            low, high = ends(point.n1_low, point.n1_high)
            yield Answer(asked, truth, *(low, high) if point.p_above is not None else (None, None))
    place, cross = simulated.crossing_of(ratio, ns[0], ns[-1]), crossing(base, other, level=LEVEL, method=method)
    if place is not None and cross is not None and slope(study, place) > FLATTEST:
        yield Answer(ASKED[5], place, *ends(cross.low, cross.high))
    if method == "bayes" and min(slope(study, n) for n in truths) > FLATTEST:
        mean = mean_ratios({"arm": found}, float(ns[0]), level=LEVEL)["arm"]
        logs = np.log(np.clip(truths, ns[0], FAR * ns[-1]) / ns)
        yield Answer(ASKED[6], math.exp(logs @ trapezoids(ns.tolist())), mean.low, mean.high)


Answers = dict[tuple[Cell, str], list[Answer]]
"""Answers by cell and method."""


def simulate(cells: Iterable[Cell], studies: int, seed: int) -> Answers:
    """Simulate studies of every cell; every method gets the same."""
    answers: Answers = defaultdict(list)
    for cell in cells:
        for method in METHODS:
            for number in range(studies):
                rng = np.random.default_rng([seed, CELLS.index(cell), number])
                study = cell.world(rng)
                answers[cell, method] += [*inversions(study, rng, method), *worths(study, rng, method)]
    return answers


def summary(answers: list[Answer]) -> dict[str, float]:
    """Summarise intervals of one quantity: coverage, misses to both sides, width."""
    ended = [(each.low, each.high, each) for each in answers if each.low is not None and each.high is not None]
    over = sum(low > each.truth for low, _, each in ended)
    under = sum(high < each.truth for _, high, each in ended)
    count = len(ended)
    return {
        "intervals": count,
        "without_interval": len(answers) - count,
        "coverage": (count - over - under) / count if count else math.nan,
        "over": over / count if count else math.nan,
        "under": under / count if count else math.nan,
        "median_width_decades": float(np.median([each.decades for *_, each in ended])) if count else math.nan,
        "open": float(np.mean([each.decades == math.inf for *_, each in ended])) if count else math.nan,
    }


def by_quantity(answers: Iterable[Answer]) -> dict[str, dict[str, float]]:
    """Summarise every quantity that was asked for."""
    groups = defaultdict(list)
    for each in answers:
        groups[each.asked].append(each)
    return {asked: summary(groups[asked]) for asked in ASKED if groups[asked]}


def rows(answers: Answers) -> list[dict[str, object]]:
    """Make one row per cell, quantity and method."""
    return [
        {**vars(cell), "asked": asked, "method": method, **numbers}
        for (cell, method), group in answers.items()
        for asked, numbers in by_quantity(group).items()
    ]


def texts(numbers: dict[str, dict[str, float]]) -> list[str]:
    """Write per quantity the coverage, and in brackets the shares over and under the truth, in per cent."""
    return [
        f"{100 * n['coverage']:.0f} ({100 * n['over']:.0f}/{100 * n['under']:.0f})" if n and n["intervals"] else ""
        for n in (numbers.get(asked, {}) for asked in ASKED)
    ]


def by_level(answers: Answers) -> Iterator[list[str]]:
    """Write one line per method over all cells, and per level of every factor."""
    for method in METHODS:
        yield [
            f"all cells, {method}",
            *texts(by_quantity(a for (_, m), group in answers.items() if m == method for a in group)),
        ]
    for factor in ("family", "ladder", "noise", "level", "shape"):
        for level in dict.fromkeys(getattr(cell, factor) for cell, _ in answers):
            chosen = (group for (c, m), group in answers.items() if m == METHODS[0] and getattr(c, factor) == level)
            yield [level, *texts(by_quantity(answer for group in chosen for answer in group))]


def widths(answers: Answers) -> list[str]:
    """Write the median width in decades per quantity, over all cells of the default method."""
    numbers = by_quantity(a for (_, method), group in answers.items() if method == METHODS[0] for a in group)
    return ["median width, decades", *(f"{numbers[asked]['median_width_decades']:.2f}" for asked in ASKED)]


def worst(table_rows: list[dict[str, object]], count: int = 15) -> Iterator[list[str]]:
    """Write the largest shares of intervals that miss to one side, of the default method."""
    misses = [
        (float(str(row[side])), side, row)
        for row in table_rows
        for side in ("over", "under")
        if row["method"] == METHODS[0] and int(str(row["intervals"])) > 0
    ]
    for share, side, row in sorted(misses, key=lambda miss: -miss[0])[:count]:
        cell = "; ".join(str(row[k]) for k in ("family", "ladder", "noise", "shape", "level"))
        yield [
            cell,
            str(row["asked"]),
            f"{share:.2f} {side} the truth",
            f"{row['coverage']:.2f}",
            f"{row['intervals']}",
        ]


def markdown(answers: Answers) -> str:
    """Write three tables: by level of the factors, the worst, and by cell."""
    cells = [
        [cell.name, *texts(by_quantity(group))] for (cell, method), group in answers.items() if method == METHODS[0]
    ]
    tables = {
        "By factor": table(["over cells", *ASKED], [*by_level(answers), widths(answers)]),
        "The worst": table(["cell", "asked", "missed", "coverage", "intervals"], [*worst(rows(answers))], left=3),
        "By cell": table(["cell", *ASKED], cells),
    }
    note = "Coverage of nominal 90 % intervals in per cent; in brackets the shares over and under the truth, 5 each"
    return "\n\n".join(
        [f"{note}. By the default method where no other is named.", *(f"## {k}\n\n{v}" for k, v in tables.items()), ""]
    )


def main() -> None:
    """Print the tables, and write them with the CSV where a folder is given."""
    parser = argparse.ArgumentParser(description="Coverage of nominal 90 % intervals on simulated studies.")
    parser.add_argument("--studies", type=int, default=200, help="simulated studies per cell")
    parser.add_argument("--cells", default="", help="regular expression that the names of cells must contain")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder for coverage.csv and coverage.md")
    arguments = parser.parse_args()
    cells = [cell for cell in CELLS if re.search(arguments.cells, cell.name)]
    if not cells:
        parser.error(f"--cells {arguments.cells}: no name of a cell has that; names are like '{CELLS[0].name}'")
    start = time.process_time()
    answers = simulate(cells, arguments.studies, arguments.seed)
    text = f"{len(cells)} cells, {arguments.studies} studies each, seed {arguments.seed}.\n\n{markdown(answers)}"
    print(f"{text}\n{time.process_time() - start:.0f} s of processor time")
    if arguments.out:
        (arguments.out / "coverage.md").write_text(f"# Coverage on simulated studies\n\n{text}", encoding="utf-8")
        (arguments.out / "coverage.csv").write_text(to_csv(rows(answers)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
