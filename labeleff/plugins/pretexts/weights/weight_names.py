"""Names of weights from other programs, matched with an encoder's: prefixes, positions, a classifier.

Wrappers put prefixes before names (`module.` of parallel training, `_orig_mod.` of compilation, `backbone.`,
`encoder_q.`), and checkpoints hold several networks. A part is taken where all its names are the encoder's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.pretexts.weights.weight_files import listed

COUNTER = "num_batches_tracked"
_FIRST, _LAST = frozenset({"ema", "teacher"}), frozenset({"momentum", "target", "k"})
"""Words in the prefixes of averages that their authors evaluate, and of those that only serve the training."""


@dataclass(frozen=True)
class Naming:
    """Tensors by an encoder's names, with notes on what was done."""

    given: dict[str, Tensor]
    prefix: str = ""
    notes: list[str] = field(default_factory=list)

    def matched(self, expected: set[str]) -> int:
        """Number of the encoder's names that it has."""
        return len(expected & self.given.keys())

    def fits(self, expected: set[str]) -> bool:
        """Whether it has the encoder's names and no others, step counters of batch-norm aside."""
        return {name for name in self.given if not name.endswith(COUNTER)} == expected


def match(encoder: Encoder, state: Mapping[str, Tensor]) -> Naming:
    """Match tensors with the encoder's names: the part that fits whole, else the one with the most of its names.

    Of several that fit, an average that is meant for use (`ema`, `teacher`) comes first and one that only serves
    training (`encoder_k`, `target`) last, and a note names the others.
    """
    expected = {name for name in encoder.state_dict() if not name.endswith(COUNTER)}
    namings = [each for prefix in _prefixes(state) for each in _namings(encoder, state, prefix)]
    fitting = [each for each in namings if each.fits(expected)]
    if not fitting:
        nearest = max(namings, key=lambda each: (each.matched(expected), -len(each.prefix)))
        return nearest if 2 * nearest.matched(expected) > len(expected) else namings[0]
    chosen = min(fitting, key=lambda each: (_rank(each.prefix), len(each.prefix)))
    others = dict.fromkeys(repr(each.prefix) for each in fitting if not _nested(each.prefix, chosen.prefix))
    also = [f"the encoder's names are also under {listed(others)}: set prefix to take those"] if others else []
    return Naming(chosen.given, chosen.prefix, [*_stripped(state, chosen), *chosen.notes, *also])


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    """Every beginning of a name that ends in a dot, and the empty one first."""
    dots = {name[: match.end()] for name in state for match in re.finditer(r"\.", name)}
    return ["", *sorted(dots)]


def _stripped(state: Mapping[str, Tensor], chosen: Naming) -> list[str]:
    """Note which prefix was taken off, and how many tensors are left out."""
    if not chosen.prefix:
        return []
    count = sum(name.startswith(chosen.prefix) for name in state)
    others = f" ({len(state) - count} others left out)" if count < len(state) else ""
    return [f"{count} tensors under {chosen.prefix!r}{others}"]


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _rank(prefix: str) -> int:
    words = set(re.split(r"[._]", prefix.lower()))
    return 0 if words & _FIRST else 2 if words & _LAST else 1


def _namings(encoder: Encoder, state: Mapping[str, Tensor], prefix: str) -> Iterator[Naming]:
    """Yield the part under a prefix by the encoder's own names, by those of its network elsewhere, and by position."""
    part = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    upstream, own = encoder.upstream, encoder.state_dict()
    outer = "" if upstream is None else upstream.prefix
    if upstream is None or part.keys() <= own.keys():
        yield Naming(part, prefix)
    else:
        backbone = {name: tensor for name, tensor in part.items() if not name.startswith(upstream.head)}
        notes = [f"its classifier {upstream.head}* is left out"] if len(backbone) < len(part) else []
        before = "" if backbone.keys() & own.keys() else outer
        yield Naming({before + name: tensor for name, tensor in backbone.items()}, prefix, notes)
    yield from _by_position(part, [name.removeprefix(outer) for name in own], outer, prefix)


def _by_position(part: Mapping[str, Tensor], names: list[str], outer: str, prefix: str) -> Iterator[Naming]:
    """Yield the names of a bare `nn.Sequential` of the network's children, the classifier after them left out."""
    children = list(dict.fromkeys(name.partition(".")[0] for name in names))
    places = sorted({name.partition(".")[0] for name in part}, key=lambda text: (len(text), text))
    if not all(place.isdecimal() for place in places) or not 0 <= len(places) - len(children) <= 1:
        return
    child = dict(zip(places, children, strict=False))
    given = {
        f"{outer}{child[place]}.{rest}": tensor
        for name, tensor in part.items()
        for place, _, rest in [name.partition(".")]
        if place in child
    }
    left = [f"its classifier {places[-1]}.* is left out"] if len(places) > len(children) else []
    yield Naming(given, prefix, ["names by position, as of an nn.Sequential", *left])
