"""Encoders: networks below the head, one small file each, built by name through the catalogue.

An encoder is a module that maps float images (N, 3, H, W), normalised per channel, to features (N, dim) and has
the attribute `dim`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from labeleff import catalogue
from labeleff.cell import Spec


class Encoder(nn.Module):
    """Images (N, 3, H, W) to features (N, dim)."""

    dim: int

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, dim) of float images (N, 3, H, W)."""
        raise NotImplementedError


def build_encoder(spec: Spec, seed: int) -> Encoder:
    """The encoder named by `spec` with initial weights that depend on `seed` alone (made on the CPU)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cast(Encoder, catalogue.resolve("encoder", spec.name)(spec.options))


def linear_head(dim: int, outputs: int, seed: int) -> nn.Linear:
    """A linear layer on features (N, dim) whose initial weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(dim, outputs)
