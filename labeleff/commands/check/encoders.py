"""Checks of an encoder of images, or of a reader of stories."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.commands.check.contract import Broken, Check, Subject
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
    """Four stories, or four images of `side` pixels."""
    if _reads(subject):
        return _stories().train.inputs[:COUNT].to(torch.int64)
    return torch.randn(COUNT, 3, side, side, generator=torch.Generator().manual_seed(0))


def _build(subject: Subject, seed: int = 0) -> Encoder:
    """What `build_encoder` would give; shared generators of numpy and Python are left alone."""
    with initial_weights(seed):
        text = (_stories().text,) if _reads(subject) else ()
        made = subject.function(subject.options, *text)
    if not isinstance(made, Encoder) or (_reads(subject) and not isinstance(made, Reader)):
        expected = "Reader" if _reads(subject) else "Encoder"
        raise Broken(f"built {type(made).__name__}, expected a labeleff.plugins.encoders.interface.{expected}")
    return made


def _signature(subject: Subject) -> str:
    return takes(subject, "options", "text") if _reads(subject) else takes(subject, "options")


def _features(subject: Subject) -> str:
    encoder = _build(subject)
    for side in SIDES[-1:] if _reads(subject) else SIDES:
        for mode in (True, False):
            found = encoder.train(mode)(_inputs(subject, side))
            if found.shape != (COUNT, encoder.dim) or found.dtype != torch.float32:
                shape = f"{str(found.dtype).removeprefix('torch.')} {tuple(found.shape)}"
                raise Broken(f"features are {shape} at {side} pixels, expected float32 ({COUNT}, dim = {encoder.dim})")
            if not bool(torch.isfinite(found).all()):
                raise Broken(f"features at {side} pixels are not all finite numbers")
    shown = "stories" if _reads(subject) else f"{' and '.join(map(str, SIDES))} pixels"
    return f"{encoder.dim} features, {shown}; {sum(p.numel() for p in encoder.parameters()):,} parameters"


def _gradients(subject: Subject) -> str:
    encoder = _build(subject)
    encoder(_inputs(subject)).square().mean().backward()
    for name, parameter in encoder.named_parameters():
        if parameter.grad is None:
            raise Broken(f"{name} gets no gradient: features don't depend on it")
        if not bool(torch.isfinite(parameter.grad).all()):
            raise Broken(f"the gradient of {name} isn't finite")
    return "every parameter has a finite one"


def _deterministic(subject: Subject) -> str:
    return repeatable(lambda seed: _build(subject, seed), state_sha256)


def _randomness(subject: Subject) -> str:
    def features() -> Tensor:
        return _build(subject).train()(_inputs(subject)).detach()  # type: ignore[no-any-return]

    return no_shared_randomness(features, lambda found: found.numpy().tobytes())


def _maps(subject: Subject) -> str:
    encoder = _build(subject).eval()
    if isinstance(encoder, Reader):
        weights = encoder.attention(_inputs(subject))
        if not bool((weights >= 0).all()) or not torch.allclose(weights.sum(1), torch.ones(COUNT), atol=1e-4):
            raise Broken("rows of attention are not shares of 1")
        return "attention: a share a sentence, sum 1"
    if not encoder.stages:
        return "none, so it can't be used where every pixel has a label"
    with torch.inference_mode():
        maps, features = encoder.maps(_inputs(subject)), encoder(_inputs(subject))
    if tuple(maps) != encoder.stages:
        raise Broken(f"maps are called {tuple(maps)}, but stages are {encoder.stages}")
    sides = [int(one.shape[2]) for one in maps.values()]
    if sides != sorted(sides, reverse=True):
        raise Broken(f"maps have {sides} pixels a side, expected them to fall")
    last = maps[encoder.stages[-1]].mean((2, 3))
    if last.shape != features.shape or not torch.allclose(last, features, rtol=1e-3, atol=1e-4):
        raise Broken("the mean of the last map isn't the features that forward gives")
    return f"{', '.join(encoder.stages)}: {sides} pixels a side; the last one's mean is the features"


def _eval(subject: Subject) -> str:
    encoder, inputs = _build(subject).eval(), _inputs(subject)
    before = state_sha256(encoder)
    with torch.inference_mode():
        together, alone = encoder(inputs), torch.cat([encoder(one) for one in torch.split(inputs, 1)])
    if state_sha256(encoder) != before:
        raise Broken("a forward pass in eval mode changed weights or buffers; frozen encoders must not change")
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        raise Broken("in eval mode, features of an example depend on the others in its batch")
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
