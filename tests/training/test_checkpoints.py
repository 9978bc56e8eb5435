"""Checkpoints: what is gone on from, what isn't. That every pretext goes on to the same bits is in the whole walk."""

import pytest
import torch
from torch import nn

from labeleff.errors import LabeleffWarning
from labeleff.study.cell import Augment, Budget
from labeleff.training import checkpoints
from labeleff.training.checkpoints import Checkpoint, keeping
from labeleff.training.device import Compute
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.loop import train
from labeleff.training.slots import Slot

CPU = Compute(torch.device("cpu"), "fp32")
IMAGES = torch.randint(0, 256, (48, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
STEPS = 150
"""Three windows of 50 steps; the second begins in the midst of a chunk of samples."""


@pytest.fixture(autouse=True)
def at_every_window(monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    monkeypatch.setattr("labeleff.training.slots.window_steps", lambda *_: 50)


def training(last=None, optimizer="adam", width=4):
    """Train a network with dropout, up to the step `last`; returns its curve and weights, and where windows ended."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Dropout(0.3), nn.Flatten())
        model.append(nn.Linear(36 * width, 1))
    images = ResidentImages(IMAGES, Normalisation.of(IMAGES), CPU.device, augment=Augment(crop=2))
    slot, told = Slot(model, images, lambda m, b: (m(b.images).square().mean(), torch.zeros(())), 3), []

    def progress(done, *_):
        told.append(done)
        if done == last:
            raise KeyboardInterrupt

    try:
        train([slot], Budget(lr=0.01, batch=16, epochs=50, optimizer=optimizer), STEPS, CPU, progress)
    except KeyboardInterrupt:
        return told
    return slot.history, [value.tolist() for value in model.state_dict().values()], told


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_training_goes_on_to_the_same_bits(tmp_path, optimizer):
    whole, checkpoint = training(optimizer=optimizer), Checkpoint(tmp_path / "new" / "key.pt")
    with keeping(checkpoint):
        assert training(100, optimizer) == [50, 100]
    with keeping(checkpoint):
        assert training(optimizer=optimizer) == (*whole[:2], [100, 150])


def test_without_a_checkpoint_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 1000.0)
    with keeping(Checkpoint(tmp_path / "key.pt")):
        training(100)
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    training(100)
    with keeping(None):
        training(100)
    assert list(tmp_path.iterdir()) == []


def test_the_first_training_alone_is_kept(tmp_path):
    with keeping(Checkpoint(tmp_path / "key.pt")):
        training()
        written = (tmp_path / "key.pt").read_bytes()
        training(100, width=8)
    assert (tmp_path / "key.pt").read_bytes() == written


@pytest.mark.parametrize("what", ["other code", "cut off", "no archive"])
def test_what_can_not_be_gone_on_from_begins_anew(tmp_path, monkeypatch, what):
    whole, path = training(), tmp_path / "key.pt"
    with keeping(Checkpoint(path)):
        training(100)
    if what == "other code":
        monkeypatch.setattr(checkpoints, "_made_by", lambda: "another")
    else:
        path.write_bytes(path.read_bytes()[:2000] if what == "cut off" else b"labels")
    with keeping(Checkpoint(path)):
        assert training() == whole


def test_a_folder_that_can_not_be_written_costs_the_checkpoint_alone(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        keeping(Checkpoint(tmp_path / "file" / "key.pt")),
        pytest.warns(LabeleffWarning, match="key.pt: no checkpoint can be written"),
    ):
        assert training()[2] == [50, 100, 150]


def test_the_code_is_that_of_trainer_and_plugins():
    assert len(checkpoints._made_by()) == 64
