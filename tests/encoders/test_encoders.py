import pytest
import torch

from labeleff import catalogue
from labeleff.encoders import build_encoder
from labeleff.errors import StudyError


def count(module):
    return sum(p.numel() for p in module.parameters())


def built(name, **options):
    return build_encoder(catalogue.complete("encoder", name, options), 0)


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
    spec = catalogue.complete("encoder", "resnet9", {"width": 0.125})
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
