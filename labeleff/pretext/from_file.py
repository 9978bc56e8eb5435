"""Weights from a file of yours: .safetensors, or a state dict saved by torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labeleff.cell import OptionValue
from labeleff.pretext.outside import Weights, read_state, under
from labeleff.tensors import Source


def load(options: Mapping[str, OptionValue], source: Source) -> Weights:  # noqa: ARG001
    """The tensors in the file `path`, of which only those whose names begin with `prefix`, if one is given."""
    path = Path(str(options["path"])).expanduser()
    return under(str(options["prefix"]), Weights(read_state(path), f"file {path}"))
