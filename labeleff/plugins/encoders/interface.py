"""Interface of encoders: networks below the head, built by name.

An encoder is a module that maps float images (N, 3, H, W), normalised per channel, to features (N, dim) and has
the attribute `dim`. On the way it makes maps of falling resolution, its `stages`, of which tasks with a label per pixel
use the last. A reader maps stories to features.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError, StudyError, UnknownNameError
from labeleff.plugins.encoders.word_vectors import initial_rows, read_vectors
from labeleff.training.vocabulary import FIRST, TextShape


@dataclass(frozen=True)
class Upstream:
    """Names that torchvision gives the weights of an encoder's network; timm names ResNets alike.

    `prefix` precedes those names in the encoder; names that begin with `head` belong to the classifier, which an
    encoder doesn't have; `stem` is our name of the one weight that differs in shape by design.
    """

    head: str
    prefix: str = ""
    stem: str | None = None


class Encoder(nn.Module):
    """Base of encoders: images (N, 3, H, W) to features (N, dim)."""

    dim: int
    upstream: Upstream | None = None
    stages: tuple[str, ...] = ()
    """Names of the maps, from high to low resolution; none where an encoder has features alone."""
    packing: str = "vmap"
    """Way to compute K encoders as one, or `loop` where there is none.

    `grouped` where only torch's layers work on channels, so that encoders can lie side by side there, or `vmap`."""

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, dim) of float images (N, 3, H, W)."""
        raise NotImplementedError

    def maps(self, images: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Compute every stage's map (N, C, h, w) by name, in order; the last has C = dim and the features as mean."""
        raise PluginError(f"encoder {type(self).__name__} has no maps, and a task with a label a pixel needs them")

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the modules of every stage, from the previous map to its own; together they hold all weights."""
        raise PluginError(f"encoder {type(self).__name__} has no stages")

    def until(self, stage: str) -> list[nn.Module]:
        """Return the modules from the images to the map of a stage; raises UnknownNameError for an unknown stage."""
        if stage not in self.stages:
            raise UnknownNameError(f"stage of encoder {type(self).__name__}", stage, self.stages)
        parts = self.parts()
        return [module for name in self.stages[: self.stages.index(stage) + 1] for module in parts[name]]


class Reader(Encoder):
    """Base of readers: stories (N, sentences + 1, length), the question in the last row, to features (N, dim)."""

    packing = "loop"

    def attention(self, tokens: Tensor) -> Tensor:
        """Compute the weight of each sentence in the features: (N, sentences), rows non-negative with sum 1."""
        raise NotImplementedError

    def head(self, outputs: int, seed: int) -> nn.Module:
        """Create a head with at least `outputs` scores; scores beyond belong to words that are no answer."""
        return linear_head(self.dim, outputs, seed)


@contextlib.contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Make weights initialised inside depend on `seed` alone; torch's shared generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def start_from(table: Tensor, text: TextShape, path: str) -> None:
    """Give an embedding table (rows, width) the word vectors of the file `path`, if any, at its own scale."""
    if path:
        vocabulary = text.vocabulary
        vectors = read_vectors(Path(path), vocabulary.words)
        scale = float(table.detach()[FIRST:].std())
        with torch.no_grad():
            for place, row in initial_rows(vectors, vocabulary.words, table.shape[1], scale).items():
                table[FIRST + place] = torch.from_numpy(row)


def build_encoder(spec: Spec, seed: int, text: TextShape | None = None, *, split: bool = False) -> Encoder:
    """Build the encoder named by `spec` with initial weights that depend on `seed` alone (drawn on the CPU).

    Readers are built for the `text` of their task. With `split` it is a pair for lightness and colour (see `split`).
    Raises StudyError where encoder and task don't go together, or where an encoder can't be split.
    """
    reads, given = lookup.find("encoder", spec.name).examples, "images" if text is None else "stories"
    if reads != given:
        raise StudyError(f"encoder {spec.label} reads {reads}, but its task has {given}")
    build = lookup.resolve("encoder", spec.name)
    with initial_weights(seed):
        if split:
            from labeleff.plugins.encoders.split import build_split  # `split` imports this module

            return build_split(spec)
        options = lookup.options("encoder", spec)
        return cast(Encoder, build(options) if text is None else build(options, text))


def linear_head(dim: int, outputs: int, seed: int) -> nn.Linear:
    """Create a linear layer on features (N, dim) whose initial weights depend on `seed` alone."""
    with initial_weights(seed):
        return nn.Linear(dim, outputs)
