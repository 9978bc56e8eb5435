"""Power: the noncentral t against simulation and a published table, inverses of each other, crossed designs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from labeleff.errors import OptionError
from labeleff.stats.differences import compare
from labeleff.stats.power import (
    crossed_draws,
    crossed_power,
    degrees,
    detectable_gain,
    draws_needed,
    resolve,
    seeds_needed,
    t_power,
)
from labeleff.stats.variance_components import Component, Split

NS = [50, 100, 200, 400]


def parts_of(draw, seed, interaction):
    rows = zip(("draw", "seed", "interaction"), (draw, seed, interaction), strict=True)
    return Split((50,), 5, 5, 25, tuple(Component(s, v, v, v, 0, 0, 0, False) for s, v in rows), None)


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_against_the_usual_table_of_the_paired_t_test(effect, pairs):
    assert draws_needed(effect * 0.03, 0.03, level=0.95) == pairs


def test_power_by_simulation():
    rng = np.random.default_rng(0)
    values = 0.6 + rng.standard_normal((40_000, 6))
    t = values.mean(axis=1) / values.std(axis=1, ddof=1) * np.sqrt(6)
    seen = np.mean(np.abs(t) > reference.t.ppf(0.95, 5))
    assert t_power(0.6 * np.sqrt(6), 5, 0.90) == pytest.approx(seen, abs=0.01)


@pytest.mark.parametrize("df", [1, 2, 2.5, 10, 300])
@pytest.mark.parametrize("shift", [0, 0.7, 2.5, 5])
@pytest.mark.parametrize("level", [0.5, 0.90, 0.99])
def test_against_scipys_noncentral_t(df, shift, level):
    bound = reference.t.ppf(0.5 + level / 2, df)
    expected = reference.nct.sf(bound, df, shift) + reference.nct.sf(bound, df, -shift)
    assert t_power(shift, df, level) == pytest.approx(expected, abs=1e-5)
    assert 0.999 < t_power(1000 * bound, df, level) <= 1


@settings(max_examples=40)
@given(st.floats(0.2, 5), st.floats(0.5, 0.95), st.integers(1, 6), st.floats(0.001, 100))
def test_draws_and_gain_are_inverse_and_only_their_ratio_counts(effect, power, rungs, scale):
    draws = draws_needed(effect, 1.0, power=power, rungs=rungs)
    assert draws_needed(-effect * scale, scale, power=power, rungs=rungs) == draws
    assert detectable_gain(1.0, draws, power=power, rungs=rungs) <= effect * (1 + 1e-9)
    if draws > 2:
        assert detectable_gain(1.0, draws - 1, power=power, rungs=rungs) > effect


def test_steadier_variances_need_fewer_draws():
    assert draws_needed(1.0, 1.0, rungs=6) < draws_needed(1.0, 1.0)


def test_crossed_power_by_simulation_of_the_test_itself():
    rng = np.random.default_rng(1)
    seen = []
    for _ in range(1500):
        noise = 0.02 * rng.standard_normal((6, 1)) + 0.01 * rng.standard_normal((1, 4))
        table = 0.025 + noise + 0.02 * rng.standard_normal((6, 4))
        arm = {50: {(d, s): float(table[d, s]) for d in range(6) for s in range(4)}}
        seen.append(compare({50: dict.fromkeys(arm[50], 0.0)}, arm).rungs[0].p_value < 0.1)
    assert crossed_power(0.025, parts_of(4e-4, 1e-4, 4e-4), 6, 4) == pytest.approx(np.mean(seen), abs=0.05)


def test_seeds_and_draws_are_the_least_that_reach_the_power():
    parts = parts_of(4e-4, 4e-4, 1e-4)
    seeds = seeds_needed(0.03, parts, 8)
    assert crossed_power(0.03, parts, 8, seeds) >= 0.8 > crossed_power(0.03, parts, 8, seeds - 1)
    assert crossed_draws(0.03, parts, 8) == seeds  # draws and seeds have the same part here


def test_seeds_cannot_make_up_for_draws():
    assert seeds_needed(0.01, parts_of(4e-4, 1e-4, 1e-4), 3) is None


def zipped(seed, draws, first=0):
    table = 0.5 + 0.03 * np.random.default_rng(seed).standard_normal((draws, len(NS)))
    return {n: {(first + d, d): float(table[d, i]) for d in range(draws)} for i, n in enumerate(NS)}


def test_resolve_uses_the_spread_of_pairs():
    base, arm = zipped(2, 5), zipped(3, 5)
    for row, compared in zip(resolve(base, arm, 0.05), compare(base, arm).rungs, strict=True):
        assert row.sd == pytest.approx(compared.standard_error * np.sqrt(5))
        assert row.draws == draws_needed(0.05, row.sd, rungs=4)
        assert row.cautious > row.draws
        assert row.detectable == detectable_gain(row.sd, 5, rungs=4)
        assert (row.pairs, row.reason) == (5, None)


def test_resolve_says_what_it_cannot_know():
    base = zipped(2, 5)
    unpaired = resolve(base, zipped(3, 4, first=20), 0.05)[0]
    assert (unpaired.pairs, unpaired.reason) == (0, "unpaired: no shared draws")
    assert unpaired.draws is not None
    single = resolve({n: {(0, 0): 0.5} for n in NS}, {n: {(0, 0): 0.6} for n in NS}, 0.05)[0]
    assert single.sd is single.draws is single.detectable is None
    assert single.reason.startswith("no interval")


def test_resolve_keeps_the_seeds_of_crossed_designs():
    rng = np.random.default_rng(4)
    base = {50: {(d, s): 0.5 for d in range(5) for s in range(3)}}
    arm = {50: {run: 0.6 + 0.02 * float(rng.standard_normal()) for run in base[50]}}
    [row] = resolve(base, arm, 0.05)
    assert row.sd is None
    assert row.draws >= 2
    assert row.detectable > 0
    for d, s in arm[50]:
        arm[50][d, s] += 0.2 * s
    [row] = resolve(base, arm, 0.05)
    assert (row.draws, row.reason) == (None, "3 seeds are too few, however many the draws")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"gain": 0.0}, "gain: found 0.0"),
        ({"sd": 0.0}, "sd: found 0.0"),
        ({"power": 0.05}, "power: found 0.05"),
        ({"level": 95}, "level: found 95"),
    ],
)
def test_requests_out_of_range(changed, text):
    with pytest.raises(OptionError, match=text):
        draws_needed(**({"gain": 0.02, "sd": 0.02} | changed))
    with pytest.raises(OptionError, match="isn't split"):
        crossed_power(0.1, Split((50,), 1, 1, 1, (), "one run: there is no spread"), 2, 2)
    with pytest.raises(OptionError, match="draws: found 1"):
        detectable_gain(0.02, 1)


@pytest.mark.parametrize("draws", [2, 3, 10, 200])
@pytest.mark.parametrize("power", [0.06, 0.5, 0.8, 0.999])
def test_the_detectable_gain_has_exactly_the_power(draws, power):
    gain = detectable_gain(0.02, draws, power=power, level=0.95, rungs=3)
    assert t_power(gain * draws**0.5 / 0.02, degrees(draws, 3), 0.95) == pytest.approx(power, abs=1e-10)
