"""Metrics against scikit-learn and scipy, with ties and absent classes; and where those have no good value."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import softmax
from sklearn import metrics as sk

from labeleff.errors import PluginError
from labeleff.stats import prediction_metrics as own

SEEDS = st.integers(0, 2**32 - 1)
CLASSES = st.integers(2, 5)
COUNTS = st.integers(2, 40)


def drawn(seed, count, classes):
    """Truth in which classes may be absent, and logits with ties."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(rng.permutation(classes)[: rng.integers(1, classes + 1)], count)
    return truth, np.round(rng.normal(size=(count, classes)) * 2) / 2, rng


def class_auroc(truth, logits):
    """Mean AUROC of each class against the rest."""
    return own.mean_of_defined(own.ranked(truth[:, None] == np.arange(logits.shape[1]), own.log_odds(logits))[0])


@given(SEEDS, COUNTS, CLASSES)
def test_metrics_of_classes(seed, count, classes):
    truth, logits, _ = drawn(seed, count, classes)
    predicted = logits.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of predicted classes that don't occur
        assert own.accuracy(truth, predicted) == pytest.approx(sk.accuracy_score(truth, predicted))
        assert own.balanced_accuracy(truth, predicted, classes) == pytest.approx(
            sk.balanced_accuracy_score(truth, predicted)
        )
        assert own.macro_f1(truth, predicted, classes) == pytest.approx(sk.f1_score(truth, predicted, average="macro"))


@given(SEEDS, COUNTS, CLASSES)
def test_auroc_of_classes_is_over_those_that_occur(seed, count, classes):
    truth, logits, _ = drawn(seed, count, classes)
    scores = own.log_odds(logits).astype(float)
    present = [c for c in range(classes) if 0 < (truth == c).sum() < count]
    each = [sk.roc_auc_score(truth == c, scores[:, c]) for c in present]
    if classes == 2:
        each = [sk.roc_auc_score(truth == 1, logits[:, 1] - logits[:, 0])] if present else []
    assert class_auroc(truth, logits) == (pytest.approx(np.mean(each)) if each else None)
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), softmax(logits, 1), rtol=1e-6)


@given(SEEDS, COUNTS, st.integers(1, 4))
def test_metrics_of_several_labels(seed, count, labels):
    rng = np.random.default_rng(seed)
    truth, scores = rng.random((count, labels)) < rng.random(labels), np.round(rng.normal(size=(count, labels)), 1)
    for k, (area, precision) in enumerate(zip(*own.ranked(truth, scores), strict=True)):
        positive = truth[:, k].any()
        assert (
            precision == pytest.approx(sk.average_precision_score(truth[:, k], scores[:, k]))
            if positive
            else np.isnan(precision)
        )
        assert (
            area == pytest.approx(sk.roc_auc_score(truth[:, k], scores[:, k]))
            if positive and not truth[:, k].all()
            else np.isnan(area)
        )
    expected = [sk.f1_score(truth[:, k], scores[:, k] > 0, zero_division=np.nan) for k in range(labels)]
    np.testing.assert_allclose(own.f1_scores(truth, scores > 0), expected)


@given(SEEDS, st.integers(3, 40))
def test_metrics_of_real_values(seed, count):
    rng = np.random.default_rng(seed)
    truth, predicted = np.round(rng.normal(size=count), 1), np.round(rng.normal(size=count), 1)
    if len(np.unique(truth)) > 1:
        assert own.r2(truth, predicted) == pytest.approx(sk.r2_score(truth, predicted))
        if len(np.unique(predicted)) > 1:
            assert own.spearman(truth, predicted) == pytest.approx(stats.spearmanr(truth, predicted).statistic)
    np.testing.assert_allclose(own.mean_ranks(truth), stats.rankdata(truth))


def test_values_that_do_not_exist():
    truth = np.array([1.0, 1.0, 1.0])
    assert own.r2(truth, truth) is None
    assert own.spearman(truth, np.arange(3.0)) is None
    assert own.spearman(np.arange(3.0), truth) == 0.0
    assert own.mean_of_defined(np.array([np.nan, np.nan])) is None
    assert class_auroc(np.zeros(3, int), np.eye(3)) is None
    with pytest.raises(PluginError, match="NaN in the scores of 1 of 3 examples"):
        own.ranked(np.eye(3, dtype=bool)[:, :2], np.array([[0.0, 1.0], [np.nan, 1.0], [0.0, 1.0]]))


def test_scores_far_from_0_do_not_saturate():
    """Through a sigmoid distances from 1,000 on would all be 1 and their AUROC 0.5."""
    truth, distances = np.array([False, False, True, True]), np.array([1000.0, 1001.0, 1002.0, 1003.0])
    assert own.ranked(truth[:, None], distances[:, None])[0].tolist() == [1.0]
    logits = np.array([[0.0, 800.0, -800.0], [0.0, 900.0, -900.0], [1.0, 0.0, 0.5]])
    assert np.isfinite(own.log_odds(logits)).all()


def test_classes_are_ranked_by_probability_not_by_logit():
    """An example's logits have any offset: a perfect classifier stays perfect."""
    truth = np.array([0, 1, 2] * 4)
    logits = 3.0 * np.eye(3)[truth] + np.arange(12)[:, None] * 5
    assert class_auroc(truth, logits) == 1.0
    assert np.nanmean(own.ranked(truth[:, None] == np.arange(3), logits)[0]) < 0.9
