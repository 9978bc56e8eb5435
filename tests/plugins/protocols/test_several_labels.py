"""Protocols on several labels per item and on real values, against scikit-learn and slow versions."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import log_loss

from labeleff.plugins.protocols import knn, linear, mlp, ridge, several_labels
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.study.cell import Steps
from labeleff.training.goals.item_labels import ItemLabels
from labeleff.training.goals.item_values import ItemValues

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(60, 8)).astype(np.float32)
PROBE = torch.from_numpy(RANDOM.normal(size=(9, 8)).astype(np.float32))
LABELS = X[:, :5] + 0.5 * RANDOM.normal(size=(60, 5)) > np.array([0, 0.5, 1.0, 9, -9])
VALUES = 3 * X[:, 0] - X[:, 1] + RANDOM.normal(size=60).astype(np.float32)


def labels_of(rows=60):
    return LabelledFeatures(torch.from_numpy(X[:rows]), torch.from_numpy(LABELS[:rows]), 5, ItemLabels())


def values_of(rows=60):
    return LabelledFeatures(torch.from_numpy(X[:rows]), torch.from_numpy(VALUES[:rows]), 1, ItemValues())


def standardised(rows):
    x = X[:rows]
    return (x - x.mean(0)) / x.std(0), (PROBE.numpy() - x.mean(0)) / x.std(0)


@pytest.mark.parametrize("cached", [2**19, 1])
def test_linear_is_a_logistic_regression_per_label(cached, monkeypatch):
    monkeypatch.setattr("labeleff.plugins.protocols.several_labels.CACHED", cached)
    fitted = linear.fit([labels_of(60), labels_of(40)], {"prior": 10.0})
    for one, rows in zip(fitted, (60, 40), strict=True):
        scores = one.predictor(PROBE)
        x, probe = standardised(rows)
        for k in range(3):
            slow = LogisticRegression(C=2 * 10.0 / 8, tol=1e-8, max_iter=1000).fit(x, LABELS[:rows, k])
            np.testing.assert_allclose(scores[:, k], slow.decision_function(probe), atol=5e-3)
        for k, having in ((3, 0), (4, rows)):
            assert scores[:, k].tolist() == pytest.approx([math.log((having + 0.5) / (rows - having + 0.5))] * 9)


def test_a_split_chooses_the_prior_of_all_labels_by_items_held_out():
    out = several_labels.held_out(torch.from_numpy(LABELS), linear.HELD_OUT).numpy()
    assert out.sum() == 12
    assert np.abs(LABELS[out].mean(0) - LABELS.mean(0)).max() <= 1 / 12
    x = (X - X[~out].mean(0)) / X[~out].std(0)
    losses = {}
    for prior in (10.0 * factor for factor in linear.FACTORS):
        slow = [LogisticRegression(C=2 * prior / 8, tol=1e-8).fit(x[~out], LABELS[~out, k]) for k in range(3)]
        losses[prior] = np.mean([log_loss(LABELS[out, k], slow[k].predict_proba(x[out])) for k in range(3)])
    [chosen] = linear.fit([labels_of()], {"prior": 10.0, "choose": "split"})
    assert chosen.metrics == {"prior": min(losses, key=losses.__getitem__)}
    assert len({round(loss, 3) for loss in losses.values()}) == len(linear.FACTORS)
    [expected] = linear.fit([labels_of()], {"prior": chosen.metrics["prior"]})
    np.testing.assert_allclose(chosen.predictor(PROBE), expected.predictor(PROBE), atol=1e-4)


@pytest.mark.parametrize("labels", [LABELS[:4], LABELS[:60, 3:]])
def test_a_prior_stays_where_items_held_out_say_nothing(labels):
    truths = torch.from_numpy(labels)
    problem = LabelledFeatures(torch.from_numpy(X[: len(labels)]), truths, labels.shape[1], ItemLabels())
    [fitted] = linear.fit([problem], {"prior": 10.0, "choose": "split"})
    assert fitted.metrics == {"prior": 10.0}


def test_mlp_is_a_plain_training_by_binary_cross_entropy(monkeypatch):
    batches, problem = [], labels_of()
    usual = mlp._Rows.batch
    monkeypatch.setattr(mlp, "STEPS", Steps(min=20, max=20))
    monkeypatch.setattr(mlp._Rows, "batch", lambda self, s, e: batches.append(s) or usual(self, s, e))
    [fitted] = mlp.fit([problem], {"rate": 0.01, "decay": 0.1})
    assert [len(samples) for samples in batches] == [mlp.BATCH] * 20
    layers, (x, probe) = mlp.network(problem).double(), standardised(60)
    x, y, probe = (torch.from_numpy(part).double() for part in (x, LABELS, probe))
    groups = [[p for p in layers.parameters() if (p.ndim > 1) == wide] for wide in (True, False)]
    steps = torch.optim.AdamW([{"params": groups[0], "weight_decay": 0.1}, {"params": groups[1], "weight_decay": 0}])
    for done, samples in enumerate(batches):
        rate = 0.01 * min((done + 1) / 2, 0.5 + 0.5 * math.cos(math.pi * max(0, done - 1) / 18))
        for group in steps.param_groups:
            group["lr"] = rate
        p = 1 / (1 + torch.exp(-layers(x[samples])))
        loss = -(y[samples] * p.log() + (1 - y[samples]) * (1 - p).log()).mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
    np.testing.assert_allclose(fitted.predictor(PROBE).detach(), layers.eval()(probe).detach(), atol=2e-3)


@pytest.mark.parametrize(("problem", "truth"), [(labels_of(), LABELS), (values_of(), VALUES)])
def test_ridge_is_that_of_scikit_learn(problem, truth):
    [fitted] = ridge.fit([problem], {"penalty": 0.1})
    x, probe = standardised(60)
    truth = truth.reshape(60, -1).astype(float)
    expected = Ridge(alpha=0.1 * 60).fit(x, truth).predict(probe).reshape(9, -1)
    np.testing.assert_allclose(fitted.predictor(PROBE), expected, rtol=1e-4, atol=1e-4)
    [chosen] = ridge.fit([problem], {"penalty": 0.0})
    best = RidgeCV(alphas=60 * np.array(ridge.PENALTIES)).fit(x, truth)
    np.testing.assert_allclose(chosen.predictor(PROBE), best.predict(probe).reshape(9, -1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("problem", "truth"), [(labels_of(), LABELS), (values_of(), VALUES)])
def test_knn_averages_over_neighbours(problem, truth):
    truth = truth.reshape(60, -1).astype(float)
    [fitted] = knn.fit([problem], {"k": 5, "temperature": 0.1})
    for row, said in zip(PROBE.numpy(), fitted.predictor(PROBE), strict=True):
        near = X @ row / np.linalg.norm(X, axis=1) / np.linalg.norm(row)
        top = np.argsort(-near)[:5]
        weights = np.exp(near[top] / 0.1)
        np.testing.assert_allclose(said, weights @ truth[top] / weights.sum(), rtol=1e-4, atol=1e-5)
