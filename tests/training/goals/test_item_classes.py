"""Metrics of items' classes: those of scikit-learn, summed over blocks."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from labeleff.catalogue.metrics import GOALS
from labeleff.errors import PluginError
from labeleff.training.goals.item_classes import ItemClasses


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(2, 5))
def test_metrics_of_blocks_are_those_of_the_whole(seed, count, classes):
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, classes, generator=random)
    truth = torch.randint(0, classes, (count,), generator=random)
    goal, cut = ItemClasses(), count // 2
    found = goal.metrics(goal.tally(scores[:cut], truth[:cut]) + goal.tally(scores[cut:], truth[cut:]))
    assert tuple(found) == GOALS[goal.name]
    predicted = scores.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of predicted classes that don't occur
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
        assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))


def test_nothing_counted():
    with pytest.raises(PluginError, match="no label"):
        ItemClasses().metrics(torch.zeros(3, 4, dtype=torch.int64))
