"""Universal transformer over the sentences of a story (Dehghani et al. 2019, arXiv 1807.03819).

Every sentence, and the question as the last, is one vector; a layer lets each take something from the others by
attention and rewrites it, and the same layer is used again and again. The question's last state is the features.

Attention starts as a search by content: queries and keys have equal weights at first, so sentences with words in common
find each other, and no sentence attends to itself, which would be its best match. On the induction of bAbI's task 16
training stayed at guessing the colour told last without either, and with both does so from some starts.

Where this departs from the paper: depth is fixed, without halting; positions are learned, counted back from the
question, and added once, in place of fixed ones of place and step that are added before every layer; normalisation
comes before a layer's parts; sentences are encoded as for the query-reduction network (`readers`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import StudyError
from labeleff.plugins.encoders.interface import Encoder, Reader, start_from
from labeleff.plugins.encoders.readers import Dropout, Sentences
from labeleff.training.vocabulary import TextShape

SHARPNESS = 2.0
"""Factor on the initial query and key weights of torch's linear layers, so that matches stand out from the start."""


class _Layer(nn.Module):
    """Transformer layer with the norm first: sentences (N, T, width) to the same shape."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_wide = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = Dropout(dropout)
        with torch.no_grad():
            self.key.weight.copy_(self.query.weight.mul_(SHARPNESS))
            self.key.bias.zero_()
            self.query.bias.zero_()

    def _split(self, values: Tensor) -> Tensor:
        return values.view(*values.shape[:2], self.heads, -1).transpose(1, 2)

    def weights(self, sentences: Tensor, others: Tensor) -> Tensor:
        """Compute how much each sentence takes of the others, the mean of the heads: (N, T, T), rows with sum 1."""
        normed = self.norm(sentences)
        queries, keys = self._split(self.query(normed)), self._split(self.key(normed))
        scores = queries @ keys.mT / queries.shape[-1] ** 0.5
        return torch.softmax(scores.masked_fill(~others, -torch.inf), 3).mean(1)

    def forward(self, sentences: Tensor, others: Tensor) -> Tensor:
        """Rewrite sentences (N, T, width), each by those that `others` (N, 1, T, T) lets it see."""
        normed = self.norm(sentences)
        queries, keys, values = (self._split(part(normed)) for part in (self.query, self.key, self.value))
        taken = F.scaled_dot_product_attention(queries, keys, values, attn_mask=others)
        sentences = sentences + self.dropout(self.out(taken.transpose(1, 2).flatten(2)))
        wide = self.dropout(F.gelu(self.wide(self.norm_wide(sentences))))
        rewritten: Tensor = sentences + self.dropout(self.narrow(wide))
        return rewritten


class UniversalTransformer(Reader):
    """Universal transformer: stories (N, sentences + 1, length) to features (N, width)."""

    def __init__(self, text: TextShape, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise StudyError(f"encoder 'universal_transformer': width {width} is no multiple of heads {heads}")
        self.dim, self.layers = width, layers
        self.sentences = Sentences(text.vocabulary.rows, text.length, width)
        self.norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.place = nn.Parameter(0.1 * torch.randn(text.sentences + 1, width))
        self.layer = _Layer(width, heads, dropout)

    def _start(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encode stories to sentences with their places (N, T, width), and whom each may see (N, 1, T, T)."""
        vectors, present = self.sentences.stories(tokens)
        back = torch.arange(len(vectors) - 1, -1, -1, device=tokens.device).clamp(max=len(self.place) - 1)
        itself = torch.eye(len(vectors), dtype=torch.bool, device=tokens.device)
        others = present.T[:, None, None] & ~itself
        alone = ~others.any(3, keepdim=True)
        return self.norm(vectors).transpose(0, 1) + self.place[back], others | (alone & itself)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute features (N, width)."""
        sentences, others = self._start(tokens)
        for _ in range(self.layers):
            sentences = self.layer(sentences, others)
        features: Tensor = self.last_norm(sentences[:, -1])
        return features

    def attention(self, tokens: Tensor) -> Tensor:
        """Compute the weight of each sentence in the question's last state, (N, sentences), by attention rollout.

        Every layer counts half for what it keeps and half for what it takes (Abnar & Zuidema 2020, section 3).
        """
        sentences, others = self._start(tokens)
        share = F.one_hot(torch.tensor(sentences.shape[1] - 1), sentences.shape[1]).to(sentences)
        flows = []
        for _ in range(self.layers):
            flows.append(self.layer.weights(sentences, others))
            sentences = self.layer(sentences, others)
        shares = share.expand(len(tokens), 1, -1)
        for flow in reversed(flows):
            shares = (shares + shares @ flow) / 2
        weights = shares[:, 0, :-1] * others[:, 0, -1, :-1]
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
        return F.pad(weights, (tokens.shape[1] - 1 - weights.shape[1], 0))


def build(options: Mapping[str, OptionValue], text: TextShape) -> Encoder:
    """Build a universal transformer for a task's text; `vectors` is a file of pretrained word vectors."""
    width, layers, heads = (int(options[name]) for name in ("width", "layers", "heads"))
    network = UniversalTransformer(text, width, layers, heads, float(options["dropout"]))
    start_from(network.sentences.words.weight, text, str(options["vectors"]))
    return network
