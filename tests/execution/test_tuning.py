"""Tuning: which labels judge, which choice wins, and that it is the one that is trained."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import factories

from labeleff.errors import PluginError
from labeleff.execution.tuning import merit, splits, tuned, tuned_budget
from labeleff.plugins.pretexts.interface import Pretrained
from labeleff.plugins.protocols.interface import Fitted, Labelled
from labeleff.records.entries import Trial
from labeleff.study.tuning import Tune
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.images import Normalisation
from labeleff.training.slots import DivergedError

CPU = Compute(torch.device("cpu"), "fp32", "contiguous")
CLASSES = 3


def labelled(count, classes=CLASSES):
    """Images of one colour per class, so that a predictor can read the class."""
    labels = torch.arange(count) % classes
    images = torch.zeros(count, 4, 4, 3, dtype=torch.uint8)
    images[torch.arange(count), :, :, labels % 3] = 255
    return Labelled(Examples(images, labels), classes, Normalisation.of(images))


def cell(n, **tune):
    study = factories.study(tune={"lr": [0.1, 1, 10], **tune})
    first = next(one for one in study.cells() if one.budget is not None)
    return first.model_copy(update={"n": n})


def truth(images):
    return images.mean((2, 3)) * 10


class Trainer:
    """A training whose result is right where its rate is near `best`; it notes what it saw."""

    def __init__(self, row, best, fails=()):
        self.row, self.best, self.fails, self.seen = row, best, fails, []

    def __call__(self, data, budget, progress):
        rate = round(budget.lr / self.row.lr, 6)
        self.seen.append((rate, len(data.examples), budget.steps_for(len(data.examples))))
        if rate in self.fails:
            raise DivergedError("nan")
        progress(10, 10, 0.0, 0.0)
        error = abs(math.log10(rate / self.best))
        return Fitted(lambda images: truth(images) - 40 * error * truth(images), metrics={"rate": rate})


@pytest.mark.parametrize("best", [0.1, 1, 10])
def test_the_best_on_held_out_labels_is_trained_on_all(best):
    one, data = cell(30), labelled(30)
    train, told = Trainer(one.budget, best), []
    fitted = tuned(one, data, train, CPU, 10, lambda *words: told.append(words[:2]))
    assert [rate for rate, *_ in train.seen] == [0.1, 1, 10, best]
    assert [count for _, count, _ in train.seen] == [24, 24, 24, 30]
    assert fitted.tuned == (best, 1.0)
    assert fitted.metrics == {"rate": best}
    assert [(t.lr, t.trained, t.held_out) for t in fitted.trials] == [(rate, 24, 6) for rate in (0.1, 1, 10)]
    assert max(fitted.trials, key=lambda trial: (trial.score, -trial.loss)).lr == best
    assert told[-1] == (40, 40)


def test_a_choice_that_fails_comes_last_and_none_is_an_error():
    one, data = cell(30), labelled(30)
    fitted = tuned(one, data, Trainer(one.budget, 10, fails=(10,)), CPU, 10, lambda *_: None)
    assert fitted.tuned == (1, 1)
    assert [trial.reason for trial in fitted.trials] == [None, None, "nan"]
    with pytest.raises(DivergedError, match="all 3 trials of tuning failed: nan"):
        tuned(one, data, Trainer(one.budget, 1, fails=(0.1, 1, 10)), CPU, 10, lambda *_: None)


def test_halving_drops_the_worse_half():
    one, data = cell(30, lr=[0.01, 0.1, 1, 10], halving=2), labelled(30)
    train = Trainer(one.budget, 10)
    assert tuned(one, data, train, CPU, 100, lambda *_: None).tuned == (10, 1)
    assert [(rate, steps) for rate, _, steps in train.seen][:6] == [
        (0.01, 25), (0.1, 25), (1, 25), (10, 25), (10, 50), (1, 50),
    ]  # fmt: skip


@pytest.mark.parametrize("tune", [{}, {"folds": 2}])
@pytest.mark.parametrize("n", range(1, CLASSES + 1))
def test_one_label_per_class_leaves_the_row_as_it_is(n, tune):
    one = cell(n, **tune)
    fitted = tuned(one, labelled(n), Trainer(one.budget, 10), CPU, 10, lambda *_: None)
    assert (fitted.trials, fitted.tuned) == ([], (1, 1))


@given(n=st.integers(CLASSES + 1, 60), share=st.sampled_from([0.1, 0.2, 0.5]), seed=st.integers(0, 3))
def test_every_class_keeps_a_label_to_train_on(n, share, seed):
    data = labelled(n)
    one = cell(n).model_copy(update={"seed": seed})
    [(trained, held)] = splits(one, data, Tune(lr=[1, 3], held_out=share))
    assert len(held) == min(max(1, round(share * n)), n - CLASSES)
    assert sorted(torch.cat((trained, held)).tolist()) == list(range(n))
    classes = data.examples.labels
    assert set(classes[trained].tolist()) == set(classes.tolist())


@given(n=st.integers(CLASSES + 1, 60), folds=st.integers(2, 5))
def test_folds_judge_every_label_once_whose_class_they_train_on(n, folds):
    data = labelled(n)
    parts, labels = splits(cell(n), data, Tune(lr=[1, 3], folds=folds)), data.examples.labels
    judged = torch.cat([held for _, held in parts]).tolist()
    assert len(set(judged)) == len(judged)
    assert all(set(labels[held].tolist()) <= set(labels[trained].tolist()) for trained, held in parts)
    several = [place for place in range(n) if (labels == labels[place]).sum() > 1]
    assert sorted(judged) == several, "all but the only label of a class"
    if len(several) == n:
        sizes = [len(held) for _, held in parts]
        assert max(sizes) - min(sizes) <= 1
        counts = torch.stack([labels[held].bincount(minlength=CLASSES) for _, held in parts])
        assert (counts.amax(0) - counts.amin(0)).max() <= 1, "each class is dealt out evenly"


def test_arms_are_judged_on_the_same_labels_and_draws_on_others():
    data, tune = labelled(60), Tune(lr=[1, 3])
    one = cell(60)
    other = one.model_copy(update={"pretext": one.protocol, "tune": None})
    assert torch.equal(splits(one, data, tune)[0][1], splits(other, data, tune)[0][1])
    assert not torch.equal(splits(one, data, tune)[0][1], splits(one.model_copy(update={"draw": 1}), data, tune)[0][1])


def test_values_are_split_without_classes():
    data = labelled(20)
    values = dataclasses.replace(data, examples=Examples(data.examples.inputs, torch.linspace(0, 1, 20)))
    [(trained, held)] = splits(cell(20), values, Tune(lr=[1, 3]))
    assert (len(trained), len(held)) == (16, 4)


def trial(**fields):
    return Trial(**{"lr": 1, "weight_decay": 1, "split": 0, "steps": 1, "seconds": 0, "processor_seconds": 0} | fields)


def test_merit_is_the_mean_score_then_the_mean_loss():
    assert merit([trial(score=0.5, loss=1), trial(score=1.0, loss=3)]) == (0.75, -2)
    assert merit([trial(score=0.5, loss=1), trial(reason="nan")]) == (-math.inf, -math.inf)
    assert merit([trial(score=0.5, loss=1)]) > merit([trial(score=0.5, loss=2)])


@pytest.mark.parametrize(
    ("by_rate", "best"),
    [
        ({0.1: {"heldout_accuracy": 0.5}, 1: {"heldout_accuracy": 0.7}, 10: {"heldout_accuracy": 0.6}}, 1),
        ({0.1: {"heldout_loss": 0.5}, 1: {"heldout_loss": 0.7}, 10: {"heldout_loss": 0.6}}, 0.1),
        ({0.1: {"heldout_loss": 0.5, "collapsed": 1.0}, 1: {"heldout_loss": 0.7}, 10: {"heldout_loss": 0.6}}, 10),
        ({0.1: None, 1: None, 10: {"heldout_loss": 9.0}}, 10),
    ],
)
def test_a_pretext_is_judged_on_held_out_images_and_never_collapsed(by_rate, best):
    study = factories.study(tune={"lr": [0.3, 1], "pretext": {"lr": [0.1, 1, 10], "share": 0.5}})
    [pretraining, *_] = study.pretrainings
    seen = []

    def learn(changed, _):
        rate = round(changed.budget.lr / pretraining.budget.lr, 6)
        seen.append((rate, changed.budget.steps_for(1)))
        if by_rate[rate] is None:
            raise DivergedError("nan")
        return Pretrained(metrics=by_rate[rate])

    choice, trials, _ = tuned_budget(pretraining, learn, CPU.device, 100, lambda *_: None)
    assert choice == (best, 1)
    assert seen == [(0.1, 50), (1, 50), (10, 50)]
    assert len(trials) == 3
    with pytest.raises(DivergedError, match="all 3 trials"):
        tuned_budget(
            pretraining,
            lambda *_: SimpleNamespace(metrics={"heldout_loss": 0.0, "collapsed": 1.0}),
            CPU.device,
            9,
            lambda *_: None,
        )


def test_a_pretext_that_tells_nothing_of_held_out_images_is_named():
    study = factories.study(tune={"lr": [0.3, 1], "pretext": {"lr": [0.1, 1]}})

    def learn(*_):
        return Pretrained(metrics={"loss": 1.0})

    with pytest.raises(
        PluginError, match="'rotation' can't be tuned: found the metrics loss, expected heldout_accuracy"
    ):
        tuned_budget(study.pretrainings[0], learn, CPU.device, 9, lambda *_: None)


def test_the_split_is_of_all_positions_not_of_the_first():
    held = np.concatenate(
        [splits(cell(60).model_copy(update={"draw": d}), labelled(60), Tune(lr=[1, 3]))[0][1] for d in range(8)]
    )
    assert held.min() < 10
    assert held.max() > 50
