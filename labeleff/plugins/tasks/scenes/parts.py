"""Objects as unions of convex solids: tapered blocks and solids of revolution.

An object's own frame is ShapeNet's: x to its right, y up, and it looks along -z. A solid's local frame has it within
-1..1 along each axis, its third axis being the one along which it tapers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Number = Tensor | float
Vector = Sequence[Number]
Axis = Literal["x", "y", "z"]
Profile = Literal["tube", "ball", "dome", "bowl"]

_ORDER: dict[str, tuple[int, int, int]] = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}
"""Axes of the object that are a solid's first, second and third, by the axis that it lies along."""

_QUADRICS: dict[str, tuple[float, float, float]] = {
    "ball": (1.0, 0.0, -1.0),
    "dome": (0.75, -0.5, -0.25),
    "bowl": (0.75, 0.5, -0.25),
}
"""Squared radius a + b z + c z^2 at height z: a whole ellipsoid, its upper half, its lower half."""


@dataclass(frozen=True)
class Parts:
    """P solids of each of N objects of one class, in the objects' frame.

    A point x of solid p is `centre` + `axes` l with l in its local frame: |l_z| <= 1 and, with the half width
    s(z) = 1 - |t|/2 - t z / 2 for its taper t, |l_x| <= s_1(l_z) and |l_y| <= s_2(l_z) where it is a block, and
    l_x^2 + l_y^2 <= a + b l_z + c l_z^2 where it is round.
    """

    rounds: tuple[bool, ...]
    """Whether each solid is one of revolution, not a block."""
    cones: tuple[bool, ...]
    """Whether each solid is a round one whose quadric has two halves."""
    plain: tuple[bool, ...]
    """Whether each solid is a block that doesn't taper."""
    centre: Tensor
    """Centres (N, P, 3)."""
    axes: Tensor
    """Half axes of the solids as columns (N, P, 3, 3)."""
    shape: Tensor
    """Form (N, P, 3): two tapers and 0 of a block; a, b and c of a round solid."""
    present: Tensor
    """Whether an object has the solid (N, P) bool."""

    def corners(self) -> Tensor:
        """Compute corners (N, P, 8, 3) of a box around each solid."""
        signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
        return self.centre[:, :, None] + product(signs, self.axes.mT)

    def box(self) -> tuple[Tensor, Tensor]:
        """Compute least and greatest coordinates (N, 3) of each object."""
        corners, present = self.corners(), self.present[:, :, None, None]
        low = torch.where(present, corners, torch.inf).amin((1, 2))
        return low, torch.where(present, corners, -torch.inf).amax((1, 2))


class Kit:
    """A builder that draws objects' proportions and collects solids; values are tensors (N,) or one number for all."""

    def __init__(self, draw: Callable[[int], Tensor], count: int) -> None:
        self._draw, self._count = draw, count
        self._draws = 0
        self._kinds: list[tuple[bool, bool, bool]] = []
        self._solids: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def between(self, low: Number, high: Number) -> Tensor:
        """Draw the next random number, evenly between `low` and `high`."""
        self._draws += 1
        return low + (high - low) * self._draw(self._draws)

    def chance(self, probability: float) -> Tensor:
        """Draw a mask (N,), true with this probability."""
        return self.between(0.0, 1.0) < probability

    def choice(self, *weights: float) -> list[Tensor]:
        """Choose one of several kinds by their probabilities, which sum to 1: a mask (N,) per kind."""
        roll, low, masks = self.between(0.0, 1.0), 0.0, []
        for weight in weights:
            masks.append((roll >= low) & (roll < low + weight))
            low += weight
        return masks

    def block(
        self,
        centre: Vector,
        half: Vector,
        *,
        along: Axis = "y",
        taper: tuple[Number, Number] = (0.0, 0.0),
        turn: tuple[Axis, Number] | None = None,
        where: Tensor | None = None,
        pair: bool = False,
    ) -> None:
        """Add a box around `centre` with these half sizes along x, y, z, then turned about `centre` by an angle.

        It lies `along` an axis, towards whose end its other two half sizes (in the order x, y, z, cyclic after that
        axis) shrink by the shares `taper`; negative ones shrink towards the other end. `pair` adds its mirror image
        in x.
        """
        plain = all(isinstance(t, float) and t == 0 for t in taper)
        self._add((False, False, plain), centre, half, along, (*taper, 0.0), turn, where, pair)

    def round(
        self,
        centre: Vector,
        half: Vector,
        *,
        along: Axis = "y",
        profile: Profile = "tube",
        taper: Number = 0.0,
        turn: tuple[Axis, Number] | None = None,
        where: Tensor | None = None,
        pair: bool = False,
    ) -> None:
        """Add a solid of revolution (stretched by its half sizes) as `block` does; a tube may taper to a cone."""
        quadric: Vector
        if profile == "tube":
            slope = -self._wide(taper) / 2
            level = 1 - slope.abs()
            quadric = (level.square(), 2 * level * slope, slope.square())
        else:
            quadric = _QUADRICS[profile]
        tapers = not (isinstance(taper, float) and taper == 0)
        self._add((True, tapers, False), centre, half, along, quadric, turn, where, pair)

    def _wide(self, value: Number) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64).expand(self._count)

    def _stack(self, values: Vector) -> Tensor:
        return torch.stack([self._wide(value) for value in values], dim=-1)

    def _add(
        self,
        kind: tuple[bool, bool, bool],
        centre: Vector,
        half: Vector,
        along: Axis,
        shape: Vector,
        turn: tuple[Axis, Number] | None,
        where: Tensor | None,
        pair: bool,
    ) -> None:
        place, order = self._stack(centre), _ORDER[along]
        axes = torch.diag_embed(self._stack(half))[:, :, list(order)]
        if turn is not None:
            axes = rotation_about(turn[0], self._wide(turn[1])) @ axes
        present = torch.ones(self._count, dtype=torch.bool) if where is None else where
        form = self._stack(shape)
        mirror = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
        for side in (False, True) if pair else (False,):
            self._kinds.append(kind)
            flipped = (place * mirror, mirror[:, None] * axes) if side else (place, axes)
            self._solids.append((*flipped, form, present))

    def parts(self) -> Parts:
        """Return the solids, moved and scaled so that the box around the object is centred and its longest side 1."""
        rounds, cones, plain = (tuple(kinds) for kinds in zip(*self._kinds, strict=True))
        centre, axes, shape, present = (torch.stack(items, dim=1) for items in zip(*self._solids, strict=True))
        centre, axes = steady(centre), steady(axes)
        parts = Parts(rounds, cones, plain, centre, axes, shape, present)
        low, high = parts.box()
        size = (high - low).amax(1)[:, None, None]
        middle = ((low + high) / 2)[:, None]
        return Parts(rounds, cones, plain, (centre - middle) / size, axes / size[..., None], shape, present)


def steady(values: Tensor) -> Tensor:
    """Round float64 numbers to multiples of 2**-40.

    Sines and products of matrices differ in their last bit from one processor to another, and a pixel may follow it.
    """
    return torch.round(values * 2.0**40) * 2.0**-40


def product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply matrices (..., I, 3) and (..., 3, K), with the same bits on every processor."""
    one, two, three = (left[..., :, at, None] * right[..., None, at, :] for at in range(3))
    return one + two + three


def inverse(matrices: Tensor) -> Tensor:
    """Invert matrices (..., 3, 3) by cross products of their columns, with the same bits on every processor."""
    columns = matrices.unbind(-1)
    rows = torch.stack([_cross(columns[at - 2], columns[at - 1]) for at in range(3)], -2)
    return rows / product(rows[..., :1, :], columns[0][..., None])


def _cross(left: Tensor, right: Tensor) -> Tensor:
    (a, b, c), (d, e, f) = left.unbind(-1), right.unbind(-1)
    return torch.stack((b * f - c * e, c * d - a * f, a * e - b * d), -1)


def rotation_about(axis: Axis, angle: Tensor) -> Tensor:
    """Compute rotation matrices (N, 3, 3) about an axis by angles (N,) in radians, right-handed."""
    cos, sin, zero, one = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    rows = {
        "x": ((one, zero, zero), (zero, cos, -sin), (zero, sin, cos)),
        "y": ((cos, zero, sin), (zero, one, zero), (-sin, zero, cos)),
        "z": ((cos, -sin, zero), (sin, cos, zero), (zero, zero, one)),
    }[axis]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
