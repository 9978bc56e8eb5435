"""The request of `labeleff bench`: encoders, batches, packs, lengths."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import OptionError, UnknownNameError
from labeleff.study.cell import Precision
from labeleff.study.option_values import pair
from labeleff.study.overrides import bare_value

Part = Literal["rotation", "finetune", "joint", "evaluation", "reading"]
USUAL = ("mobilenet_v2", "resnet9:width=0.1875", "memnet")
"""The encoders of the report of 2021, and the one that small studies use."""
BATCHES: dict[Part, int] = {"rotation": 64, "finetune": 64, "joint": 128, "evaluation": 500, "reading": 32}
"""Batch sizes of the report of 2021; evaluation goes in the library's own blocks, whatever is requested."""
OF_IMAGES: tuple[Part, ...] = ("rotation", "finetune", "joint", "evaluation")
PACKED: tuple[Part, ...] = ("finetune", "joint")
"""Parts that the library trains side by side."""


@dataclass(frozen=True)
class Length:
    """The length of every timing."""

    steps: int
    """Steps per window of training on images."""
    windows: int
    """Windows that count; one more is warm-up."""
    images: int
    """Images of an evaluation."""
    stories: Literal["1k", "10k"]
    cold_starts: int


USUAL_LENGTH = Length(steps=20, windows=7, images=10_000, stories="10k", cold_starts=3)
ON_GPU = Length(steps=200, windows=9, images=10_000, stories="10k", cold_starts=3)
QUICK = Length(steps=20, windows=2, images=500, stories="1k", cold_starts=1)


@dataclass(frozen=True)
class Work:
    """One piece of work to time: a part, an encoder, a batch size and a pack size."""

    part: Part
    encoder: Spec
    batch: int
    pack: int

    @property
    def name(self) -> str:
        """Name for people and for files of timings."""
        together = f", {self.pack} as one" if self.pack > 1 else ""
        return f"{self.part}, {self.encoder.label}, batch {self.batch}{together}"


@dataclass(frozen=True)
class Request:
    """A checked request: encoders, sizes, device and precision."""

    encoders: tuple[Spec, ...]
    batches: tuple[int, ...]
    """Batch sizes of training; empty for those of `BATCHES`."""
    packs: tuple[int, ...]
    device: str
    precision: Precision
    threads: int
    quick: bool

    def works(self) -> Iterator[Work]:
        """List the pieces of work to time, in order."""
        for encoder in self.encoders:
            reads = lookup.find("encoder", encoder.name).examples == "stories"
            parts: tuple[Part, ...] = ("reading",) if reads else OF_IMAGES
            for part in parts:
                usual = (BATCHES[part],)
                batches = usual if part == "evaluation" else self.batches or usual
                packs = self.packs if part in PACKED else (1,)
                yield from (Work(part, encoder, *which) for which in itertools.product(batches, packs))


def encoder_spec(text: str) -> Spec:
    """Parse `NAME` or `NAME:option=value,option=value`; raises LabeleffError where there is no such encoder."""
    name, _, assignments = text.partition(":")
    expected = "option=value, e.g. resnet9:width=0.1875"
    pairs = [pair(part, f"--encoder {text!r}", expected) for part in assignments.split(",") if part]
    return lookup.complete("encoder", name, {key: bare_value(value) for key, value in pairs})


def request(
    encoders: Sequence[str],
    batches: Sequence[int],
    packs: Sequence[int],
    device: str,
    precision: str,
    threads: int,
    *,
    quick: bool,
) -> Request:
    """Check the options of the command line; raises LabeleffError where one is out of range or unknown."""
    for name, values, least in (("--batch", batches, 2), ("--pack", packs, 1), ("--threads", [threads], 1)):
        for value in values:
            if value < least:
                raise OptionError(f"{name} {value}: expected a number from {least} on")
    if precision not in get_args(Precision):
        raise UnknownNameError("precision", precision, get_args(Precision))
    specs = {spec.label: spec for spec in map(encoder_spec, encoders or USUAL)}
    sizes = tuple(dict.fromkeys(batches)), tuple(dict.fromkeys(packs)) or (1,)
    return Request(tuple(specs.values()), *sizes, device, cast(Precision, precision), threads, quick)
