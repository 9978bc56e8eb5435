"""Validation examples come out of the n labels, are never trained on, and pick the epoch."""

from dataclasses import replace

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
from labeleff.training.images import Normalisation

CPU = Compute(torch.device("cpu"), "fp32")
BUDGET = Budget(optimizer="adam", lr=5e-3, batch=10, steps={"min": 60, "max": 60}, clip=1.0)


@pytest.fixture(scope="module")
def task():
    return story_tasks.task()


def first(task, n):
    return Examples(task.train.inputs[:n], task.train.labels[:n])


def fit(task, n=200, budget=BUDGET, **options):
    reader = build_encoder(lookup.complete("encoder", "qrn", story_tasks.SMALL["qrn"]), 0, task.text)
    data = Labelled(first(task, n), len(task.classes), None)
    given = lookup.complete("protocol", "validated", options).options
    return validated.fit(data, reader, 0, budget, given, CPU, lambda *_: None)


def images(n):
    inputs = torch.zeros(n, 4, 4, 3, dtype=torch.uint8)
    return Labelled(Examples(inputs, torch.zeros(n, dtype=torch.int64)), 1, Normalisation.of(inputs))


def classes(labels):
    """As many images with these classes."""
    return replace(images(len(labels)), examples=Examples(images(len(labels)).examples.inputs, labels), outputs=10)


def stories(numbers, answers=None):
    """Stories that are equal where their numbers are; without `answers` all have one."""
    labels = torch.tensor(answers or [0] * len(numbers))
    return Labelled(Examples(torch.tensor(numbers, dtype=torch.int16)[:, None, None], labels), 9, None)


def test_parts_are_apart_and_whole():
    trained, held = validated.split(images(200), 0.1, seed=0)
    assert len(held) == 20
    assert sorted([*trained.tolist(), *held.tolist()]) == list(range(200))
    assert held.tolist() != validated.split(images(200), 0.1, seed=1)[1].tolist()
    with pytest.raises(PluginError, match="1 of 1 labels would be set aside"):
        validated.split(images(1), 0.1, seed=0)


@pytest.mark.parametrize(("n", "share"), [(11, 0.1), (20, 0.3), (40, 0.5)])
def test_training_keeps_every_class_where_there_are_labels_enough(n, share):
    labels = torch.arange(n) % 10
    for seed in range(50):
        trained, held = validated.split(classes(labels), share, seed)
        assert len(held) == round(share * n)
        assert labels[trained].unique().tolist() == list(range(10))
        assert sorted([*trained.tolist(), *held.tolist()]) == list(range(n))
    assert len(validated.split(classes(torch.arange(10)), 0.1, 0)[1]) == 1


def test_the_split_is_by_chance_alone_where_no_class_would_be_lost():
    few, many = (validated.split(classes(torch.arange(200) % count), 0.1, 5)[1] for count in (1, 2))
    assert few.tolist() == many.tolist() == validated.split(images(200), 0.1, 5)[1].tolist()


def test_validation_stories_are_drawn_in_runs():
    _, held = validated.split(stories([*range(1000)]), 0.1, seed=0)
    assert len(held) == 100
    starts = [int(p) for p in held if int(p) - 1 not in held.tolist()]
    assert len(starts) <= 3
    assert len(validated.split(stories([*range(1010)]), 0.1, 0)[0]) == 909


def test_no_equal_question_is_trained_on_and_validated_with():
    numbers = [place // 3 if place % 2 else place % 7 for place in range(300)]
    trained, held = validated.split(stories(numbers), 0.2, seed=3)
    assert {numbers[place] for place in trained}.isdisjoint(numbers[place] for place in held)
    assert len(held) == 60


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
    _, rest = validated.split(Labelled(first(task, 200), 6, None), 0.1, 0)
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
    _, held = validated.split(Labelled(first(task, 200), 6, None), 0.1, 0)
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
