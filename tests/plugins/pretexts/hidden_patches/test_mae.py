"""The masked autoencoder: its loss against plain Python, what it computes, and which patches are hidden."""

import json
import math

import pytest
import torch
from support.short_pretrainings import BUDGET, run, toy, unlabelled

pytest.importorskip("lightly")

from labeleff.catalogue import lookup
from labeleff.errors import PluginError, StudyError
from labeleff.execution.launch import measure
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.hidden_patches.mae import MaskedAutoencoder, error, split_patches
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import parse_study

SPEC = lookup.complete("encoder", "vit_tiny", {"width": 0.125, "depth": 2, "size": 16})
SHORT = BUDGET.model_copy(update={"steps": BUDGET.steps.model_copy(update={"min": 3, "max": 3})})


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def slow(predicted, images, hidden, patch, normalise):
    """The loss of every image, pixel by pixel, as section 3 of the paper says it."""
    losses = []
    for image, places, guesses in zip(images.tolist(), hidden.tolist(), predicted.tolist(), strict=True):
        columns, errors = len(image[0]) // patch, []
        for place, guess in zip(places, guesses, strict=True):
            top, left = (patch * part for part in divmod(place - 1, columns))
            spots = [(y, x) for y in range(top, top + patch) for x in range(left, left + patch)]
            pixels = [image[channel][y][x] for y, x in spots for channel in range(3)]
            if normalise:
                mean = sum(pixels) / len(pixels)
                variance = sum((value - mean) ** 2 for value in pixels) / (len(pixels) - 1)
                pixels = [(value - mean) / math.sqrt(variance + 1e-6) for value in pixels]
            errors += [(a - b) ** 2 for a, b in zip(guess, pixels, strict=True)]
        losses.append(sum(errors) / len(errors))
    return losses


@pytest.mark.parametrize("normalise", [False, True])
def test_the_loss_is_that_of_plain_python(normalise):
    images, hidden = drawn(3, 3, 8, 8), torch.tensor([[1, 16, 6], [2, 3, 4], [9, 5, 1]])
    predicted = drawn(3, 3, 12)
    found = error(predicted, images, hidden, 2, normalise=normalise)
    assert found.tolist() == pytest.approx(slow(predicted, images, hidden, 2, normalise), rel=1e-5)


@pytest.mark.parametrize(
    ("patches", "ratio", "expected"), [(64, 0.75, (16, 48)), (100, 0.9, (10, 90)), (4, 0.75, (1, 3))]
)
def test_patches_are_split_by_the_ratio(patches, ratio, expected):
    assert split_patches(patches, ratio) == expected


@pytest.mark.parametrize(
    ("patches", "ratio", "found"), [(4, 0.9, "0 visible and 4 hidden"), (4, 0.1, "4 visible and 0")]
)
def test_nothing_visible_or_hidden_is_refused_with_numbers(patches, ratio, found):
    with pytest.raises(PluginError, match=rf"ratio = {ratio}, {patches} patches an image leave {found}"):
        split_patches(patches, ratio)


def model(side=16):
    return MaskedAutoencoder(build_encoder(SPEC, 0), side, 16, 1, 2, 0)


def places(visible):
    return torch.arange(visible + 1).expand(2, -1), torch.arange(visible + 1, 17).expand(2, -1)


def test_the_encoder_computes_kept_tokens_alone_and_the_decoder_all():
    network, shapes = model(), []
    for block in (*network.visible.vit.blocks, *network.decoder.blocks):
        block.register_forward_hook(lambda _, given, __: shapes.append(tuple(given[0].shape)))
    assert network(drawn(2, 3, 16, 16).float(), *places(4)).shape == (2, 12, 48)
    assert shapes == [(2, 5, 24), (2, 5, 24), (2, 17, 16)]


def test_a_prediction_depends_on_visible_patches_and_not_on_hidden_ones():
    network, images = model().double().eval(), drawn(2, 3, 16, 16)
    before = network(images, *places(4))
    for y, changes in ((15, False), (0, True)):
        other = images.clone()
        other[:, :, y, 0] += 1
        assert torch.equal(network(other, *places(4)), before) != changes


def test_it_learns_and_says_so():
    data = toy()
    result = run("mae", data, {"width": 32, "depth": 1}, spec=SPEC)
    losses = [entry["heldout_loss"] for entry in result.training.history]
    assert result.metrics["heldout_loss"] == losses[-1] < 0.97 * losses[0]
    assert "accuracy" not in result.training.history[0]


def test_the_same_patches_are_hidden_whatever_ran_before():
    encoders = [build_encoder(SPEC, 0) for _ in range(3)]
    for encoder, seed in zip(encoders, (0, 0, 1), strict=True):
        torch.rand(3)
        run("mae", toy(), {"width": 16, "depth": 1}, seed=seed, encoder=encoder, budget=SHORT)
    one, again, other = (encoder.state_dict()["net.cls_token"] for encoder in encoders)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "side", "message"),
    [
        ({"width": 30}, 16, "found width = 30, heads = 4, expected a width divisible by 4 and heads"),
        ({"ratio": 0.99}, 16, "16 patches an image leave 0 visible and 16 hidden"),
    ],
)
def test_bad_settings_are_named(options, side, message):
    with pytest.raises(PluginError, match=message):
        run("mae", toy(side=side), options, spec=SPEC, budget=SHORT)


def test_a_run_ends_before_anything_is_trained(tmp_path):
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    table = {
        "name": "mine",
        "tasks": [{"name": "toy/classify", "train": 40, "test": 20, "size": 16}],
        "encoders": [{"name": "vit_tiny", "patch": 8, "width": 0.125, "depth": 1}],
        "arms": ["scratch/finetune", {"pretext": {"name": "mae", "ratio": 0.9}, "protocol": "finetune"}],
        "rungs": [20, 40],
        "budget": {"mae": "short", "finetune": row},
    }
    with pytest.raises(PluginError, match=r"ratio = 0.9, 4 patches an image leave 0 visible and 4 hidden"):
        measure(parse_study(table, "mine"), RunOptions(folder=tmp_path / "out"))
    records = (tmp_path / "out" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert not any({"cell", "pretraining"} & json.loads(record).keys() for record in records)


def test_images_that_are_no_multiple_of_the_patch_are_named():
    images = torch.zeros(40, 18, 18, 3, dtype=torch.uint8)
    with pytest.raises(StudyError, match=r"patches of 4 pixels: found images of \(18, 18\)"):
        run("mae", unlabelled(images), {}, spec=SPEC, budget=SHORT)


def test_other_encoders_are_refused_when_a_study_is_read_and_by_the_pretext():
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    table = {
        "name": "mine",
        "tasks": ["toy/classify"],
        "encoders": ["resnet9"],
        "arms": ["scratch/finetune", "mae/finetune"],
        "baseline": "scratch/finetune",
        "rungs": [20, 40],
        "budget": {"mae": "short", "finetune": row},
    }
    with pytest.raises(StudyError, match="mae hides patches, and encoder 'resnet9' has none; choose one of vit_tiny"):
        parse_study(table, "mine")
    with pytest.raises(PluginError, match="found a ResNet9, expected an encoder of patches"):
        run("mae", toy(), {}, budget=SHORT)
