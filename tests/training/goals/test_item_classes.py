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
    found = goal.metrics(goal.joined([goal.tally(scores[:cut], truth[:cut]), goal.tally(scores[cut:], truth[cut:])]))
    assert tuple(found) == tuple(name for name in GOALS[goal.name] if name != "auroc" or len(set(truth.tolist())) > 1)
    predicted = scores.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of predicted classes that don't occur
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
        assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))


@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(2, 5), st.booleans())
def test_ranks_with_ties_and_absent_classes_are_scikit_learns(seed, count, classes, logits):
    random = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 4, (count, classes), generator=random) / 2
    truth = torch.randint(0, classes, (count,), generator=random)
    goal = ItemClasses() if logits else ItemClasses().of_shares()
    found = goal.metrics(goal.tally(scores, truth))
    ranked = torch.log_softmax(scores.double(), 1).float() if logits else scores
    present = [c for c in range(classes) if int((truth == c).sum()) > 0]
    areas = [metrics.roc_auc_score(truth == c, ranked[:, c]) for c in present if len(present) > 1]
    assert found.get("auroc") == (pytest.approx(sum(areas) / len(areas)) if areas else None)
    precisions = [metrics.average_precision_score(truth == c, ranked[:, c]) for c in present]
    assert found["map"] == pytest.approx(sum(precisions) / len(precisions))


def test_the_ranks_of_logits_are_those_of_probabilities_and_do_not_saturate():
    truth = torch.tensor([0, 1, 2] * 4)
    logits = 3.0 * torch.eye(3)[truth] + torch.arange(12)[:, None] * 5
    goal = ItemClasses()
    assert goal.metrics(goal.tally(logits, truth))["auroc"] == 1.0
    assert goal.of_shares().metrics(goal.tally(logits, truth))["auroc"] < 0.9
    far = torch.tensor([[0.0, 90.0], [0.0, 80.0], [0.0, 70.0], [0.0, 60.0]])
    assert goal.metrics(goal.tally(far, torch.tensor([1, 1, 0, 0])))["auroc"] == 1.0


def test_a_task_is_as_it_was_whatever_its_scores_are():
    assert repr(ItemClasses()) == repr(ItemClasses().of_shares()) == "ItemClasses(mirror=None)"


def test_nothing_counted():
    with pytest.raises(PluginError, match="no label"):
        ItemClasses().metrics(torch.zeros(0, 4))


def test_under_imbalance_nothing_is_lost():
    goal = ItemClasses()
    assert goal.by_class(5) is goal
