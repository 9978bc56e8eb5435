"""Variance components: against textbook ANOVA, expected mean squares by brute force, invariants, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.stats.variance_components import SOURCES, _rank, _strata, split

NS = [50, 100, 200]


def crossed(seed, draws, seeds, variances=(1.0, 1.0, 1.0), rungs=1):
    """Runs of a crossed design whose parts have these variances, at every rung anew."""
    rng = np.random.default_rng(seed)
    a, b, e = (np.sqrt(v) for v in variances)
    table = a * rng.standard_normal((draws, 1, rungs)) + b * rng.standard_normal((1, seeds, rungs))
    table = table + e * rng.standard_normal((draws, seeds, rungs))
    return {
        n: {(d, s): float(table[d, s, i]) for d in range(draws) for s in range(seeds)} for i, n in enumerate(NS[:rungs])
    }


def test_a_full_table_is_two_way_anova():
    runs = crossed(0, 5, 4, (4.0, 4.0, 1.0))
    table = np.array([[runs[50][d, s] for s in range(4)] for d in range(5)])
    by_draw, by_seed, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = ((table - by_draw[:, None] - by_seed + mean) ** 2).sum() / 12
    draw = (4 * ((by_draw - mean) ** 2).sum() / 4 - rest) / 4
    seed = (5 * ((by_seed - mean) ** 2).sum() / 3 - rest) / 5
    [found] = split(runs).rungs
    assert [found.variance(source) for source in SOURCES] == pytest.approx([draw, seed, rest])
    assert sum(part.share for part in found.components) == pytest.approx(1)
    assert (found.draws, found.seeds, found.runs, found.reason) == (5, 4, 20, None)


def test_expected_mean_squares_with_missing_runs():
    runs = [(d, s) for d in range(5) for s in range(4) if (d, s) not in {(0, 0), (0, 1), (3, 2)}]
    strata = _strata(runs)
    draw = np.array([[float(a[0] == b[0]) for a in runs] for b in runs])
    seed = np.array([[float(a[1] == b[1]) for a in runs] for b in runs])
    # tr(projection @ covariance) / df for a covariance of one source alone
    expected = [[strata.repeats[0], 0, 1], [0, strata.repeats[1], 1], [0, 0, 1]]
    found = [
        [np.trace(p @ v) / df for v in (draw, seed, np.eye(len(runs)))]
        for p, df in zip(strata.projections, strata.df, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert strata.df == (4, 3, 9)


def test_a_negative_estimate_is_0_and_says_so():
    table = [[0.5, 0.7], [0.7, 0.5], [0.6, 0.6]]
    runs = {50: {(d, s): table[d][s] for d in range(3) for s in range(2)}}
    draw, seed, interaction = split(runs).rungs[0].components
    assert (draw.truncated, seed.truncated, interaction.truncated) == (True, True, False)
    assert draw.variance == seed.variance == draw.share == draw.low == 0
    assert interaction.share == 1


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([(0, 0)], "one run"),
        ([(0, 0), (1, 0)], "one seed"),
        ([(0, 0), (0, 1)], "one draw"),
        ([(0, 0), (1, 1), (2, 2)], "change together"),
        ([(0, 0), (0, 1), (1, 0)], "no two draws meet"),
        ([(d, s) for d in range(4) for s in range(4) if d // 2 == s // 2], "share no seed"),
    ],
)
def test_designs_that_cannot_tell(cells, reason):
    result = split({50: {cell: 0.1 * k for k, cell in enumerate(cells)}})
    assert result.rungs[0].components == ()
    assert reason in result.rungs[0].reason
    with pytest.raises(KeyError):
        result.ladder.variance("draw")


def test_equal_runs_have_no_shares():
    [found] = split({50: {(d, s): 0.5 for d in range(3) for s in range(3)}}).rungs
    assert found.components == ()
    assert "no spread" in found.reason


def test_the_ladder_averages_rungs_over_the_runs_they_share():
    runs = crossed(1, 5, 4, (4.0, 4.0, 1.0), rungs=3)
    del runs[100][0, 0]
    result = split(runs)
    alone = split({n: {run: value for run, value in rung.items() if run != (0, 0)} for n, rung in runs.items()})
    assert result.ladder.reason == "1 runs that some rung lacks are left out"
    rungs = [row.variance("interaction") for row in alone.rungs]
    assert result.ladder.variance("interaction") == pytest.approx(np.mean(rungs))
    assert split({}).ladder is None


def test_more_rungs_narrow_the_interval_only_if_they_differ():
    runs = crossed(2, 5, 4, rungs=3)
    same = dict.fromkeys(NS, runs[50])
    widths = [part.high - part.low for part in split({50: runs[50]}).ladder.components]
    assert [part.high - part.low for part in split(same).ladder.components] == pytest.approx(widths)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(-1, 1), st.floats(0.1, 10))
def test_order_shift_and_scale(seed, shift, scale):
    runs = crossed(seed, 4, 3, rungs=2)
    first = split(runs)
    turned = {n: dict(reversed(rung.items())) for n, rung in reversed(runs.items())}
    assert split(turned) == first
    other = split({n: {run: shift + scale * value for run, value in rung.items()} for n, rung in runs.items()})
    for one, two in zip(first.ladder.components, other.ladder.components, strict=True):
        assert (two.variance, two.high) == pytest.approx((one.variance * scale**2, one.high * scale**2), rel=1e-6)
        assert (two.share, two.share_low, two.share_high) == pytest.approx(
            (one.share, one.share_low, one.share_high), abs=1e-6
        )


def test_coverage():
    true = np.array([1.0, 0.5, 1.0])
    hits, shares = [], []
    for seed in range(200):
        parts = split(crossed(seed, 5, 3, tuple(true))).rungs[0].components
        hits.append([part.low <= value <= part.high for part, value in zip(parts, true, strict=True)])
        shares.append(
            [part.share_low <= value <= part.share_high for part, value in zip(parts, true / true.sum(), strict=True)]
        )
    assert (np.mean(hits, axis=0) > 0.84).all()
    assert (np.mean(shares, axis=0) > 0.84).all()
    assert np.mean(hits) < 0.96


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12, unique=True))
@settings(max_examples=100, deadline=None)
def test_the_rank_of_a_design_without_its_table(runs):
    draws, seeds = (np.unique([run[axis] for run in runs], return_inverse=True)[1] for axis in (0, 1))
    table = np.hstack([np.eye(draws.max() + 1)[draws], np.eye(seeds.max() + 1)[seeds]])
    assert _rank(draws, seeds) == np.linalg.matrix_rank(table)
