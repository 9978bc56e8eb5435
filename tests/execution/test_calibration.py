"""Calibration against slow definitions, scikit-learn's Brier score, and probabilities whose calibration is known."""

import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import brier_score_loss
from support import dense_tasks

from labeleff.execution.calibration import Calibration, calibration_of
from labeleff.execution.scoring import Score
from labeleff.plugins.protocols.interface import Fitted
from labeleff.plugins.protocols.temperature import Temperature
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.item_classes import ItemClasses


def made(n=300, classes=4, scale=2.0, seed=0):
    """Logits, and classes drawn with their probabilities."""
    rng = np.random.default_rng(seed)
    logits = (scale * rng.normal(size=(n, classes))).astype(np.float32)
    p = softmax(logits.astype(np.float64), 1)
    labels = (p.cumsum(1) < rng.random((n, 1))).sum(1)
    return torch.from_numpy(logits), torch.from_numpy(labels)


def measured(scores, labels, block=None, **how):
    """Calibration summed in blocks."""
    total = Calibration(**how)
    for part in zip(scores.split(block or len(scores)), labels.split(block or len(scores)), strict=True):
        total.add(*part)
    return total.values()


def slow(p, labels):
    """ECE bin by bin, Brier score item by item, likelihood."""
    top, right = p.max(1), p.argmax(1) == labels
    error = 0.0
    for m in range(15):
        inside = [i for i in range(len(p)) if m / 15 < top[i] <= (m + 1) / 15]
        if inside:
            error += len(inside) / len(p) * abs(np.mean(right[inside]) - np.mean(top[inside]))
    brier = np.mean([sum((p[i, c] - (c == labels[i])) ** 2 for c in range(p.shape[1])) for i in range(len(p))])
    return {"ece": error, "brier": brier, "nll": -np.mean([math.log(p[i, labels[i]]) for i in range(len(p))])}


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("block", [None, 7])
def test_metrics_are_those_of_slow_definitions(classes, block):
    logits, labels = made(classes=classes)
    found = measured(logits, labels, block, logits=True, temperature=0.5)
    numbers, true = logits.double().numpy(), labels.numpy()
    expected = slow(softmax(numbers, 1), true)
    expected |= {f"{name}_scaled": value for name, value in slow(softmax(numbers / 0.5, 1), true).items()}
    assert found == pytest.approx(expected, abs=1e-5)
    shares = torch.from_numpy(softmax(numbers, 1).astype(np.float32))
    assert measured(shares, labels, block, logits=False, shares=True) == pytest.approx(slow(shares.numpy(), true), 1e-5)


def test_the_brier_score_is_scikit_learns():
    logits, labels = made(classes=5)
    p = softmax(logits.double().numpy(), 1)
    expected = brier_score_loss(labels.numpy(), p, labels=range(5), scale_by_half=False)
    assert measured(logits, labels, logits=True)["brier"] == pytest.approx(expected, abs=1e-6)


def test_calibrated_probabilities_have_no_calibration_error_and_sharper_ones_have():
    logits, labels = made(20_000)
    assert measured(logits, labels, logits=True)["ece"] < 0.02
    assert measured(3 * logits, labels, logits=True)["ece"] > 0.1
    again = measured(3 * logits, labels, logits=True, temperature=3.0)
    assert again["ece_scaled"] < 0.02 < again["ece"]
    assert again["brier_scaled"] < again["brier"]


def test_shares_of_the_classes_have_no_calibration_error_but_a_brier_score():
    labels = torch.arange(1000) % 4
    found = measured(torch.full((1000, 4), 0.25), labels, logits=False, shares=True)
    assert found == pytest.approx({"ece": 0.0, "brier": 0.75, "nll": math.log(4)}, abs=1e-6)


def test_bins_include_their_upper_ends():
    p = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.65, 0.35]])  # 0.6 is 9 / 15
    found = measured(p, torch.tensor([0, 1, 0]), logits=False, shares=True)
    assert found["ece"] == pytest.approx((abs(1 - 1.2) + abs(1 - 0.65)) / 3, abs=1e-6)


def test_a_class_without_a_vote_has_no_likelihood():
    found = measured(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]), logits=False, shares=True)
    assert found == {"ece": 0.5, "brier": 1.0}


def test_scores_that_are_no_probabilities_have_calibration_after_a_temperature_alone():
    task = dense_tasks.task("squares/classify")
    logits, labels = made(classes=3)
    values, with_temperature = Fitted(lambda x: x, logits=False), Temperature(0.3, 12)
    assert calibration_of(task, CLASSES, values) is None
    found = calibration_of(task, CLASSES, Fitted(lambda x: x, logits=False, temperature=with_temperature))
    found.add(logits, labels)
    assert list(found.values()) == ["ece_scaled", "brier_scaled", "nll_scaled"]
    segments = dense_tasks.task("squares/segment")
    assert calibration_of(segments, segments.goal, Fitted(lambda x: x)) is None


@pytest.mark.parametrize("goal", [CLASSES, ItemClasses()])
def test_goals_that_gather_scores_and_those_that_do_not_are_calibrated_alike(goal):
    logits, labels = made(classes=3)
    total = Score(goal, Calibration(logits=True))
    for part in zip(logits.split(50), labels.split(50), strict=True):
        total.add(*part)
    total.settle()
    total.metrics()
    assert total.calibration() == pytest.approx(measured(logits, labels, logits=True))
    assert Score(goal).calibration() == {}
