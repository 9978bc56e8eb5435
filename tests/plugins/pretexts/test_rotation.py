import pytest
import torch

from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.plugins.pretexts.rotation import pretrain
from labeleff.study.cell import Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Source, load_task
from labeleff.training.images import Normalisation, ResidentImages

CPU = Compute(torch.device("cpu"), "fp32")


def test_rotation_is_learned_on_images_with_an_up_direction():
    task = load_task(
        Spec(name="toy/classify", options={"train": 600, "test": 20, "size": 16}), Source(None, offline=True)
    )
    data = Unlabelled(task.train.images, Normalisation.of(task.train.images))
    encoder = build_encoder(Spec(name="resnet9", options={"width": 0.125, "dim": 32}), 0)
    budget = Budget(lr=0.1, batch=32, epochs=10)
    result = pretrain(data, encoder, 0, budget, {"holdout": 0.2}, CPU, lambda *_: None)
    history = result.training.history
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert result.metrics["heldout_accuracy"] > 0.5
    assert result.training.images == 150 * 32


def test_symmetric_images_cannot_be_told_apart():
    """Nothing leaks the turn: on images that look the same in every turn, held-out accuracy stays at chance."""
    levels = torch.randint(0, 256, (400, 1, 1, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = levels.expand(400, 16, 16, 3).contiguous()
    encoder = build_encoder(Spec(name="resnet9", options={"width": 0.0625, "dim": 16}), 0)
    budget = Budget(lr=0.05, batch=32, epochs=3)
    result = pretrain(
        Unlabelled(images, Normalisation.of(images)), encoder, 0, budget, {"holdout": 0.5}, CPU, lambda *_: None
    )
    assert abs(result.metrics["heldout_accuracy"] - 0.25) < 0.1


@pytest.mark.parametrize("once", [True, False])
def test_turned_once_an_image_has_one_turn_in_every_epoch(once, monkeypatch):
    seen, original = {}, ResidentImages.batch

    def batch(self, samples, epochs, view=0):
        found = original(self, samples, epochs, view)
        if self.count == 40:  # those trained on
            for sample, turn in zip(samples.tolist(), found.turns.tolist(), strict=True):
                seen.setdefault(sample, []).append(turn)
        return found

    monkeypatch.setattr(ResidentImages, "batch", batch)
    images = torch.randint(0, 256, (50, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    encoder = build_encoder(Spec(name="resnet9", options={"width": 0.0625, "dim": 16}), 0)
    data, budget = Unlabelled(images, Normalisation.of(images)), Budget(lr=0.05, batch=20, epochs=6)
    pretrain(data, encoder, 0, budget, {"holdout": 0.2, "once": once}, CPU, lambda *_: None)
    assert {len(turns) for turns in seen.values()} == {6}
    assert len(seen) == 40
    assert all(len(set(turns)) == 1 for turns in seen.values()) == once
    assert {turn for turns in seen.values() for turn in turns} == {0, 1, 2, 3}
