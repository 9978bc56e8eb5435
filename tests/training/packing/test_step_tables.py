"""Tables of the next steps: what each slot is given, step by step, is what its training draws alone."""

import torch
from support import packed_trainings

from labeleff.training.packing.lockstep import CHUNK, StepTables


def states(*steps):
    return [packed_trainings.ready("odd", seed, count, n=7).member(seed).state for seed, count in enumerate(steps)]


def test_every_slot_is_given_its_own_examples_and_rates():
    both = states(5, 3)
    tables = StepTables(2, 8, packed_trainings.EXACT)
    assert [tables.fill(slot, state) for slot, state in enumerate(both)] == [5, 3]
    for at in range(3):
        samples, epochs, rates = tables.present()
        if at == 0:
            assert all(torch.equal(*pair) for pair in zip(tables.first(), (samples, epochs), strict=True))
        for slot, state in enumerate(both):
            expected = state.order(at, 1, torch.device("cpu"))
            assert torch.equal(samples[slot], expected[0])
            assert torch.equal(epochs[slot], expected[1])
            assert float(rates[slot]) == state.rates[at]
        tables.at += 1


def test_a_table_filled_again_goes_on_where_the_training_stands():
    [state] = states(CHUNK + 6)
    tables = StepTables(1, 8, packed_trainings.EXACT)
    assert tables.fill(0, state) == CHUNK
    state.done = CHUNK
    tables.at += CHUNK
    assert tables.fill(0, state) == 6
    assert int(tables.at) == 0
    samples, epochs, rates = tables.present()
    assert torch.equal(samples[0], state.order(CHUNK, 1, torch.device("cpu"))[0])
    assert torch.equal(epochs[0], state.order(CHUNK, 1, torch.device("cpu"))[1])
    assert float(rates) == state.rates[CHUNK]
