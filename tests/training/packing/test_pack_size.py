"""Memory that ends: fewer at a time, the same numbers."""

import pytest
import torch
from support import packed_trainings

from labeleff.training import loop
from labeleff.training.packing.lockstep import Lockstep
from labeleff.training.packing.refilling import PendingTraining

LENGTHS = ((1, 7), (2, 5), (3, 5), (4, 3), (5, 2))
"""(seed, steps)"""


def full(*_):
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.fixture
def room(monkeypatch):
    """Packs of more slots than are allowed have a step, and then no memory."""

    def allow(most):
        step = Lockstep.step

        def limited(self):
            step(self)
            if self.pack.slots > most:
                full()

        monkeypatch.setattr(Lockstep, "step", limited)

    return allow


@pytest.fixture
def build_room(monkeypatch):
    """Packs of more slots than are allowed find no memory when they are built."""

    def allow(most):
        measures = Lockstep._measures

        def limited(self, *arguments):
            if self.pack.slots > most:
                full()
            return measures(self, *arguments)

        monkeypatch.setattr(Lockstep, "_measures", limited)

    return allow


def test_memory_that_ends_when_a_pack_is_built_is_no_pack_that_cant_be(build_room):
    build_room(2)
    assert [(training.slots, training.fallback) for _, training in trained(5)] == [(2, None)] * 4 + [(1, None)]


def trained(slots):
    """(model, training or error) of all, begun afresh whenever one is asked for."""
    made = {}

    def load(seed, steps):
        made[seed] = packed_trainings.ready("resnet9", seed, steps)
        return made[seed]

    waiting = [PendingTraining(steps, lambda seed=seed, steps=steps: load(seed, steps)) for seed, steps in LENGTHS]
    ended = dict(loop.train_queue(waiting, packed_trainings.EXACT, slots))
    return [(made[seed].slot.model, ended[number]) for number, (seed, _) in enumerate(LENGTHS)]


@pytest.mark.parametrize("most", [2, 1])
def test_half_as_many_go_on_with_the_same_numbers(room, most):
    expected = trained(1)
    room(most)
    found = trained(5)
    assert max(training.slots for _, training in found) == most
    for (model, training), (alone, other) in zip(found, expected, strict=True):
        assert packed_trainings.difference(model, alone) < 1e-10
        for a, b in zip(training.history, other.history, strict=True):
            assert a == pytest.approx(b, rel=1e-10, abs=1e-10)


def test_what_has_no_room_by_itself_fails_alone(monkeypatch):
    """Long ones come first; each that doesn't fit ends with the error, and the others are trained."""

    def alone(slot, *rest):
        return full() if slot.seed in {1, 4} else real(slot, *rest)

    real = loop.train_alone
    monkeypatch.setattr(loop, "train_alone", alone)
    ended = [training for _, training in trained(1)]
    assert [isinstance(one, torch.cuda.OutOfMemoryError) for one in ended] == [True, False, False, True, False]


def test_other_errors_are_not_tried_again(monkeypatch):
    monkeypatch.setattr(Lockstep, "step", lambda _: (_ for _ in ()).throw(RuntimeError("shapes")))
    with pytest.raises(RuntimeError, match="shapes"):
        trained(3)
