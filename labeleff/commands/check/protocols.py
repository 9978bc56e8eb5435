"""Checks of a protocol, trained or frozen, on the toy task.

A protocol that takes labels per pixel is checked on those too.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from labeleff.commands.check.contract import Breach, Check, Subject
from labeleff.commands.check.fixtures import (
    BUDGET,
    CPU,
    SIDES,
    finite,
    no_shared_randomness,
    repeatable,
    small_encoder,
    takes,
    toy,
)
from labeleff.errors import LabeleffError
from labeleff.execution.scoring import grid_features, predict, score, score_frozen
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.protocols.interface import Fitted, Labelled, LabelledFeatures
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.goals.interface import Dense
from labeleff.training.goals.segmentation import PixelClasses
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples

CLASSES_OF_TOY = 10
LABELS = 20
GRID = 4


def _labelled(count: int = LABELS, side: int = SIDES[0]) -> Labelled:
    """Take the first toy images; every ten in a row have each class once."""
    train = toy(side).train
    examples = Examples(train.images[:count].clone(), train.labels[:count].clone())
    return Labelled(examples, CLASSES_OF_TOY, Normalisation.of(train.images))


def _segmentation() -> Labelled:
    """Take the first toy images with a class per pixel: dark, medium, light."""
    data, goal = _labelled(), PixelClasses(GRID)
    shades = (data.examples.images.to(torch.int64).sum(3) // 256).to(torch.uint8)
    return Labelled(Examples(data.examples.images, shades), 3, data.normalisation, goal)


def _problem(data: Labelled) -> LabelledFeatures:
    """Encode labelled examples for a frozen protocol."""
    goal, encoder = data.goal, small_encoder()
    model = (LastMap(encoder) if goal.dense else encoder).eval()
    features = predict(model, data.on(CPU.device).resident, CPU)
    target = goal.target(data.examples.labels)
    if isinstance(goal, Dense):
        features = grid_features(features, goal)[goal.counted(target)]
    return LabelledFeatures(features, goal.answers(target), data.outputs, goal)


def _fit(subject: Subject, data: Labelled, seed: int = 0) -> Fitted:
    if subject.plugin.unlabelled:
        data = replace(data, unlabelled=toy(int(data.examples.images.shape[1])).train.images[LABELS:].clone())
    if subject.plugin.trained:
        fitted = subject.function(data, small_encoder(), seed, BUDGET, subject.options, CPU, lambda *_: None)
    else:
        [fitted] = subject.function([_problem(data)], subject.options)
    if not isinstance(fitted, Fitted):
        raise Breach(f"gave {type(fitted).__name__}, expected labeleff.plugins.protocols.interface.Fitted")
    return fitted


def _test(side: int = SIDES[0]) -> LabelledExamples:
    task = toy(side)
    return LabelledExamples(task.test, CLASSES, Normalisation.of(task.train.images), CPU.device)


def _scores(subject: Subject, fitted: Fitted, side: int = SIDES[0]) -> Tensor:
    """Compute the scores of the 20 test images."""
    resident = _test(side).resident
    if subject.plugin.trained:
        return predict(fitted.predictor, resident, CPU)
    with torch.inference_mode():
        return fitted.predictor(predict(small_encoder(), resident, CPU))


def _signature(subject: Subject) -> str:
    if subject.plugin.trained:
        return takes(subject, "data", "encoder", "seed", "budget", "options", "compute", "progress")
    return takes(subject, "problems", "options")


def _shape(subject: Subject) -> str:
    for side in SIDES:
        scores = _scores(subject, _fit(subject, _labelled(side=side)), side)
        if scores.shape != (len(_test()), CLASSES_OF_TOY):
            raise Breach(f"scores are {tuple(scores.shape)}, expected ({len(_test())}, {CLASSES_OF_TOY})")
        if not bool(torch.isfinite(scores).all()):
            raise Breach("scores are not all finite numbers")
    return f"a score a class, {' and '.join(map(str, SIDES))} pixels"


def _dense(subject: Subject) -> str:
    if not subject.plugin.dense:
        return "not for tasks with a label a pixel"
    data = _segmentation()
    fitted, examples = _fit(subject, data), data.on(CPU.device)
    if subject.plugin.trained:
        result = score(fitted.predictor, examples, CPU)
    else:
        [result] = score_frozen(LastMap(small_encoder()), [fitted.predictor], examples, CPU)
    return ", ".join(f"{name} {value:.2f}" for name, value in result.metrics().items())


def _deterministic(subject: Subject) -> str:
    def scores(seed: int) -> Tensor:
        return _scores(subject, _fit(subject, _labelled(), seed))

    return repeatable(scores, lambda values: values.numpy().tobytes(), seeded=subject.plugin.trained)


def _randomness(subject: Subject) -> str:
    def scores() -> Tensor:
        return _scores(subject, _fit(subject, _labelled()))

    return no_shared_randomness(scores, lambda values: values.numpy().tobytes())


def _exactly(subject: Subject) -> str:
    data = _labelled()
    inputs, labels = data.examples.inputs.clone(), data.examples.labels.clone()
    _fit(subject, data)
    if not torch.equal(inputs, data.examples.inputs) or not torch.equal(labels, data.examples.labels):
        raise Breach("it changed the labelled examples it was given; the next cell would learn from others")
    return f"{LABELS} labels, no test images: by construction, it is given no others; it left them as they were"


def _frozen(subject: Subject) -> str:
    if subject.plugin.trained:
        return "not frozen: it trains a copy of the encoder"
    encoder, problem = small_encoder().eval(), _problem(_labelled())
    before, features = state_sha256(encoder), problem.features.clone()
    [fitted] = subject.function([problem], subject.options)
    score_frozen(encoder, [fitted.predictor], _test(), CPU)
    if state_sha256(encoder) != before or not torch.equal(features, problem.features):
        raise Breach("the encoder or its features changed although they are frozen")
    return "encoder and features unchanged"


def _together(subject: Subject) -> str:
    if subject.plugin.trained:
        return "solved one at a time"
    data = [_labelled(count) for count in (LABELS, 2 * LABELS)]
    fitted = subject.function([_problem(one) for one in data], subject.options)
    if len(fitted) != len(data):
        raise Breach(f"gave {len(fitted)} predictors for {len(data)} problems")
    for one, joint in zip(data, fitted, strict=True):
        alone, together = _scores(subject, _fit(subject, one)), _scores(subject, joint)
        if not torch.allclose(alone, together, rtol=1e-2, atol=1e-2):
            raise Breach("scores of a problem depend on the other problems it is solved with")
    return "two problems solved together: as each alone"


def _curve(subject: Subject) -> str:
    fitted = _fit(subject, _labelled())
    finite(fitted.metrics, "metric")
    for entry in fitted.training.history if fitted.training else []:
        finite(entry, "learning curve's")
    if fitted.training is None:
        return "solved, not trained"
    return f"finite losses; {fitted.training.seconds / fitted.training.steps * 1e3:.0f} ms a step"


def _few(subject: Subject) -> str:
    few = BUDGET.batch - 3
    try:
        scores = _scores(subject, _fit(subject, _labelled(few)))
    except LabeleffError as error:
        return f"refuses {few} labels with a reason: {error}"
    if not bool(torch.isfinite(scores).all()):
        raise Breach(f"scores from {few} labels are not all finite numbers")
    return f"{few} labels, batch {BUDGET.batch}, classes without a label"


CHECKS: tuple[Check, ...] = (
    ("signature", _signature),
    ("scores", _shape),
    ("a label a pixel", _dense),
    ("deterministic", _deterministic),
    ("shared random state", _randomness),
    ("exactly n labels", _exactly),
    ("frozen encoder", _frozen),
    ("several problems", _together),
    ("finite losses", _curve),
    ("fewer labels than a batch", _few),
)
