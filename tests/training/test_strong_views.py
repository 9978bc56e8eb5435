"""Strong views against Pillow, image by image."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment
from labeleff.training import strong_views
from labeleff.training.hashed_random import below, hash32, uniform
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.strong_views import OPERATIONS, StrongViews, operate

CPU = torch.device("cpu")
EDGE = (11, 120, 200)
SIDE = 16


def pictures(count=12, side=SIDE, seed=0):
    """Smooth images of few levels, noise, and images of one colour: uint8 (count, side, side, 3)."""
    rng = np.random.default_rng(seed)
    line = np.linspace(0, 1, side)
    images = []
    for i in range(count):
        low, high = sorted(rng.integers(0, 256, 2))
        ramp = line[:, None, None] * rng.random(3) + line[None, :, None] * rng.random(3)
        smooth = low + (high - low) * ramp / max(ramp.max(), 1e-9)
        noise = rng.integers(0, 256, (side, side, 3))
        images.append((smooth, noise, np.full((side, side, 3), low))[i % 3])
    return torch.from_numpy(np.stack(images).astype(np.uint8))


def by_pillow(image, name, strength):
    """One operation on one image, uint8 (side, side, 3), as Pillow does it."""
    picture, signed = Image.fromarray(image), 2 * strength - 1
    factor, side = 0.05 + 0.9 * strength, image.shape[0]
    affine = {
        "shear_x": (1, 0.3 * signed, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, 0.3 * signed, 1, 0),
        "translate_x": (1, 0, 0.3 * side * signed, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, 0.3 * side * signed),
    }
    enhancers = {"contrast": "Contrast", "brightness": "Brightness", "color": "Color", "sharpness": "Sharpness"}
    if name in affine:
        picture = picture.transform(picture.size, Image.Transform.AFFINE, affine[name], fillcolor=EDGE)
    elif name in enhancers:
        picture = getattr(ImageEnhance, enhancers[name])(picture).enhance(factor)
    elif name == "rotate":
        picture = picture.rotate(30 * signed, fillcolor=EDGE)
    elif name == "autocontrast":
        picture = ImageOps.autocontrast(picture)
    elif name == "equalize":
        picture = ImageOps.equalize(picture)
    elif name == "solarize":
        picture = ImageOps.solarize(picture, math.floor(256 * strength))
    elif name == "posterize":
        picture = ImageOps.posterize(picture, 4 + math.floor(5 * strength))
    return np.asarray(picture).astype(int)


def levels_of(images):
    return images.permute(0, 3, 1, 2).to(torch.float32)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_pillows(name):
    images = pictures()
    edge = torch.tensor(EDGE, dtype=torch.float32)[:, None, None]
    for strength in (0.003, 0.11, 0.37, 0.5, 0.77, 0.997):
        number = torch.full((len(images),), OPERATIONS.index(name))
        found = operate(levels_of(images), number, torch.full((len(images),), strength), edge)
        assert torch.equal(found, found.round())
        assert found.min() >= 0
        assert found.max() <= 255
        expected = np.stack([by_pillow(image.numpy(), name, strength) for image in images])
        off = (found.permute(0, 2, 3, 1).numpy() - expected).__abs__()
        if name in {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}:
            assert (off.max((3,)) == 0).mean() > 0.99, "Pillow rounds positions to 2**-16 pixels"
        else:
            assert off.max() <= (0 if name in {"identity", "equalize", "solarize", "posterize"} else 1)
            assert (off == 0).mean() > 0.98, "Pillow's products are rounded otherwise before fractions are dropped"


def test_the_smoothing_behind_sharpness_is_pillows():
    image = pictures(2)[1]
    smooth = np.asarray(Image.fromarray(image.numpy()).filter(ImageFilter.SMOOTH)).astype(int)
    factor = 0.05 + 0.9 * 0.5
    number = torch.tensor([OPERATIONS.index("sharpness")])
    found = operate(levels_of(image[None]), number, torch.tensor([0.5]), torch.zeros(3, 1, 1))
    wanted = np.floor(smooth + factor * (image.numpy().astype(int) - smooth))
    assert np.abs(found[0].permute(1, 2, 0).numpy() - wanted).max() <= 1


def views(images, operations=2, seed=3, **augment):
    normalisation = Normalisation.of(images)
    resident = ResidentImages(images, normalisation, CPU, augment=Augment(**augment), seed=seed)
    return resident, StrongViews(resident, normalisation, operations, seed), normalisation


def test_a_view_is_made_of_its_draws_and_ends_with_the_cutout():
    images = pictures(30)
    resident, strong, normalisation = views(images, crop=2, flip=True, jitter=0.5, cutout=4)
    samples, epochs = torch.arange(30), torch.arange(30) % 4
    found = strong.batch(samples, epochs)
    plain = ResidentImages(images, normalisation, CPU, augment=Augment(crop=2, flip=True), seed=3)
    cropped = plain.batch(samples, epochs, view=1)
    mean, std = normalisation.mean[:, None, None], normalisation.std[:, None, None]
    for i in range(30):
        draws = hash32(stream_seed("strong views", 3), epochs[i], samples[i], torch.arange(6))
        picture = (cropped.images[i] * std + mean).round()[None]
        for first in (2, 4):
            which = below(draws[first], 14)[None]
            picture = operate(picture, which, uniform(draws[first + 1])[None], mean.round())
        x, y = (int(below(draw, SIDE)) for draw in draws[:2])
        wanted = (picture[0] - mean) / std
        for row in range(SIDE):
            for column in range(SIDE):
                if y - 4 <= row < y + 4 and x - 4 <= column < x + 4:
                    wanted[:, row, column] = 0
        torch.testing.assert_close(found[i], wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(cropped.flips, resident.batch(samples, epochs).flips), "classes that a flip changes stay right"


def test_a_view_depends_on_seed_epoch_and_sample_alone():
    images = pictures(30)
    _, strong, _ = views(images, crop=2, flip=True)
    samples, epochs = torch.tensor([3, 17, 4, 22]), torch.tensor([0, 2, 1, 5])
    together = strong.batch(samples, epochs)
    for place in range(4):
        assert torch.equal(strong.batch(samples[place, None], epochs[place, None])[0], together[place])
    assert not torch.equal(strong.batch(samples, epochs + 1), together)
    assert not torch.equal(views(images, seed=4, crop=2, flip=True)[1].batch(samples, epochs), together)


def test_operations_and_strengths_are_drawn_evenly():
    number, count = torch.arange(20_000), 20_000
    draws = hash32(
        stream_seed("strong views", 0), torch.zeros(count, 1, dtype=torch.int64), number[:, None], torch.arange(6)
    )
    for first in (2, 4):
        shares = below(draws[:, first], 14).bincount(minlength=14) / count
        assert (shares - 1 / 14).abs().max() < 5 * math.sqrt(1 / 14 / count)
    both = below(draws[:, 2], 14) * 14 + below(draws[:, 4], 14)
    assert (both.bincount(minlength=196) / count - 1 / 196).abs().max() < 5 * math.sqrt(1 / 196 / count)


def test_without_operations_only_the_cutout_is_left():
    images = pictures(5)
    resident, strong, _ = views(images, operations=0)
    found = strong.batch(torch.arange(5), torch.zeros(5, dtype=torch.int64))
    plain = resident.batch(torch.arange(5), torch.zeros(5, dtype=torch.int64)).images
    cut = found == 0
    torch.testing.assert_close(found, torch.where(cut, 0.0, plain), rtol=1e-5, atol=1e-5)
    assert 0.05 < cut.float().mean() <= 0.3


def test_no_shape_depends_on_values_where_steps_are_captured():
    """On the meta device, which has shapes alone, what depends on values raises."""
    levels, drawn = torch.zeros(6, 3, 16, 16, device="meta"), torch.zeros(6, device="meta")
    assert operate(levels, drawn.to(torch.int64), drawn, torch.zeros(3, 1, 1, device="meta")).shape == levels.shape


def test_all_images_at_once_are_changed_as_those_of_each_kind(monkeypatch):
    levels = torch.randint(0, 256, (64, 3, 16, 16)).float()
    operations, strengths, edge = torch.randint(0, len(OPERATIONS), (64,)), torch.rand(64), torch.full((3, 1, 1), 128.0)
    apart = operate(levels, operations, strengths, edge)
    monkeypatch.setattr(strong_views, "GATHERS", set())
    together = operate(levels, operations, strengths, edge)
    assert torch.equal(together, apart)
