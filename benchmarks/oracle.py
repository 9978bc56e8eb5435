"""Utility beside an oracle's: `python benchmarks/oracle.py [--tables 100] [--out reports/curves]`.

Four settings with curves c - b n^-a and an arm that has a constant label ratio. labeleff knows the runs alone. The
oracle knows the family and the noise's standard deviation, has flat priors over c in 0..1, ln b and a in RATES, and
draws n1 from its posterior, with the noise of the arm's mean. Per rung: the shares of intervals that lie over and
under the truth, of both, and the ratio of the median widths in ln n1. Ends are brought to between an eighth of the
first rung and 1000 times the last one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from csv_rows import to_csv
from simulated import Array

from labeleff.curves.utility import UtilityPoint, utility
from labeleff.reporting.markdown import table

LEVEL = 0.90
RATES = np.linspace(0.02, 2.0, 100)
DRAWS = 400
"""Posterior draws of (c, b) per rate, before they are weighted."""
RUNS = 3
LIMITS = 1 / 8, 1000.0
"""Multiples of the first and of the last rung to which ends are brought."""


@dataclass(frozen=True)
class Setting:
    """A baseline c - b n^-a on a ladder; n labels of the arm do the work of n times `ratio`."""

    name: str
    ns: tuple[int, ...]
    c: float
    b: float
    a: float
    sd: float
    """Standard deviation of one run."""
    ratio: float = 2.0

    def measure(self, rng: np.random.Generator, ratio: float) -> dict[int, list[float]]:
        """Simulate RUNS accuracies per rung."""
        means = self.c - self.b * (ratio * np.array(self.ns, dtype=float)) ** -self.a
        errors = rng.normal(0, self.sd, (len(self.ns), RUNS))
        return {n: row.tolist() for n, row in zip(self.ns, np.clip(means[:, None] + errors, 0, 1), strict=True)}


SETTINGS = (
    Setting("decades, saturating at 0.90", (10, 100, 1000, 10000), 0.90, 3.0, 0.7, 0.005),
    Setting("the same curve, 1-2-5", (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000), 0.90, 3.0, 0.7, 0.005),
    Setting("near 1, four rungs", (100, 1000, 10000, 60000), 0.995, 2.5, 0.6, 0.001),
    Setting("no effect", (50, 100, 200, 500, 1000, 2000, 5000), 0.90, 2.0, 0.5, 0.012, ratio=1.0),
)


def posterior(ns: Array, means: Array, sd: float, rng: np.random.Generator, count: int = 4000) -> Array:
    """Draw `count` curves (count, 3) of c, b, a, given means (R,) with independent errors of deviation `sd`.

    For every rate c and b are normal; their draws are weighted by the rate's likelihood and by the prior of b.
    """
    draws, logs = [], []
    for rate in RATES:
        design = np.column_stack([np.ones(len(ns)), -((ns / ns[0]) ** -rate)])
        covariance = np.linalg.inv(design.T @ design) * sd**2
        centre = covariance @ design.T @ means / sd**2
        c, b = rng.multivariate_normal(centre, covariance, DRAWS).T
        misfit = ((means - design @ centre) ** 2).sum() / sd**2
        allowed = (b > 0) & (c <= 1) & (c - b > 0)
        draws.append(np.column_stack([c, b * ns[0] ** rate, np.full(DRAWS, rate)]))
        log_weight = (np.linalg.slogdet(covariance)[1] - misfit) / 2 - np.log(np.where(allowed, b, 1.0))
        logs.append(np.where(allowed, log_weight, -np.inf))
    weights = np.exp(np.concatenate(logs) - np.max(logs))
    return np.concatenate(draws)[rng.choice(len(weights), count, p=weights / weights.sum())]


def oracle(setting: Setting, base: dict[int, list[float]], arm: dict[int, list[float]], number: int) -> Array:
    """Compute the oracle's intervals of n1, (R, 2)."""
    rng, sd = np.random.default_rng([7, number]), setting.sd / math.sqrt(RUNS)
    base_means, arm_means = (np.array([np.mean(runs[n]) for n in setting.ns]) for runs in (base, arm))
    c, b, a = posterior(np.array(setting.ns, dtype=float), base_means, sd, rng).T[:, :, None]
    gap = c - (arm_means + sd * rng.standard_normal((len(c), len(arm_means))))
    n1 = np.where(gap > 0, np.exp(np.minimum(np.log(b / np.maximum(gap, 1e-300)) / a, 700.0)), np.inf)
    return np.quantile(n1, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method="inverted_cdf").T


def ends(point: UtilityPoint) -> tuple[float, float]:
    """Give both ends of n1's interval; open ones are 0 and inf."""
    assert point.p_above is not None, "every table has several runs per rung, so there is an interval"
    return point.n1_low or 0.0, math.inf if point.n1_high is None else point.n1_high


def rows(setting: Setting, tables: int) -> Iterator[dict[str, object]]:
    """Yield one row per rung."""
    found = []
    for number in range(tables):
        rng = np.random.default_rng(number)
        base, arm = setting.measure(rng, 1.0), setting.measure(rng, setting.ratio)
        mine = [ends(point) for point in utility(base, arm, level=LEVEL)]
        found.append([np.array(mine), oracle(setting, base, arm, number)])
    intervals = np.array(found)
    limits = setting.ns[0] * LIMITS[0], setting.ns[-1] * LIMITS[1]
    widths = np.median(np.diff(np.log(np.clip(intervals, *limits)), axis=3)[..., 0], axis=0)
    for k, n in enumerate(setting.ns):
        low, high = intervals[:, :, k, 0], intervals[:, :, k, 1]
        over, under = (low > n * setting.ratio).mean(axis=0), (high < n * setting.ratio).mean(axis=0)
        opened = (high == math.inf).mean(axis=0)
        yield {
            "setting": setting.name,
            "n": n,
            **{
                f"{who}{name}": float(value[i])
                for i, who in enumerate(("", "oracle_"))
                for name, value in (("over", over), ("under", under), ("width", widths[:, k]), ("open", opened))
            },
            "width_ratio": float(widths[0, k] / widths[1, k]),
        }


def markdown(found: list[dict[str, object]]) -> str:
    """Write a row per setting and rung."""
    names = [name for name in found[0] if name not in ("setting", "n")]
    lines = [[str(row["setting"]), f"{row['n']:,}", *(f"{row[name]:.2f}" for name in names)] for row in found]
    return table(["setting", "n", *(name.replace("_", " ") for name in names)], lines)


def main() -> None:
    """Print the table, and write it where a folder is given."""
    parser = argparse.ArgumentParser(description="Misses and widths of 90 % intervals of n1 beside an oracle's.")
    parser.add_argument("--tables", type=int, default=100, help="simulated tables per setting")
    parser.add_argument("--out", type=Path, help="folder for oracle.csv and oracle.md")
    arguments = parser.parse_args()
    found = [row for setting in SETTINGS for row in rows(setting, arguments.tables)]
    text = f"{arguments.tables} tables per setting, {RUNS} runs per rung, nominal {LEVEL:.0%}.\n\n{markdown(found)}\n"
    print(text)
    if arguments.out:
        (arguments.out / "oracle.md").write_text(f"# Utility beside an oracle\n\n{text}", encoding="utf-8")
        (arguments.out / "oracle.csv").write_text(to_csv(found), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
