"""Split encoder: halves for lightness and colour, together as large as a plain one.

Contrastive multiview coding (Tian et al. 2020; Newell & Deng 2020, section 4) trains such a pair. Its features are
those of both, side by side and not normalised, so that every protocol and head works as on a plain encoder.
"""

from __future__ import annotations

import functools
import importlib

import torch
from torch import Tensor, nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import Encoder
from labeleff.study.consistency import check_split
from labeleff.training.cielab import Lab

GRAIN = 1000
"""Number of steps per unit in which factors on channel counts are tried."""


class LabSplit(Encoder):
    """Split encoder: images (N, 3, H, W) to features (N, dim) of `light`, which sees L*, and `colour`, a* and b*.

    `plain` is the number of parameters of the encoder whose place it takes.
    """

    def __init__(self, light: Encoder, colour: Encoder, plain: int) -> None:
        super().__init__()
        self.dim, self.stages, self.plain = light.dim + colour.dim, light.stages, plain
        self.lab, self.light, self.colour = Lab(), light, colour

    def views(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Convert normalised RGB images to normalised lightness (N, 1, H, W) and colour (N, 2, H, W)."""
        channels = self.lab(images)
        return channels[:, :1], channels[:, 1:]

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, dim): those of lightness, then those of colour."""
        light, colour = self.views(images)
        return torch.cat((self.light(light), self.colour(colour)), 1)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the maps of both halves, stage by stage, their channels side by side."""
        light, colour = self.views(images)
        first, second = self.light.maps(light), self.colour.maps(colour)
        return {name: torch.cat((first[name], second[name]), 1) for name in self.stages}

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the modules of both halves, stage by stage, with the conversion of colours in the first."""
        light, colour = self.light.parts(), self.colour.parts()
        parts = {name: [*light[name], *colour[name]] for name in self.stages}
        parts[self.stages[0]].insert(0, self.lab)
        return parts


def parameters(module: nn.Module) -> int:
    """Count a module's trained numbers."""
    return sum(parameter.numel() for parameter in module.parameters())


def build_split(spec: Spec) -> LabSplit:
    """Build two narrow encoders of the family that `spec` names, together with about its parameter count.

    Raises StudyError where the family has no narrower version.
    """
    check_split(spec)
    plain, factor = _match(spec.model_dump_json())
    return LabSplit(*_halves(spec, factor), plain)


def _halves(spec: Spec, factor: float) -> tuple[Encoder, Encoder]:
    """Build encoders of lightness and colour, each with `factor` times the channel counts."""
    plugin = lookup.find("encoder", spec.name)
    narrow = getattr(importlib.import_module(plugin.target.partition(":")[0]), str(plugin.narrow))
    options = lookup.options("encoder", spec)
    return narrow(options, factor, 1), narrow(options, factor, 2)


@functools.cache
def _match(dumped: str) -> tuple[int, float]:
    """Find the plain encoder's parameter count, and the factor on channels that brings two halves closest to it."""
    spec = Spec.model_validate_json(dumped)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        plain = parameters(lookup.resolve("encoder", spec.name)(lookup.options("encoder", spec)))

        def excess(factor: int) -> int:
            return sum(map(parameters, _halves(spec, factor / GRAIN))) - plain

        low, high = 1, GRAIN
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if excess(middle) < 0 else (low, middle)
        return plain, min((low, high), key=lambda factor: abs(excess(factor))) / GRAIN
