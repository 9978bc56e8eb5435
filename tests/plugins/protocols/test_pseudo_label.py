"""Lee's pseudo-labels against a loop over images."""

import math

import pytest
import torch
from support import semi_runs

from labeleff.plugins.protocols.pseudo_label import PseudoLabelLoss
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Batch


def batch(targets):
    count = torch.arange(1)
    return Batch(torch.zeros(1), count, count, targets=targets)


def cross_entropy(scores, label):
    return math.log(sum(math.exp(s - max(scores)) for s in scores)) + max(scores) - scores[label]


def likeliest(scores):
    shares = [math.exp(s - max(scores)) for s in scores]
    label = max(range(len(scores)), key=lambda c: shares[c])
    return label, shares[label] / sum(shares)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("progress", [0.0, 0.1, 0.4, 1.0])
def test_the_loss_and_its_gradient_are_those_of_a_loop(threshold, progress):
    dice = torch.Generator().manual_seed(1)
    scores = (3 * torch.randn(30, 4, generator=dice, dtype=torch.float64)).requires_grad_()
    targets = torch.arange(6) % 4
    measured = PseudoLabelLoss(CLASSES, 2.0, threshold).measure((scores, torch.tensor(progress)), batch(targets))
    loss, correct, task, other, share = (value.detach() for value in measured)
    rows = scores.tolist()
    wanted_task = sum(cross_entropy(rows[i], int(targets[i])) for i in range(6)) / 6
    found = [(i, *likeliest(rows[i])) for i in range(6, 30)]
    sure = [(i, label) for i, label, share in found if share >= threshold]
    wanted = sum(cross_entropy(rows[i], label) for i, label in sure) / 24
    ramp = max(0.0, (progress - 1 / 6) / (5 / 6))
    assert float(task) == pytest.approx(wanted_task)
    assert float(other) == pytest.approx(wanted)
    assert float(loss) == pytest.approx(wanted_task + 2 * ramp * wanted)
    assert float(share) == pytest.approx(len(sure) / 24)
    assert int(correct) == sum(likeliest(rows[i])[0] == int(targets[i]) for i in range(6))
    assert 0 < len(sure) <= 24
    measured[0].backward()
    moved = (scores.grad[6:].abs().amax(1) > 0).nonzero().flatten() + 6
    assert moved.tolist() == ([i for i, _ in sure] if ramp else [])


def test_it_learns_and_says_how_many_it_was_sure_of():
    found = semi_runs.fitted("pseudo_label", table=semi_runs.budget(60), threshold=0.6, ramp=0.1)
    assert set(found.metrics) == {"loss", "accuracy", "task_loss", "unlabelled_loss", "confident"}
    assert found.metrics["accuracy"] > 0.5
    assert 0 < found.metrics["confident"] <= 1
    everything = semi_runs.fitted("pseudo_label", table=semi_runs.budget(4), threshold=0.0)
    assert everything.metrics["confident"] == 1
