"""Validation examples come out of the n labels, are never trained on, and pick the epoch."""

import pytest
import torch
from support import story_tasks

from labeleff.catalogue import lookup
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols import validated
from labeleff.plugins.protocols.interface import Labelled
from labeleff.study.cell import Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Examples

CPU = Compute(torch.device("cpu"), "fp32")
BUDGET = Budget(optimizer="adam", lr=5e-3, batch=10, steps={"min": 60, "max": 60}, clip=1.0)


@pytest.fixture(scope="module")
def task():
    return story_tasks.task()


def fit(task, n=200, budget=BUDGET, **options):
    reader = build_encoder(lookup.complete("encoder", "qrn", story_tasks.SMALL["qrn"]), 0, task.text)
    data = Labelled(Examples(task.train.inputs[:n], task.train.labels[:n]), len(task.classes), None)
    given = lookup.complete("protocol", "validated", options).options
    return validated.fit(data, reader, 0, budget, given, CPU, lambda *_: None)


def test_parts_are_apart_and_whole():
    trained, held = validated.split(200, 0.1, seed=0)
    assert len(held) == 20
    assert sorted([*trained.tolist(), *held.tolist()]) == list(range(200))
    assert held.tolist() != validated.split(200, 0.1, seed=1)[1].tolist()
    with pytest.raises(PluginError, match="1 of 1 labels would be set aside"):
        validated.split(1, 0.1, seed=0)


def test_validation_stories_are_drawn_in_runs():
    _, held = validated.split(1000, 0.1, seed=0, run=50)
    assert len(held) == 100
    starts = [int(p) for p in held if int(p) - 1 not in held.tolist()]
    assert len(starts) <= 3
    assert len(validated.split(1010, 0.1, 0, 50)[0]) == 909


def test_validation_examples_are_never_trained_on(task, monkeypatch):
    seen = []
    original = Labelled.on

    def spy(data, *rest, **options):
        seen.append(data.examples.inputs)
        return original(data, *rest, **options)

    monkeypatch.setattr(Labelled, "on", spy)
    fit(task)
    trained, held = seen
    assert (len(trained), len(held)) == (180, 20)
    _, rest = validated.split(200, 0.1, 0, validated.RUN)
    assert torch.equal(held, task.train.inputs[:200][rest])


def test_the_best_window_is_kept_and_the_last_on_demand(task):
    best, last = fit(task), fit(task, keep="last")
    assert best.training.history == last.training.history
    top = max(entry["validation_accuracy"] for entry in best.training.history)
    assert best.metrics["validation_accuracy"] == top
    assert last.metrics["epoch"] == last.training.history[-1]["epoch"]
    assert best.metrics["validation_count"] == 20
    assert {"loss", "accuracy", "validation_loss", "validation_accuracy"} <= set(best.training.history[0])


def test_kept_weights_are_those_that_were_scored(task):
    fitted = fit(task)
    _, held = validated.split(200, 0.1, 0, validated.RUN)
    with torch.inference_mode():
        scores = fitted.predictor(task.train.inputs[:200][held].long())
    correct = (scores.argmax(1) == task.train.labels[:200][held]).float().mean()
    assert float(correct) == pytest.approx(fitted.metrics["validation_accuracy"])


def test_training_stops_once_validation_is_perfect(task, monkeypatch):
    perfect = {"validation_accuracy": 1.0, "validation_loss": 0.0}
    monkeypatch.setattr(validated._Watch, "__call__", lambda *_: dict(perfect))
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)
    assert fit(task, stop=True).training.steps == 40
    assert fit(task).training.steps == 60
