"""Trained protocols on every goal: what a model minimises, and that it learns it."""

import inspect

import pytest
import torch
from support import dense_tasks
from torch import nn

from labeleff.catalogue import lookup
from labeleff.execution.scoring import score
from labeleff.plugins.encoders.heads import MapHead
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols import finetune, validated
from labeleff.plugins.protocols.interface import Labelled
from labeleff.plugins.protocols.supervised import Supervised, fitted, model_for
from labeleff.records.training_log import Training
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.goals.depth import UNIT
from labeleff.training.images import Normalisation

CPU = Compute(torch.device("cpu"), "fp32")
NAMES = list(dense_tasks.GOALS)


def data_of(task):
    return Labelled(task.train, task.outputs, Normalisation.of(task.train.images), task.goal)


def encoder():
    return build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.125, "dim": 32}), 0)


def budget(steps=60, **augment):
    return Budget(lr=0.05, batch=20, steps={"min": steps, "max": steps}, augment=Augment(**augment))


def by_hand(task, scores, batch):
    """The mean loss, one image or grid cell at a time."""
    losses = []
    for i, sample in enumerate(batch.samples.tolist()):
        label = task.train.labels[sample]
        if not task.goal.dense:
            flipped = bool(batch.flips[i]) and task.goal.mirror is not None
            truth = task.goal.mirror[int(label)] if flipped else int(label)
            losses.append(torch.logsumexp(scores[i], 0) - scores[i, truth])
            continue
        label = label.flip(1) if batch.flips[i] else label
        for r in range(dense_tasks.GRID):
            for c in range(dense_tasks.GRID):
                truth = int(
                    label[
                        dense_tasks.STRIDE * r + dense_tasks.STRIDE // 2,
                        dense_tasks.STRIDE * c + dense_tasks.STRIDE // 2,
                    ]
                )
                if task.goal.outputs(4) == 1:
                    losses += [(scores[i, 0, r, c] - truth * UNIT).abs()] if truth > 0 else []
                elif truth != 255:
                    losses.append(torch.logsumexp(scores[i, :, r, c], 0) - scores[i, truth, r, c])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_a_batch_follows_its_flips(name):
    task = dense_tasks.task(name)
    data, network = data_of(task), encoder().eval()
    examples = data.on(CPU.device, augment=Augment(flip=True), seed=3)
    model = model_for(data, network, 0).eval()
    batch = examples.batch(torch.arange(20), torch.full((20,), 1))
    assert set(batch.flips.tolist()) == {0, 1}
    loss, correct = Supervised(task.goal)(model, batch)
    torch.testing.assert_close(loss, by_hand(task, model(batch.images), batch), rtol=1e-4, atol=1e-5)
    assert 0 <= float(correct) <= 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", [finetune, validated])
def test_trained_protocols_learn_every_goal(name, protocol):
    task = dense_tasks.task(name)
    options = lookup.complete("protocol", protocol.__name__.split(".")[-1], {}).options
    fitted = protocol.fit(data_of(task), encoder(), 0, budget(flip=True), options, CPU, lambda *_: None)
    test = Labelled(task.test, task.outputs, Normalisation.of(task.train.images), task.goal).on(CPU.device)
    found = score(fitted.predictor, test, CPU).metrics()
    assert found[task.goal.headline] > task.chance + 0.25 * (1 - task.chance)
    assert fitted.metrics["accuracy"] > task.chance
    if protocol is validated:
        assert 0 <= fitted.metrics["validation_accuracy"] <= 1
        assert fitted.metrics["validation_count"] == 6


def test_the_bias_of_depths_starts_at_their_median():
    task = dense_tasks.task("squares/depth")
    head = model_for(data_of(task), encoder(), 0)[1]
    assert isinstance(head, MapHead)
    assert head.layer.bias.tolist() == pytest.approx([task.goal.start(task.train.labels)])


@pytest.mark.parametrize("protocol", ["finetune", "validated", "joint", "partial"])
def test_a_preparation_of_one_run_is_called_like_every_other(protocol):
    prepare = lookup.preparation(protocol)
    given = ["data", "encoder", "seed", "budget", "options", "compute"]
    assert list(inspect.signature(prepare).parameters) == given
    assert prepare.__doc__.startswith("Train ")
    assert list(inspect.signature(lookup.resolve("protocol", protocol)).parameters) == [*given, "progress"]


def test_what_a_training_reached_is_its_last_window_by_name():
    history = [{"loss": 2.0, "accuracy": 0.1}, {"loss": 1.0, "accuracy": 0.5}]
    fields = {"steps": 2, "batch": 4, "images": 8, "seconds": 1.0, "windows": [], "layout": "contiguous", "threads": 1}
    training = Training(**fields, history=history)
    found = fitted(nn.Identity(), training, "accuracy", "loss")
    assert list(found.metrics.items()) == [("accuracy", 0.5), ("loss", 1.0)]
    assert (found.training, found.predictor.training) == (training, False)
