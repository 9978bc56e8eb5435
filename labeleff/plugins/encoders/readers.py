"""Parts of readers: sentences as vectors, each encoded one time per batch, and dropout with a private generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.training.vocabulary import PAD


class Sentences(nn.Module):
    """Sentence encoder: word numbers (M, length) to vectors (M, width)."""

    def __init__(self, rows: int, length: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(rows, width, padding_idx=PAD)
        nn.init.normal_(self.words.weight, 0, 0.1)
        with torch.no_grad():
            self.words.weight[PAD] = 0
        self.near = nn.Linear(3 * width, width)
        self.place = nn.Parameter(1 + 0.1 * torch.randn(length, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode sentences (M, length), words first, to vectors (M, width)."""
        words = self.words(tokens)
        wide = F.pad(words, (0, 0, 1, 1))
        near = torch.relu(self.near(torch.cat((wide[:, :-2], words, wide[:, 2:]), dim=2)))
        weighted: Tensor = (words + near * (tokens != PAD)[:, :, None]) * self.place
        return weighted.sum(1)

    def stories(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encode stories (N, sentences + 1, length) to vectors (T, N, width) and a mask of what is present (T, N).

        Sentences are encoded once however often they occur, and only as many as the longest story has; the question is
        the last.
        """
        present = (tokens[:, :, 0] != PAD).T
        longest = max(1, int(present[:-1].any(1).sum()))
        rows = tokens[:, -longest - 1 :].transpose(0, 1).reshape(-1, tokens.shape[2])
        distinct, which = _distinct(rows)
        vectors = self(distinct).index_select(0, which).view(longest + 1, len(tokens), -1)
        return vectors, present[-longest - 1 :]


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Find the distinct rows of (M, length), and for every row the number of its distinct row.

    Rows are distinguished by a 64-bit sum of products with powers of an odd constant; where two different ones agree in
    it (the odds are under one in 10**12 for a batch), all rows are returned as they are.
    """
    factors = [pow(0x5851F42D4C957F2D, place, 2**63) for place in range(1, rows.shape[1] + 1)]
    keys = (rows * torch.tensor(factors, device=rows.device)).sum(1)
    distinct, which = torch.unique(keys, return_inverse=True)
    first = torch.zeros_like(distinct).scatter_(0, which, torch.arange(len(rows), device=rows.device))
    candidates = rows[first]
    if torch.equal(candidates[which], rows):
        return candidates, which
    return rows, torch.arange(len(rows), device=rows.device)


class Dropout(nn.Module):
    """Dropout of a share of values, 0 to under 1 in steps of 1 / 256, with a private generator.

    It is seeded as weights are that are made beside it, so a cell's numbers don't depend on what ran before.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self._bytes = round(256 * share)
        self._seed = int(torch.randint(2**62, ()))
        self._generator: torch.Generator | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Drop values and scale the others up while training; else return them as they are."""
        if not self.training or not self._bytes:
            return values
        if self._generator is None or self._generator.device != values.device:
            self._generator = torch.Generator(values.device).manual_seed(self._seed)
        words = torch.empty((values.numel() + 7) // 8, dtype=torch.int64, device=values.device)
        drawn = words.random_(-(2**63), None, generator=self._generator).view(torch.uint8)[: values.numel()]
        mask = (drawn.view(values.shape) >= self._bytes).to(values.dtype)
        return values * mask.mul_(256 / (256 - self._bytes))
