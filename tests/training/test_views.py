import itertools
import math

import pytest
import torch
from torchvision.transforms import functional

from labeleff.training import views
from labeleff.training.images import Normalisation
from labeleff.training.views import Recipe, ResidentViews, view, windows

CPU = torch.device("cpu")
ALL = Recipe(0.2, 0.5, 0.8, (0.4, 0.4, 0.4, 0.1), 0.2, 0.5, 0.3)


def some(count=20, side=8):
    generator = torch.Generator().manual_seed(side)
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)


def floats(count=6, side=8):
    return some(count, side).permute(0, 3, 1, 2).float() / 255


def resident(images, *recipes, seed=0):
    return ResidentViews(images, Normalisation.of(images), CPU, recipes, seed=seed)


def draws(count, seed=0):
    return torch.rand(count, 64, generator=torch.Generator().manual_seed(seed)).clamp(1e-6, 1 - 1e-6)


@pytest.mark.parametrize("side", [8, 40])
@pytest.mark.parametrize("split", [1, 3, 7])
def test_views_are_the_same_bits_at_any_batch_split(side, split):
    views = resident(some(side=side), ALL, Recipe(area=0.5, blur=1.0))
    samples, epochs = torch.randperm(20, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 4
    whole = views.batch(samples, epochs).images.unflatten(0, (2, 20))
    pairs = zip(samples.split(split), epochs.split(split), strict=True)
    parts = [views.batch(s, e).images.unflatten(0, (2, len(s))) for s, e in pairs]
    assert torch.equal(whole, torch.cat(parts, dim=1))


def test_views_epochs_samples_and_seeds_differ():
    images = some(1).expand(20, -1, -1, -1).contiguous()

    def look(seed=0, epoch=0):
        return resident(images, ALL, ALL, seed=seed).batch(torch.arange(20), torch.full((20,), epoch)).images

    assert torch.equal(look(), look())
    assert not torch.equal(look(), look(seed=1))
    assert not torch.equal(look(), look(epoch=1))
    first, second = look().chunk(2)
    assert not torch.equal(first, second)
    assert len({image.numpy().tobytes() for image in look()}) == 40


@pytest.mark.parametrize("side", [8, 40])
def test_with_everything_off_images_are_only_normalised(side):
    images = some(side=side)
    normalisation = Normalisation.of(images)
    batch = resident(images, Recipe()).batch(torch.arange(20), torch.zeros(20, dtype=torch.int64))
    expected = (images.float() - normalisation.mean) / normalisation.std
    torch.testing.assert_close(batch.images, expected.permute(0, 3, 1, 2), rtol=1e-5, atol=1e-5)
    given = floats(side=side)
    assert torch.equal(view(given, Recipe(), draws(6)), given)
    assert torch.equal(view(given, Recipe(jitter=0.0, blur=0.0, strengths=(0.9, 0.9, 0.9, 0.5)), draws(6)), given)


def test_a_batch_says_what_it_holds():
    batch = resident(some(), ALL, ALL, ALL).batch(torch.tensor([4, 2]), torch.tensor([0, 9]))
    assert batch.images.shape == (6, 3, 8, 8)
    assert batch.images.dtype == torch.float32
    assert batch.samples.tolist() == [4, 2]
    assert batch.turns.tolist() == [0, 0]


@pytest.mark.parametrize("side", [8, 33])
def test_values_stay_in_range(side):
    extreme = torch.where(floats(50, side) < 0.5, 0.0, 1.0)
    harsh = Recipe(0.05, 0.5, 1.0, (1.0, 1.0, 1.0, 0.5), 0.3, 1.0, 0.5)
    made = view(extreme, harsh, draws(50))
    assert made.min() >= 0
    assert made.max() <= 1 + 1e-6
    assert torch.isfinite(made).all()


def slow_crop(image, left, top, width, height, flip):
    """Pixel by pixel: the middle of an output pixel, its place in the window, four neighbours."""
    side = image.shape[2]
    out = torch.zeros_like(image)
    for y, x in itertools.product(range(side), range(side)):
        column = side - 1 - x if flip else x
        at_x = min(max((left + width * (column + 0.5) / side) * side - 0.5, 0.0), side - 1.0)
        at_y = min(max((top + height * (y + 0.5) / side) * side - 0.5, 0.0), side - 1.0)
        x0, y0 = math.floor(at_x), math.floor(at_y)
        x1, y1, fx, fy = min(x0 + 1, side - 1), min(y0 + 1, side - 1), at_x - x0, at_y - y0
        above = (1 - fx) * image[:, y0, x0] + fx * image[:, y0, x1]
        below = (1 - fx) * image[:, y1, x0] + fx * image[:, y1, x1]
        out[:, y, x] = (1 - fy) * above + fy * below
    return out


@pytest.mark.parametrize("side", [8, 11])
def test_crops_and_flips_equal_a_slow_loop(side):
    images, drawn = floats(12, side), draws(12)
    made = view(images, Recipe(area=0.1, flip=0.5), drawn)
    places = zip(*(part.tolist() for part in windows(0.1, drawn)), strict=True)
    for image, place, draw, found in zip(images, places, drawn[:, 0].tolist(), made, strict=True):
        torch.testing.assert_close(found, slow_crop(image, *place, draw < 0.5), rtol=1e-5, atol=1e-5)


def test_windows_lie_inside_and_cover_what_is_asked():
    left, top, width, height = windows(0.08, draws(5000))
    area, ratio = width * height, width / height
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (left + width <= 1 + 1e-6).all()
    assert (top + height <= 1 + 1e-6).all()
    assert (area >= 0.08 - 1e-6).all()
    assert (ratio > 3 / 4 - 1e-5).all()
    assert (ratio < 4 / 3 + 1e-5).all()
    assert 0.45 < float(area.mean()) < 0.55
    assert abs(float((left + width / 2).mean()) - 0.5) < 0.01


def test_a_window_that_never_fits_is_the_whole_image():
    parts = windows(1.0, draws(10))
    assert [part.unique().tolist() for part in parts] == [[0.0], [0.0], [1.0], [1.0]]


def test_probabilities_are_met():
    images = floats(1).expand(4000, -1, -1, -1)
    drawn = draws(4000)
    grey = view(images, Recipe(grey=0.2), drawn)
    assert abs(float((grey[:, 0] == grey[:, 1]).all((1, 2)).float().mean()) - 0.2) < 0.03
    flipped = view(images, Recipe(flip=0.5), drawn)
    mirrored = torch.isclose(flipped, images.flip(3), atol=1e-5).all((1, 2, 3)).float().mean()
    assert abs(float(mirrored) - 0.5) < 0.03


@pytest.mark.parametrize(
    ("which", "adjust"),
    [
        (0, functional.adjust_brightness),
        (1, functional.adjust_contrast),
        (2, functional.adjust_saturation),
    ],
)
def test_factors_of_jitter_equal_torchvisions(which, adjust):
    strengths = tuple(0.6 if place == which else 0.0 for place in range(4))
    images, drawn = floats(10), draws(10)[:, :4]
    made = views.jitter(images, strengths, drawn)
    for image, draw, found in zip(images, drawn[:, which].tolist(), made, strict=True):
        torch.testing.assert_close(found, adjust(image, 1 + 0.6 * (2 * draw - 1)), rtol=1e-4, atol=2e-4)


def test_hue_keeps_greys_and_luma_and_goes_round():
    colours, turn = torch.rand(3, 50), torch.tensor([0.7])
    m = views.matrices(torch.ones(1), torch.ones(1), turn)[0]
    luma = torch.tensor(views.LUMA)
    torch.testing.assert_close(luma @ (m @ colours), luma @ colours, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(m @ torch.ones(3), torch.ones(3), rtol=1e-4, atol=1e-5)
    ninth = views.matrices(torch.ones(1), torch.ones(1), torch.tensor([2 * torch.pi / 9]))[0]
    torch.testing.assert_close(torch.linalg.matrix_power(ninth, 9), torch.eye(3), rtol=1e-4, atol=1e-4)


def test_hue_turns_as_hsv_does_for_thirds_of_the_circle():
    """Red becomes green, or nearly so: the two circles agree on the direction."""
    red = torch.tensor([1.0, 0.0, 0.0])
    turned = views.matrices(torch.ones(1), torch.ones(1), torch.tensor([2 * torch.pi / 3]))[0] @ red
    assert turned.argmax() == functional.adjust_hue(red[:, None, None], 1 / 3).flatten().argmax()


def test_order_of_colour_changes_is_no_matter():
    """Brightness, contrast, saturation and hue one after another, unclipped, in all 24 orders."""
    image = 0.4 + 0.1 * floats(1)
    brightness, contrast, saturation, hue = 1.1, 0.8, 1.2, 0.4
    luma = torch.tensor(views.LUMA)
    one = torch.ones(1)

    def mixed(values, other, factor):
        return factor * values + (1 - factor) * other

    def step(name, values):
        lumas = torch.einsum("c,bchw->bhw", luma, values)[:, None]
        if name == "brightness":
            return brightness * values
        if name == "contrast":
            return mixed(values, lumas.mean(), contrast)
        if name == "saturation":
            return mixed(values, lumas, saturation)
        return torch.einsum("cd,bdhw->bchw", views.matrices(one, one, torch.tensor([hue]))[0], values)

    offsets = torch.tensor([[brightness - 1, contrast - 1, saturation - 1, hue / (2 * torch.pi)]])
    made = views.jitter(image, (0.5, 0.5, 0.5, 0.5), offsets + 0.5)
    for order in itertools.permutations(("brightness", "contrast", "saturation", "hue")):
        values = image
        for name in order:
            values = step(name, values)
        torch.testing.assert_close(made, values, rtol=1e-4, atol=1e-4)


def slow_blur(image, sigma, radius):
    kernel = torch.tensor([math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)])
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    padded = torch.nn.functional.pad(image[None], (radius,) * 4, mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel.expand(3, 1, -1, -1).contiguous(), groups=3)[0]


def test_blur_equals_a_plain_convolution_on_images_that_are_large_enough():
    images, drawn = floats(5, 48), draws(5)
    made = view(images, Recipe(blur=1.0), drawn)
    for image, draw, found in zip(images, drawn[:, 5].tolist(), made, strict=True):
        torch.testing.assert_close(found, slow_blur(image, 0.1 + 1.9 * draw, 2), rtol=1e-5, atol=1e-5)
    small = floats(5, 32)
    assert torch.equal(view(small, Recipe(blur=1.0), drawn), small)


def test_solarisation_inverts_the_bright_half():
    images = floats()
    expected = torch.where(images >= 0.5, 1 - images, images)
    assert torch.equal(view(images, Recipe(solarise=1.0), draws(6)), expected)
