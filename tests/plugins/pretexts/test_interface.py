"""What pretexts share: the arguments that all are called with, the images they hold out, what they report."""

import inspect

import pytest
import torch
from support.short_pretrainings import BUDGET, CPU, toy
from torch import nn

from labeleff.catalogue import lookup
from labeleff.errors import PluginError
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, pretext
from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment

ARGUMENTS = ["data", "encoder", "seed", "budget", "options", "compute", "progress"]
BUILT_IN = ["rotation", "vae", "cmc", "amdim"]


def run(holdout=0.1, steps=2):
    budget = BUDGET.model_copy(update={"steps": BUDGET.steps.model_copy(update={"min": steps, "max": steps})})
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    return PretextRun("mine", toy(), encoder, 3, budget, {"holdout": holdout}, CPU, lambda *_: None)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_pretext_of_one_run_is_called_like_every_other(name):
    function = lookup.resolve("pretext", name)
    assert list(inspect.signature(function).parameters) == ARGUMENTS
    assert function.__doc__.startswith("Train a")


def test_a_run_has_all_that_a_pretext_is_given():
    @pretext("mine")
    def pretrain(run):
        """Do nothing."""
        return Pretrained({"seed": run.seed, "holdout": run.options["holdout"]})

    given = (toy(), nn.Identity(), 7, BUDGET, {"holdout": 0.5}, CPU, lambda *_: None)
    assert pretrain(*given) == Pretrained({"seed": 7, "holdout": 0.5})
    assert pretrain.__doc__ == "Do nothing."


def test_held_out_images_are_those_of_the_stream_and_no_others():
    kept, held = run(0.25).hold_out()
    assert (len(kept), len(held)) == (300, 100)
    together = torch.cat((kept, held)).flatten(1).to(torch.int64)
    everything = toy().images.flatten(1).to(torch.int64)
    assert torch.equal(together.unique(dim=0), everything.unique(dim=0))
    assert run().stream("holdout") == stream_seed("holdout", 3)
    assert len(run(0.0).hold_out(least=2)[1]) == 2


def test_nothing_left_to_train_on_is_an_error_with_the_pretexts_name():
    with pytest.raises(PluginError, match="mine: 400 of 400 images would be held out; nothing is left to train on"):
        run(1.0).hold_out()


def objective(model, batch):
    loss = model(batch.images).square().mean()
    return loss, torch.full((), 8.0)


def trained(*metrics):
    one = run()
    images = one.resident(toy().images, Augment(crop=2))
    return one.train(one.encoder, images, objective, lambda _: {"watched": 5.0}, metrics)


def test_the_last_windows_entries_are_reported_in_the_order_asked_for():
    found = trained("watched", "accuracy", "loss")
    last = found.training.history[-1]
    assert list(found.metrics.items()) == [("watched", 5.0), ("accuracy", 0.25), ("loss", last["loss"])]
    assert found.training.steps == 2
    more = found.with_metrics(parameters=9.0)
    assert (list(more.metrics), more.training) == (["watched", "accuracy", "loss", "parameters"], found.training)


def test_without_a_reported_accuracy_the_learning_curve_has_none():
    assert "accuracy" in trained("loss", "accuracy").training.history[0]
    assert set(trained("loss", "watched").training.history[0]) == {"step", "epoch", "loss", "watched"}
