"""Metrics of several labels per item: those of scikit-learn, in blocks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from labeleff.catalogue.metrics import GOALS
from labeleff.errors import PluginError
from labeleff.training.goals.item_labels import ItemLabels

GOAL = ItemLabels()


@given(st.integers(0, 2**31), st.integers(2, 30), st.integers(1, 4))
def test_metrics_with_ties_and_absent_labels(seed, count, labels):
    random = torch.Generator().manual_seed(seed)
    truth = torch.rand(count, labels, generator=random) < torch.rand(labels, generator=random)
    scores = torch.randint(0, 5, (count, labels), generator=random) / 2
    blocks = [GOAL.tally(scores[:1], truth[:1]), GOAL.tally(scores[1:], truth[1:])]
    found = GOAL.metrics(GOAL.joined(blocks))
    there = [k for k in range(labels) if truth[:, k].any()]
    both = [k for k in there if not truth[:, k].all()]
    precisions = [metrics.average_precision_score(truth[:, k], scores[:, k]) for k in there]
    areas = [metrics.roc_auc_score(truth[:, k], scores[:, k]) for k in both]
    assert found.get("map") == (pytest.approx(sum(precisions) / len(there)) if there else None)
    assert found.get("auroc") == (pytest.approx(sum(areas) / len(both)) if both else None)
    constant = GOAL.metrics(GOAL.tally(torch.zeros_like(scores), truth))
    assert not there or GOAL.chance(truth) == pytest.approx(constant["map"])


def test_loss_shares_and_strata():
    truth, scores = torch.tensor([[True, False], [False, False]]), torch.tensor([[1.0, -2.0], [3.0, 0.0]])
    p = torch.sigmoid(scores)
    expected = -(torch.log(p[0, 0]) + torch.log(1 - p[0, 1]) + torch.log(1 - p[1, 0]) + torch.log(1 - p[1, 1])) / 4
    assert float(GOAL.loss(scores, truth)) == pytest.approx(float(expected))
    assert float(GOAL.loss(scores, truth, "sum")) == pytest.approx(2 * float(expected))
    assert float(GOAL.correct(scores, truth)) == 1.5
    assert torch.equal(GOAL.strata(truth), truth)
    assert torch.equal(GOAL.answers(truth), truth)
    assert GOAL.outputs(7) == 7
    assert GOAL.headline == GOALS["item_labels"][0] == "map"
    with pytest.raises(PluginError, match="no label"):
        GOAL.metrics(torch.zeros(0, 4))
    with pytest.raises(PluginError, match="no label"):
        GOAL.chance(torch.zeros(3, 2, dtype=torch.bool))
