import copy
import functools

import pytest
import torch

from labeleff.catalogue import lookup
from labeleff.errors import PluginError, StudyError, UnknownNameError
from labeleff.plugins.encoders.interface import Reader, build_encoder, initial_weights
from labeleff.training.kernels.rewrite import rewrite


def count(module):
    return sum(p.numel() for p in module.parameters())


def built(name, **options):
    """A copy of an encoder; to draw the weights of a large one takes longer than all that is done with it."""
    return copy.deepcopy(_built(name, tuple(options.items())))


@functools.lru_cache(maxsize=2)
def _built(name, options):
    return build_encoder(lookup.complete("encoder", name, dict(options)), 0)


def test_resnet9_has_the_reference_implementations_parameters():
    assert count(built("resnet9")) == 6_699_328


def test_mobilenet_v2_is_torchvisions():
    from torchvision.models import mobilenet_v2

    ours, theirs = built("mobilenet_v2"), mobilenet_v2(num_classes=10)
    assert count(ours) + 1280 * 10 + 10 == count(theirs) == 2_236_682
    theirs.features.load_state_dict(ours.features.state_dict())
    images = torch.randn(4, 3, 32, 32)
    theirs.eval()
    ours.eval()
    expected = theirs.features(images).mean((2, 3))
    torch.testing.assert_close(ours(images), expected)


@pytest.mark.parametrize(
    ("name", "options", "dim", "last_side"),
    [
        ("mobilenet_v2", {"stem": "cifar"}, 1280, 4),
        ("mobilenet_v2", {"stem": "imagenet"}, 1280, 1),
    ],
)
def test_mobilenet_stem_keeps_the_side(name, options, dim, last_side):
    encoder = built(name, **options).eval()
    assert encoder.features(torch.zeros(1, 3, 32, 32)).shape == (1, dim, last_side, last_side)


@pytest.mark.parametrize(
    ("name", "options", "dim"),
    [("resnet9", {"width": 0.125, "dim": 32}, 32), ("resnet18", {}, 512), ("resnet50", {}, 2048)],
)
def test_features_have_their_dimension(name, options, dim):
    encoder = built(name, **options).eval()
    assert encoder.dim == dim
    with torch.inference_mode():
        assert encoder(torch.zeros(2, 3, 32, 32)).shape == (2, dim)


def test_resnet9_refuses_sides_that_do_not_halve():
    with pytest.raises(StudyError, match="multiples of 8"):
        built("resnet9", width=0.125)(torch.zeros(1, 3, 30, 30))


def test_weights_depend_on_the_seed_alone():
    spec = lookup.complete("encoder", "resnet9", {"width": 0.125})
    state = torch.random.get_rng_state()
    one = build_encoder(spec, 1).state_dict()
    torch.rand(7)
    again, other = build_encoder(spec, 1).state_dict(), build_encoder(spec, 2).state_dict()
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)
    torch.random.set_rng_state(state)
    first = torch.rand(1)
    torch.random.set_rng_state(state)
    build_encoder(spec, 3)
    assert torch.equal(first, torch.rand(1))


SMALL = [
    ("resnet9", {"width": 0.125, "dim": 24}, [(8, 32), (16, 16), (32, 8), (64, 4), (24, 4)]),
    ("resnet18", {}, [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4)]),
    ("resnet50", {}, [(64, 32), (256, 32), (512, 16), (1024, 8), (2048, 4)]),
    ("resnet18_imagenet", {}, [(64, 8), (64, 8), (128, 4), (256, 2), (512, 1)]),
    ("mobilenet_v2", {"stem": "imagenet"}, [(16, 16), (24, 8), (32, 4), (96, 2), (1280, 1)]),
    ("mobilenet_v2", {"stem": "cifar"}, [(16, 32), (24, 32), (32, 16), (96, 8), (1280, 4)]),
]


@pytest.mark.parametrize("rewritten", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "options", "expected"), SMALL)
def test_the_mean_of_the_last_map_is_the_features(name, options, expected, rewritten, training):
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    encoder, plain = (built(name, **options).train(training).double() for _ in range(2))
    encoder = rewrite(encoder) if rewritten else encoder
    with torch.inference_mode():
        maps, features = encoder.maps(images), plain(images)
    assert tuple(maps) == encoder.stages
    assert [(m.shape[1], m.shape[2]) for m in maps.values()] == expected
    assert all(m.shape[2] == m.shape[3] for m in maps.values())
    torch.testing.assert_close(maps[encoder.stages[-1]].mean((2, 3)), features)


@pytest.mark.parametrize(("name", "options", "expected"), SMALL)
def test_no_later_layer_writes_into_a_map(name, options, expected):
    encoder = built(name, **options).eval()
    images = torch.randn(2, 3, 32, 32)
    copies = []
    hooks = [m.register_forward_hook(lambda *a: copies.append(a[2].clone())) for m in encoder.modules()]
    with torch.inference_mode():
        maps = encoder.maps(images)
    for hook in hooks:
        hook.remove()
    for name, value in maps.items():
        same = [copy for copy in copies if copy.numel() == value.numel()]
        flat = value.permute(0, 2, 3, 1).reshape(-1)
        known = any(
            torch.equal(c.reshape(-1) if name == "prepool" else c.permute(0, 2, 3, 1).reshape(-1), flat) for c in same
        )
        assert known, name


def test_readers_have_no_maps():
    with pytest.raises(PluginError, match="Reader has no maps"):
        Reader().maps(torch.zeros(1))


@pytest.mark.parametrize("name", [p.name for p in lookup.plugins("encoder") if p.examples == "images"])
def test_stages_share_out_all_weights_and_make_each_others_maps(name):
    encoder = built(name).eval()
    parts = encoder.parts()
    assert tuple(parts) == encoder.stages
    held = [id(p) for modules in parts.values() for module in modules for p in module.parameters()]
    assert sorted(held) == sorted(id(p) for p in encoder.parameters())
    held = [id(b) for modules in parts.values() for module in modules for b in module.buffers()]
    assert sorted(held) == sorted(id(b) for b in encoder.buffers())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = encoder.maps(images)
        for stage in reversed(encoder.stages):
            for parameter in (p for module in parts[stage] for p in module.parameters()):
                parameter.mul_(1.5)
            after = encoder.maps(images)
            above = encoder.stages[: encoder.stages.index(stage)]
            assert all(torch.equal(after[s], before[s]) for s in above)
            assert not torch.equal(after[stage], before[stage])


def test_an_unknown_stage_is_named_with_all_there_are():
    encoder = built("resnet9", width=0.0625, dim=16)
    assert len(encoder.until("layer1")) == 2
    with pytest.raises(
        UnknownNameError, match=r"unknown stage of encoder ResNet9 'layer4'; did you mean .*layer1, layer2"
    ):
        encoder.until("layer4")
    with pytest.raises(UnknownNameError, match="known: none"):
        Reader().until("layer1")
    with pytest.raises(PluginError, match="Reader has no stages"):
        Reader().parts()


def test_initial_weights_depend_on_the_seed_alone_and_leave_the_shared_generator_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with initial_weights(3):
        first = torch.rand(4)
    assert torch.equal(torch.rand(1), expected)
    with initial_weights(3):
        assert torch.equal(torch.rand(4), first)
