"""Processor time of inversion, of a 50-arm comparison and of a report over 10,000 records, on one core."""

import statistics
import time

import numpy as np
import pytest

from labeleff.curves.solvers import invert_many
from labeleff.curves.utility import utilities

NS = [50, 100, 200, 500, 1000, 2000, 5000, 10_000]


def accuracies(runs=3, saved=0.0, seed=0):
    """Simulate one list of accuracies per rung, on a known curve."""
    noise = np.random.default_rng(seed).standard_normal((len(NS), runs))
    return np.clip(0.92 - 1.6 * (np.array(NS, dtype=float)[:, None] + saved) ** -0.3 + 0.01 * noise, 0, 1).tolist()


def with_seeds(table):
    """Give every accuracy a draw and a seed of its own."""
    return {n: {(d, d): value for d, value in enumerate(rung)} for n, rung in zip(NS, table, strict=True)}


def milliseconds(function, rounds=15):
    """Measure the median processor time of a call in ms, after a first call that fills caches."""
    function()
    samples = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        samples.append(1e3 * (time.process_time() - start))
    return statistics.median(samples)


def curve(targets):
    """Invert one curve at the given number of targets, each with its interval."""
    return invert_many(NS, accuracies(), np.linspace(0.2, 0.95, targets))


def test_one_curve(benchmark):
    [found] = curve(1)
    assert found.kind == "below"
    assert found.high is not None
    spent = milliseconds(lambda: curve(1))
    benchmark.extra_info["processor milliseconds"] = spent
    benchmark.pedantic(curve, args=(1,), rounds=3)
    assert spent < 40


def test_a_thousand_targets_cost_little_more_than_one(benchmark):
    ratios = [milliseconds(lambda: curve(1000), 5) / milliseconds(lambda: curve(1), 5) for _ in range(5)]
    benchmark.extra_info["ratio"] = statistics.median(ratios)
    benchmark.pedantic(curve, args=(1000,), rounds=3)
    assert statistics.median(ratios) < 1.5


def compare(arms):
    """Compute the utility of the given number of arms at all rungs."""
    return utilities(
        with_seeds(accuracies()), {f"arm{k}": with_seeds(accuracies(saved=20 * k, seed=k)) for k in range(arms)}
    )


def test_fifty_arms_share_one_fit(benchmark):
    found = compare(50)
    assert len(found) == 50
    assert found["arm49"].points[0].utility == pytest.approx(20, rel=0.5)
    one, fifty = milliseconds(lambda: compare(1), 5), milliseconds(lambda: compare(50), 5)
    benchmark.extra_info["processor milliseconds"] = fifty
    benchmark.extra_info["times one arm"] = fifty / one
    benchmark.pedantic(compare, args=(50,), rounds=3)
    assert fifty < 35 * one
