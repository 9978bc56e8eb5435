"""Coverage of noisy labels in clean ones: `python benchmarks/noise_coverage.py [--studies 50] [--seed 0]`.

Every study has a known curve of clean labels, drawn as in coverage.py, and two noise rates whose labels are worth a
known number of clean ones, n1 = n r(n): r falls with the rate and bends with n. Runs share draws, as in a real study.
The report's own functions answer; counted are intervals of n1 that hold the truth, each alone and all of a study
together, choices of the cheaper label that are wrong, and intervals of the ratio of costs at a wanted accuracy.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import simulated
from coverage import CELLS, FLATTEST, LEVEL, slope
from simulated import Array, World

from labeleff.curves.mean_ratio import joint_intervals, mean_ratios
from labeleff.curves.rung_means import means_of_runs
from labeleff.curves.solvers import fit_curve
from labeleff.curves.utility import UtilityPoint, utilities
from labeleff.reporting.label_quality.choice import TargetChoice, cheaper, choices
from labeleff.reporting.markdown import table
from labeleff.study.prices import Cost

RATES = {"20 % noise": (0.5, 0.9), "40 % noise": (0.2, 0.6)}
"""Range of the clean labels that a noisy one is worth at the geometric middle of the ladder."""
LEAST = 0.002
"""Least accuracy of a noisy curve."""
BEND = 0.1
"""Standard deviation of the slope of ln r over ln n."""


def worths(study: World, rng: np.random.Generator) -> dict[str, Array]:
    """Draw what a label of every rate is worth at every rung, (R,), nearer to 1 until no accuracy is under 0."""
    x = np.log(study.ns) - np.log(study.ns).mean()
    drawn = {rate: rng.uniform(*ends) * np.exp(BEND * rng.standard_normal() * x) for rate, ends in RATES.items()}
    drawn = {rate: np.minimum(worth, 1.0) for rate, worth in drawn.items()}
    while min(float(study.curve(study.ns * worth).min()) for worth in drawn.values()) < LEAST:
        drawn = {rate: worth**0.7 for rate, worth in drawn.items()}
    return drawn


@dataclass(frozen=True)
class Answer:
    """Points of one rate: with intervals of their own, and with those that hold for all rungs and rates together."""

    rate: str
    alone: list[UtilityPoint]
    joint: list[UtilityPoint]
    at_targets: list[TargetChoice]
    """Which labels are cheaper at two accuracies that both curves reach inside the ladder."""
    truths: list[float]
    """True ratio of costs at each of them."""


def answers(study: World, drawn: dict[str, Array], price: Cost, rng: np.random.Generator) -> list[Answer]:
    """Simulate an arm's runs with clean labels and under every rate, and count one in the other as a report does."""
    luck, first = study.luck(rng), float(study.ns[0])
    clean = simulated.runs(study.measure(rng, luck), study.ns)
    noisy = {}
    for rate, worth in drawn.items():
        true = study.curve(study.ns * worth)
        noisy[rate] = simulated.runs(study.measure(rng, luck, lambda _, true=true: true), study.ns)
    found = utilities(clean, noisy, level=LEVEL)
    joint = joint_intervals(found, mean_ratios(found, first, level=LEVEL), first, level=LEVEL)
    curves = {name: fit_curve(means_of_runs(runs, name), "bayes") for name, runs in {"clean": clean, **noisy}.items()}
    given = []
    for rate, one in found.items():
        counts = np.exp(rng.uniform(np.log(study.ns[0]), np.log(study.ns[-1]), 2))
        worth = np.exp(np.interp(np.log(counts), np.log(study.ns), np.log(drawn[rate])))
        inside = counts * worth > study.ns[0]
        counts, worth = counts[inside], worth[inside]
        targets = study.curve(counts * worth).tolist()
        said = choices(curves["clean"], curves[rate], targets, price, LEVEL) if targets else []
        ratios = price.per_noisy_label / price.per_label / worth
        given.append(Answer(rate, one.points, joint[rate].points, said, ratios.tolist()))
    return given


def held(points: list[UtilityPoint], truths: dict[int, float]) -> list[bool]:
    """Whether each interval of n1 holds the truth, where both are there."""
    ended = [p for p in points if p.n in truths and p.p_above is not None and (p.n1_low or p.n1_high)]
    return [(p.n1_low or 0.0) <= truths[p.n] <= (math.inf if p.n1_high is None else p.n1_high) for p in ended]


def simulate(studies: int, seed: int) -> dict[str, Counter[str]]:
    """Count what holds by kind of noise of the runs, and over all."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in CELLS:
        for number in range(studies):
            rng = np.random.default_rng([seed, CELLS.index(cell), number])
            study = cell.world(rng)
            drawn = worths(study, rng)
            price = Cost(per_label=1.0, per_noisy_label=float(rng.uniform(0.2, 0.9)))
            items = answers(study, drawn, price, rng)
            _count(study, drawn, items, price, [counts["all"], counts[cell.noise]])
    return counts


def _count(
    study: World, drawn: dict[str, Array], items: list[Answer], price: Cost, counters: list[Counter[str]]
) -> None:
    together: list[bool] = []
    for item in items:
        pairs = zip(study.ns, study.ns * drawn[item.rate], strict=True)
        truths = {int(n): float(n1) for n, n1 in pairs if n1 >= study.ns[0] and slope(study, n1) > FLATTEST}
        alone, joint = held(item.alone, truths), held(item.joint, truths)
        together += joint
        choices = [(cheaper(p, price), truths[p.n] > p.n * price.per_noisy_label) for p in item.joint if p.n in truths]
        ended = [(c, truth) for c, truth in zip(item.at_targets, item.truths, strict=True) if c.low and c.high]
        for counter in counters:
            counter["ratios"] += len(ended)
            counter["ratios held"] += sum(c.low <= truth <= c.high for c, truth in ended if c.low and c.high)
            counter["intervals"] += len(alone)
            counter["alone"] += sum(alone)
            counter["joint"] += sum(joint)
            counter["choices"] += len(choices)
            counter["made"] += sum(said != "can't tell" for said, _ in choices)
            counter["wrong"] += sum((said == "clean") == noisy for said, noisy in choices if said != "can't tell")
    for counter in counters:
        counter["studies"] += 1
        counter["together"] += all(together)


def main() -> None:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=50, help="studies per cell of the design")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.process_time()
    counts = simulate(given.studies, given.seed)
    rows = [
        [
            name,
            f"{one['studies']:,}",
            f"{one['intervals']:,}",
            f"{100 * one['alone'] / one['intervals']:.1f}",
            f"{100 * one['joint'] / one['intervals']:.1f}",
            f"{100 * one['together'] / one['studies']:.1f}",
            f"{100 * one['made'] / one['choices']:.0f}",
            f"{100 * one['wrong'] / max(one['made'], 1):.1f}",
            f"{100 * one['ratios held'] / max(one['ratios'], 1):.1f}",
        ]
        for name, one in counts.items()
    ]
    header = [
        "runs",
        "studies",
        "intervals",
        "hold alone",
        "hold, widened",
        "all of a study",
        "choices made",
        "wrong",
        "ratio of costs",
    ]
    print(table(header, rows))
    print(f"In per cent; nominal {100 * LEVEL:g}. {time.process_time() - began:.0f} s of processor time.")


if __name__ == "__main__":
    main()
