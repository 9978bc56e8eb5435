"""Metrics of real values: those of scikit-learn and scipy; strata."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from labeleff.catalogue.metrics import GOALS
from labeleff.errors import PluginError
from labeleff.training.goals.item_values import ItemValues

GOAL = ItemValues()


@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_metrics_of_blocks(seed, count):
    rng = np.random.default_rng(seed)
    truth = torch.from_numpy(1990 + rng.integers(0, 9, count).astype(float))
    scores = torch.from_numpy(1990 + rng.integers(0, 9, (count, 1))).float()
    found = GOAL.metrics(GOAL.joined([GOAL.tally(scores[:2], truth[:2]), GOAL.tally(scores[2:], truth[2:])]))
    if len(truth.unique()) == 1:
        assert found == {}
        return
    assert tuple(found) == GOALS["item_values"]
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, scores))
    if len(scores.unique()) > 1:
        assert found["spearman"] == pytest.approx(stats.spearmanr(truth, scores[:, 0]).statistic)
    mean = truth.mean().expand(count, 1)
    assert GOAL.metrics(GOAL.tally(mean, truth))["r2"] == pytest.approx(GOAL.chance(truth), abs=1e-9)


def test_grades_are_strata_and_many_values_are_cut_into_tenths():
    assert GOAL.strata(torch.tensor([3.0, 1.0, 3.0, 7.0])).tolist() == [1, 0, 1, 2]
    values = torch.from_numpy(np.random.default_rng(0).normal(size=200))
    strata = GOAL.strata(values)
    assert torch.bincount(strata).tolist() == [20] * 10
    assert values[strata == 0].max() < values[strata == 1].min()


def test_loss_and_answers():
    truth, scores = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64), torch.tensor([[1.0], [1.0], [2.0]])
    assert float(GOAL.loss(scores, truth)) == pytest.approx(5 / 3)
    assert float(GOAL.loss(scores, truth, "sum")) == pytest.approx(5)
    assert float(GOAL.correct(scores, truth)) == pytest.approx(3 * metrics.r2_score(truth, scores))
    assert GOAL.answers(truth).dtype == torch.float32
    with pytest.raises(PluginError, match="no label"):
        GOAL.metrics(torch.zeros(0, 2))
