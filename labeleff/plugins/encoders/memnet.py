"""Memory network of the Keras examples (`babi_memnn`, after Sukhbaatar et al. 2015).

Layers start as by Keras's defaults. Story and question are single strings of words, padded on the left; padding has a
learned embedding. The story's embedding (64) is matched with the question's by dot product, softmax over the question's
positions; a second embedding of the story, as wide as the question is long, is added; the sum is turned over, joined to
the question's embedding, and an LSTM of 32 runs over the question's positions. Dropout 0.3 follows every embedding and
the LSTM. The original's last layer scores every word of the vocabulary, and so does `head`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.interface import Encoder, Reader, initial_weights, start_from
from labeleff.plugins.encoders.readers import Dropout
from labeleff.training.vocabulary import PAD, TextShape

WIDTH, UNITS = 64, 32
DROPPED = 0.3


def _table(rows: int, width: int) -> nn.Parameter:
    """Create an embedding (rows, width) as Keras does: uniform in (-0.05, 0.05)."""
    return nn.Parameter(torch.empty(rows, width).uniform_(-0.05, 0.05))


class _LSTM(nn.Module):
    """An LSTM's last state (N, units), as Keras starts it: glorot, orthogonal, and 1 for the forget gate's one bias."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(nn.init.xavier_uniform_(torch.empty(4 * units, inputs)))
        self.recurrent = nn.Parameter(nn.init.orthogonal_(torch.empty(units, 4 * units)).T.contiguous())
        self.bias = nn.Parameter(torch.zeros(4 * units))
        with torch.no_grad():
            self.bias[units : 2 * units] = 1.0

    def forward(self, values: Tensor) -> Tensor:
        """Compute the last state (N, units) of values (N, T, inputs)."""
        start = values.new_zeros(1, len(values), self.recurrent.shape[1])
        weights = (self.kernel, self.recurrent, self.bias, torch.zeros_like(self.bias))
        _, state, _ = torch.lstm(values, (start, start), weights, True, 1, 0.0, self.training, False, True)
        return state[0]


class MemoryNetwork(Reader):
    """Memory network: stories (N, sentences + 1, length) to features (N, 32)."""

    dim = UNITS

    def __init__(self, text: TextShape) -> None:
        super().__init__()
        self._story, self._question = text.story_words, text.question_words
        self.rows = text.vocabulary.rows
        self.story = _table(self.rows, WIDTH)
        self.answer = _table(self.rows, self._question)
        self.question = _table(self.rows, WIDTH)
        self.lstm = _LSTM(self._story + WIDTH, UNITS)
        self.dropout = Dropout(DROPPED)

    def _flat(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Flatten to words of story (N, story_words) and question (N, question_words), padded on the left."""
        story, question = tokens[:, :-1].flatten(1), tokens[:, -1]
        return _to_the_right(story, self._story), _to_the_right(question, self._question)

    def _match(self, story: Tensor, question: Tensor) -> Tensor:
        """Match each story word with the question's positions by softmax: (N, story_words, question_words)."""
        words = self.dropout(F.embedding(story, self.story))
        return torch.softmax(words @ question.mT, dim=2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Compute features (N, 32)."""
        story, question_words = self._flat(tokens)
        question = self.dropout(F.embedding(question_words, self.question))
        response = self._match(story, question) + self.dropout(F.embedding(story, self.answer))
        return self.dropout(self.lstm(torch.cat((response.mT, question), dim=2)))  # type: ignore[no-any-return]

    def attention(self, tokens: Tensor) -> Tensor:
        """Compute how sharply every sentence's words pick a word of the question: (N, sentences)."""
        story, question_words = self._flat(tokens)
        sharp = self._match(story, F.embedding(question_words, self.question)).amax(2) - 1 / self._question
        used = tokens[:, :-1] != PAD
        sharp = sharp.masked_fill(story == PAD, 0.0).clamp(min=0.0)
        numbers = torch.arange(used.shape[1], device=tokens.device)[None, :, None].expand_as(used)
        which = _to_the_right(torch.where(used, numbers + 1, PAD).flatten(1), self._story)
        total = torch.zeros(len(tokens), used.shape[1] + 1, device=tokens.device).scatter_add_(1, which, sharp)[:, 1:]
        return total / total.sum(1, keepdim=True).clamp(min=1e-9)

    def head(self, outputs: int, seed: int) -> nn.Module:
        """Create a dense layer over the vocabulary as Keras does: glorot weights and zero biases."""
        layer = nn.Linear(self.dim, max(outputs, self.rows - 1))
        with initial_weights(seed):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer


def _to_the_right(numbers: Tensor, width: int) -> Tensor:
    """Move everything except padding to the right end of rows (N, W), in its order, and cut to `width`."""
    order = torch.sort((numbers != PAD).to(torch.int8), dim=1, stable=True).indices
    return numbers.gather(1, order)[:, -width:]


def build(options: Mapping[str, OptionValue], text: TextShape) -> Encoder:
    """Build a memory network for a task's text; option `vectors`, a file of pretrained word vectors to start from."""
    network = MemoryNetwork(text)
    for table in (network.story, network.question):
        start_from(table, text, str(options["vectors"]))
    return network
