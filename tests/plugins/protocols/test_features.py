from dataclasses import replace

import pytest
import torch

from labeleff.plugins.protocols import features
from labeleff.plugins.protocols.interface import LabelledFeatures


def problems(*sizes, dim=3):
    return [LabelledFeatures(torch.randn(n, dim), torch.zeros(n, dtype=torch.int64), 2) for n in sizes]


def test_problems_of_like_size_are_solved_together():
    assert list(features.groups(problems(10, 100, 11, 41, 40))) == [[0, 2, 4], [3, 1]]
    assert list(features.groups([])) == []


@pytest.mark.parametrize(("device", "bound"), [("cpu", "CACHED"), ("meta", "LARGEST")])
def test_a_batch_never_outgrows_its_bound_but_for_a_single_problem(device, bound, monkeypatch):
    monkeypatch.setattr(features, bound, int(3.5 * (10 + 3) * 3))
    given = [replace(one, features=one.features.to(device)) for one in problems(10, 10, 10, 10, 50)]
    assert list(features.groups(given)) == [[0, 1, 2], [3], [4]]


def test_padding_is_zero_and_the_constant_comes_last():
    batch = features.padded(problems(4, 6))
    assert batch.shape == (2, 6, 4)
    assert batch[0, :4, 3].tolist() == [1] * 4
    assert batch[0, 4:].abs().sum() == 0
    assert features.decay(3, 6.0, batch.device)[:, 0].tolist() == pytest.approx([0.5, 0.5, 0.5, features.FREE])
