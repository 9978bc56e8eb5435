"""Colours and patterns of objects and planes.

A pattern is two colours mixed by a sum of plane waves: single waves give stripes, products checks and dots, bent ones
marble, and a gain says how hard their edges are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.parts import steady
from labeleff.plugins.tasks.scenes.scene_rng import SceneRng

HUES = (0.55, 0.08, 0.70, 0.00, 0.30, 0.15, 0.85, 0.42, 0.62, 0.93)
"""The classes' hues where colour doesn't vary, in 0..1 around the circle."""
NOISE = (0.06, 0.2, 0.2)
"""Standard deviation of hue, saturation and value about a class's own."""
SATURATION, VALUE = 0.65, 0.7
TINT = 0.4
"""Share of the class's colour mixed into a pattern."""
WAVES = 4
"""Plane waves per pattern."""


@dataclass(frozen=True)
class Materials:
    """Table of M materials; colours are linear red, green and blue in 0..1."""

    first: Tensor
    """First colours (M, 3)."""
    second: Tensor
    """Second colours (M, 3), the same as the first where there is no pattern."""
    waves: Tensor
    """Wave vectors in radians per unit, and phases (M, 4, 4)."""
    weights: Tensor
    """Weights of a single wave, a product of two and a bent wave, and the bend (M, 4)."""
    gain: Tensor
    """Hardness of a pattern's edges (M, 1)."""


def hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Convert hue (in turns), saturation and value, (M,) each, to red, green and blue (M, 3)."""
    corner = torch.tensor([5.0, 3.0, 1.0], dtype=hue.dtype)
    k = torch.remainder(corner + 6 * hue[:, None], 6)
    fall = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * fall)


def class_colours(rng: SceneRng, labels: Tensor) -> Tensor:
    """Draw colours (M, 3) about the hues of the classes `labels` (M,)."""
    noise = rng.normal("class colour", 3) * torch.tensor(NOISE, dtype=torch.float64)
    hue = torch.tensor(HUES, dtype=torch.float64)[labels] + noise[:, 0]
    return hsv(hue, (SATURATION + noise[:, 1]).clamp(0, 1), (VALUE + noise[:, 2]).clamp(0.1, 1))


def surfaces(rng: SceneRng, labels: Tensor, factors: Factors) -> Materials:
    """Draw the objects' materials; `labels` (M,) matter only where colour doesn't vary."""
    usual = class_colours(rng, labels)
    if not factors.texture:
        return _flat(rng.uniform("colour", 3) if factors.colour else usual)
    pattern = _pattern(rng, 6.0, 40.0)
    if factors.colour:
        return pattern
    first, second = (torch.lerp(colour, usual, TINT) for colour in (pattern.first, pattern.second))
    return Materials(first, second, pattern.waves, pattern.weights, pattern.gain)


def backdrops(rng: SceneRng, factors: Factors) -> Materials:
    """Draw the planes' materials: a pattern, or a flat colour that says nothing of any class."""
    return _pattern(rng, 4.0, 24.0) if factors.texture else _flat(rng.uniform("colour", 3))


def _flat(colour: Tensor) -> Materials:
    count = len(colour)
    waves = torch.zeros(count, WAVES, 4, dtype=torch.float64)
    return Materials(colour, colour, waves, torch.zeros(count, 4, dtype=torch.float64), torch.ones(count, 1))


def _pattern(rng: SceneRng, low: float, high: float) -> Materials:
    """Draw patterns whose waves have `low` to `high` radians per unit of length, evenly in the logarithm."""
    count = len(rng.index)
    direction = rng.normal("directions", 3 * WAVES).view(count, WAVES, 3)
    direction = direction / direction.norm(dim=2, keepdim=True)
    pace = torch.exp(rng.between("paces", WAVES, math.log(low), math.log(high)))
    phase = rng.between("phases", WAVES, 0.0, 2 * math.pi)
    waves = steady(torch.cat((direction * pace[..., None], phase[..., None]), dim=2))
    share = rng.uniform("weights", 3).square()
    share = share / share.sum(1, keepdim=True)
    weights = steady(torch.cat((share, rng.between("bend", 1, 0.0, 4.0)), dim=1))
    gain = steady(torch.exp(rng.between("gain", 1, math.log(0.4), math.log(6.0))))
    return Materials(rng.uniform("colour", 3), rng.uniform("other colour", 3), waves, weights, gain)
