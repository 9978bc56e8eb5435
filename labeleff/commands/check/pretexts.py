"""Checks of a pretext, on a small ResNet9 (or transformer, where it hides patches) and the toy task."""

from __future__ import annotations

import contextlib
import math
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from labeleff.commands.check.contract import Breach, Check, Doubtful, Subject
from labeleff.commands.check.fixtures import (
    BUDGET,
    CPU,
    SIDES,
    STEPS,
    facts,
    finite,
    no_shared_randomness,
    repeatable,
    small_encoder,
    survives_the_cache,
    takes,
    toy,
)
from labeleff.errors import LabeleffError
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.pretexts.interface import Pretrained, Unlabelled
from labeleff.plugins.pretexts.weights.outside_weights import Weights
from labeleff.records.training_log import MIN_WINDOW, Training
from labeleff.study.cell import Augment, Budget, Steps
from labeleff.training.checkpoints import Checkpoint, keeping
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.images import Normalisation
from labeleff.training.slots import Progress

LONGER = BUDGET.model_copy(update={"lr": 1e-4, "steps": Steps(min=2 * MIN_WINDOW, max=2 * MIN_WINDOW)})
"""A budget of two windows, in which nothing diverges."""


def _images(side: int, count: int = 40) -> Unlabelled:
    images = toy(side).train.images[:count].clone()
    return Unlabelled(images, Normalisation.of(images))


def _fresh(subject: Subject, seed: int = 0) -> Encoder:
    """Build an untrained encoder of the kind that the pretext takes."""
    return small_encoder(seed, split=subject.plugin.split, tokens=subject.plugin.tokens)


def _run(
    subject: Subject,
    seed: int = 0,
    data: Unlabelled | None = None,
    budget: Budget = BUDGET,
    progress: Progress = lambda *_: None,
) -> tuple[Encoder, Pretrained]:
    """Run the pretext on a new small encoder, and return that and the pretext's result."""
    encoder = _fresh(subject)
    images = data or _images(SIDES[0])
    if subject.plugin.augmented:
        budget = budget.model_copy(update={"augment": Augment(crop=2)})
    result = subject.function(images, encoder, seed, budget, subject.options, CPU, progress)
    if not isinstance(result, Pretrained):
        raise Breach(f"gave {type(result).__name__}, expected labeleff.api.Pretrained")
    return encoder, result


def _digest(result: tuple[Encoder, Pretrained]) -> str:
    return state_sha256(result[0])


def _training(subject: Subject) -> Training | None:
    """Run the pretext and return its training; None where it doesn't train. Raises Doubtful where it reports none."""
    training = _run(subject)[1].training
    if training is None and subject.plugin.trained:
        raise Doubtful("Pretrained.training is None, so reports have neither throughput nor learning curve")
    return training


def _signature(subject: Subject) -> str:
    return takes(subject, "data", "encoder", "seed", "budget", "options", "compute", "progress")


def _sizes(subject: Subject) -> str:
    for side in SIDES:
        encoder, _ = _run(subject, data=_images(side))
        if encoder.eval()(torch.randn(2, 3, side, side)).shape != (2, encoder.dim):
            raise Breach(f"after it, the encoder no longer gives features (N, {encoder.dim}) at {side} pixels")
    return f"{' and '.join(map(str, SIDES))} pixels, {STEPS} steps"


def _encoder(subject: Subject) -> str:
    before, (after, _) = _fresh(subject), _run(subject)
    if facts(before) != facts(after):
        differing = sorted(name for name, _ in facts(before).items() ^ facts(after).items())
        raise Breach(f"names, types or shapes of weights changed: {', '.join(differing[:3])}")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in after.state_dict().values()):
        raise Breach("weights are not all finite numbers")
    changed = state_sha256(before) != state_sha256(after)
    if changed != subject.plugin.trained:
        declared = f"the plug-in says trained = {subject.plugin.trained}"
        raise Breach(f"the encoder it was given {'changed' if changed else 'did not change'}, but {declared}")
    if any(not parameter.requires_grad for parameter in after.parameters()):
        raise Breach("it left parameters with requires_grad = False; fine-tuning would skip them")
    return "trained in place; names, types and shapes kept" if changed else "left as it is"


def _deterministic(subject: Subject) -> str:
    return repeatable(lambda seed: _run(subject, seed), _digest, seeded=subject.plugin.trained)


def _randomness(subject: Subject) -> str:
    return no_shared_randomness(lambda: _run(subject), _digest)


def _blind(subject: Subject) -> str:
    data = _images(SIDES[0])
    before = data.images.clone()
    _run(subject, data=data)
    if not torch.equal(before, data.images):
        raise Breach("it changed the images it was given; the next pretext would train on others")
    return "no labels, no test images: by construction, it is given training images alone; it left them as they were"


def _losses(subject: Subject) -> str:
    _, result = _run(subject)
    finite(result.metrics, "metric")
    for entry in result.training.history if result.training else []:
        finite(entry, "learning curve's")
    return ", ".join(f"{name} {value:.3g}" for name, value in result.metrics.items() if value is not None) or "none"


def _budget(subject: Subject) -> str:
    training = _training(subject)
    if training is None:
        return "not trained"
    if (training.steps, training.batch) != (STEPS, BUDGET.batch):
        length = f"{training.steps} steps of {training.batch} images"
        raise Breach(f"found {length}, the budget has {STEPS} of {BUDGET.batch}")
    return f"{STEPS} steps of {BUDGET.batch} images, as the budget says"


def _speed(subject: Subject) -> str:
    training = _training(subject)
    return "not trained" if training is None else f"{training.seconds / training.steps * 1e3:.0f} ms a step"


def _few(subject: Subject) -> str:
    few = BUDGET.batch - 3
    try:
        _run(subject, data=_images(SIDES[0], few))
    except LabeleffError as error:
        return f"refuses {few} images with a reason: {error}"
    return f"{few} images, batch {BUDGET.batch}"


def _cache(subject: Subject) -> str:
    encoder, _ = _run(subject)
    return survives_the_cache(encoder, _fresh(subject, 1), _noise())


class _InterruptionError(Exception):
    """Ends a training in its second window."""


def _interruption(subject: Subject) -> str:
    if not subject.plugin.resumes:
        return "begins anew: the plug-in doesn't say resumes = True"

    def interrupt(done: int, total: int, *_: float) -> None:
        if done == total:
            raise _InterruptionError

    whole = _digest(_run(subject, budget=LONGER))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(Path(folder) / "checkpoint.pt", since=-math.inf)
        with contextlib.suppress(_InterruptionError), keeping(checkpoint):
            _run(subject, budget=LONGER, progress=interrupt)
        if not checkpoint.path.exists():
            raise Breach("the plug-in says resumes = True, but it trains by itself; use labeleff.api.train")
        with keeping(checkpoint):
            resumed = _digest(_run(subject, budget=LONGER))
    if resumed != whole:
        raise Breach(
            "it went on from a checkpoint to other bits, but the plug-in says resumes = True; all that a step changes "
            "must be in the module that is trained, a number of steps as a buffer"
        )
    return "goes on from a checkpoint, to the same bits"


def _noise() -> Tensor:
    return torch.randn(4, 3, SIDES[0], SIDES[0], generator=torch.Generator().manual_seed(0))


def _loads(subject: Subject) -> str:
    if "stem" not in subject.plugin.options:
        raise Breach("it takes weights from outside (loaded = True), which needs an option 'stem', refuse by default")
    return takes(subject, "options", "source")


def _weights(subject: Subject) -> str:
    if any(not subject.options[key] for key in subject.plugin.required):
        raise Doubtful(f"not loaded: give --set {subject.plugin.required[0]}=VALUE to check what it loads")
    first, second = (subject.function(subject.options, subject.source) for _ in range(2))
    if not isinstance(first, Weights) or first.sha256 != second.sha256:
        raise Breach(
            "gave other weights, or no labeleff.plugins.pretexts.weights.outside_weights.Weights, when called twice"
        )
    return f"{len(first.state)} tensors, the same twice; {first.provenance}"


CHECKS: tuple[Check, ...] = (
    ("signature", _signature),
    ("image sizes", _sizes),
    ("encoder", _encoder),
    ("deterministic", _deterministic),
    ("shared random state", _randomness),
    ("sees no labels", _blind),
    ("finite losses", _losses),
    ("budget", _budget),
    ("time", _speed),
    ("fewer images than a batch", _few),
    ("cache", _cache),
    ("interruption", _interruption),
)
LOADED: tuple[Check, ...] = (("signature", _loads), ("weights", _weights))


def checks(subject: Subject) -> tuple[Check, ...]:
    """Choose the checks of a pretext that trains, or of one that takes weights from outside."""
    return LOADED if subject.plugin.loaded else CHECKS
