"""Scratch, no pretraining: the encoder keeps its random initialisation."""

from __future__ import annotations

from labeleff.plugins.pretexts.interface import Pretrained


def pretrain(*_: object) -> Pretrained:
    """Leave the encoder as it is."""
    return Pretrained()
