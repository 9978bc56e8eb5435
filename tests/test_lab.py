"""CIELAB against the definition number by number, and against published values of the primaries."""

import pytest
import torch

from labeleff.lab import Lab, lab
from labeleff.pipeline import Normalisation, ResidentImages

PRIMARIES = {
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (255, 255, 0): (97.14, -21.55, 94.48),
    (0, 255, 255): (91.11, -48.09, -14.13),
    (255, 0, 255): (60.32, 98.23, -60.82),
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (128, 128, 128): (53.59, 0.0, 0.0),
}
"""L*, a*, b* of sRGB colours at the white of D65, as tables of colour converters have them."""


def slow(red, green, blue):
    """CIE 15 in plain Python, by the white point (0.95047, 1, 1.08883) and the ratios of CIE: 216/24389, 24389/27."""
    light = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (red, green, blue)]
    rows = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    xyz = [sum(weight * value for weight, value in zip(row, light, strict=True)) for row in rows]
    ratios = [value / white for value, white in zip(xyz, (0.95047, 1.0, 1.08883), strict=True)]
    x, y, z = (r ** (1 / 3) if r > 216 / 24389 else (24389 / 27 * r + 16) / 116 for r in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def pixels(*colours):
    return torch.tensor(colours, dtype=torch.float64).T.reshape(1, 3, 1, -1)


@pytest.mark.parametrize("colour", PRIMARIES)
def test_published_values(colour):
    found = lab(pixels([level / 255 for level in colour])).flatten().tolist()
    assert found == pytest.approx(PRIMARIES[colour], abs=0.02)


def test_it_is_the_definition():
    levels = torch.rand(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    levels[:50] *= 0.05
    found = lab(pixels(*levels.tolist()))[0, :, 0].T
    expected = torch.tensor([slow(*colour) for colour in levels.tolist()], dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_beyond_the_gamut_it_goes_on_smoothly():
    levels = torch.linspace(-0.5, 1.5, 2001, dtype=torch.float64).requires_grad_()
    value = lab(levels.expand(1, 3, 1, -1))[0, 0, 0]
    value.sum().backward()
    assert (value.diff() > 0).all()
    assert torch.isfinite(levels.grad).all()
    assert levels.grad.min() > 0


def test_greys_have_no_colour_and_colour_leaves_lightness_alone():
    grey = torch.rand(1, 1, 4, 4).expand(1, 3, 4, 4)
    assert lab(grey)[:, 1:].abs().max() < 0.01


def test_the_module_undoes_the_normalisation_and_normalises_anew():
    images = torch.randint(0, 256, (40, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    normalisation = Normalisation.of(images)
    module = Lab()
    module.measure(images, normalisation)
    [batch] = ResidentImages(images, normalisation, torch.device("cpu")).plain_batches(40)
    found = module(batch.images)
    raw = lab(images.permute(0, 3, 1, 2).double() / 255)
    expected = (raw - raw.mean((0, 2, 3), keepdim=True)) / raw.std((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(found, expected.float(), atol=1e-4, rtol=1e-4)
    assert len(module.state_dict()) == 4
