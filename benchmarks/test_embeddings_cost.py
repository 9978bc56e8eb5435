"""What probes of stored features cost in products and memory: equal on every machine, or a ratio of the features."""

import pytest
import torch
from support.operation_counts import Dispatched

from labeleff.plugins.protocols import knn, linear
from labeleff.plugins.protocols.interface import SelectedFeatures
from labeleff.training.device import give_back, peak_memory, reset_peak_memory

ITEMS, DIM, CLASSES, DRAWS, RUNGS = 6000, 768, 20, 5, (100, 300, 1000, 3000, 6000)
GROWTH = {"knn": 2.0, "linear": 4.5}
"""Most memory that probing takes beyond the features, as a multiple of them; copies per problem would take 8.7 more."""
OPTIONS = {"knn": {"k": 20, "temperature": 0.07}, "linear": {"prior": 10.0}}


def problems():
    """Make the problems of several ladders on features that they share."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(ITEMS) % CLASSES
    source = torch.randn(ITEMS, DIM, generator=generator) + 0.3 * torch.randn(CLASSES, DIM, generator=generator)[labels]
    orders = [torch.randperm(ITEMS, generator=generator) for _ in range(DRAWS)]
    return source, [
        SelectedFeatures(source, rows, labels[rows], CLASSES)
        for order in orders
        for rows in (order[:n].sort().values for n in RUNGS)
    ]


def test_nearest_neighbours_of_all_problems_share_one_product_per_block():
    _, made = problems()
    fitted = knn.fit(made, OPTIONS["knn"])
    blocks = torch.randn(3, 128, DIM, generator=torch.Generator().manual_seed(1))
    with Dispatched() as counted:
        for block in blocks:
            for one in fitted:
                one.predictor(block)
    assert counted.names.count("aten::mm") == len(blocks)


@pytest.mark.parametrize("protocol", [knn, linear], ids=lambda module: module.__name__.rpartition(".")[2])
def test_problems_take_no_copies_of_their_features(protocol):
    name = protocol.__name__.rpartition(".")[2]
    source, made = problems()
    device, block = torch.device("cpu"), torch.randn(128, DIM)
    protocol.fit(made[len(RUNGS) - 1 : len(RUNGS)], OPTIONS[name])[0].predictor(block)  # libraries take their buffers
    give_back()
    if not reset_peak_memory(device):
        pytest.skip("this system has no peak of memory that can be reset")
    before = peak_memory(device)
    for one in protocol.fit(made, OPTIONS[name]):
        one.predictor(block)
    growth = (peak_memory(device) - before) / source.nbytes
    print(f"{name}: {growth:.2f} times the features")
    assert growth <= GROWTH[name]
