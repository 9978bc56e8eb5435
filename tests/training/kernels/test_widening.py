import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.training.kernels import matrix_products, widening
from labeleff.training.kernels.rewrite import rewrite
from labeleff.training.kernels.widening import WideningConvNormReLU6, widens


def block(inside, outside, *, momentum=0.1, eps=1e-5):
    """The three layers, with numbers that none of them starts with."""
    layers = nn.Sequential(
        nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside, eps=eps, momentum=momentum), nn.ReLU6()
    )
    with torch.no_grad():
        layers[1].weight.uniform_(-2, 6)
        layers[1].bias.uniform_(-1, 3)
        layers[1].running_mean.uniform_(-1, 1)
        layers[1].running_var.uniform_(0.5, 2)
    return layers


def both(layers, images):
    """Output, gradients and statistics of the layers as they are, and of a copy that is computed as one."""
    as_one = copy.deepcopy(layers)
    as_one.__class__ = WideningConvNormReLU6
    found = []
    for net in (layers, as_one):
        seen = images.clone().requires_grad_()
        output = net(seen)
        gradients = torch.autograd.grad(output.sin().sum(), (seen, *net.parameters()))
        found.append((output.detach(), *gradients, net[1].running_mean, net[1].running_var))
    return found


@given(
    st.integers(1, 4), st.integers(2, 3), st.integers(1, 3), st.integers(1, 5), st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(0, 10**6),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_three_layers_as_one_are_the_three_layers(inside, wider, images, side, momentum, seed):
    """With few pixels, where variances of several channels are 0, too."""
    torch.manual_seed(seed)
    layers = block(inside, wider * inside, momentum=momentum).double()
    rows = torch.randn(images, inside, side, side + 1, dtype=torch.double) * 3 + 5
    rows = rows.to(memory_format=torch.channels_last)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(widening, "ROWS", 0)
        one, other = both(layers, rows)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_derivatives_are_those_of_differences():
    shapes = ((12, 3), (7, 3), (7,), (7,))
    given = [torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lambda *g: widening._Widen.apply(*g, 1e-3)[0], given)


def test_in_float32_it_is_as_near_to_the_truth_as_the_layers():
    """Far from zero, where variances from sums of squares would cancel."""
    torch.manual_seed(0)
    layers = block(6, 36)
    images = (torch.randn(32, 6, 4, 4) + 30).to(memory_format=torch.channels_last)
    truth, _ = both(copy.deepcopy(layers).double(), images.double())
    apart, as_one = both(layers, images)
    for exact, one, other in zip(truth, apart, as_one, strict=True):
        errors = [float((found.double() - exact).norm() / exact.norm()) for found in (one, other)]
        assert errors[1] <= max(3 * errors[0], 1e-6)


def test_what_is_no_number_is_handed_on():
    layers = block(2, 4)
    layers.__class__ = WideningConvNormReLU6
    images = torch.randn(16, 2, 4, 4)
    images[3, 1, 2, 2] = math.nan
    assert layers(images).isnan().all()


def test_frozen_inputs_cost_no_product(monkeypatch):
    layers = block(2, 4)
    layers.__class__ = WideningConvNormReLU6
    output = layers(torch.randn(16, 2, 4, 4))
    real, asked = matrix_products.product, []
    monkeypatch.setattr(widening, "product", lambda *given: asked.append(1) or real(*given))
    output.sum().backward()
    assert len(asked) == 1
    assert layers[0].weight.grad is not None


@pytest.mark.parametrize("case", ["eval", "few pixels", "one of many", "autocast"])
def test_elsewhere_the_layers_are_called_one_after_another(case, monkeypatch):
    monkeypatch.setattr(widening._Widen, "apply", None)
    layers = block(8, 16)
    layers.__class__ = WideningConvNormReLU6
    layers.alone = case != "one of many"
    layers.train(case != "eval")
    images = torch.randn(4, 8, 2, 2) if case == "few pixels" else torch.randn(32, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        assert layers(images).shape[1] == 16


def test_which_sequences_are_meant():
    assert widens(block(3, 6))
    narrow, strided, offset, other = block(3, 5), block(3, 6), block(3, 6), block(3, 6)
    strided[0].stride = (2, 2)
    offset[0] = nn.Conv2d(3, 6, 1)
    other[2] = nn.ReLU()
    bare = nn.Sequential(nn.Conv2d(3, 6, 1, bias=False), nn.BatchNorm2d(6, affine=False), nn.ReLU6())
    for layers in (narrow, strided, offset, other, bare, bare[:2], bare[0]):
        assert not widens(layers)


def test_mobilenet_has_them_where_it_is_computed_by_itself():
    network = build_encoder(Spec(name="mobilenet_v2", options={"stem": "imagenet"}), 0)
    names = list(network.state_dict())
    rewrite(network)
    found = [layer for layer in network.modules() if isinstance(layer, WideningConvNormReLU6)]
    assert len(found) == 17
    assert list(network.state_dict()) == names
    rewrite(network, alone=False)
    assert not any(layer.alone for layer in found)
