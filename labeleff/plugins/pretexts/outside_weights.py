"""Pretrained weights from outside, read without unpickling and checked.

Names are the encoder's own, or those of the network in torchvision that it is made from (timm names ResNets alike):
then the classifier, which an encoder doesn't have, is left out. Nothing else is skipped. Batch-norm's step counters,
which old files lack, aren't weights. Images stay normalised by the statistics of the task's training images, not by
ImageNet's.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import WeightsError
from labeleff.plugins.encoders.interface import Encoder
from labeleff.training.examples import Source

COUNTER = "num_batches_tracked"
SHOWN = 6
"""Most names of a list that an error shows."""


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and their source in words."""

    state: Mapping[str, Tensor]
    provenance: str

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 over names, types, shapes and bytes of all tensors, in the order of their names."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state.items()):
            digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()


LoadFunction = Callable[[Mapping[str, OptionValue], Source], Weights]
"""(options, source) to Weights; raises WeightsError where they can't be had."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file, or of a state dict by torch (.pt, .pth, .bin), also under `state_dict`.

    Raises WeightsError where the file is missing, or holds anything that would have to be unpickled.
    """
    if path.suffix not in {".safetensors", ".pt", ".pth", ".bin"}:
        raise WeightsError(f"{path}: found a file {path.suffix or 'without suffix'}, expected .safetensors or .pt")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: holds more than tensors, and nothing is ever unpickled; save its state dict alone"
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"{path}: not readable as weights: {str(error).splitlines()[0]}") from error
    return _tensors(path, loaded)


def _tensors(path: Path, loaded: Any) -> dict[str, Tensor]:
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(item, Tensor) for item in loaded.values()):
        found = f"a mapping with {_listed(map(str, loaded))}" if isinstance(loaded, Mapping) else type(loaded).__name__
        raise WeightsError(f"{path}: found {found}, expected a state dict: tensors by name")
    return dict(loaded)


def under(prefix: str, weights: Weights) -> Weights:
    """Select the weights whose names begin with `prefix`, without it, e.g. the backbone of a larger network."""
    if not prefix:
        return weights
    inside = {name.removeprefix(prefix): t for name, t in weights.state.items() if name.startswith(prefix)}
    if not inside:
        raise WeightsError(f"{weights.provenance}: no name begins with {prefix!r}; found {_listed(weights.state)}")
    others = len(weights.state) - len(inside)
    return Weights(inside, f"{weights.provenance}, {len(inside)} tensors under {prefix!r} ({others} others left out)")


def fill(encoder: Encoder, weights: Weights, stem: str, what: str) -> str:
    """Load all of these weights into `encoder`; returns their source and what was left out, in words.

    `stem` says what to do where the stem's kernel is larger than the encoder's by design: `refuse`, `centre`
    (take its middle) or `random` (leave the encoder's as it is initialised). Raises WeightsError naming what is
    missing, unexpected or of another shape; `what` begins its message.
    """
    own = encoder.state_dict()
    given, notes = _renamed(encoder, weights.state)
    notes += _stem(encoder, given, own, stem, what)
    _check(given, own, what)
    encoder.load_state_dict(own | given)
    return "; ".join([weights.provenance, *notes])


def _renamed(encoder: Encoder, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Rename the weights to the encoder's names, without the classifier; also returns a note if there was one."""
    upstream, expected = encoder.upstream, encoder.state_dict()
    if upstream is None or state.keys() <= expected.keys():
        return dict(state), []
    backbone = {name: tensor for name, tensor in state.items() if not name.startswith(upstream.head)}
    notes = [f"its classifier {upstream.head}* is left out"] if len(backbone) < len(state) else []
    prefix = "" if backbone.keys() & expected.keys() else upstream.prefix
    return {prefix + name: tensor for name, tensor in backbone.items()}, notes


def _stem(encoder: Encoder, given: dict[str, Tensor], own: Mapping[str, Tensor], stem: str, what: str) -> list[str]:
    """Adapt in place a stem whose kernel is larger than the encoder's, as `stem` says; returns notes on it."""
    name = encoder.upstream.stem if encoder.upstream else None
    if name is None or name not in given:
        return []
    theirs, ours = given[name], own[name]
    margins = [theirs.shape[axis] - ours.shape[axis] for axis in (2, 3)] if theirs.ndim == ours.ndim == 4 else []
    if theirs.shape[:2] != ours.shape[:2] or not margins or min(margins) <= 0:
        return []
    if stem == "refuse":
        raise WeightsError(
            f"{what}: the stem {name} has shape {tuple(theirs.shape)}, the encoder's is {tuple(ours.shape)} by design; "
            "set stem = 'centre' (its middle) or 'random' (none of it), or name an encoder with it: resnet18_imagenet"
        )
    if stem == "random":
        given[name] = ours
        return [f"{name} is left as initialised"]
    top, left = margins[0] // 2, margins[1] // 2
    given[name] = theirs[:, :, top : top + ours.shape[2], left : left + ours.shape[3]]
    return [f"of {name} the middle {ours.shape[2]}x{ours.shape[3]}"]


def _check(given: Mapping[str, Tensor], own: Mapping[str, Tensor], what: str) -> None:
    missing = [name for name in own if name not in given and not name.endswith(COUNTER)]
    unexpected = [name for name in given if name not in own]
    both = [name for name in own if name in given]
    differing = [
        f"{name} {tuple(given[name].shape)} for {tuple(own[name].shape)}"
        for name in both
        if given[name].shape != own[name].shape
    ]
    lists = {"missing": missing, "unexpected": unexpected, "other shapes": differing}
    if any(lists.values()):
        parts = [f"{kind} {len(names)}: {_listed(names)}" for kind, names in lists.items() if names]
        raise WeightsError(f"{what}: {'; '.join(parts)}")
    if broken := [name for name in both if not bool(torch.isfinite(given[name]).all())]:
        raise WeightsError(f"{what}: found values that are no finite numbers in {_listed(broken)}")


def unknown(what: str, name: str, known: Iterable[str]) -> WeightsError:
    """Create the error for a name that a library doesn't have, with the nearest ones instead of hundreds."""
    near = difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)
    hint = f"did you mean {_listed(near)}?" if near else "found nothing alike"
    return WeightsError(f"unknown {what} {name!r}; {hint}")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
