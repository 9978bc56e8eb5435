"""The four factors of variation, spelled as in the paper: `TCVL`, `-CV-`, ..., `----`."""

from __future__ import annotations

from dataclasses import dataclass

from labeleff.catalogue.tasks import FACTORS
from labeleff.errors import UnknownNameError


@dataclass(frozen=True)
class Factors:
    """Factors that vary (Newell & Deng 2020, section 3; distributions from their rendering code).

    texture: a random pattern on every object and on the plane, else flat colours. colour: objects have colours
    that say nothing of their class, else every class has its hue. viewpoint: N(0, 0.5) radians are added to each Euler
    angle, else one pose. lighting: the light's angle is -0.5 + 2 N(0, 1) radians, else -0.5.
    """

    texture: bool
    colour: bool
    viewpoint: bool
    lighting: bool

    @staticmethod
    def parse(text: str) -> Factors:
        """Parse factors from four letters in the order T, C, V, L, each replaced by `-` where it is off."""
        if text not in FACTORS:
            raise UnknownNameError("setting of factors", text, FACTORS)
        return Factors(*(letter != "-" for letter in text))

    def __str__(self) -> str:
        on = (self.texture, self.colour, self.viewpoint, self.lighting)
        return "".join(letter if flag else "-" for letter, flag in zip("TCVL", on, strict=True))
