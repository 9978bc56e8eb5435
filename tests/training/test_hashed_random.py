import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labeleff.training import hashed_random as counting
from labeleff.training.hashed_random import below, hash32, normal, order, permutations, uniform

CPU = torch.device("cpu")


def reference_hash(seed: int, *counters: int) -> int:
    """The same function in Python's integers, written from its description."""

    def mix(h: int) -> int:
        h ^= h >> 16
        h = h * 0x7FEB352D % 2**32
        h ^= h >> 15
        h = h * 0x846CA68B % 2**32
        return h ^ h >> 16

    h = mix(seed % 2**32)
    h = mix((seed // 2**32 + h) % 2**32)
    for counter in counters:
        h = mix((h + 0x9E3779B9 + counter) % 2**32)
    return h


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**40), min_size=1, max_size=4))
def test_hash_equals_python_integers(seed, counters):
    assert int(hash32(seed, *(torch.tensor(c) for c in counters))) == reference_hash(seed, *counters)


def test_hash_broadcasts_and_stays_in_32_bits():
    h = hash32(7, torch.arange(5)[:, None], torch.arange(3)[None, :])
    assert h.shape == (5, 3)
    assert h.dtype == torch.int64
    assert 0 <= int(h.min()) <= int(h.max()) < 2**32


def test_bits_of_consecutive_counters_are_balanced_and_uncorrelated():
    h = hash32(11, torch.arange(100_000))
    bits = ((h[:, None] >> torch.arange(32)) & 1).double()
    assert (bits.mean(0) - 0.5).abs().max() < 0.01
    correlation = torch.corrcoef(bits.T) - torch.eye(32, dtype=torch.double)
    assert correlation.abs().max() < 0.02


def test_below_uniform_and_normal_have_their_distributions():
    h, g = hash32(1, torch.arange(200_000)), hash32(2, torch.arange(200_000))
    assert (torch.bincount(below(h, 9), minlength=9) / 200_000 - 1 / 9).abs().max() < 0.004
    assert uniform(h).min() > 0
    assert uniform(h).max() < 1
    z = normal(h, g)
    assert abs(float(z.mean())) < 0.01
    assert abs(float(z.std()) - 1) < 0.01
    assert abs(float((z.abs() < 1.645).double().mean()) - 0.9) < 0.005


def test_permutations_are_permutations_and_differ_between_epochs():
    table = permutations(3, torch.arange(4), 50)
    assert all(sorted(row.tolist()) == list(range(50)) for row in table)
    assert len({tuple(row.tolist()) for row in table}) == 4


@settings(max_examples=40)
@given(st.integers(1, 70), st.integers(0, 300), st.integers(1, 200))
def test_order_is_cut_from_concatenated_permutations(n, start, count):
    """Any stretch equals the same stretch of the whole: no state, no partial batch, no hole for n < batch."""
    whole, epochs = order(5, n, 0, start + count, CPU)
    part, part_epochs = order(5, n, start, count, CPU)
    assert torch.equal(whole[start:], part)
    assert torch.equal(epochs[start:], part_epochs)
    assert torch.equal(epochs, torch.arange(start + count) // n)
    for epoch in range((start + count) // n):
        assert np.array_equal(np.sort(whole[epoch * n : (epoch + 1) * n].numpy()), np.arange(n))


def test_an_epoch_in_pieces_is_sorted_once(monkeypatch):
    """Else the order of an epoch would cost its length squared."""
    asked = []

    def counted(seed, epochs, n):
        asked.append(epochs.tolist())
        return permutations(seed, epochs, n)

    counting._permutation.cache_clear()
    monkeypatch.setattr(counting, "permutations", counted)
    pieces = [order(8, 100, start, 30, CPU) for start in range(0, 210, 30)]
    assert asked == [[0], [1], [2]]
    samples, epochs = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    assert torch.equal(samples, permutations(8, torch.arange(3), 100).flatten()[:210])
    assert torch.equal(epochs, torch.arange(3).repeat_interleave(100)[:210])
    assert torch.equal(order(8, 100, 0, 210, CPU)[0], samples)
