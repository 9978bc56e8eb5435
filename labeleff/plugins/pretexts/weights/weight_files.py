"""Files of weights, told apart by their content: safetensors, or what torch saves (state dicts, training checkpoints).

Nothing is unpickled but tensors, plain values, and the settings and NumPy numbers that training scripts add.
"""

from __future__ import annotations

import argparse
import pickle
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from labeleff.errors import WeightsError

SHOWN = 6
"""Most names of a list that an error shows."""
STATE_OF_TRAINING = ("optim", "sched", "lr_sched", "scaler", "amp", "callbacks", "loops")
"""Beginnings of the keys under which checkpoints have the state of their training."""
BROKEN = (
    *(OSError, SafetensorError, RuntimeError, EOFError, ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, AssertionError, MemoryError, struct.error),
)
"""What safetensors and torch raise for damaged files."""
_SETTINGS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    np.ndarray,
    np._core.multiarray.scalar,  # type: ignore[attr-defined]
    np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    *{type(np.dtype(kind)) for kind in "fdilq?"},
]
"""Plain values that checkpoints hold beside tensors, none of which runs code."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file by name, as `read_checkpoint` does, without saying where in it they lay."""
    return read_checkpoint(path)[0]


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a file by name, nested ones by dotted names; also returns the key that all lay under.

    The state of a training (its optimiser, say) is left out. Raises WeightsError where the file is missing, isn't of
    either kind, or holds anything whose unpickling could run code.
    """
    try:
        if _is_safetensors(path):
            return load_file(path), ""
        # By a path, torch goes by suffixes; its warnings are for authors of programs, and errors say the rest.
        with torch.serialization.safe_globals(_SETTINGS), path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: not a file saved by torch, or one that holds more than tensors, and nothing is ever unpickled; "
            "save its state dict alone"
        ) from error
    except BROKEN as error:
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise WeightsError(f"{path}: not readable as weights, .safetensors or saved by torch: {reason}") from error
    return _tensors(path, loaded)


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a header, which is JSON (safetensors' format)."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and struct.unpack("<Q", start[:8])[0] < path.stat().st_size


def _tensors(path: Path, loaded: Any) -> tuple[dict[str, Tensor], str]:
    inner, key = loaded, ""
    while isinstance(inner, Mapping) and not _plain(inner) and len(parts := _parts(inner)) == 1:
        inner, key = inner[parts[0]], f"{key}{parts[0]}."
    named = dict(_flat(inner)) if isinstance(inner, Mapping) else {}
    mixed = isinstance(inner, Mapping) and not _parts(inner) and not _plain(inner)
    if not named or mixed:
        found = f"a mapping with {listed(map(str, loaded))}" if isinstance(loaded, Mapping) else type(loaded).__name__
        raise WeightsError(f"{path}: found {found}, expected a state dict: tensors by name")
    return named, key


def _plain(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping has tensors and nothing else."""
    return all(isinstance(item, Tensor) for item in value.values())


def _parts(value: Mapping[Any, Any]) -> list[Any]:
    """Keys of inner mappings with tensors that aren't the state of a training."""
    inside = [key for key, item in value.items() if isinstance(item, Mapping) and any(_flat(item))]
    return [key for key in inside if not str(key).lower().startswith(STATE_OF_TRAINING)]


def _flat(value: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, item in value.items():
        if isinstance(item, Tensor):
            yield f"{path}{key}", item
        elif isinstance(item, Mapping) and not str(key).lower().startswith(STATE_OF_TRAINING):
            yield from _flat(item, f"{path}{key}.")


def listed(names: Iterable[str]) -> str:
    """Join names, at most SHOWN of them."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
