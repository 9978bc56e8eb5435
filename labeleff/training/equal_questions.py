"""Equal questions: those of the same story in the same words, as a reader gets both; counted, and held out together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.training.contents import numbered
from labeleff.training.hashed_random import order_in_runs


@dataclass(frozen=True)
class Questions:
    """Numbers of a task's training (N,) and test questions (M,), equal ones alike."""

    train: Tensor
    test: Tensor

    @staticmethod
    def of(train: Tensor, test: Tensor) -> Questions:
        """Number the questions of both splits by their stories."""
        return Questions(*numbered(train, test))

    def distinct(self, places: Tensor) -> int:
        """Count the questions at these places of the training split, equal ones once."""
        return len(torch.unique(self.train[places]))

    def unseen(self, places: Tensor) -> Tensor:
        """Mark the test questions that aren't among the training questions at these places: bool (M,)."""
        return ~torch.isin(self.test, self.train[places])


def hold_out_distinct(
    inputs: Tensor, labels: Tensor, share: float, stream: int, what: str, run: int
) -> tuple[Tensor, Tensor]:
    """Split stories with questions (N, ...) into sorted positions to train on and to hold out, equal ones together.

    Distinct questions are drawn as `hold_out` draws examples, in runs of `run` successive ones, while all that equal
    them fit into the share. One is passed over where training would lose an answer, unless the share can't be filled
    otherwise; of questions that are all repeated too often the rarest is held out. Raises PluginError, which begins
    with `what`, where nothing is left to train on.
    """
    return _hold_out(numbered(inputs)[0], labels, share, stream, what, run)


def hold_out_covering(labels: Tensor, share: float, stream: int, what: str) -> tuple[Tensor, Tensor]:
    """Split examples of classes (N,) into sorted positions to train on and to hold out, as `hold_out` does.

    One is passed over where training would lose a class, unless the share can't be filled otherwise. Raises
    PluginError, which begins with `what`, where nothing is left to train on.
    """
    return _hold_out(torch.arange(len(labels)), labels, share, stream, what, 1)


def _hold_out(number: Tensor, labels: Tensor, share: float, stream: int, what: str, run: int) -> tuple[Tensor, Tensor]:
    """Split examples whose `number` (N,), from 0 on, is that of those that stay together."""
    count, copies = len(number), number.bincount().tolist()
    size = max(1, round(share * count))
    if size >= count or len(copies) < 2:
        found = f"{count if size < count else size} of {count} labels would be set aside"
        equal = ", as all are of one question" if size < count else ""
        raise PluginError(f"{what}: {found}{equal}; nothing is left to train on")
    answers: list[set[int]] = [set() for _ in copies]
    for question, label in zip(number.tolist(), labels.tolist(), strict=True):
        answers[question].add(label)
    order = order_in_runs(len(copies), stream, run).tolist()
    held = _chosen(order, copies, answers, size) or {min(order, key=lambda one: copies[one])}
    out = torch.isin(number, torch.tensor(sorted(held)))
    return (~out).nonzero().flatten(), out.nonzero().flatten()


def _chosen(order: Iterable[int], copies: list[int], answers: list[set[int]], size: int) -> set[int]:
    """Choose distinct questions in their order, of `size` labels with their copies at most."""
    order, held, room = list(order), set[int](), size
    left = Counter(answer for each in answers for answer in each)
    for keep_answers in (True, False):
        for one in order:
            fits = copies[one] <= room and one not in held
            if fits and not (keep_answers and any(left[answer] == 1 for answer in answers[one])):
                held.add(one)
                room -= copies[one]
                left.subtract(answers[one])
    return held
