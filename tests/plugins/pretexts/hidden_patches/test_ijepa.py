"""I-JEPA: its loss against plain Python, which patches are hidden, and what follows what."""

import copy

import pytest
import torch
from support.short_pretrainings import BUDGET, run, toy

pytest.importorskip("lightly")

from labeleff.catalogue import lookup
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.hidden_patches import ijepa
from labeleff.plugins.pretexts.hidden_patches.ijepa import JointEmbedding, block_sides, error, split
from labeleff.training.hashed_random import hash32

SPEC = lookup.complete("encoder", "vit_tiny", {"width": 0.125, "depth": 2, "size": 16})
SMALL = {"width": 16, "depth": 1, "blocks": 2, "scale": 0.25}
SHORT = BUDGET.model_copy(update={"steps": BUDGET.steps.model_copy(update={"min": 3, "max": 3})})


def draws(images, count):
    return hash32(7, torch.arange(images)[:, None], torch.arange(count)[None, :])


def test_the_loss_is_that_of_plain_python():
    generator = torch.Generator().manual_seed(0)
    predicted, aims = (2 * torch.randn(3 * 2, 4, 5, dtype=torch.float64, generator=generator) for _ in range(2))
    expected = []
    for image in range(2):
        distances = []
        for block in range(3):
            pairs = zip(predicted[2 * block + image].flatten(), aims[2 * block + image].flatten(), strict=True)
            gaps = [abs(float(a) - float(b)) for a, b in pairs]
            distances += [gap**2 / 2 if gap < 1 else gap - 0.5 for gap in gaps]
        expected.append(sum(distances) / len(distances))
    assert error(predicted, aims, 2).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("grid", "scale", "sides"), [(8, 0.18, (3, 4)), (14, 0.175, (5, 7)), (4, 0.25, (2, 2))])
def test_blocks_have_the_share_of_patches_that_is_asked_for(grid, scale, sides):
    assert block_sides(grid, scale, 2) == sides


@pytest.mark.parametrize(("grid", "scale", "blocks"), [(8, 0.18, 6), (2, 0.1, 4), (4, 0.97, 1), (1, 0.5, 1)])
def test_blocks_that_leave_nothing_are_refused_with_numbers(grid, scale, blocks):
    with pytest.raises(PluginError, match=rf"scale = {scale}, blocks = {blocks}, blocks of . x . of {grid} x {grid}"):
        block_sides(grid, scale, blocks)


def test_blocks_are_rectangles_and_visible_patches_lie_outside():
    grid, sides, blocks = 8, (3, 4), 4
    visible, hidden = split(draws(500, 3 * blocks + grid**2), grid, sides, blocks)
    assert visible.shape == (500, 16)
    assert hidden.shape == (500, blocks, 12)
    shapes, corners = set(), set()
    for seen, image in zip(visible.tolist(), hidden.tolist(), strict=True):
        assert len(set(seen)) == 16
        for block in image:
            rows, columns = zip(*(divmod(place, grid) for place in block), strict=True)
            height, width = max(rows) - min(rows) + 1, max(columns) - min(columns) + 1
            assert len(set(block)) == height * width == 12
            assert 0 <= min(columns) <= max(columns) < grid
            assert 0 <= min(rows) <= max(rows) < grid
            assert not set(block) & set(seen)
            shapes.add((height, width))
            corners.add((min(rows), min(columns)))
    assert shapes == {(3, 4), (4, 3)}
    assert len(corners) == 6 * 5 + 5 * 6 - 5 * 5  # every place of either shape


def test_what_an_image_is_asked_does_not_depend_on_its_batch():
    all_draws = draws(6, 3 * 4 + 64)
    together, alone = split(all_draws, 8, (3, 4), 4), split(all_draws[4:5], 8, (3, 4), 4)
    assert all(torch.equal(one[4:5], other) for one, other in zip(together, alone, strict=True))


def model():
    return JointEmbedding(build_encoder(SPEC, 0), build_encoder(SPEC, 0), 4, 16, 1, 4, 0)


def places():
    return split(draws(3, 2 * 3 + 16), 4, (2, 2), 2)


def test_the_encoder_computes_visible_tokens_and_the_teacher_all():
    network, shapes = model(), []
    for vit in (network.student.vit, network.teacher.vit):
        vit.blocks[0].register_forward_hook(lambda _, given, __: shapes.append(given[0].shape[1]))
    predicted, aims = network(torch.randn(3, 3, 16, 16), *places())
    assert shapes == [1 + 8, 1 + 16]
    assert predicted.shape == aims.shape == (2 * 3, 4, 24)
    torch.testing.assert_close(aims.mean(2), torch.zeros(6, 4), atol=1e-5, rtol=0)
    assert not aims.requires_grad


def test_aims_are_the_teachers_features_of_hidden_patches_and_predictions_see_visible_ones_alone():
    network, images = model().double().eval(), torch.randn(3, 3, 16, 16, dtype=torch.float64)
    visible, hidden = places()
    predicted, aims = network(images, visible, hidden)
    whole = network.teacher.vit.forward_features(images)[:, 1:].float()
    normed = torch.nn.functional.layer_norm(whole, whole.shape[-1:])
    for block in range(2):
        for image in range(3):
            torch.testing.assert_close(aims[3 * block + image], normed[image, hidden[image, block]])
    place = int(hidden[0, 0, 0])
    top, left = (4 * part for part in divmod(place, 4))
    changed = images.clone()
    changed[0, :, top : top + 4, left : left + 4] += 1
    other, other_aims = network(changed, visible, hidden)
    assert torch.equal(other, predicted)
    assert not torch.equal(other_aims, aims)


def test_the_teacher_follows_with_a_momentum_that_ends_at_one(monkeypatch):
    seen = []
    monkeypatch.setattr(ijepa, "update_momentum", lambda *given: seen.append(given[2]))
    run("ijepa", toy(), SMALL | {"momentum": 0.7}, spec=SPEC, budget=SHORT)
    assert seen == pytest.approx([0.7, 0.8, 0.9])


def test_it_learns_without_collapse():
    result = run("ijepa", toy(), SMALL | {"momentum": 0.9}, spec=SPEC)
    losses = [entry["heldout_loss"] for entry in result.training.history]
    assert result.metrics["heldout_loss"] == losses[-1]
    assert min(losses) < losses[0]
    assert result.metrics["effective_rank"] > 2
    assert result.metrics["collapsed"] == 0
    assert "accuracy" not in result.training.history[0]


@pytest.mark.parametrize("name", ["ijepa", "mae"])
def test_features_that_are_the_same_for_all_images_are_told(name):
    """A final norm that scales by 0 makes them so, and a rate near 0 leaves it there."""
    encoder = build_encoder(SPEC, 0)
    torch.nn.init.zeros_(encoder.net.norm.weight)
    torch.nn.init.ones_(encoder.net.norm.bias)
    small = {key: SMALL[key] for key in ("width", "depth")} | ({"heads": 1} if name == "mae" else {})
    still = SHORT.model_copy(update={"lr": 1e-12})
    result, few = (
        run(name, toy(), small | {"holdout": share}, encoder=copy.deepcopy(encoder), budget=still)
        for share in (0.04, 0.02)
    )
    assert result.metrics["effective_rank"] == pytest.approx(1, abs=1e-3)
    assert result.metrics["collapsed"] == 1
    assert few.metrics["collapsed"] == 0  # a rank of 8 images says little


def test_the_same_blocks_are_hidden_whatever_ran_before():
    encoders = [build_encoder(SPEC, 0) for _ in range(3)]
    for encoder, seed in zip(encoders, (0, 0, 1), strict=True):
        torch.rand(3)
        run("ijepa", toy(), SMALL, seed=seed, encoder=encoder, budget=SHORT)
    one, again, other = (encoder.state_dict()["net.cls_token"] for encoder in encoders)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("network", "momentum", "moves"), [("teacher", 1.0, False), ("teacher", 0.1, True), ("student", 1.0, True)]
)
def test_the_encoder_that_was_given_ends_with_the_weights_of_the_chosen_network(network, momentum, moves):
    encoder = build_encoder(SPEC, 0)
    before = copy.deepcopy(encoder.state_dict())
    run("ijepa", toy(), SMALL | {"network": network, "momentum": momentum}, encoder=encoder, budget=SHORT)
    assert any(not torch.equal(before[name], after) for name, after in encoder.state_dict().items()) is moves


@pytest.mark.parametrize(
    ("options", "spec", "message"),
    [
        ({"width": 30}, SPEC, "ijepa: found width = 30, heads = 4, expected a width divisible by 4 and heads"),
        ({"blocks": 9}, SPEC, "scale = 0.18, blocks = 9, blocks of 1 x 2 of 4 x 4 patches leave none visible"),
        ({}, lookup.complete("encoder", "vit_tiny", {"width": 0.125, "pool": "token"}), "expected 'mean'"),
        ({}, lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 16}), "found a ResNet9"),
    ],
)
def test_bad_settings_are_named(options, spec, message):
    with pytest.raises(PluginError, match=message):
        run("ijepa", toy(), options, spec=spec, budget=SHORT)
