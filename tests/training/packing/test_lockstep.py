"""Packed training against the loop, in float64: losses, weights, batch-norm statistics, streams."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import packed_trainings

from labeleff.training.packing.layouts import packing_of
from labeleff.training.slots import DivergedError

RAGGED = ((1, 7, 40), (2, 3, 12), (3, 25, 5), (4, 3, 9))
"""(seed, steps, images)"""
OPTIMISERS = {
    "sgd": {},
    "plain": {"momentum": 0.0, "weight_decay": 0.0},
    "adam": {"optimizer": "adam", "lr": 1e-3, "betas": (0.8, 0.95)},
    "adam with epsilon early": {"optimizer": "adam", "lr": 1e-3, "eps_hat": 1e-3},
    "adamw with a larger epsilon": {"optimizer": "adamw", "lr": 1e-3, "eps": 1e-3},
    "adamw": {"optimizer": "adamw", "lr": 1e-3, "clip": 0.5},
    "rmsprop": {"optimizer": "rmsprop", "lr": 1e-3, "clip": 1.0},
}


def assert_as_looped(make, slots, **how):
    """Trains `make()` twice, packed and by the loop; every number must agree."""
    alone, together = make(), make()
    trained, _ = packed_trainings.packed(together, slots, **how)
    for number, (one, other) in enumerate(zip(alone, together, strict=True)):
        _, training = packed_trainings.looped(one)
        assert packed_trainings.difference(one.slot.model, other.slot.model) < 1e-10
        assert (training.steps, training.images) == (trained[number].steps, trained[number].images)
        for a, b in zip(training.history, trained[number].history, strict=True):
            assert a == pytest.approx(b, rel=1e-10, abs=1e-10)
    return trained


@pytest.mark.parametrize(
    ("name", "packing"), [(one, "vmap") for one in ("resnet9", "odd", "vit_tiny")] + [("resnet9", "grouped")]
)
def test_it_gives_what_the_loop_gives(name, packing):
    """Ragged lengths and label counts through two slots, to where only one is left."""
    trained = assert_as_looped(
        lambda: [packed_trainings.ready(name, seed, steps, n=n) for seed, steps, n in RAGGED], 2, packing=packing
    )
    assert {(one.packing, one.slots, one.backend) for one in trained.values()} == {(packing, 2, "eager")}


def test_mobilenet_is_packed_by_its_channels():
    trained = assert_as_looped(lambda: [packed_trainings.ready("mobilenet_v2", seed, 2) for seed in (1, 2)], 2)
    assert {one.packing for one in trained.values()} == {"grouped"}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_is_torchs_with_a_rate_of_ones_own(name):
    def make():
        common = {"warmup": 0.3} | OPTIMISERS[name]
        first = packed_trainings.budget(**common)
        other = packed_trainings.budget(**(common | {"lr": 3 * first.lr, "schedule": "linear", "final": 0.2}))
        decay = {"weight_decay": 3 * first.weight_decay, "clip": first.clip and 2 * first.clip}
        third = packed_trainings.budget(**(common | decay))
        tables = (first, other, third)
        return [packed_trainings.ready("odd", seed, 5, table) for seed, table in enumerate(tables)]

    assert_as_looped(make, 3)


@settings(max_examples=8)
@given(
    slots=st.integers(1, 4),
    cells=st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 23), st.integers(3, 20), st.floats(1e-3, 0.2)),
        min_size=1,
        max_size=5,
    ),
)
def test_any_queue_through_any_number_of_places(slots, cells):
    def make():
        return [
            packed_trainings.ready("odd", seed, steps, packed_trainings.budget(lr=lr), n)
            for seed, steps, n, lr in cells
        ]

    assert_as_looped(make, slots)


def test_a_training_that_diverges_ends_alone():
    def make(rate):
        tables = (packed_trainings.budget(), packed_trainings.budget(lr=rate), packed_trainings.budget())
        return [packed_trainings.ready("resnet9", seed, 25, table) for seed, table in enumerate(tables)]

    wild, tame = make(1e200), make(0.01)
    trained, order = packed_trainings.packed(wild, 3)
    packed_trainings.packed(tame, 3)
    assert isinstance(trained[1], DivergedError)
    assert sorted(order) == [0, 1, 2]
    assert all(packed_trainings.difference(wild[n].slot.model, tame[n].slot.model) == 0 for n in (0, 2))
    assert all(math.isfinite(entry["loss"]) for n in (0, 2) for entry in trained[n].history)


def test_one_that_cannot_begin_leaves_its_place_to_the_next():
    from labeleff.training.packing.refilling import PendingTraining, train_packed

    several = [packed_trainings.ready("odd", seed, 3) for seed in range(3)]

    def broken():
        raise ValueError("no labels")

    loads = [lambda: several[0], broken, lambda: several[1], lambda: several[2]]
    waiting = [PendingTraining(3, load) for load in loads]
    found = dict(train_packed(waiting, packed_trainings.EXACT, 2, lambda *_: None))
    assert str(found.pop(1)) == "no labels"
    assert [one.steps for one in found.values()] == [3, 3, 3]


def test_windows_are_watched_and_end_a_training_when_it_is_enough():
    def make():
        several = [packed_trainings.ready("odd", seed, 60) for seed in range(2)]
        for one in several:
            one.slot.watch = lambda model: {"norm": float(sum(p.detach().square().sum() for p in model.parameters()))}
        several[0].slot.enough = lambda history: len(history) == 2
        return several

    trained = assert_as_looped(make, 2)
    assert [trained[n].steps for n in range(2)] == [40, 60]
    assert all(entry["norm"] > 0 for one in trained.values() for entry in one.history)


def test_the_longest_come_first_and_seconds_are_shares():
    several = [packed_trainings.ready("odd", seed, steps) for seed, steps in enumerate((2, 9, 5, 9))]
    trained, order = packed_trainings.packed(several, 1)
    assert order == [1, 3, 2, 0]
    assert all(one.seconds > 0 for one in trained.values())


def test_built_in_networks_say_how_they_are_packed():
    expected = {"resnet9": "grouped", "mobilenet_v2": "grouped", "vit_tiny": "vmap", "odd": "vmap"}
    assert {name: packing_of(packed_trainings.encoder(name, 0)) for name in expected} == expected
    dropping = torch.nn.Sequential(packed_trainings.encoder("resnet9", 0), torch.nn.Dropout(0.1), torch.nn.Linear(8, 2))
    assert packing_of(dropping) == "vmap"
