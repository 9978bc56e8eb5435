"""That a step can be captured as a CUDA graph: as far as that can be told without a GPU, and with one."""

import contextlib

import pytest
import torch
from support import dense_tasks, packed_trainings
from support.operation_counts import Dispatched

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols import finetune, joint, partial
from labeleff.plugins.protocols.interface import Labelled
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.images import Normalisation
from labeleff.training.packing import cuda_graph
from labeleff.training.packing.layouts import packing_of
from labeleff.training.packing.lockstep import Lockstep, PackMember
from labeleff.training.slots import TrainingState

CPU = Compute(torch.device("cpu"), "fp32")
PROTOCOLS = {"finetune": finetune, "joint": joint, "partial": partial}
STEP = [
    *(("finetune", name) for name in dense_tasks.GOALS),
    ("joint", "squares/pose"),
    ("joint", "squares/depth"),
    ("partial", "squares/classify"),
]


def prepared(protocol, name, seed, compute=CPU, **changes):
    """A cell of a small task, ready to be trained."""
    task = dense_tasks.task(name)
    n = 10 + 5 * seed
    data = Labelled(
        Examples(task.train.images[:n], task.train.labels[:n]),
        task.outputs,
        Normalisation.of(task.train.images),
        task.goal,
        task.train.images[n:] if protocol == "joint" else None,
    )
    usual = {"lr": 0.05, "batch": 6, "steps": {"min": 30, "max": 30}, "weight_decay": 1e-3, "clip": 1.0}
    table = Budget(**(usual | changes), augment=Augment(crop=2, flip=True, jitter=0.1, cutout=4))
    given = {"frozen": "layer1"} if protocol == "partial" else {}
    options = lookup.complete("protocol", protocol, given).options
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 8}), seed)
    ready = PROTOCOLS[protocol].prepare(data, encoder, seed, table, options, compute)
    return TrainingState(ready.slot, table, ready.steps)


def lockstep_of(protocol, name, compute=CPU, slots=2, **changes):
    states = [prepared(protocol, name, seed, compute, **changes) for seed in range(slots)]
    members = [PackMember(number, state) for number, state in enumerate(states)]
    return Lockstep(members, compute, packing_of(states[0].slot.model))


@pytest.mark.parametrize(("protocol", "name"), STEP)
def test_a_step_asks_nothing_of_the_host(protocol, name):
    lockstep = lockstep_of(protocol, name)
    lockstep.step()
    with Dispatched() as seen:
        lockstep.step()
    assert seen.names
    assert not seen.waits


def test_what_waits_for_the_device_is_noticed():
    values = torch.arange(4.0)
    with Dispatched() as seen:
        values.sum().item()
        values[values > 1]
        values.nonzero()
        torch.tensor([1.0])
    assert len(seen.waits) >= 4


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_put_back_to_its_state_a_step_has_never_happened(optimizer):
    one, other = (lockstep_of("finetune", "squares/classify", optimizer=optimizer, lr=1e-3) for _ in range(2))
    before = [tensor.clone() for tensor in other._state()]
    for _ in range(3):
        other.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, other._state(), strict=True))
    for tensor, value in zip(other._state(), before, strict=True):
        tensor.copy_(value)
    for _ in range(4):
        one.step()
        other.step()
    for a, b in zip(one._state(), other._state(), strict=True):
        assert torch.equal(a, b)


def test_a_step_keeps_every_tensor_where_it_is():
    lockstep = lockstep_of("finetune", "squares/segment")
    places = [tensor.data_ptr() for tensor in lockstep._state()]
    for _ in range(2):
        lockstep.step()
    assert [tensor.data_ptr() for tensor in lockstep._state()] == places


def test_on_a_cpu_nothing_is_captured():
    lockstep = lockstep_of("finetune", "squares/classify")
    assert (lockstep.backend, lockstep.fallback) == ("eager", None)


def test_a_step_that_cannot_be_captured_is_done_as_it_is_and_says_why(monkeypatch):
    def refuses(step):
        step()
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(cuda_graph, "_warm_up", refuses)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    count = torch.zeros(1)

    def step():
        count.add_(1)

    found, reason = cuda_graph.capture(step, [count], torch.device("cuda"))
    assert found is step
    assert reason == "a step couldn't be captured: operation not permitted when stream is capturing"
    assert float(count) == 0


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.parametrize(("protocol", "name"), STEP)
def test_a_captured_step_does_what_it_does_uncaptured(protocol, name, monkeypatch):
    cuda = Compute(torch.device("cuda"), "fp64")
    capture = lockstep_of(protocol, name, cuda)
    assert capture.backend == "graph", capture.fallback
    monkeypatch.setattr("labeleff.training.packing.lockstep.capture", lambda step, *_: (step, None))
    eager = lockstep_of(protocol, name, cuda)
    for _ in range(10):
        capture.advance()
        eager.advance()
    for a, b in zip(capture._state(), eager._state(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@gpu
def test_steps_on_a_gpu_never_wait():
    lockstep = lockstep_of("finetune", "squares/classify", Compute(torch.device("cuda"), "fp32"), slots=4)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            lockstep.advance()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@gpu
def test_packed_on_a_gpu_is_the_loop_on_a_cpu():
    from labeleff.training.packing.refilling import PendingTraining, ReadyTraining, train_packed

    several = [packed_trainings.ready("resnet9", seed, steps) for seed, steps in ((1, 7), (2, 3), (3, 25))]
    alone = [packed_trainings.ready("resnet9", seed, steps) for seed, steps in ((1, 7), (2, 3), (3, 25))]
    for one in several:
        one.slot.images = packed_trainings.examples(one.slot.seed, torch.device("cuda"))
    waiting = [
        PendingTraining(one.steps, lambda one=one: ReadyTraining(one.slot, one.budget, one.steps)) for one in several
    ]
    list(train_packed(waiting, Compute(torch.device("cuda"), "fp64"), 2, lambda *_: None))
    for one, other in zip(several, alone, strict=True):
        packed_trainings.looped(other)
        assert packed_trainings.difference(one.slot.model.cpu(), other.slot.model) < 1e-8
