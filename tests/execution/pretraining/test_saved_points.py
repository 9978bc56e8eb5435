"""Encoders saved during a pretraining: which window's end, which time, which images."""

import pytest
import torch
from support import factories
from torch import nn

from labeleff.errors import DataError, PluginError
from labeleff.execution.pretraining.saved_points import SavedPoints
from labeleff.execution.workplace import LoadedTask
from labeleff.records.training_log import until
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Source, load_task

SHARES = [0.1, 0.3, 0.5, 0.69, 1.0]


def record():
    """A whole pretraining of 100 steps in five windows."""
    [whole] = factories.pretrainings(factories.study(pretraining={"at": SHARES}))
    return whole


def saved(ends, total=100):
    """Points of an encoder whose only weight is the number of steps done, after windows that end so."""
    study = factories.study(pretraining={"at": SHARES})
    [points] = study.saved_points.values()
    encoder, copies = nn.Linear(1, 1, bias=False), SavedPoints(points)
    told = []
    progress = copies.beside(encoder, lambda done, *_: told.append(done))
    for done in ends:
        nn.init.constant_(encoder.weight, done)
        progress(done, total, 0.5, 1.0)
    assert told == list(ends)
    return copies


def test_the_nearest_end_of_a_window_is_saved_and_time_is_counted_up_to_it():
    whole = record()
    found = saved([20, 40, 60, 80, 100]).records(whole)
    steps = {item.pretraining.share: item.training.steps for _, item in found}
    assert steps == {0.1: 20, 0.3: 20, 0.5: 40, 0.69: 60}, "of two as near the earlier one"
    for weights, item in found:
        number = item.training.steps // 20
        assert weights["weight"].tolist() == [[item.training.steps]]
        encoder = nn.Linear(1, 1, bias=False)
        encoder.load_state_dict(weights)
        assert item.encoder_sha256 == state_sha256(encoder) != whole.encoder_sha256
        assert item.key == item.pretraining.key != whole.key
        assert item.training.windows == whole.training.windows[:number]
        assert item.seconds == sum(window.seconds for window in whole.training.windows[:number])
        assert item.metrics == {name: whole.training.history[number - 1][name] for name in whole.metrics}
    assert until(whole.training, 5) == whole.training


def test_a_pretext_that_reports_no_windows_is_refused():
    for ends in ([], [50, 100]):
        with pytest.raises(PluginError, match="doesn't report the windows of its training"):
            saved(ends).records(record())


def test_images_are_nested_and_the_same_for_all_pretexts_of_a_seed():
    study = factories.study(pretraining={"images": [50, 200, "all"]}, draws=2, seeds=2)
    loaded = LoadedTask(load_task(study.tasks[0], Source(None, offline=True)), torch.device("cpu"))
    seen = {(item.images, item.seed): loaded.pretext_images(item) for item in study.pretrainings}
    every = seen[None, 0]
    assert torch.equal(every, loaded.task.train.inputs)
    for seed in (0, 1):
        few, many = ({image.numpy().tobytes() for image in seen[count, seed]} for count in (50, 200))
        assert (len(few), len(many)) == (50, 200)
        assert few < many < {image.numpy().tobytes() for image in every}
    assert not torch.equal(seen[50, 0], seen[50, 1])
    first = study.pretrainings[0]
    other = first.model_copy(update={"pretext": first.pretext.model_copy(update={"name": "vae"})})
    assert torch.equal(loaded.pretext_images(other), seen[50, 0])
    with pytest.raises(DataError, match=r"2,001 asked for, but .* has 2,000 for pretexts"):
        loaded.pretext_images(first.model_copy(update={"images": 2001}))
