"""Colours against formulas and published values that share nothing with the module."""

import numpy as np
import pytest
import torch
from support import selfstudy_files

from labeleff.training import cielab
from labeleff.training.cielab import Lab, lab
from labeleff.training.images import Normalisation, ResidentImages

PUBLISHED = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (119, 119, 119): (50.03, 0.0, 0.0),
}


def levels(values):
    return torch.stack([cielab.levels(c) for c in cielab.linear(*torch.tensor(values).double().unbind(-1))], -1).numpy()


@pytest.mark.parametrize("colour", PUBLISHED)
def test_published_colours(colour):
    found = levels([PUBLISHED[colour]])
    assert np.abs(found.astype(int) - colour).max() <= 1


def test_every_tone_comes_back_from_float16_within_two_levels():
    tones = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), -1).reshape(-1, 1, 1, 3).astype(np.uint8)
    stored = selfstudy_files.normalised(selfstudy_files.lab(tones), selfstudy_files.LAB).astype(float)
    mean, deviation = np.array(selfstudy_files.LAB)[:, None, :, None, None]
    found = levels((stored * deviation + mean).transpose(0, 2, 3, 1))
    off = np.abs(found.astype(int) - tones)
    assert off.max() <= 2
    assert (off == 0).mean() > 0.99


def test_scikit_image_is_inverted():
    color = pytest.importorskip("skimage.color")
    tones = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    assert (levels(color.rgb2lab(tones)) == tones).all()


def test_colours_that_no_screen_has_are_told_from_rounding():
    light = torch.stack(cielab.linear(*torch.tensor([[90.0, 60.0, 50.0], [50.0, 0.0, 0.0]]).double().unbind(-1)))
    inside = ((light >= -cielab.GAMUT) & (light <= 1 + cielab.GAMUT)).all(0)
    assert inside.tolist() == [False, True]


def test_the_nearest_level_is_taken():
    value = np.linspace(0, 1, 10_001)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    found = cielab.levels(torch.from_numpy(linear)).numpy()
    assert (np.abs(found - 255 * value) <= 0.5 + 1e-9).all()


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
