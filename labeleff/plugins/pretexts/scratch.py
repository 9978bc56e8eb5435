"""No pretraining here: the encoder keeps its random initialisation, or the features that were made elsewhere."""

from __future__ import annotations

from labeleff.plugins.pretexts.interface import Pretrained


def pretrain(*_: object) -> Pretrained:
    """Leave the encoder as it is."""
    return Pretrained()
