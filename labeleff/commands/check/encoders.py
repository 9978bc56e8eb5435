"""Checks of an encoder of images, or of a reader of stories."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.commands.check.contract import Breach, Check, Subject
from labeleff.commands.check.fixtures import SIDES, no_shared_randomness, repeatable, survives_the_cache, takes
from labeleff.plugins.encoders.interface import Encoder, Reader, initial_weights
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Source, Task, load_task

COUNT = 4


@functools.cache
def _stories() -> Task:
    spec = lookup.complete("task", "babi/qa1", {"size": "1k", "source": "generated"})
    return load_task(spec, Source(Path(), offline=True))


def _reads(subject: Subject) -> bool:
    return subject.plugin.examples == "stories"


def _inputs(subject: Subject, side: int = SIDES[-1]) -> Tensor:
    """Make four stories, or four images of `side` pixels."""
    if _reads(subject):
        return _stories().train.inputs[:COUNT].to(torch.int64)
    return torch.randn(COUNT, 3, side, side, generator=torch.Generator().manual_seed(0))


def _build(subject: Subject, seed: int = 0) -> Encoder:
    """Build the encoder as `build_encoder` does, without seeding the shared generators of numpy and Python."""
    with initial_weights(seed):
        text = (_stories().text,) if _reads(subject) else ()
        encoder = subject.function(subject.options, *text)
    if not isinstance(encoder, Encoder) or (_reads(subject) and not isinstance(encoder, Reader)):
        expected = "Reader" if _reads(subject) else "Encoder"
        raise Breach(f"built {type(encoder).__name__}, expected a labeleff.plugins.encoders.interface.{expected}")
    return encoder


def _signature(subject: Subject) -> str:
    return takes(subject, "options", "text") if _reads(subject) else takes(subject, "options")


def _features(subject: Subject) -> str:
    encoder = _build(subject)
    for side in SIDES[-1:] if _reads(subject) else SIDES:
        for mode in (True, False):
            features = encoder.train(mode)(_inputs(subject, side))
            if features.shape != (COUNT, encoder.dim) or features.dtype != torch.float32:
                shape = f"{str(features.dtype).removeprefix('torch.')} {tuple(features.shape)}"
                raise Breach(f"features are {shape} at {side} pixels, expected float32 ({COUNT}, dim = {encoder.dim})")
            if not bool(torch.isfinite(features).all()):
                raise Breach(f"features at {side} pixels are not all finite numbers")
    inputs = "stories" if _reads(subject) else f"{' and '.join(map(str, SIDES))} pixels"
    return f"{encoder.dim} features, {inputs}; {sum(p.numel() for p in encoder.parameters()):,} parameters"


def _gradients(subject: Subject) -> str:
    encoder = _build(subject)
    encoder(_inputs(subject)).square().mean().backward()
    for name, parameter in encoder.named_parameters():
        if parameter.grad is None:
            raise Breach(f"{name} gets no gradient: features don't depend on it")
        if not bool(torch.isfinite(parameter.grad).all()):
            raise Breach(f"the gradient of {name} isn't finite")
    return "every parameter has a finite one"


def _deterministic(subject: Subject) -> str:
    return repeatable(lambda seed: _build(subject, seed), state_sha256)


def _randomness(subject: Subject) -> str:
    def features() -> Tensor:
        return _build(subject).train()(_inputs(subject)).detach()  # type: ignore[no-any-return]

    return no_shared_randomness(features, lambda features: features.numpy().tobytes())


def _maps(subject: Subject) -> str:
    encoder = _build(subject).eval()
    if isinstance(encoder, Reader):
        weights = encoder.attention(_inputs(subject))
        if not bool((weights >= 0).all()) or not torch.allclose(weights.sum(1), torch.ones(COUNT), atol=1e-4):
            raise Breach("rows of attention are not shares of 1")
        return "attention: a share a sentence, sum 1"
    if not encoder.stages:
        return "none, so it can't be used where every pixel has a label"
    with torch.inference_mode():
        maps, features = encoder.maps(_inputs(subject)), encoder(_inputs(subject))
    if tuple(maps) != encoder.stages:
        raise Breach(f"maps are called {tuple(maps)}, but stages are {encoder.stages}")
    sides = [int(one.shape[2]) for one in maps.values()]
    if sides != sorted(sides, reverse=True):
        raise Breach(f"maps have {sides} pixels a side, expected them to fall")
    last = maps[encoder.stages[-1]].mean((2, 3))
    if last.shape != features.shape or not torch.allclose(last, features, rtol=1e-3, atol=1e-4):
        raise Breach("the mean of the last map isn't the features that forward gives")
    return f"{', '.join(encoder.stages)}: {sides} pixels a side; the last one's mean is the features"


def _eval(subject: Subject) -> str:
    encoder, inputs = _build(subject).eval(), _inputs(subject)
    before = state_sha256(encoder)
    with torch.inference_mode():
        together, alone = encoder(inputs), torch.cat([encoder(one) for one in torch.split(inputs, 1)])
    if state_sha256(encoder) != before:
        raise Breach("a forward pass in eval mode changed weights or buffers; frozen encoders must not change")
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        raise Breach("in eval mode, features of an example depend on the others in its batch")
    return "changes nothing; every example on its own"


def _cache(subject: Subject) -> str:
    return survives_the_cache(_build(subject), _build(subject, 1), _inputs(subject))


CHECKS: tuple[Check, ...] = (
    ("signature", _signature),
    ("features", _features),
    ("gradients", _gradients),
    ("deterministic", _deterministic),
    ("shared random state", _randomness),
    ("maps", _maps),
    ("eval mode", _eval),
    ("cache", _cache),
)
