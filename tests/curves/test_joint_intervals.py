"""Simultaneous intervals of arms: they contain each one's own, and err as rarely as they should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labeleff.curves.joint_intervals import Joint, joint_intervals
from labeleff.curves.mean_ratio import mean_ratios
from labeleff.curves.utility import ArmUtility, utilities
from labeleff.stats.resampling import Runs

NS = (50, 100, 200, 400, 800, 1600)


def runs(ratio: float, seed: int, *, sd: float = 0.01, count: int = 3, ns: tuple[int, ...] = NS) -> Runs:
    """An arm whose n labels do the work of `ratio` times n of the curve 0.92 - 1.6 n^-0.35."""
    noise = np.random.default_rng([seed, round(1000 * ratio)]).standard_normal((count, len(ns)))
    values = 0.92 - 1.6 * (ratio * np.array(ns)) ** -0.35 + sd * noise
    return {n: {(100 * seed + d, 0): float(values[d, k]) for d in range(count)} for k, n in enumerate(ns)}


def joint(
    base: Runs, arms: dict[str, Runs], method: str = "bayes", headline: int | None = None
) -> tuple[dict[str, ArmUtility], dict[str, Joint]]:
    results = utilities(base, arms, method=method)
    means = mean_ratios(results, min(base))
    return results, joint_intervals(results, means, min(base), headline=headline)


@pytest.mark.parametrize("method", ["bayes", "pchip", "pow3"])
def test_they_contain_each_ones_own(method: str) -> None:
    results, found = joint(runs(1.0, 0), {"twice": runs(2.0, 1), "half": runs(0.5, 2), "far": runs(20.0, 3)}, method)
    for name, result in results.items():
        for own, wide in zip(result.points, found[name].points, strict=True):
            assert (own.n, own.n1, own.kind, own.utility) == (wide.n, wide.n1, wide.kind, wide.utility)
            assert (wide.low or -1.0) <= (own.low or -1.0)
            assert math.inf if wide.high is None else wide.high >= (own.high or -1.0)
            if own.high is None:
                assert wide.high is None
        mean = found[name].mean
        assert mean is not None
        assert mean.joint_low is not None
        assert mean.joint_low <= mean.low <= mean.ratio <= mean.high <= mean.joint_high  # type: ignore[operator]
    assert [item.mean.sign for item in found.values() if item.mean] == [1, -1, 1]


def test_what_is_named_beforehand_is_hardly_wider_than_alone() -> None:
    base, arms = runs(1.0, 0), {"a": runs(2.0, 1)}
    results, found = joint(base, arms, headline=200)
    _, other = joint(base, arms)
    named, one_of_all = (item["a"].points[2].n1_low for item in (found, other))
    own = results["a"].points[2].n1_low
    assert named is not None
    assert one_of_all is not None
    assert own is not None
    assert one_of_all < named <= own
    assert found["a"].mean is not None
    assert found["a"].mean.joint_low is None


def test_other_arms_widen_them() -> None:
    base, arms = runs(1.0, 0), {f"a{k}": runs(2.0, k) for k in range(1, 5)}
    alone, together = joint(base, {"a1": arms["a1"]})[1]["a1"], joint(base, arms)[1]["a1"]
    assert all((b.n1_low or 0) <= (a.n1_low or 0) for a, b in zip(alone.points, together.points, strict=True))


def test_without_noise_or_a_common_rung() -> None:
    _, found = joint(runs(1.0, 0, count=1), {"a": runs(2.0, 1, count=1)}, method="pchip")
    assert found["a"].mean is not None
    assert (found["a"].mean.joint_low, found["a"].mean.sign) == (None, 0)
    assert all(point.low is None for point in found["a"].points)
    _, found = joint(runs(1.0, 0), {"a": runs(2.0, 1, ns=(50, 100)), "b": runs(2.0, 1, ns=(400, 800))})
    assert [item.mean and item.mean.ns for item in found.values()] == [(50, 100), (400, 800)]
    assert joint_intervals({}, {}, 50) == {}


def test_the_baseline_itself_saves_exactly_nothing() -> None:
    base = runs(1.0, 0)
    _, found = joint(base, {"same": base, "a": runs(2.0, 1)})
    assert {(point.low, point.high) for point in found["same"].points} == {(0.0, 0.0)}


def test_arms_worth_nothing_seldom_seem_to_be_worth_something() -> None:
    """Of studies with three arms worth nothing, few call any of their 18 points, or a mean, positive."""

    def called(seed: int) -> tuple[bool, bool]:
        results, found = joint(runs(1.0, 5 * seed), {f"a{k}": runs(1.0, 5 * seed + k) for k in (1, 2, 3)}, "pchip")
        alone = any(point.sign == 1 for item in results.values() for point in item.points)
        return alone, any(p.sign == 1 for j in found.values() for p in j.points) or any(
            j.mean is not None and j.mean.sign == 1 for j in found.values()
        )

    alone, together = np.mean([called(seed) for seed in range(1, 61)], axis=0)
    assert together <= 0.12 < alone
