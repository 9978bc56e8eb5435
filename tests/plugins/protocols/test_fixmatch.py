"""FixMatch and FlexMatch against loops over images."""

import math
from collections import Counter

import pytest
import torch
from support import semi_runs

from labeleff.plugins.protocols.fixmatch import Curriculum, FixMatchLoss, FlexMatchLoss
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Batch
from labeleff.training.loop import train_alone
from labeleff.training.slots import TrainingState


def probabilities(row):
    shares = [math.exp(value - max(row)) for value in row]
    return [share / sum(shares) for share in shares]


def by_hand(rows, labelled, limits):
    """Loss and share of unlabelled images: weak ones, then strong ones; `limits` by class."""
    count = (len(rows) - labelled) // 2
    total, sure = 0.0, []
    for i in range(count):
        weak = probabilities(rows[labelled + i])
        label = max(range(len(weak)), key=weak.__getitem__)
        if weak[label] >= limits[label]:
            total -= math.log(probabilities(rows[labelled + count + i])[label])
            sure.append(i)
    return total / count, sure


def scores(count=46, classes=4):
    dice = torch.Generator().manual_seed(1)
    return (3 * torch.randn(count, classes, generator=dice, dtype=torch.float64)).requires_grad_()


def batch(targets):
    place = torch.arange(1)
    return Batch(torch.zeros(1), place, place, targets=targets)


@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("shares", [None, (1.0, 0.5, 0.0, 0.9)])
def test_the_loss_and_its_gradient_are_those_of_a_loop(threshold, shares):
    rows, targets = scores(), torch.arange(6) % 4
    further = () if shares is None else (torch.tensor(shares, dtype=torch.float64),)
    measured = FixMatchLoss(CLASSES, 0.5, threshold).measure((rows, *further, torch.tensor(0.4)), batch(targets))
    loss, _, task, other, share = (value.detach() for value in measured)
    limits = [threshold * (1.0 if shares is None else shares[c]) for c in range(4)]
    wanted, sure = by_hand(rows.tolist(), 6, limits)
    assert float(other) == pytest.approx(wanted)
    assert float(share) == pytest.approx(len(sure) / 20)
    assert float(loss) == pytest.approx(float(task) + 0.5 * 0.4 * wanted)
    assert 0 < len(sure) <= 20
    measured[0].backward()
    assert rows.grad[6:26].abs().max() == 0, "no gradient through the pseudo-labels"
    assert (rows.grad[26:].abs().amax(1) > 0).nonzero().flatten().tolist() == sure


def relative(latest, classes):
    """FlexMatch's thresholds over the fixed one, counted by hand; None is an image of no class yet."""
    counts = Counter(latest)
    most = max(counts.values())
    learned = [counts[c] / most for c in range(classes)]
    return [value / (2 - value) for value in learned]


def test_thresholds_follow_what_was_learned():
    model = Curriculum(torch.nn.Identity(), 0, 0).start(10, 3)
    latest = [None] * 10
    for images, classes, sure in (
        ([0, 1, 2, 3], [0, 0, 1, 2], [1, 1, 1, 0]),
        ([4, 5, 6, 7, 8], [0, 0, 0, 0, 2], [1, 1, 1, 1, 1]),
        ([0, 3, 9], [1, 2, 2], [1, 1, 0]),
        ([5, 5, 6, 6, 7, 7], [1, 2, 1, 2, 2, 1], [1, 0, 0, 1, 1, 1]),
    ):
        model.note(torch.tensor(images), torch.tensor(classes), torch.tensor(sure))
        for image, label, on in zip(images, classes, sure, strict=True):
            latest[image] = label if on else latest[image]
        _, found, _ = model(torch.zeros(1, 3))
        assert found.tolist() == pytest.approx(relative(latest, 3))


def test_a_flexible_training_is_one_by_hand(monkeypatch):
    """Thresholds are those before a step's own predictions; the images that a step sees are noted."""
    steps, threshold = 5, 0.3
    table = semi_runs.budget(steps)
    given = {"threshold": threshold, "thresholds": "flexible"}
    one = semi_runs.prepared("fixmatch", 0, table, semi_runs.EXACT, ratio=2.0, **given)
    state, latest, seen = TrainingState(one.slot, table, steps), [None] * 80, []
    samples, _ = state.order(0, steps, torch.device("cpu"))
    usual = FlexMatchLoss.measure

    def measure(self, outputs, batch):
        values = usual(self, outputs, batch)
        seen.append((outputs[0].tolist(), outputs[1].tolist(), [float(value.detach()) for value in values]))
        return values

    monkeypatch.setattr(FlexMatchLoss, "measure", measure)
    training = train_alone(one.slot, table, steps, semi_runs.EXACT, lambda *_: None)
    assert training.steps == len(seen) == steps
    for step, (rows, shares, values) in enumerate(seen):
        assert shares == pytest.approx(relative(latest, 10))
        wanted, sure = by_hand(rows, semi_runs.B, [threshold * share for share in shares])
        assert values[3] == pytest.approx(wanted)
        assert values[4] == pytest.approx(len(sure) / 16)
        images = samples.view(steps, -1)[step, semi_runs.B :] - semi_runs.N
        for i, image in enumerate(images.tolist()):
            weak = probabilities(rows[semi_runs.B + i])
            if max(weak) >= threshold:
                latest[image] = weak.index(max(weak))
    assert any(label is not None for label in latest)


def test_both_views_are_of_the_same_images_and_the_ablation_takes_all():
    found = semi_runs.fitted("fixmatch", threshold=0.0)
    assert found.metrics["confident"] == 1
    slot = semi_runs.prepared("fixmatch", operations=1, table=semi_runs.budget(augment={})).slot
    samples, epochs = slot.order(1, 0, slot.batch, torch.device("cpu"))
    weak, strong = slot.images.batch(samples, epochs).images[semi_runs.B :].chunk(2)
    same = (weak - strong).abs().amax(1) < 1e-4
    assert 0.1 < same.float().mean() < 0.7, "some operations leave some pixels alone, the cutout never all"


def test_it_learns():
    found = semi_runs.fitted("fixmatch", table=semi_runs.budget(60), ratio=2.0, threshold=0.6, decay=0.9)
    assert set(found.metrics) == {"loss", "accuracy", "task_loss", "unlabelled_loss", "confident"}
    assert found.metrics["accuracy"] > 0.5
    assert found.metrics["confident"] > 0
