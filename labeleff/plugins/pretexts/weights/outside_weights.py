"""Pretrained weights from outside, checked and loaded into an encoder.

Names are the encoder's own, or those of the network in torchvision that it is made from (timm names ResNets alike),
under any one prefix: then the classifier, which an encoder doesn't have, is left out, and what lies under other
prefixes. Nothing else is skipped. Batch-norm's step counters, which old files lack, aren't weights. Images stay
normalised by the statistics of the task's training images, not by ImageNet's.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import WeightsError
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.pretexts.weights.weight_files import listed
from labeleff.plugins.pretexts.weights.weight_names import COUNTER, match
from labeleff.training.examples import Source


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


def under(prefix: str, weights: Weights) -> Weights:
    """Select the weights whose names begin with `prefix`, without it, e.g. the backbone of a larger network."""
    if not prefix:
        return weights
    inside = {name.removeprefix(prefix): t for name, t in weights.state.items() if name.startswith(prefix)}
    if not inside:
        raise WeightsError(
            f"{weights.provenance}: no name begins with {prefix!r}; found {listed(weights.state)}; prefixes there are "
            f"{listed(_roots(weights.state))}; without one, the prefix that fits the encoder is found"
        )
    others = len(weights.state) - len(inside)
    return Weights(inside, f"{weights.provenance}, {len(inside)} tensors under {prefix!r} ({others} others left out)")


def _roots(state: Mapping[str, Tensor]) -> list[str]:
    """First parts of names, with the number of tensors under each."""
    counts = Counter(f"{first}." for name in state for first, dot, _ in [name.partition(".")] if dot)
    return [f"{root!r} ({count} tensors)" for root, count in counts.most_common()]


def fill(encoder: Encoder, weights: Weights, stem: str, what: str) -> str:
    """Load all of these weights into `encoder`; returns their source and what was left out, in words.

    `stem` says what to do where the stem's kernel is larger than the encoder's by design: `refuse`, `centre`
    (take its middle) or `random` (leave the encoder's as it is initialised). Raises WeightsError naming what is
    missing, unexpected or of another shape; `what` begins its message.
    """
    own = encoder.state_dict()
    naming = match(encoder, weights.state)
    given, notes = dict(naming.given), [*naming.notes]
    if unusual := [f"{name} ({kind})" for name, tensor in given.items() if (kind := _unusual(tensor))]:
        raise WeightsError(f"{what}: expected dense tensors with their numbers, found others in {listed(unusual)}")
    notes += _stem(encoder, given, own, stem, what)
    _check(given, own, f"{what}, nearest under {naming.prefix!r}" if naming.prefix else what)
    encoder.load_state_dict(own | given)
    return "; ".join([weights.provenance, *notes])


def _unusual(tensor: Tensor) -> str:
    """What a tensor is other than dense numbers, in a word; empty for those."""
    if tensor.is_meta:
        return "meta, without numbers"
    return "quantised" if tensor.is_quantized else "" if tensor.layout is torch.strided else str(tensor.layout)


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
        parts = [f"{kind} {len(names)}: {listed(names)}" for kind, names in lists.items() if names]
        raise WeightsError(f"{what}: {'; '.join(parts)}")
    if integers := [f"{name} ({given[name].dtype})" for name in _weights(both) if not given[name].is_floating_point()]:
        raise WeightsError(f"{what}: expected floating-point numbers, found others in {listed(integers)}")
    taken = {name: given[name].to(own[name].dtype) for name in both}  # of float64, what is left in float32
    if empty := [name for name in _weights(both) if taken[name].ndim > 1 and not bool(taken[name].any())]:
        raise WeightsError(f"{what}: found nothing but zeros in {listed(empty)}")
    if broken := [name for name in both if not bool(torch.isfinite(taken[name]).all())]:
        raise WeightsError(f"{what}: found values that are no finite numbers in {listed(broken)}")


def _weights(names: Iterable[str]) -> list[str]:
    """Names of weights, without step counters."""
    return [name for name in names if not name.endswith(COUNTER)]


def unknown(what: str, name: str, known: Iterable[str]) -> WeightsError:
    """Create the error for a name that a library doesn't have, with the nearest ones instead of hundreds."""
    near = difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)
    hint = f"did you mean {listed(near)}?" if near else "found nothing alike"
    return WeightsError(f"unknown {what} {name!r}; {hint}")
