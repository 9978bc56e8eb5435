"""AMDIM's loss against loops in plain Python, its invariants, its sources, and its training."""

import math

import pytest
import torch
from support.short_pretrainings import BUDGET, ENCODER, SHORT, run, toy

from labeleff.catalogue import lookup
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.split import parameters
from labeleff.plugins.pretexts.amdim import COARSE, Multiscale, compare, loss_of, sources
from labeleff.study.cell import Augment
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.images import ResidentImages, ResidentPairs

OPTIONS = {"holdout": 0.2}
SAMPLES = torch.tensor([0, 1, 2, 1, 4])


def example(locations=4, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(SAMPLES), dim)
    return (
        torch.randn(*shape, dtype=torch.float64, generator=generator),
        torch.randn(*shape, locations, dtype=torch.float64, generator=generator),
    )


def slow(source, target, samples, clip):
    """Mean loss and mean squared score, score by score."""
    count, dim, locations = target.shape

    def score(i, j, k):
        return sum(float(source[i, d] * target[j, d, k]) for d in range(dim)) / math.sqrt(dim)

    losses = []
    for i in range(count):
        negatives = [
            math.exp(clip * math.tanh(score(i, j, k) / clip))
            for j in range(count)
            for k in range(locations)
            if samples[j] != samples[i]
        ]
        for k in range(locations):
            own = math.exp(clip * math.tanh(score(i, i, k) / clip))
            losses.append(-math.log(own / (own + sum(negatives))))
    squares = [score(i, j, k) ** 2 for i in range(count) for j in range(count) for k in range(locations)]
    return sum(losses) / len(losses), sum(squares) / len(squares)


@pytest.mark.parametrize("clip", [0.5, 30.0])
def test_it_is_the_plain_python_one(clip):
    source, target = example()
    loss, scores = compare(source, target, SAMPLES, clip)
    expected, penalty = slow(source, target, SAMPLES, clip)
    assert float(loss) == pytest.approx(expected)
    assert float(scores.square().mean()) == pytest.approx(penalty)


def test_the_order_of_images_and_locations_is_no_matter():
    source, target = example()
    expected = compare(source, target, SAMPLES, 5.0)[0]
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(compare(source[order], target[order], SAMPLES[order], 5.0)[0], expected)
    torch.testing.assert_close(compare(source, target.flip(2), SAMPLES, 5.0)[0], expected)


def test_scores_are_products_over_the_root_of_the_width():
    source, target = example()
    wide = compare(torch.cat([source] * 4, 1) / 2, torch.cat([target] * 4, 1), SAMPLES, 5.0)
    torch.testing.assert_close(wide[0], compare(source, target, SAMPLES, 5.0)[0])


def test_equal_scores_are_chance_and_the_clip_holds():
    zero = compare(torch.zeros(5, 3), torch.zeros(5, 3, 4), torch.arange(5), 30.0)[0]
    assert float(zero) == pytest.approx(math.log(1 + 4 * 4))
    source, target = example()
    far = compare(1e4 * source, 1e4 * target, SAMPLES, 2.0)[0]
    assert 0 < float(far) <= 4 + math.log(1 + 4 * 4)


def views(seed=0, dim=6):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(5, dim, *grid, dtype=torch.float64, generator=generator) for grid in ((), (49,), (25,)))


def batch(samples=SAMPLES):
    images = torch.zeros(9, 8, 8, 3, dtype=torch.uint8)
    resident = ResidentImages(images, toy().normalisation, torch.device("cpu"), augment=Augment(crop=2))
    return ResidentPairs(resident).batch(samples, torch.zeros_like(samples))


def test_the_whole_loss_is_three_terms_in_both_directions_and_half_the_penalties():
    first, second, seen = views(0), views(1), batch()
    places = (seen.draws(3, 2) * COARSE**2 >> 32).tolist()
    total = 0.0
    for (features, _, coarse), (_, fine, other), way in ((first, second, 0), (second, first, 1)):
        local = torch.stack([coarse[i, :, places[i][way]] for i in range(5)])
        for source, target in ((features, other), (features, fine), (local, other)):
            loss, square = slow(source, target, SAMPLES, 10.0)
            total += loss / 2 + 0.05 * square / 2
    found, _ = loss_of(first, second, seen, 10.0, 3)
    assert float(found) == pytest.approx(total)


def test_features_that_find_their_own_image_are_counted():
    eye = 9 * torch.eye(5, dtype=torch.float64)
    alike = eye, eye[:, :, None].expand(5, 5, 49), eye[:, :, None].expand(5, 5, 25)
    distinct = batch(torch.arange(5))
    assert float(loss_of(alike, alike, distinct, 30.0, 0)[1]) == 5
    swapped = tuple(part.roll(1, 0) for part in alike)
    assert float(loss_of(alike, swapped, distinct, 30.0, 0)[1]) == 0


@pytest.mark.parametrize(
    ("name", "options", "side", "expected"),
    [
        ("resnet9", {"width": 0.0625}, 32, ("layer2", "layer3")),
        ("resnet9", {"width": 0.0625}, 64, ("layer2", "layer3")),
        ("resnet9", {"width": 0.0625}, 16, ("layer1", "layer2")),
        ("resnet18", {}, 32, ("layer3", "layer4")),
        ("resnet50", {}, 32, ("layer3", "layer4")),
        ("mobilenet_v2", {"stem": "cifar"}, 32, ("stage4", "stage5")),
        ("mobilenet_v2", {"stem": "imagenet"}, 32, ("stage2", "stage3")),
        ("mobilenet_v2", {"stem": "imagenet"}, 64, ("stage3", "stage4")),
    ],
)
def test_sources_are_chosen_by_resolution(name, options, side, expected):
    encoder = build_encoder(lookup.complete("encoder", name, options), 0)
    assert tuple(sources(encoder, side)) == expected


def test_at_full_width_the_convolutions_have_the_reference_codes_parameters():
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {}), 0)
    assert parameters(Multiscale(encoder, 32, 0)) - parameters(encoder) == 197_120


def test_too_small_images_are_an_error():
    with pytest.raises(PluginError, match=r"amdim: found maps of .* expected two sizes of at least 4"):
        sources(build_encoder(lookup.complete("encoder", "mobilenet_v2", {}), 0), 8)


def test_features_are_the_encoders():
    encoder = build_encoder(ENCODER, 0)
    model = Multiscale(encoder, 16, 0).eval()
    images = torch.randn(3, 3, 16, 16)
    features, fine, coarse = model(images)
    torch.testing.assert_close(features, encoder(images))
    assert (fine.shape, coarse.shape) == ((3, 16, 49), (3, 16, 25))


def test_equal_views_are_an_error():
    plain = BUDGET.model_copy(update={"augment": Augment(flip=True)})
    with pytest.raises(PluginError, match="its views would be equal"):
        run("amdim", toy(), OPTIONS, budget=plain)


def test_held_out_loss_falls_and_repeats_itself():
    learned = run("amdim", toy(), OPTIONS, encoder=build_encoder(ENCODER, 0))
    encoders = [build_encoder(ENCODER, 0) for _ in range(3)]
    first, again, other = (
        run("amdim", toy(), OPTIONS, seed=s, encoder=e, budget=SHORT) for s, e in zip((0, 0, 1), encoders, strict=True)
    )
    history = learned.training.history
    assert history[-1]["heldout_loss"] < 0.9 * history[0]["heldout_loss"]
    assert learned.metrics["heldout_accuracy"] > 3 / 32
    assert state_sha256(encoders[0]) == state_sha256(encoders[1])
    assert again.metrics == first.metrics
    assert other.metrics != first.metrics
