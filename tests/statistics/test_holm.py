"""Holm's adjustment: an example worked by hand, the slow definition, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from labeleff.statistics.holm import holm


def test_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def rejected(p_values, alpha):
    """The procedure as it is told: from the smallest on, until one is too large."""
    found = set()
    for step, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] > alpha / (len(p_values) - step):
            break
        found.add(int(place))
    return found


@given(st.lists(st.floats(0, 1), max_size=8), st.sampled_from([0.01, 0.05, 0.3]))
def test_it_rejects_what_the_procedure_rejects(p_values, alpha):
    adjusted = holm(p_values)
    assert {place for place, p in enumerate(adjusted) if p <= alpha * (1 - 1e-12)} <= rejected(p_values, alpha)
    assert rejected(p_values, alpha) <= {place for place, p in enumerate(adjusted) if p <= alpha * (1 + 1e-12)}
    assert all(old <= new <= 1 for old, new in zip(p_values, adjusted, strict=True))


def test_false_alarms_under_dependence():
    rng = np.random.default_rng(0)
    common, own = rng.standard_normal((2000, 1)), rng.standard_normal((2000, 20))
    alarms = [min(holm(ndtr(row))) <= 0.05 for row in 0.7 * common + 0.51**0.5 * own]
    assert np.mean(alarms) <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5
