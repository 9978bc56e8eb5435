"""InfoNCE against plain Python, and the negatives that may not count."""

import math

import pytest
import torch
from support.slow_losses import slow_info_nce

from labeleff.plugins.pretexts.contrastive import info_nce, others, own_column, whole_blocks
from labeleff.training.images import Normalisation, ResidentImages


def example(count=7, columns=7, seed=0):
    return torch.randn(count, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_plain_python_one():
    scores, samples = 3 * example(), torch.tensor([0, 1, 2, 1, 3, 0, 5])
    counts, labels = own_column(samples), torch.arange(7)
    loss, correct = info_nce(scores, counts, labels)
    assert float(loss) == pytest.approx(slow_info_nce(scores.tolist(), counts.tolist(), labels.tolist()))
    assert int(correct) == int((scores.masked_fill(~counts, -99).argmax(1) == labels).sum())


def test_another_copy_of_an_image_is_no_negative():
    samples = torch.tensor([4, 9, 4])
    assert own_column(samples).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    assert others(samples).tolist() == [[False, True, False], [True, False, True], [False, True, False]]
    scores = torch.zeros(3, 3)
    loss, _ = info_nce(scores, own_column(samples), torch.arange(3))
    assert float(loss) == pytest.approx((math.log(2) + math.log(3) + math.log(2)) / 3)


def test_it_knows_its_bounds():
    alike = torch.zeros(8, 8)
    every = torch.ones(8, 8, dtype=torch.bool)
    assert float(info_nce(alike, every, torch.arange(8))[0]) == pytest.approx(math.log(8))
    loss, correct = info_nce(100 * torch.eye(8), every, torch.arange(8))
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert int(correct) == 8


def test_a_shift_of_a_row_and_the_order_are_no_matter():
    scores, every, labels = example(), torch.ones(7, 7, dtype=torch.bool), torch.arange(7)
    expected = info_nce(scores, every, labels)[0]
    torch.testing.assert_close(info_nce(scores + torch.arange(7.0)[:, None], every, labels)[0], expected)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(info_nce(scores[order][:, order], every, labels)[0], expected)


def test_blocks_are_whole():
    images = torch.zeros(10, 8, 8, 3, dtype=torch.uint8)
    resident = ResidentImages(images, Normalisation.of(images), torch.device("cpu"))

    def sizes(size):
        return [batch.samples.tolist() for batch in whole_blocks(resident, size, torch.device("cpu"))]

    assert sizes(4) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert sizes(99) == [list(range(10))]
