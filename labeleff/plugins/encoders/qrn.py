"""Query-reduction network (Seo et al. 2017, arXiv 1606.04582), bidirectional.

Seo, Min, Farhadi & Hajishirzi 2017; this variant has reset gates. Every layer runs through the story once and rewrites
the question in the light of what it read: `where is the football`, after `Mary took the football`, becomes `where is
Mary`. With sentences x_t and questions q_t a layer is

    z_t = sigmoid(W (x_t * q_t) + U [x_t; q_t] + b)          how much of h_t is new
    r_t = sigmoid(...)                                       alike, with weights of its own
    h_t = z_t r_t tanh(V [x_t; q_t] + c) + (1 - z_t) h_(t-1)

and the next layer's question is q_t plus the states of both directions. No gate depends on an earlier state, so
everything but the last line is one product for all sentences, and that line is a linear recurrence (`_Scan`).

Where this departs from the paper: gates are vectors of `gates` values, each for a block of channels (the paper
has one or `width`); gates also see [x; q]; questions are added up instead of replaced; sentences are encoded by a
convolution over three words and a learned weight per position and channel instead of a fixed one; Adam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import StudyError
from labeleff.plugins.encoders.interface import Encoder, Reader, start_from
from labeleff.plugins.encoders.readers import Sentences
from labeleff.training.vocabulary import TextShape


class _Scan(torch.autograd.Function):
    """Scan h_t = a_t h_(t-1) + b_t over the first dimension (from the end where `back`), for a and b of one shape."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, fresh: Tensor, back: bool) -> Tensor:
        states = torch.empty_like(fresh)
        _recur(keep.unbind(0), fresh.unbind(0), states.unbind(0), back, 0)
        ctx.save_for_backward(keep, states)
        ctx.back = back
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        keep, states = ctx.saved_tensors
        of_fresh, of_keep = torch.empty_like(grad), torch.zeros_like(keep)
        _recur(keep.unbind(0), grad.contiguous().unbind(0), of_fresh.unbind(0), not ctx.back, 1)
        if ctx.back:
            torch.mul(of_fresh[:-1], states[1:], out=of_keep[:-1])
        else:
            torch.mul(of_fresh[1:], states[:-1], out=of_keep[1:])
        return of_keep, of_fresh, None


def _recur(keep: tuple[Tensor, ...], fresh: tuple[Tensor, ...], out: tuple[Tensor, ...], back: bool, late: int) -> None:
    """Compute out_t = keep_t out_(t-1) + fresh_t in place; with `late` the factor is keep_(t-1)."""
    order = range(len(out) - 1, -1, -1) if back else range(len(out))
    before = -1
    for t in order:
        if before < 0:
            out[t].copy_(fresh[t])
        else:
            torch.addcmul(fresh[t], keep[before if late else t], out[before], out=out[t])
        before = t


class _Layer(nn.Module):
    """Reduction layer: sentences and questions (T, N, width) to the change of the questions (T, N, width)."""

    def __init__(self, width: int, gates: int, directions: int) -> None:
        super().__init__()
        self.gates, self.directions = gates, directions
        self.match = nn.Linear(width, 2 * gates * directions)
        self.both = nn.Linear(2 * width, 2 * gates * directions)
        self.fresh = nn.Linear(2 * width, width)

    def open_gates(self, sentences: Tensor, questions: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
        """Compute update and reset gates (directions, T, N, gates), the update closed where there is no sentence."""
        pairs = torch.cat((sentences, questions), 2)
        open_gates = torch.sigmoid(self.match(sentences * questions) + self.both(pairs))
        update, reset = open_gates.view(*open_gates.shape[:2], 2, self.directions, self.gates).permute(2, 3, 0, 1, 4)
        return update * used[:, :, None], reset

    def forward(self, sentences: Tensor, questions: Tensor, used: Tensor) -> Tensor:
        update, reset = self.open_gates(sentences, questions, used)
        fresh = torch.tanh(self.fresh(torch.cat((sentences, questions), 2)))
        blocks = fresh.view(*fresh.shape[:2], self.gates, -1)
        out = torch.zeros_like(fresh)
        for direction, (new, reset_here) in enumerate(zip(update, reset, strict=True)):
            keep = (1 - new)[..., None].expand_as(blocks).flatten(2)
            out = out + _Scan.apply(keep, ((new * reset_here)[..., None] * blocks).flatten(2), direction == 1)
        return out


class QueryReduction(Reader):
    """Query reduction: stories (N, sentences + 1, length) to last and first question, features (N, 2 width)."""

    def __init__(self, text: TextShape, width: int, layers: int, gates: int, shared: bool) -> None:
        super().__init__()
        if width % gates:
            raise StudyError(f"encoder 'qrn': width {width} is no multiple of gates {gates}")
        self.dim = 2 * width
        self.sentences = Sentences(text.vocabulary.rows, text.length, width)
        self.question = nn.Parameter(1 + 0.1 * torch.randn(width))
        distinct = [_Layer(width, gates, 1 if not shared and i == layers - 1 else 2) for i in range(layers)]
        self.layers = nn.ModuleList(distinct[:1] if shared else distinct)
        self._passes = layers // len(self.layers)

    def _vectors(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode sentences (T, N, width), a mask of those present (T, N), and questions (N, width)."""
        vectors, used = self.sentences.stories(tokens)
        return vectors[:-1], used[:-1].to(vectors.dtype), vectors[-1] * self.question

    def _stack(self) -> list[_Layer]:
        """Return the layers in the order of use, a shared one as often as it is used."""
        return [cast(_Layer, layer) for layer in self.layers] * self._passes

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute features (N, 2 width)."""
        sentences, used, question = self._vectors(tokens)
        questions = question.expand_as(sentences)
        for layer in self._stack():
            questions = questions + layer(sentences, questions, used)
        return torch.cat((questions[-1], question), 1)

    def attention(self, tokens: Tensor) -> Tensor:
        """Compute each sentence's share of what the layers wrote into the last question: (N, sentences)."""
        sentences, used, question = self._vectors(tokens)
        questions = question.expand_as(sentences)
        total = torch.zeros_like(used)
        for layer in self._stack():
            update, reset = layer.open_gates(sentences, questions, used)
            left = torch.cat((1 - update[0], torch.ones_like(update[0][:1])))[1:].flip(0).cumprod(0).flip(0)
            total = total + (left * update[0] * reset[0]).mean(2)
            questions = questions + layer(sentences, questions, used)
        weights = (total / total.sum(0).clamp(min=1e-9)).T
        return F.pad(weights, (tokens.shape[1] - 1 - weights.shape[1], 0))


def build(options: Mapping[str, OptionValue], text: TextShape) -> Encoder:
    """Build a query-reduction network for a task's text.

    With the option `shared` all layers share weights; `vectors` is a file of pretrained word vectors.
    """
    width, layers, gates = (int(options[name]) for name in ("width", "layers", "gates"))
    network = QueryReduction(text, width, layers, gates, bool(options["shared"]))
    start_from(network.sentences.words.weight, text, str(options["vectors"]))
    return network
