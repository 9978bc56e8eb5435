import itertools

import pytest
import torch

from labeleff.errors import PluginError
from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment
from labeleff.training.goals.interface import LabelMaps
from labeleff.training.hashed_random import below, hash32
from labeleff.training.images import Batch, Normalisation, ResidentImages, ResidentPairs

CPU = torch.device("cpu")
ZERO = torch.zeros(3)


@pytest.fixture
def images():
    return torch.randint(0, 256, (20, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def slow_batch(images, normalisation, samples, epochs, crop, rotate, seed):
    """One image at a time: pad, crop, flip, turn, normalise, with the documented draws."""
    outputs = []
    stream = stream_seed("augment", seed)
    for sample, epoch in zip(samples.tolist(), epochs.tolist(), strict=True):
        draws = hash32(stream, torch.full((6,), epoch), torch.full((6,), sample), torch.arange(6))
        image = images[sample].float()
        padded = normalisation.mean.round().repeat(8 + 2 * crop, 8 + 2 * crop, 1)
        padded[crop : crop + 8, crop : crop + 8] = image
        y, x = int(below(draws[0], 2 * crop + 1)), int(below(draws[1], 2 * crop + 1))
        window = padded[y : y + 8, x : x + 8]
        if int(below(draws[2], 2)):
            window = window.flip(1)
        if rotate:
            window = torch.rot90(window, int(below(draws[3], 4)))
        outputs.append(((window - normalisation.mean) / normalisation.std).permute(2, 0, 1))
    return torch.stack(outputs)


@pytest.mark.parametrize("rotate", [False, True])
def test_one_gather_equals_the_steps_one_by_one(images, rotate):
    normalisation = Normalisation.of(images)
    resident = ResidentImages(images, normalisation, CPU, augment=Augment(crop=2, flip=True), rotate=rotate, seed=4)
    samples, epochs = torch.arange(20), torch.arange(20) % 3
    batch = resident.batch(samples, epochs)
    expected = slow_batch(images, normalisation, samples, epochs, 2, rotate, 4)
    torch.testing.assert_close(batch.images, expected, rtol=1e-5, atol=1e-5)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert bool(batch.turns.any()) == rotate


def test_without_augmentation_images_are_only_normalised(images):
    normalisation = Normalisation.of(images)
    batch = ResidentImages(images, normalisation, CPU).batch(torch.arange(20), torch.zeros(20, dtype=torch.int64))
    values = batch.images.double()
    assert values.mean((0, 2, 3)).abs().max() < 1e-5
    assert (values.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_sample_looks_the_same_in_any_batch(images):
    resident = ResidentImages(
        images, Normalisation.of(images), CPU, augment=Augment(crop=2, flip=True, jitter=0.2, cutout=3), rotate=True
    )
    whole = resident.batch(torch.arange(20), torch.full((20,), 7))
    alone = resident.batch(torch.tensor([13]), torch.tensor([7]))
    assert torch.equal(whole.images[13], alone.images[0])
    assert whole.turns[13] == alone.turns[0]


def test_views_epochs_and_seeds_differ(images):
    def look(seed=0, epoch=0, view=0):
        resident = ResidentImages(images, Normalisation.of(images), CPU, augment=Augment(crop=2), seed=seed)
        return resident.batch(torch.arange(20), torch.full((20,), epoch), view).images

    assert torch.equal(look(), look())
    assert not torch.equal(look(), look(seed=1))
    assert not torch.equal(look(), look(epoch=1))
    assert not torch.equal(look(), look(view=1))


def test_two_views_are_alike_in_the_flip_alone():
    """Images with a dark and a bright half: both views of one are mirrored, or neither."""
    images = torch.zeros(64, 16, 16, 3, dtype=torch.uint8)
    images[:, :, 8:] = 255
    augment = Augment(crop=3, flip=True, cutout=4)
    resident = ResidentImages(images, Normalisation.of(images), CPU, augment=augment, seed=1)
    samples, epochs = torch.arange(64), torch.zeros(64, dtype=torch.int64)
    batch = ResidentPairs(resident).batch(samples, epochs)
    first, second = batch.images.chunk(2)
    assert torch.equal(first, resident.batch(samples, epochs).images)
    assert torch.equal(second, resident.batch(samples, epochs, view=1).images)
    assert not torch.equal(first, second)
    left, right = (half.mean(1).unflatten(2, (2, 8)).mean((1, 3)) for half in (first, second))
    mirrored = left[:, 0] > left[:, 1]
    assert torch.equal(mirrored, right[:, 0] > right[:, 1])
    assert torch.equal(mirrored, batch.flips == 1)
    assert 16 < int(mirrored.sum()) < 48


def test_a_batchs_own_draws_depend_on_epoch_and_sample_alone(images):
    resident = ResidentImages(images, Normalisation.of(images), CPU)
    samples, epochs = torch.tensor([3, 7, 3]), torch.tensor([0, 0, 1])
    draws = resident.batch(samples, epochs).draws(5, 4)
    assert draws.shape == (3, 4)
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(resident.batch(samples[1:2], epochs[1:2]).draws(5, 4)[0], draws[1])
    assert torch.equal(resident.batch(samples, epochs).draws(5, 4, rows=1), draws[:1])
    with pytest.raises(PluginError, match="without epochs"):
        Batch(images, samples, samples, samples).draws(5, 4)


def test_cutout_blanks_one_whole_square(images):
    resident = ResidentImages(images, Normalisation.of(images), CPU, augment=Augment(cutout=3))
    batch = resident.batch(torch.arange(20), torch.zeros(20, dtype=torch.int64))
    assert torch.equal((batch.images == 0).all(1).sum((1, 2)), torch.full((20,), 9))


def test_jitter_has_its_gain_and_shift():
    images = torch.full((4000, 4, 4, 3), 128, dtype=torch.uint8)
    images[:, :2] = 0
    normalisation = Normalisation.of(images)
    resident = ResidentImages(images, normalisation, CPU, augment=Augment(jitter=0.25))
    values = resident.batch(torch.arange(4000), torch.zeros(4000, dtype=torch.int64)).images
    high, low = values[:, :, -1, 0], values[:, :, 0, 0]
    gain, shift = torch.log2((high - low) / 2), (high + low) / 2
    assert abs(float(gain.std()) - 0.25) < 0.01
    assert abs(float(shift.std()) - 0.25) < 0.01
    assert abs(float(gain.mean())) < 0.01
    assert abs(float(shift.mean())) < 0.01


def coordinates(count, side):
    """Images whose red, green and blue say row, column and number, and maps that say all three."""
    place = torch.arange(side * side).reshape(side, side)
    images = torch.stack((place // side, place % side, torch.zeros_like(place)), 2).repeat(count, 1, 1, 1)
    images[..., 2] = torch.arange(count)[:, None, None]
    maps = place + side * side * torch.arange(count)[:, None, None] + 1
    return images.to(torch.uint8), maps.to(torch.int16)


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize("grid", [16, 8, 4])
def test_a_map_follows_its_image_pixel_for_pixel(grid, rotate):
    images, maps = coordinates(24, 16)
    augment = Augment(crop=3, flip=True, jitter=0.0, cutout=0)
    plain = Normalisation(torch.full((3,), 250.0), torch.ones(3))
    labels = LabelMaps(maps, grid, -7)
    resident = ResidentImages(images, plain, CPU, labels=labels, augment=augment, rotate=rotate, seed=3)
    seen, flipped = 0, set()
    for epoch in range(3):
        batch = resident.batch(torch.arange(24), torch.full((24,), epoch))
        levels = (batch.images + 250).round().to(torch.int64)
        stride = 16 // grid
        for i, r, c in itertools.product(range(24), range(grid), range(grid)):
            row, column, number = levels[i, :, stride * r + stride // 2, stride * c + stride // 2].tolist()
            label = int(batch.targets[i, r, c])
            assert label == (-7 if row == 250 else 256 * number + 16 * row + column + 1)
            seen += label != -7
        flipped |= set(batch.flips.tolist())
    assert 24 * 3 * grid * grid // 2 < seen < 24 * 3 * grid * grid
    assert flipped == {0, 1}
    assert batch.targets.dtype == torch.int16
    assert bool(batch.turns.any()) == rotate


def test_flips_tell_which_images_are_mirrored(images):
    normalisation = Normalisation.of(images)
    plain = ResidentImages(images, normalisation, CPU).batch(torch.arange(20), torch.zeros(20, dtype=torch.int64))
    augmented = ResidentImages(images, normalisation, CPU, augment=Augment(flip=True))
    batch = augmented.batch(torch.arange(20), torch.zeros(20, dtype=torch.int64))
    for i, flip in enumerate(batch.flips.tolist()):
        assert torch.equal(batch.images[i], plain.images[i].flip(2) if flip else plain.images[i])
    assert batch.targets is None


def test_jitter_and_cutout_leave_labels_alone_and_labels_leave_images_alone():
    images, maps = coordinates(10, 8)
    normalisation, labels = Normalisation.of(images), LabelMaps(maps, 8, 0)
    samples, epochs = torch.arange(10), torch.full((10,), 2)
    some = Augment(crop=2, flip=True)
    more = some.model_copy(update={"jitter": 0.3, "cutout": 4})
    one = ResidentImages(images, normalisation, CPU, labels=labels, augment=some).batch(samples, epochs)
    other = ResidentImages(images, normalisation, CPU, labels=labels, augment=more).batch(samples, epochs)
    bare = ResidentImages(images, normalisation, CPU, augment=more).batch(samples, epochs)
    assert torch.equal(one.targets, other.targets)
    assert torch.equal(other.images, bare.images)


def test_maps_must_go_with_their_images(images):
    with pytest.raises(PluginError, match=r"maps \(20, 4, 4\) don't go with images \(20, 8, 8, 3\)"):
        ResidentImages(images, Normalisation.of(images), CPU, labels=LabelMaps(torch.zeros(20, 4, 4), 4, 0))


def test_blocks_of_large_images_are_smaller():
    resident = ResidentImages(torch.zeros(70, 64, 64, 3, dtype=torch.uint8), Normalisation(ZERO, ZERO + 1), CPU)
    assert [len(batch.samples) for batch in resident.plain_batches(100)] == [25, 25, 20]
