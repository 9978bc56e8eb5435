"""What a training sees doesn't depend on the pack: its batches are the loop's, bit for bit."""

import pytest
import torch
from support import dense_tasks, packed_trainings

from labeleff.errors import PluginError
from labeleff.study.cell import Augment
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.labelled_examples import ImageBank, LabelledBank, LabelledExamples
from labeleff.training.packing.layouts import pack, packable, put, take
from labeleff.training.packing.pack_size import best_size
from labeleff.training.slots import TrainingState

CPU = torch.device("cpu")
AUGMENT = Augment(crop=2, flip=True, jitter=0.2, cutout=5)


def labelled(name, seed, n):
    task = dense_tasks.task(name)
    some = type(task.train)(task.train.images[:n], task.train.labels[:n])
    return LabelledExamples(some, task.goal, Normalisation.of(task.train.images), CPU, augment=AUGMENT, seed=seed)


@pytest.mark.parametrize("name", list(dense_tasks.GOALS))
def test_a_bank_gives_what_its_examples_give(name):
    """Also after another training took the place of one."""
    several = [labelled(name, seed, n) for seed, n in ((1, 20), (2, 9), (3, 14))]
    bank = several[0].bank(3, 20)
    for place, examples in enumerate(several):
        bank.put(place, examples)
    several[0] = labelled(name, 4, 6)
    bank.put(0, several[0])
    samples = torch.stack([torch.arange(5), torch.arange(4, 9), torch.arange(9, 14)])
    epochs = torch.tensor([[0, 0, 1, 1, 2]]).repeat(3, 1)
    found = bank.batch(samples, epochs)
    for place, examples in enumerate(several):
        expected = examples.batch(samples[place], epochs[place])
        for field in ("images", "samples", "turns", "flips", "targets", "epochs"):
            assert torch.equal(getattr(found, field)[place], getattr(expected, field)), field


def test_a_bank_refuses_what_has_no_room_or_looks_otherwise():
    images = ResidentImages(packed_trainings.IMAGES, Normalisation.of(packed_trainings.IMAGES), CPU)
    with pytest.raises(PluginError, match="found 40 images for a slot with room for 39"):
        ImageBank(images, 2, 39).put(1, images)
    other = ResidentImages(
        packed_trainings.IMAGES, Normalisation.of(packed_trainings.IMAGES), CPU, augment=Augment(flip=True)
    )
    with pytest.raises(PluginError, match="augmented differently"):
        ImageBank(images, 2, 40).put(1, other)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_batches_are_the_loops_at_any_k_and_after_a_refill(slots, monkeypatch):
    cells = ((1, 70, 40), (2, 3, 12), (3, 9, 7), (4, 66, 9))
    seen = {}
    usual = LabelledBank.batch

    def spied(self, samples, epochs):
        found = usual(self, samples, epochs)
        for place, stream in enumerate(self._images._seeds.flatten().tolist()):
            seen.setdefault(stream, []).append([t[place].clone() for t in (found.samples, found.images, found.targets)])
        return found

    several = [packed_trainings.ready("odd", seed, steps, n=n) for seed, steps, n in cells]
    with monkeypatch.context() as patch:
        patch.setattr(LabelledBank, "batch", spied)
        patch.setattr("labeleff.training.packing.lockstep.Lockstep._try", lambda _: None)
        packed_trainings.packed(several, slots)
    for seed, steps, n in cells:
        one = packed_trainings.ready("odd", seed, steps, n=n)
        packed_trainings.looped(one)
        found = seen[one.slot.images.resident.seed]
        assert len(one.slot.images.drawn) == steps <= len(found)
        for mine, theirs in zip(one.slot.images.drawn, found, strict=False):
            assert all(map(torch.equal, mine, theirs))


def test_an_order_can_be_taken_up_anywhere():
    one = packed_trainings.ready("odd", 3, 40, n=7)
    state = TrainingState(one.slot, one.budget, one.steps)
    whole, part = state.order(0, 40, CPU), state.order(13, 9, CPU)
    assert all(torch.equal(a[13 * 8 : 22 * 8], b) for a, b in zip(whole, part, strict=True))


@pytest.mark.parametrize(("name", "packing"), [("resnet9", "grouped"), ("resnet9", "vmap"), ("odd", "vmap")])
def test_weights_go_into_a_pack_and_come_back_as_they_were(name, packing):
    models = [packed_trainings.ready(name, seed, 1).slot.model for seed in range(3)]
    other = packed_trainings.ready(name, 7, 1).slot.model
    whole = pack(models, packing)
    put(whole, 1, other)
    for place, model in enumerate((models[0], other, models[2])):
        back = packed_trainings.ready(name, 9, 1).slot.model
        take(whole, place, back)
        for key, value in model.state_dict().items():
            assert torch.equal(value, back.state_dict()[key]), key
    assert not torch.equal(next(models[1].parameters()), next(other.parameters())), "the first ones stay as they were"


def test_unlike_models_are_not_packed():
    alike, other = (
        [packed_trainings.ready("resnet9", seed, 1).slot for seed in range(2)],
        packed_trainings.ready("odd", 0, 1).slot,
    )
    assert packable(alike)
    assert not packable([*alike, other])
    alike[1].objective = lambda model, batch: (model(batch.images).sum(), torch.zeros(()))
    assert not packable(alike)
    assert not packable(alike[1:])


@pytest.mark.parametrize(
    ("most", "speeds", "expected"),
    [
        (64, {1: 1, 4: 3.5, 8: 6, 16: 9, 32: 9.5, 64: 20}, 16),
        (10, {1: 1, 4: 3.5, 8: 6}, 8),
        (64, {1: 1, 4: 0.9}, 1),
        (64, {1: 1, 4: 3, 8: None}, 4),
    ],
)
def test_as_many_slots_as_pay(most, speeds, expected):
    def rate(size):
        if speeds[size] is None:
            raise torch.cuda.OutOfMemoryError
        return speeds[size]

    assert best_size(most, rate) == expected
