"""Presets of pretexts, and studies that use them."""

import pytest

from labeleff.catalogue import declaration, lookup, presets
from labeleff.errors import LabeleffError
from labeleff.study.cell import Budget
from labeleff.study.loading import parse_study

FINETUNE = {"lr": 0.1, "batch": 64, "epochs": 2}


def table(pretext, row, encoder="resnet9", name=None):
    name = name or pretext
    return {
        "name": "mine",
        "tasks": ["toy/classify"],
        "encoders": [encoder],
        "arms": ["scratch/finetune", {"pretext": pretext, "protocol": "linear"}],
        "rungs": [20, 50],
        "budget": {"finetune": FINETUNE, name if isinstance(name, str) else name["name"]: row},
    }


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: f"{preset.pretext}-{preset.name}")
def test_every_preset_is_a_budget_and_options(preset):
    row = Budget.model_validate(dict(preset.budget))
    given = {**preset.options}
    assert lookup.complete("pretext", preset.pretext, given).options.items() >= given.items()
    assert presets.find(preset.pretext, preset.name) == preset
    encoder = "vit_tiny" if lookup.find("pretext", preset.pretext).tokens else "resnet9"
    study = parse_study(
        table({"name": preset.pretext, "preset": preset.name}, preset.name, encoder, name=preset.pretext), "mine"
    )
    assert study.budget[preset.pretext] == row


@pytest.mark.parametrize(
    ("pretext", "name", "images", "steps"),
    [
        ("vae", "cifar-r9", 45_000, 35_200),
        ("rotation", "cifar-r9", 45_000, 8_800),
        ("amdim", "cifar-r9", 45_000, 47_200),
        ("vae", "syn-r9", 400_000, 78_400),
        ("cmc", "syn-r9", 400_000, 156_800),
        ("cmc", "syn-r50", 400_000, 209_600),
        ("amdim", "dense-r50", 250_000, 251_200),
        ("mae", "imagenet", 1_281_167, 250_000),
    ],
)
def test_lengths_are_the_papers(pretext, name, images, steps):
    row = Budget.model_validate(dict(presets.find(pretext, name).budget))
    assert row.steps_for(images) == pytest.approx(steps, rel=0.02)


def test_a_preset_can_be_changed():
    study = parse_study(table("cmc", {"preset": "cifar-r9", "lr": 0.5, "steps": {"min": 7, "max": 7}}), "mine")
    row = study.budget["cmc"]
    assert (row.lr, row.steps_for(1), row.betas, row.batch) == (0.5, 7, (0.8, 0.999), 512)
    pretext = {"name": "cmc", "preset": "syn-r9", "k": 100}
    options = parse_study(table(pretext, "syn-r9", name="cmc"), "mine").arms[1].pretext.options
    assert (options["k"], options["negatives"], options["momentum"]) == (100, "memory", 0.2)


def test_records_hold_what_a_preset_stands_for():
    study = parse_study(table("vae", "cifar-r9"), "mine")
    dumped = study.model_dump(mode="json")
    assert "preset" not in str(dumped)
    assert type(study).model_validate(dumped) == study


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (table("vae", "cifar-r8"), "unknown preset of 'vae' 'cifar-r8'; did you mean 'cifar-r9'"),
        (table({"name": "vae", "preset": "long"}, "short", name="vae"), "unknown preset of 'vae' 'long'"),
        (table("amdim", FINETUNE), "budget.amdim.augment: found .* expected crop, jitter or cutout"),
        (table("amdim", {**FINETUNE, "augment": {"flip": True}}), "the two augmentations of an image"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(LabeleffError, match=message):
        parse_study(change, "mine")


def test_an_encoder_that_cannot_be_split_is_named(monkeypatch):
    entry = declaration.Plugin("wide", "only wide", "labeleff.plugins.encoders.resnet9:build")
    monkeypatch.setitem(lookup._ENTRIES["encoder"], entry.name, entry)
    with pytest.raises(LabeleffError, match="encoder 'wide' has no narrow version, and can't be split"):
        parse_study(table("cmc", FINETUNE, encoder="wide"), "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "sgd"}, "'betas' is of adam and adamw"),
        ({"betas": (0.9, 1.0)}, "from 0 to under 1"),
        ({"optimizer": "rmsprop", "betas": None, "eps_hat": 1e-7}, "'eps_hat' is of adam and adamw"),
        ({"eps": 1e-7, "eps_hat": 1e-7}, "at most one of 'eps' and 'eps_hat'"),
    ],
)
def test_options_of_adam_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        Budget(**{"optimizer": "adam", "lr": 0.1, "batch": 2, "epochs": 1, "betas": (0.8, 0.9), **change})
