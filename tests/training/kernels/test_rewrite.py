import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.training.kernels import bf16, convolutions
from labeleff.training.kernels.convolutions import SmallDepthwiseConv2d, SmallMapConv2d
from labeleff.training.kernels.rewrite import rewrite


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_mobilenet_is_the_same_function_with_the_same_gradients(stem):
    plain = nn.Sequential(build_encoder(Spec(name="mobilenet_v2", options={"stem": stem}), 0), nn.Linear(1280, 10))
    plain = plain.double().to(memory_format=torch.channels_last)
    fast = rewrite(copy.deepcopy(plain))
    side = 32 if stem == "imagenet" else 16
    images = torch.randn(16, 3, side, side, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(16) % 10
    losses = []
    for net in (plain, fast):
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        losses.append(loss.detach())
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-12, atol=1e-12)
    whole = [torch.cat([p.grad.flatten() for p in net.parameters()]) for net in (plain, fast)]
    assert float((whole[0] - whole[1]).norm() / whole[0].norm()) < 1e-9


def test_state_dictionaries_are_interchangeable():
    plain = build_encoder(Spec(name="mobilenet_v2", options={"stem": "imagenet"}), 0)
    fast = rewrite(build_encoder(Spec(name="mobilenet_v2", options={"stem": "imagenet"}), 1))
    fast.load_state_dict(plain.state_dict())
    plain.load_state_dict(fast.state_dict())
    kinds = {type(m).__name__ for m in fast.modules()}
    assert {"PointwiseConv2d", "SmallDepthwiseConv2d", "UncountedBatchNorm2d"} <= kinds


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 2), (2, 1)])
@pytest.mark.parametrize("stride", [1, 2])
def test_small_depthwise_equals_convolution(size, stride):
    conv = nn.Conv2d(6, 6, 3, stride=stride, padding=1, groups=6, bias=False).double()
    images = torch.randn(5, 6, *size, dtype=torch.double).to(memory_format=torch.channels_last).requires_grad_()
    found = []
    for kind in (nn.Conv2d, SmallDepthwiseConv2d):
        conv.__class__ = kind
        output = conv(images)
        found.append((output, *torch.autograd.grad(output.sin().sum(), (images, conv.weight))))
    torch.testing.assert_close(*found)


def test_small_depthwise_has_the_right_derivatives():
    pixels, kernel = (torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in ((3, 4, 2), (9, 2)))
    table = convolutions._taps(2, 2, 1)
    assert torch.autograd.gradcheck(lambda p, k: convolutions._FewTaps.apply(p, k, table), (pixels, kernel))


def test_small_depthwise_under_vmap_is_a_loop():
    images, weights = torch.randn(3, 5, 6, 2, 2), torch.randn(3, 6, 1, 3, 3)
    conv = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
    conv.__class__ = SmallDepthwiseConv2d

    def one(weight, images):
        return functional_call(conv, {"weight": weight}, (images,))

    apart = torch.stack([one(*both) for both in zip(weights, images, strict=True)])
    torch.testing.assert_close(torch.vmap(one)(weights, images), apart)


@pytest.mark.parametrize("size", [(4, 4), (1, 1), (2, 5)])
def test_kernels_by_products_have_the_gradients_of_a_convolution(size):
    made = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 5, *size, dtype=torch.double, generator=made).requires_grad_()
    kernels = torch.randn(7, 5, 3, 3, dtype=torch.double, generator=made).requires_grad_()
    found = []
    for convolve in (lambda m, k: F.conv2d(m, k, padding=1), convolutions._KernelsByProduct.apply):
        output = convolve(maps, kernels)
        found.append((output, *torch.autograd.grad(output.sin().sum(), (maps, kernels))))
    torch.testing.assert_close(*found)


def test_small_maps_of_bfloat16_learn_by_products_where_there_are_tiles(monkeypatch):
    monkeypatch.setattr(bf16, "has_tiles", lambda: True)
    asked = []
    products = convolutions._KernelsByProduct
    monkeypatch.setattr(
        convolutions,
        "_KernelsByProduct",
        type("Counted", (), {"apply": staticmethod(lambda *of: asked.append(of[0].shape) or products.apply(*of))}),
    )
    plain = nn.Conv2d(8, 6, 3, padding=1, bias=False)
    fast = rewrite(copy.deepcopy(nn.Sequential(plain)))[0]
    assert isinstance(fast, SmallMapConv2d)
    maps, gradients = torch.randn(5, 8, 4, 4, generator=torch.Generator().manual_seed(3)), []
    for conv in (plain, fast):
        with torch.autocast("cpu", torch.bfloat16):
            output = conv(maps)
        assert output.dtype == torch.bfloat16
        output.float().sin().sum().backward()
        gradients.append(conv.weight.grad)
    torch.testing.assert_close(*gradients, rtol=0.02, atol=0.05)
    assert asked == [maps.shape]
    fast(maps)  # float32
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        fast(maps)
    with torch.autocast("cpu", torch.bfloat16):
        fast(torch.randn(1, 8, 5, 4))
    assert asked == [maps.shape]
    others = ({"stride": 2, "padding": 1}, {"groups": 2, "padding": 1}, {}, {"padding": 2, "dilation": 2})
    for options in others:
        assert type(rewrite(nn.Sequential(nn.Conv2d(8, 8, 3, bias=False, **options)))[0]) is nn.Conv2d


def test_pointwise_convolutions_of_packed_networks_are_plain_products(monkeypatch):
    """What oneDNN computes has no rule for `torch.vmap`."""
    network = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False))
    asked = []
    monkeypatch.setattr(convolutions, "linear", lambda rows, weight: asked.append(1) or F.linear(rows, weight))
    images = torch.randn(2, 4, 3, 3)
    for alone in (True, False):
        rewrite(network, alone=alone)(images)
    assert asked == [1]
