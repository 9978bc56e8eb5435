"""Vision transformers are timm's, take images as they come, and compute nothing that isn't read."""

import functools

import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from labeleff.catalogue import lookup
from labeleff.errors import StudyError, UnknownNameError, WeightsError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.split import parameters
from labeleff.plugins.pretexts.weights.outside_weights import Weights, fill
from labeleff.training.kernels.rewrite import rewrite

SMALL = {"width": 0.125, "depth": 2}
TIMM = {"vit_tiny": "vit_tiny_patch16_224", "vit_small": "vit_small_patch16_224"}


def built(name="vit_tiny", seed=0, **options):
    return build_encoder(lookup.complete("encoder", name, options), seed)


@functools.cache
def images(side, count=3):
    return torch.randn(count, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", TIMM)
@pytest.mark.parametrize("pool", ["token", "mean"])
def test_it_computes_what_timms_network_computes_with_its_weights(name, pool):
    """timm's weights at their own size; a mean is of normalised tokens, so that norms are called alike."""
    theirs = timm.create_model(TIMM[name], num_classes=7).double().eval()
    ours = built(name, patch=16, size=224, pool=pool, width=1.0, depth=12)
    fill(ours, Weights(theirs.state_dict(), "timm"), "refuse", "what")
    tokens = theirs.forward_features(images(224, 1))
    expected = tokens[:, 0] if pool == "token" else tokens[:, 1:].mean(1)
    torch.testing.assert_close(ours.double().eval()(images(224, 1)), expected)


def test_weights_of_another_size_are_refused_by_name():
    theirs = built(**SMALL, size=64).state_dict()
    with pytest.raises(WeightsError, match=r"other shapes 1: .*pos_embed"):
        fill(built(**SMALL, size=32), Weights(theirs, "a file"), "refuse", "what")


@pytest.mark.parametrize(("side", "patch"), [(32, 2), (32, 4), (32, 8), (48, 8), (64, 4), (96, 8)])
def test_images_are_taken_as_they_come(side, patch):
    """timm's configuration says 224 pixels and a crop of 0.9; every patch of every size counts here."""
    encoder = built(**SMALL, patch=patch, size=side).double().eval()
    shapes = []
    encoder.net.blocks[0].register_forward_hook(lambda _, given, __: shapes.append(tuple(given[0].shape)))
    features = encoder(images(side))
    assert shapes == [(3, 1 + (side // patch) ** 2, 24)]
    corner = images(side).clone()
    corner[:, :, -1, -1] += 1
    assert not torch.allclose(encoder(corner), features)


def test_positions_are_resampled_for_other_sizes_alone():
    encoder = built(**SMALL, size=32).eval()
    assert encoder(images(64).float()).shape == (3, 24)
    plain = encoder.net._pos_embed(torch.zeros(1, 8, 8, 24))
    torch.testing.assert_close(plain[:, 1:], encoder.net.pos_embed[:, 1:])


def test_initial_weights_but_positions_do_not_depend_on_the_size():
    one, other = (built(**SMALL, size=size, seed=3).state_dict() for size in (32, 64))
    assert [name for name in one if not torch.equal(one[name], other[name])] == ["net.pos_embed"]
    assert float(one["net.pos_embed"].std()) == pytest.approx(0.02, rel=0.05)
    assert not torch.equal(built(**SMALL, seed=4).state_dict()["net.pos_embed"], one["net.pos_embed"])


@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("pool", ["token", "mean"])
def test_the_mean_of_the_last_map_is_the_features(pool, training, rewritten):
    encoder = built(**SMALL, pool=pool).double().train(training)
    encoder = rewrite(encoder) if rewritten else encoder
    maps = encoder.maps(images(32))
    assert [value.shape[1:] for value in maps.values()][:2] == [(24, 8, 8)] * 2
    torch.testing.assert_close(maps["block2"].mean((2, 3)), encoder(images(32)))


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_parts_hold_every_weight_once(pool):
    encoder = built(**SMALL, pool=pool)
    held = [p for modules in encoder.parts().values() for module in modules for p in module.parameters()]
    assert len({id(p) for p in held}) == len(held) == len(list(encoder.parameters()))


def operations(encoder, side=32):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.eval()(images(side, 1).float())
    return counter.get_total_flops()


def test_the_last_block_computes_the_class_token_alone():
    """Of 65 tokens, the last of two blocks needs keys and values: 2 of the 12 products with a square matrix."""
    token, mean = (operations(built(depth=2, pool=pool)) for pool in ("token", "mean"))
    square = 2 * 192**2
    patches, attention = 64 * 2 * 48 * 192, 2 * 2 * 192 * 65
    assert mean == patches + 2 * 65 * (12 * square + attention)
    assert token == patches + 65 * (12 * square + attention) + 65 * 2 * square + 10 * square + attention


def test_narrow_ones_have_their_channels():
    spec = lookup.complete("encoder", "vit_tiny", SMALL)
    plain, pair = build_encoder(spec, 0), build_encoder(spec, 0, split=True)
    assert parameters(pair) == pytest.approx(parameters(plain), rel=0.2)  # widths are multiples of 3 heads
    assert [net.net.patch_embed.proj.in_channels for net in (pair.light, pair.colour)] == [1, 2]


def test_bad_sizes_are_named():
    with pytest.raises(StudyError, match=r"size = 30, expected a multiple of patch = 4"):
        built(size=30)
    with pytest.raises(StudyError, match=r"patches of 8 pixels: found images of \(20, 20\), expected multiples of 8"):
        built(**SMALL, patch=8)(torch.zeros(1, 3, 20, 20))
    with pytest.raises(UnknownNameError, match="patch of encoder 'vit_tiny'"):
        built(patch=3)
