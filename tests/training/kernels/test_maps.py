"""Compiled layers on maps against torch's in float64."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labeleff.errors import LabeleffWarning
from labeleff.plugins.encoders.mobilenet_v2 import MobileNetV2
from labeleff.plugins.encoders.resnet9 import ResNet9
from labeleff.training.kernels import compiled, maps
from labeleff.training.kernels.normalising import FusedSequential, chain, fuses, halves
from labeleff.training.kernels.rewrite import rewrite

ACTIVATIONS = {"none": nn.Identity(), "relu": nn.ReLU(), "relu6": nn.ReLU6(), "celu": nn.CELU(0.075)}
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
SHAPES = [(2, 3, 5, 7), (64, 12, 8, 8), (3, 24, 2, 2), (5, 300, 1, 1), (2, 1, 4, 3), (1, 48, 9, 4)]

pytestmark = pytest.mark.skipif(maps._kernels() is None, reason="no compiler")


def of(name):
    return maps.PLAIN if name == "none" else maps.activation_of(ACTIVATIONS[name])


def random_maps(shape, seed, dtype=torch.float32, offset=0.0):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + offset
    return values.to(dtype).to(memory_format=torch.channels_last).requires_grad_()


def norm_of(channels, seed=5):
    generator = torch.Generator().manual_seed(seed)
    norm = nn.BatchNorm2d(channels, momentum=0.2)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(channels, generator=generator) + 0.5)
        norm.bias.copy_(torch.randn(channels, generator=generator))
        norm.running_mean.copy_(torch.randn(channels, generator=generator))
    return norm


def distance(found, expected):
    """Largest difference, relative to the largest value expected."""
    found, expected = found.detach().double(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-3))


def slowly(norm, inputs, name, added=None):
    """Output and gradients in float64 by torch's layers, for the gradient of a sum of fixed weights."""
    exact = copy.deepcopy(norm).double()
    inputs = inputs.detach().double().requires_grad_()
    added = None if added is None else added.detach().double().requires_grad_()
    summed = exact(inputs) if added is None else exact(inputs) + added
    output = ACTIVATIONS[name](summed)
    leaves = [inputs, exact.weight, exact.bias, *([] if added is None else [added])]
    return exact, output, torch.autograd.grad(output, leaves, weights_of(output))


def weights_of(output):
    return random_maps(output.shape, 9, output.dtype).detach()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("adds", [False, True])
def test_batch_norm_with_its_activation(dtype, shape, name, adds):
    inputs, norm = random_maps(shape, 1, dtype, offset=3.0), norm_of(shape[1])
    added = random_maps(shape, 2, dtype) if adds else None
    exact, expected, gradients = slowly(norm, inputs, name, added)
    output = maps.normalise(norm, inputs, of(name), added)
    assert output.dtype == dtype
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert distance(output, expected) < TOLERANCE[dtype]
    assert distance(norm.running_mean, exact.running_mean) < 1e-5
    assert distance(norm.running_var, exact.running_var) < 1e-5
    leaves = [inputs, norm.weight, norm.bias, *([added] if adds else [])]
    found = torch.autograd.grad(output, leaves, weights_of(output))
    if dtype == torch.float32:  # rounded outputs lie on the other side of a bound here and there
        assert all(distance(one, other) < 1e-3 for one, other in zip(found, gradients, strict=True))
    else:
        norms = [(one.double() - other).norm() / other.norm() for one, other in zip(found, gradients, strict=True)]
        assert max(norms) < 0.2


def test_a_large_mean_does_not_cancel_the_variance():
    inputs, norm = random_maps((16, 8, 6, 6), 3, offset=1000.0), norm_of(8)
    exact, expected, _ = slowly(norm, inputs, "relu")
    assert distance(maps.normalise(norm, inputs, of("relu")), expected) < 2e-3  # float32 has 6e-5 of a value of 1000
    assert distance(norm.running_var, exact.running_var) < 1e-5


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_evaluation_uses_the_running_statistics(name):
    inputs, norm = random_maps((4, 20, 3, 3), 4), norm_of(20).eval()
    before = norm.running_mean.clone()
    with torch.no_grad():
        expected = ACTIVATIONS[name](copy.deepcopy(norm).double()(inputs.double()))
        assert distance(maps.normalise(norm, inputs, of(name)), expected) < 1e-5
    assert torch.equal(norm.running_mean, before)
    with_gradient = maps.normalise(norm, inputs, of(name))  # by torch, whose backward pass has fixed statistics
    assert distance(with_gradient, expected) < 1e-5
    assert torch.autograd.grad(with_gradient.sum(), inputs)[0].abs().sum() > 0


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_stays(name, bad):
    inputs = random_maps((3, 4, 2, 2), 6).detach()
    inputs[0, 1, 0, 0] = bad
    output = maps.normalise(norm_of(4), inputs, of(name))
    assert output[:, 1].isnan().all()
    assert output[:, [0, 2, 3]].isfinite().all()
    if bad != bad:
        assert maps.pool(inputs)[0, 1, 0, 0].isnan()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("channels", [1, 7, 8, 12, 24, 40, 96])
def test_maxima_and_their_places_are_torchs(dtype, channels):
    inputs = random_maps((3, channels, 6, 4), channels, dtype)
    with torch.no_grad():
        inputs[0, 0], inputs[1] = 0.0, inputs[1].round()  # ties
    output, expected = maps.pool(inputs), F.max_pool2d(inputs, 2)
    assert torch.equal(output, expected)
    weights = weights_of(output)
    found, slow = (torch.autograd.grad(one, inputs, weights)[0] for one in (output, expected))
    assert torch.equal(found, slow)
    odd = inputs[:, :, :5]
    assert torch.equal(maps.pool(odd), F.max_pool2d(odd, 2))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 4), (3, 2), (4, 4), (7, 5)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [1, 16, 75])
def test_depthwise_convolutions(size, stride, channels):
    inputs = random_maps((5, channels, *size), 7)
    kernels = torch.randn(channels, 1, 3, 3, generator=torch.Generator().manual_seed(8)).requires_grad_()
    wide = inputs.detach().double().requires_grad_(), kernels.detach().double().requires_grad_()
    expected = F.conv2d(*wide, None, stride, 1, 1, channels)
    output = maps.depthwise(inputs, kernels, stride)
    assert distance(output, expected) < 1e-5
    weights = weights_of(output)
    found = torch.autograd.grad(output, (inputs, kernels), weights)
    slow = torch.autograd.grad(expected, wide, weights.double())
    assert all(distance(one, other) < 1e-5 for one, other in zip(found, slow, strict=True))
    alone = maps.depthwise(inputs.detach(), kernels, stride)  # without a gradient of the maps
    assert torch.equal(torch.autograd.grad(alone, kernels, weights)[0], found[1])


def test_only_what_fits_is_computed(monkeypatch):
    inputs = random_maps((2, 4, 4, 4), 10)
    assert maps.usable(inputs)
    assert not maps.usable(inputs.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert maps.depthwise(inputs, torch.ones(4, 1, 3, 3), 1) is None
    torch.set_num_threads(2)
    try:
        assert not maps.usable(inputs)
    finally:
        torch.set_num_threads(1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        maps.normalise(norm_of(4), inputs[:1, :, :1, :1])
    monkeypatch.setattr(maps, "trusted", lambda: False)
    assert not maps.usable(inputs)


def pass_through(network, images):
    """Gradients of all weights in one vector, and what is computed in evaluation, from the statistics of one step."""
    network.zero_grad()
    network.train()(images).square().mean().backward()
    gradients = torch.cat([weights.grad.flatten() for weights in network.parameters()])
    with torch.no_grad():
        evaluated = network.eval()(images).flatten()
    return gradients.double(), evaluated.double()


@pytest.mark.parametrize("build", [lambda: ResNet9(0.125, 32), lambda: MobileNetV2("imagenet", 0.25)])
def test_networks_are_as_exact_as_without_kernels(build, monkeypatch):
    torch.manual_seed(0)
    plain = build()
    images = torch.randn(16, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    exact = pass_through(copy.deepcopy(plain).double(), images.double())
    fused = rewrite(copy.deepcopy(plain)).to(memory_format=torch.channels_last)
    assert any(isinstance(layer, FusedSequential) for layer in fused.modules())
    assert list(fused.state_dict()) == list(plain.state_dict())
    found = pass_through(fused, images)
    monkeypatch.setattr(maps, "trusted", lambda: False)
    without = pass_through(plain.to(memory_format=torch.channels_last), images)
    for one, other, true in zip(found, without, exact, strict=True):
        assert (one - true).norm() < 3 * (other - true).norm() + 1e-5 * true.norm()


def test_a_pack_computes_layers_separately():
    network = rewrite(ResNet9(0.125, 32))
    assert all(layer.alone for layer in network.modules() if hasattr(layer, "alone"))
    assert not any(layer.alone for layer in rewrite(network, alone=False).modules() if hasattr(layer, "alone"))


def test_chains_keep_the_order_of_layers():
    torch.manual_seed(1)
    layers = nn.Sequential(
        nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.CELU(0.5), nn.ReLU(), nn.BatchNorm2d(4), nn.Tanh()
    )
    inputs = random_maps((3, 4, 6, 6), 11)
    expected = copy.deepcopy(layers).double()(inputs.double())
    fused = rewrite(layers)
    assert isinstance(fused, FusedSequential)
    assert distance(fused(inputs), expected) < 1e-5
    assert torch.equal(chain(list(fused)[-1:], inputs), torch.tanh(inputs))


def test_other_pools_and_sequences_stay_as_they_are():
    for layer in (nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2)):
        assert not halves(layer)
    assert halves(nn.MaxPool2d(2))

    class Own(nn.Sequential):
        def forward(self, input):
            return super().forward(input) + 1

    assert not fuses(Own(nn.BatchNorm2d(3)))
    assert not fuses(nn.Sequential(nn.Linear(3, 3)))


LENGTH = "        int length = shorter(total - at, wide);\n"
MISTAKES = {
    "bound": ("z > 6 ? 6 : z", "z > 5 ? 5 : z"),
    "gradient at a bound": ("y > 0 && y < 6 ? 1 : 0", "y > 0 ? 1 : 0"),
    "reading": ("float_of_bfloat16(value)", "float_of_bfloat16(value + 64)"),
    "writing": (
        "#define WRITE(value) bfloat16_of_float(value)",
        "#define WRITE(value) bfloat16_of_float(1.1f * (value))",
    ),
    "rest of the rows": (
        f"{LENGTH}        const TYPE *p = x + at, *q = added + at;",
        f"{LENGTH}        if (length < wide) return;\n        const TYPE *p = x + at, *q = added + at;",
    ),
    "rest of the rows, back": (
        f"{LENGTH}        const TYPE *p = x + at, *o = y + at, *d = g + at;",
        f"{LENGTH}        if (length < wide) return;\n        const TYPE *p = x + at, *o = y + at, *d = g + at;",
    ),
    "blocks": ("EACH(wide) sums[j] += a[j], squares[j] += b[j];", "EACH(wide) sums[j] = a[j], squares[j] = b[j];"),
    "blocks, back": ("EACH(wide) one[j] += a[j], two[j] += b[j];", "EACH(wide) one[j] = a[j], two[j] = b[j];"),
    "many channels": ("WIDE / channels * channels : channels;", "WIDE / channels * channels : WIDE;"),
    "pieces of eight": ("for (; at + 8 <= channels; at += 8) DO(8);", "for (; at + 8 <= channels; at += 8) ;"),
    "groups of images": ("EACH(size) totals[j] += sums[j];", "EACH(size) totals[j] = sums[j];"),
}


@pytest.fixture
def tried_again():
    """The kernels are loaded and compared anew in a test and after it."""
    cached = (maps._kernels, maps.trusted)
    for one in cached:
        one.cache_clear()
    yield
    for one in cached:
        one.cache_clear()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_kernels_that_are_wrong_are_left_aside(mistake, monkeypatch, tmp_path, tried_again):
    right, wrong = MISTAKES[mistake]
    text = compiled.SOURCE.read_text()
    assert right in text
    (tmp_path / "maps.c").write_text(text.replace(right, wrong))
    monkeypatch.setattr(compiled, "SOURCE", tmp_path / "maps.c")
    monkeypatch.setattr(compiled, "FLAGS", ("-O1", *compiled.FLAGS[1:]))  # compiles in half the time
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path))
    monkeypatch.setattr(maps, "library", compiled.library.__wrapped__)
    with pytest.warns(LabeleffWarning, match="other numbers than torch's on this machine"):
        assert not maps.trusted()
    assert not maps.usable(random_maps((2, 3, 4, 4), 1))


def test_kernels_are_trusted_and_tried_once(tried_again):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert maps.usable(random_maps((2, 3, 4, 4), 1))
        assert maps.usable(random_maps((2, 3, 4, 4), 1))
    assert maps.trusted.cache_info().misses == 1


def test_a_comparison_that_fails_leaves_them_aside(monkeypatch, tried_again):
    monkeypatch.setattr(maps, "_made", lambda *_: torch.zeros(1).view(2))
    with pytest.warns(LabeleffWarning, match="the comparison failed: shape"):
        assert not maps.trusted()
