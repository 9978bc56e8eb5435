"""Colours against formulas and published values that share nothing with the module."""

import numpy as np
import pytest
import selfstudy_files
import torch

from labeleff.data import lab

PUBLISHED = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (119, 119, 119): (50.03, 0.0, 0.0),
}


def levels(values):
    return torch.stack([lab.levels(c) for c in lab.linear(*torch.tensor(values).double().unbind(-1))], -1).numpy()


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
    light = torch.stack(lab.linear(*torch.tensor([[90.0, 60.0, 50.0], [50.0, 0.0, 0.0]]).double().unbind(-1)))
    inside = ((light >= -lab.GAMUT) & (light <= 1 + lab.GAMUT)).all(0)
    assert inside.tolist() == [False, True]


def test_the_nearest_level_is_taken():
    value = np.linspace(0, 1, 10_001)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    found = lab.levels(torch.from_numpy(linear)).numpy()
    assert (np.abs(found - 255 * value) <= 0.5 + 1e-9).all()
