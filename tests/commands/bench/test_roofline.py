"""Operations counted as by hand, and rates as operations over time."""

import pytest
import torch

from labeleff.catalogue.lookup import complete
from labeleff.commands.bench import roofline
from labeleff.training.device import Compute

CPU = Compute(torch.device("cpu"), "fp32")


def test_operations_of_a_product():
    one, other = torch.randn(3, 5), torch.randn(5, 7)
    assert roofline.operations(lambda: one @ other) == 2 * 3 * 5 * 7


def test_a_rate_is_operations_over_the_fastest_reading(monkeypatch):
    """Timings of 2, 1 and 4 seconds: the second counts."""
    clock = iter([0.0, 2.0, 2.0, 3.0, 3.0, 7.0])
    monkeypatch.setattr(roofline, "now", lambda _: next(clock))
    one = torch.randn(10, 10)
    assert roofline.best_rate(lambda: one @ one, 2000, CPU.device, repeats=3) == 2000


def test_mobilenet_v2_costs_what_its_layers_say():
    """6,124,928 multiply-adds forward with the head; backward twice that except for the first layer."""
    training, forward = roofline.example_operations(complete("encoder", "mobilenet_v2", {}), 2)
    assert forward == 2 * 6_124_928
    stem = 16 * 16 * 32 * 27
    assert training == 2 * (3 * 6_124_928 - stem)


def test_the_largest_convolution_of_resnet9():
    found = roofline.largest_convolution(complete("encoder", "resnet9", {"width": 0.125}), 4, CPU)
    assert found.shape == "8 to 16 channels, 3x3 on 32x32, batch 4"
    assert found.rate > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_product_is_in_the_precision_asked_for(precision, monkeypatch):
    seen = []
    monkeypatch.setattr(roofline, "SIZES", {"cpu": 8})
    monkeypatch.setattr(roofline, "best_rate", lambda call, *_: seen.append(call().dtype) or 1.0)
    roofline.product_rate.__wrapped__(Compute(torch.device("cpu"), precision))
    assert seen == [torch.bfloat16 if precision == "bf16" else torch.float32]
