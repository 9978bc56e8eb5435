"""Batch-norm constants of MobileNetV2: what they do, and that older cells keep their keys."""

import pytest
import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.split import build_split
from labeleff.study.loading import parse_study

KERAS = {"bn_momentum": 0.001, "bn_eps": 0.001}


def norms(encoder):
    return [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]


def test_every_layer_has_the_constants():
    kept = build_encoder(lookup.complete("encoder", "mobilenet_v2", KERAS), 0)
    plain = build_encoder(lookup.complete("encoder", "mobilenet_v2", {}), 0)
    assert {(layer.momentum, layer.eps) for layer in norms(kept)} == {(0.001, 0.001)}
    assert {(layer.momentum, layer.eps) for layer in norms(plain)} == {(0.1, 1e-5)}
    assert len(norms(kept)) == len(norms(plain)) == 52
    pair = build_split(lookup.complete("encoder", "mobilenet_v2", KERAS))
    assert {(layer.momentum, layer.eps) for layer in norms(pair)} == {(0.001, 0.001)}


def test_moving_statistics_are_those_of_a_loop():
    """By Keras's rule: moving = 0.999 moving + 0.001 batch, of the first layer."""
    encoder = build_encoder(lookup.complete("encoder", "mobilenet_v2", KERAS), 0).train()
    conv, layer = encoder.features[0][0], encoder.features[0][1]
    mean, variance = torch.zeros(32), torch.ones(32)
    for step in range(3):
        images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(step))
        with torch.no_grad():
            encoder(images)
            values = conv(images).permute(1, 0, 2, 3).flatten(1)
        mean = 0.999 * mean + 0.001 * values.mean(1)
        variance = 0.999 * variance + 0.001 * values.var(1)
    torch.testing.assert_close(layer.running_mean, mean, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(layer.running_var, variance, rtol=1e-5, atol=1e-7)


def test_glorot_starts_are_within_keras_limits():
    """Of Keras 3.15's MobileNetV2: a depthwise kernel (3, 3, C, 1) counts C inputs and one output a position."""
    encoder = build_encoder(lookup.complete("encoder", "mobilenet_v2", {"init": "glorot"}), 0)
    first, depthwise, last = encoder.features[0][0], encoder.features[2].conv[1][0], encoder.features[-1][0]
    for conv, fans in ((first, 9 * (3 + 32)), (depthwise, 9 * (96 + 1)), (last, 320 + 1280)):
        limit = (6 / fans) ** 0.5
        assert 0.95 * limit < conv.weight.abs().max() <= limit
        assert conv.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.1)


def test_padding_at_the_far_sides_is_the_same_network_mirrored():
    """Keras pads (0, 1) where a layer halves the side, torchvision (1, 1); maps have even sides here."""
    generator = torch.Generator().manual_seed(0)
    images, kernel = (torch.randn(*shape, generator=generator) for shape in ((2, 3, 32, 32), (8, 3, 3, 3)))
    keras = nn.functional.conv2d(nn.functional.pad(images, (0, 1, 0, 1)), kernel, stride=2)
    mirrored = nn.functional.conv2d(images.flip(2, 3), kernel.flip(2, 3), stride=2, padding=1).flip(2, 3)
    torch.testing.assert_close(keras, mirrored)


KEYS = [
    ("scratch/finetune", "36960344d388d6e4acd3", "4f57b879a6657aa5ed21"),
    ("rotation/finetune", "56ba3fc8f5971b9d0221", "81e6968a71d25361e44b"),
    ("scratch/joint", "fef34903341595fc4862", "4f57b879a6657aa5ed21"),
]
"""Keys of cells and their pretrainings at 200 labels, from before there were options that came later."""


def keys_of(encoder, rotation, joint):
    row = {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}
    arms = [
        "scratch/finetune",
        {"pretext": rotation, "protocol": "finetune"},
        {"pretext": "scratch", "protocol": joint},
    ]
    budget = dict.fromkeys(("rotation", "finetune", "joint"), row)
    axes = {"tasks": ["cifar10/classify"], "encoders": [encoder], "arms": arms, "rungs": [50, 200], "draws": 1}
    cells = parse_study({"name": "k", **axes, "budget": budget}, "the test's study").cells()
    return [(cell.arm, cell.key, cell.pretraining.key) for cell in cells if cell.n == 200]


def test_options_that_came_later_leave_older_keys_as_they_were():
    assert keys_of("mobilenet_v2", "rotation", "joint") == KEYS
    usual = {"name": "mobilenet_v2", "bn_momentum": 0.1, "bn_eps": 1e-5}
    rotation, joint = {"name": "rotation", "once": False}, {"name": "joint", "holdout": 0.0}
    assert keys_of(usual, rotation, joint) == KEYS, "given or not, the default is the default"
    changed = keys_of({"name": "mobilenet_v2", **KERAS}, {"name": "rotation", "once": True}, joint)
    assert not {key for _, *both in changed for key in both} & {key for _, *both in KEYS for key in both}


def test_plugins_get_all_options():
    spec = lookup.complete("encoder", "mobilenet_v2", {"bn_eps": 0.001})
    assert spec.label == "mobilenet_v2(bn_eps=0.001, stem=imagenet)"
    every = {"stem": "imagenet", "bn_momentum": 0.1, "bn_eps": 0.001, "init": "kaiming"}
    assert lookup.options("encoder", spec) == every


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5])
def test_constants_out_of_range_are_refused(value):
    with pytest.raises(Exception, match="bn_momentum"):
        lookup.complete("encoder", "mobilenet_v2", {"bn_momentum": value})
