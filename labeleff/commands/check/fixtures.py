"""Material of several kinds of checks: tasks, encoders, random state, weights."""

from __future__ import annotations

import functools
import inspect
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.commands.check.contract import Breach, Subject
from labeleff.plugins.encoders.interface import Encoder, build_encoder
from labeleff.records.entries import PretrainingRecord
from labeleff.study.cell import Budget, Pretraining, Steps
from labeleff.training.device import Compute
from labeleff.training.encoder_cache import EncoderCache, state_sha256
from labeleff.training.examples import Source, Task, load_task
from labeleff.training.kernels.rewrite import rewrite

Value = TypeVar("Value")

CPU = Compute(torch.device("cpu"), "fp32")
STEPS = 2
BUDGET = Budget(lr=0.01, batch=8, steps=Steps(min=STEPS, max=STEPS))
SIDES = (16, 32)
ENCODER = Spec(name="resnet9", options={"width": 0.0625, "dim": 16})

TRANSFORMER = Spec(name="vit_tiny", options={"patch": 4, "depth": 2, "width": 0.125})


@functools.cache
def toy(side: int) -> Task:
    """Load 40 + 20 toy images of `side` pixels. They are shared by all checks, so plug-ins are given copies."""
    options = {"train": 40, "test": 20, "size": side}
    return load_task(lookup.complete("task", "toy/classify", options), Source(Path(), offline=True))


def small_encoder(seed: int = 0, *, split: bool = False, tokens: bool = False) -> Encoder:
    """Build a ResNet9 of 16 features, a pair of narrow ones, or a transformer of 24 features."""
    return build_encoder(TRANSFORMER if tokens else ENCODER, seed, split=split)


def takes(subject: Subject, *expected: str) -> str:
    """Check that the function takes these positional arguments; raises Breach otherwise."""
    try:
        inspect.signature(subject.function).bind(*expected)
    except (TypeError, ValueError) as error:
        name = getattr(subject.function, "__name__", subject.plugin.target)
        raise Breach(f"{name}{_signature(subject.function)} can't be called with ({', '.join(expected)})") from error
    return f"({', '.join(expected)})"


def _signature(function: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(...)"


def finite(values: Mapping[str, float | None], what: str) -> None:
    """Check that values are finite numbers or None; raises Breach otherwise."""
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            raise Breach(f"{what} {name!r} is {value}")


def global_state() -> list[bytes]:
    """Read the state of the random generators that a process shares: torch's, numpy's, Python's."""
    legacy: Any = np.random.get_state(legacy=True)  # noqa: NPY002  the shared generator is what is checked
    return [torch.get_rng_state().numpy().tobytes(), legacy[1].tobytes() + bytes([legacy[2] % 256]), _python_state()]


def _python_state() -> bytes:
    return repr(random.getstate()).encode()


@contextmanager
def shared_seeds(seed: int) -> Iterator[None]:
    """Seed all shared generators with `seed` in the block, and restore them after it."""
    before: tuple[Any, Any] = (random.getstate(), np.random.get_state())  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002


def no_shared_randomness(make: Callable[[], Value], digest: Callable[[Value], object]) -> str:
    """Check that `make` neither uses nor changes shared generators: same result from other states, states as before.

    Raises Breach naming the generator that changed.
    """
    results = []
    for seed in (1, 2):
        with shared_seeds(seed):
            before = global_state()
            results.append(digest(make()))
            for name, old, new in zip(("torch", "numpy", "random"), before, global_state(), strict=True):
                if old != new:
                    raise Breach(f"the shared generator of {name} was used or seeded; expected a generator of its own")
    if results[0] != results[1]:
        raise Breach("the result depends on the state of a shared generator; it is to depend on the seed alone")
    return "torch, numpy and random are as they were, and count for nothing"


def repeatable(make: Callable[[int], Value], digest: Callable[[Value], object], *, seeded: bool = True) -> str:
    """Check that one seed gives the same bits twice and, where `seeded`, another seed gives others.

    Shared generators start from the same state every time, as they are another check's matter. Raises Breach.
    """
    digests = []
    for seed in (0, 0, 1):
        with shared_seeds(0):
            digests.append(digest(make(seed)))
    if digests[0] != digests[1]:
        raise Breach("two runs with seed 0 gave different bits")
    if seeded and digests[0] == digests[2]:
        raise Breach("seeds 0 and 1 gave the same bits; the seed isn't used")
    return "seed 0 twice: same bits; seed 1: others" if seeded else "twice the same bits"


def facts(module: nn.Module) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """List types and shapes of all weights and buffers by name."""
    return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in module.state_dict().items()}


def survives_the_cache(encoder: Encoder, fresh: Encoder, inputs: Tensor) -> str:
    """Check that an encoder saved as safetensors and loaded into `fresh` keeps weights and features bit for bit."""
    pretraining = Pretraining(
        task=Spec(name="toy/classify"),
        encoder=ENCODER,
        pretext=Spec(name="checked"),
        budget=BUDGET,
        seed=0,
        precision="fp32",
    )
    record = PretrainingRecord(run="check", key="check", pretraining=pretraining, status="ok")
    with tempfile.TemporaryDirectory() as folder:
        cache = EncoderCache(Path(folder))
        cache.save("check", encoder, record)
        cache.load("check", fresh)
    if state_sha256(encoder) != state_sha256(fresh):
        raise Breach("weights differ after saving and loading")
    original, loaded = (CPU.place(rewrite(one)).eval() for one in (encoder, fresh))  # training rewrites layers too
    with torch.inference_mode():
        if not torch.equal(original(inputs), loaded(inputs)):
            raise Breach("features differ after saving and loading: something that counts isn't in the state dict")
    return "saved as safetensors and loaded: same weights and features, bit for bit"
