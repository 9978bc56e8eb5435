"""Mean Teacher against a slow training by hand in float64."""

import copy
import math

import pytest
import torch
from support import semi_runs
from torch import nn

from labeleff.plugins.protocols.mean_teacher import MeanTeacherLoss, StudentAndTeacher
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Batch
from labeleff.training.loop import train_alone
from labeleff.training.slots import TrainingState, learning_rates


def softmax(row):
    shares = [math.exp(value - max(row)) for value in row]
    return [share / sum(shares) for share in shares]


def test_the_loss_is_that_of_a_loop_over_images_and_classes():
    dice = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(2, 20, 5, generator=dice, dtype=torch.float64).requires_grad_()
    targets, place = torch.arange(6) % 5, torch.arange(1)
    outputs = (student, teacher, torch.tensor(0.25))
    measured = MeanTeacherLoss(CLASSES, 100.0).measure(outputs, Batch(torch.zeros(1), place, place, targets=targets))
    loss, _, task, other = (value.detach() for value in measured)
    pairs = [(softmax(a), softmax(b)) for a, b in zip(student.tolist(), teacher.tolist(), strict=True)]
    wanted = sum((p - q) ** 2 for a, b in pairs for p, q in zip(a, b, strict=True)) / (20 * 5)
    wanted_task = -sum(math.log(pairs[i][0][int(targets[i])]) for i in range(6)) / 6
    assert float(other) == pytest.approx(wanted)
    assert float(task) == pytest.approx(wanted_task)
    assert float(loss) == pytest.approx(wanted_task + 100 * math.exp(-5 * 0.75**2) * wanted)
    assert torch.autograd.grad(measured[0], teacher, allow_unused=True) == (None,), "the teacher is a target"


@pytest.mark.parametrize("decay", [0.0, 0.7])
def test_a_training_is_the_papers_by_hand(decay):
    """Student, teacher, both batch-norm statistics: step by step with torch's own optimiser."""
    steps, weight, ramp = 6, 100.0, 0.5
    table = semi_runs.budget(steps, weight_decay=1e-3)
    one, other = (
        semi_runs.prepared("mean_teacher", 0, table, semi_runs.EXACT, ramp=ramp, decay=decay) for _ in range(2)
    )
    training = train_alone(one.slot, table, steps, semi_runs.EXACT, lambda *_: None)
    student = semi_runs.EXACT.place(copy.deepcopy(other.slot.model.network)).train()
    teacher = copy.deepcopy(student) if decay else student
    state, rates = TrainingState(other.slot, table, steps), learning_rates(table, steps)
    samples, epochs = state.order(0, steps, torch.device("cpu"))
    matrices, vectors = ([p for p in student.parameters() if (p.ndim > 1) == one] for one in (True, False))
    groups = [{"params": matrices, "weight_decay": 1e-3}, {"params": vectors}]
    optimiser = torch.optim.SGD(groups, lr=1.0, momentum=0.9, nesterov=True)
    losses = []
    for step in range(steps):
        part = slice(step * state.batch, (step + 1) * state.batch)
        batch = other.slot.images.batch(samples[part], epochs[part])
        first, second = batch.images.double().chunk(2)
        scores = student(first)
        with torch.no_grad():
            targets = teacher(second).softmax(1)
        x = min(1.0, step / (ramp * steps))
        consistency = (scores.softmax(1) - targets).square().mean()
        task = nn.functional.cross_entropy(scores[: semi_runs.B], batch.targets)
        loss = task + weight * math.exp(-5 * (1 - x) ** 2) * consistency
        for group in optimiser.param_groups:
            group["lr"] = rates[step]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        kept = min(1 - 1 / (step + 2), decay)
        if decay:
            with torch.no_grad():
                for mean, now in zip(teacher.parameters(), student.parameters(), strict=True):
                    mean.copy_(kept * mean + (1 - kept) * now)
        losses.append(float(loss.detach()))
    assert training.history[-1]["loss"] == pytest.approx(sum(losses) / steps)
    found = one.finish(training).predictor.state_dict()
    for name, tensor in teacher.state_dict().items():
        if "num_batches" not in name:
            torch.testing.assert_close(found[name], tensor, rtol=1e-6, atol=1e-9)


def test_the_teacher_has_its_own_statistics_and_the_student_no_gradient_through_it():
    model = StudentAndTeacher(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4)), 0.9, 0).train()
    images = torch.randn(8, 3, 2, 2) + torch.cat((torch.zeros(4), torch.ones(4)))[:, None, None, None]
    scores, targets, _ = model(images)
    assert not targets.requires_grad
    assert scores.requires_grad
    assert not torch.allclose(model.network[0].running_mean, model.average[0].running_mean)


def test_views_of_student_and_teacher_are_of_the_same_images():
    slot = semi_runs.prepared("mean_teacher", table=semi_runs.budget(augment={})).slot
    samples, epochs = slot.order(1, 0, slot.batch, torch.device("cpu"))
    first, second = slot.images.batch(samples, epochs).images.chunk(2)
    assert torch.equal(first, second), "without augmentation there is one view"


def test_it_learns():
    found = semi_runs.fitted("mean_teacher", table=semi_runs.budget(60), weight=10.0)
    assert set(found.metrics) == {"loss", "accuracy", "task_loss", "unlabelled_loss"}
    assert found.metrics["accuracy"] > 0.5
