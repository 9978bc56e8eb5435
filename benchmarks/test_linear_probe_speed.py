"""The linear probe's solver against scikit-learn's at equal objective and tolerance, on nested sets of labels."""

import statistics

import linear_probe
import pytest
import torch

from labeleff.training.device import one_core

LADDERS, RUNG, BEFORE = 5.6, 3.8, 12.5
"""Times as fast as scikit-learn's: all ladders, a rung of at least 300 labels; as before, with 10,000 labels."""


@pytest.fixture(scope="module")
def embeddings():
    if torch.cuda.is_available():
        pytest.skip("a comparison of CPU solvers")
    one_core()
    return linear_probe.simulated("steep")


@pytest.mark.parametrize("tolerance", [1e-4, 1e-5])
def test_ladders_against_scikit_learn(benchmark, embeddings, tolerance):
    pytest.importorskip("sklearn")
    *rungs, whole = linear_probe.compare(*embeddings, 10.0, tolerance)
    benchmark.extra_info |= {f"{row['n']}: times as fast": row["faster"] for row in [*rungs, whole]}
    benchmark.pedantic(lambda: None, rounds=1)
    print(benchmark.extra_info)
    for row in rungs:
        assert row["ours_gradient"] <= 1.05 * tolerance
        assert row["ours_excess"] <= max(2 * row["theirs_excess"], 0.1 * tolerance)
    assert abs(statistics.mean(row["ours_accuracy"] - row["tight_accuracy"] for row in rungs)) <= 0.05
    assert all(row["faster"] >= RUNG for row in rungs if row["n"] >= 300)
    assert whole["faster"] >= LADDERS


def test_ten_thousand_labels_against_the_solver_before(benchmark, embeddings):
    features, labels = embeddings
    problems = linear_probe.ladders(features, labels)
    pairs = [
        (linear_probe.before(problems[-1], 10.0), linear_probe.ours(problems, 10.0, 1e-5)[-1][0]) for _ in range(3)
    ]
    ratio = statistics.median(a / b for a, b in pairs)
    benchmark.extra_info["times as fast"] = ratio
    benchmark.pedantic(lambda: None, rounds=1)
    print(benchmark.extra_info)
    assert ratio >= BEFORE
