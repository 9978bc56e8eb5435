"""Pretexts that compare two views on a toy task, and what shows a collapse."""

import math

import pytest
import torch
from support.small_pretexts import CPU, NAMES, module, options
from torch import nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.commands.listing import show_list
from labeleff.errors import LabeleffError, OptionError, PluginError
from labeleff.execution.launch import measure
from labeleff.execution.scoring import predict
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.feature_checks import effective_rank, spread
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.plugins.pretexts.two_views import COLLAPSED, Method, heldout_loss, recipe, two_views
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.linear import fit as solve_linear
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.cell import Budget
from labeleff.study.loading import parse_study
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Source, load_task
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.views import Recipe, ResidentViews


@pytest.fixture(scope="module")
def data():
    task = load_task(
        Spec(name="toy/classify", options={"train": 240, "test": 10, "size": 16}), Source(None, offline=True)
    )
    return Unlabelled(task.train.images, Normalisation.of(task.train.images))


def encoder():
    return build_encoder(Spec(name="resnet9", options={"width": 0.0625, "dim": 16}), 0)


def train(name, data, seed=0, steps=60, **changes):
    """The encoder after `steps` steps, and what the pretext says."""
    module(name)
    budget = Budget(optimizer="adamw", lr=0.003, batch=32, steps={"min": steps, "max": steps})
    trained = encoder()
    given = options(name, holdout=0.2, **changes)
    result = lookup.resolve("pretext", name)(data, trained, seed, budget, given, CPU, lambda *_: None)
    return trained, result


@pytest.mark.parametrize("name", NAMES)
def test_every_pretext_learns_and_repeats_itself(name, data):
    trained, result = train(name, data)
    history = result.training.history
    # the queue of moco begins with random vectors, easy to tell from images; they are gone after two steps
    assert history[-1]["loss"] < history[1 if name == "moco" else 0]["loss"]
    assert set(history[0]) == {"step", "epoch", "loss", "heldout_loss", "spread", "effective_rank"}
    assert result.metrics["collapsed"] == 0
    assert all(math.isfinite(value) for value in result.metrics.values())
    (first, says), (again, same), (other, _) = (train(name, data, seed, steps=6) for seed in (0, 0, 1))
    assert state_sha256(again) == state_sha256(first)
    assert same.metrics == says.metrics
    assert state_sha256(other) != state_sha256(first)
    untouched = encoder()
    assert list(trained.state_dict()) == list(untouched.state_dict())
    assert state_sha256(trained) != state_sha256(untouched)


@pytest.mark.parametrize(
    ("network", "momentum", "moves"), [("teacher", 1.0, False), ("teacher", 0.1, True), ("student", 1.0, True)]
)
def test_dino_hands_on_the_chosen_network(data, network, momentum, moves):
    trained, _ = train("dino", data, steps=3, network=network, momentum=momentum)
    before = dict(encoder().named_parameters())
    assert any(not torch.equal(before[name], after) for name, after in trained.named_parameters()) is moves


@pytest.mark.parametrize("name", ["simclr", "barlow_twins", "simsiam"])
def test_held_out_loss_falls(name, data):
    _, result = train(name, data)
    losses = [entry["heldout_loss"] for entry in result.training.history]
    assert losses[-1] < losses[0]


def textures(count, seed, size=16):
    """Grey stripes, crossed stripes and noise of any contrast and phase: four classes that every crop shows."""
    generator = torch.Generator().manual_seed(seed)
    labels, line = torch.arange(count) % 4, 1.5 * torch.arange(size)
    phase = 2 * torch.pi * torch.rand(count, 2, 1, 1, generator=generator)
    rows, columns = torch.sin(line[:, None] + phase[:, 0]), torch.sin(line[None, :] + phase[:, 1])
    noise = 2 * torch.rand(count, size, size, generator=generator) - 1
    kinds = torch.stack(torch.broadcast_tensors(rows, columns, rows * columns, noise))
    contrast = 0.2 + 0.3 * torch.rand(count, 1, 1, generator=generator)
    values = 0.5 + contrast * kinds[labels, torch.arange(count)]
    values += 0.1 * torch.randn(count, size, size, generator=generator)
    return (255 * values.clamp(0, 1)).to(torch.uint8)[..., None].repeat(1, 1, 1, 3), labels


def probe(trained, images, labels, tested, truth, normalisation):
    """Test accuracy of logistic regression on the features of the first 40 images."""
    CPU.place(trained).eval()
    features, rest = (predict(trained, ResidentImages(i, normalisation, CPU.device), CPU) for i in (images, tested))
    [fitted] = solve_linear([LabelledFeatures(features[:40], labels[:40], 4)], {"prior": 10.0})
    return float((fitted.predictor(rest).argmax(1) == truth).float().mean())


@pytest.mark.parametrize("name", ["simclr", "barlow_twins", "vicreg"])
def test_features_tell_what_all_views_of_an_image_share(name):
    module(name)
    images, labels = textures(400, seed=0)
    test = textures(400, seed=1)
    data = Unlabelled(images, Normalisation.of(images))
    untrained = probe(encoder(), images, labels, *test, data.normalisation)
    budget = Budget(optimizer="adamw", lr=0.003, weight_decay=0.01, batch=32, epochs=8)
    trained = encoder()
    given = lookup.complete("pretext", name, {"projection": 64}).options
    lookup.resolve("pretext", name)(data, trained, 0, budget, given, CPU, lambda *_: None)
    assert probe(trained, images, labels, *test, data.normalisation) > untrained + 0.05


def test_a_collapse_is_seen(data):
    """Without a predictor, and with the gradient through both views, everything may become alike."""

    def collapsing(given):
        network = nn.Sequential(given.encoder, nn.Linear(given.encoder.dim, 16))
        alike = nn.CosineSimilarity()
        return Method(network, network, lambda a, b: 1 - alike(network(a), network(b)).mean())

    def recipes(given):
        return (recipe(given, (0.4, 0.4, 0.4, 0.1)),) * 2

    budget = Budget(lr=0.05, batch=32, steps={"min": 150, "max": 150})
    given = {"area": 0.2, "colour": 1.0, "holdout": 0.2}
    pretrain = two_views("collapsing", collapsing, recipes)
    result = pretrain(data, encoder(), 0, budget, given, CPU, lambda *_: None)
    assert result.metrics["spread"] < COLLAPSED
    assert result.metrics["collapsed"] == 1


def test_spread_is_0_for_one_direction_and_1_for_all():
    generator = torch.Generator().manual_seed(0)
    assert spread(torch.rand(50, 1, generator=generator) * torch.randn(1, 8, generator=generator)) < 1e-6
    assert spread(torch.randn(4000, 64, generator=generator)) == pytest.approx(1, abs=0.01)
    assert spread(torch.zeros(5, 4)) == 0
    values = torch.randn(30, 8, generator=generator)
    assert spread(3 * values) == pytest.approx(spread(values))


def test_held_out_images_beyond_whole_blocks_are_left_out(data):
    pairs = ResidentViews(data.images[:10], data.normalisation, CPU.device, (Recipe(), Recipe()))
    seen = []

    def loss(first, second):
        seen.append(len(first))
        assert torch.equal(first, second)
        return first.mean() * 0 + len(seen)

    assert heldout_loss(Method(nn.Identity(), nn.Identity(), loss), pairs, 4, CPU) == 1.5
    assert heldout_loss(Method(nn.Identity(), nn.Identity(), loss), pairs, 64, CPU) == 3.0
    assert seen == [4, 4, 10]


def test_too_few_images_are_an_error(data):
    few = Unlabelled(data.images[:20], data.normalisation)
    with pytest.raises(PluginError, match="a batch of 32 from 16 images"):
        train("simclr", few)
    with pytest.raises(PluginError, match="simclr: 2 of 2 images would be held out"):
        train("simclr", Unlabelled(data.images[:2], data.normalisation))


def test_the_list_says_what_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    show_list(["pretexts"])
    shown = capsys.readouterr().out
    assert "not installed" in shown
    assert "'labeleff[ssl]'" in shown
    assert "'labeleff[timm]'" in shown


STUDY = {
    "name": "mine",
    "tasks": ["toy/classify"],
    "encoders": ["resnet9"],
    "arms": ["scratch/finetune", "simclr/linear"],
    "rungs": [20, 50],
    "budget": {name: {"lr": 0.1, "batch": 64, "epochs": 2} for name in ("finetune", "simclr")},
}


def test_a_missing_package_says_what_to_install_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    where = RunOptions(tmp_path / "out", [], 1, 1, "cpu", tmp_path / "data", tmp_path / "cache", quiet=True)
    with pytest.raises(OptionError, match=r"'simclr' needs lightly, .*pip install 'labeleff\[ssl\]'"):
        measure(parse_study(STUDY, "mine"), where)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augment": {"crop": 4}}, "budget.simclr.augment: simclr makes its own views"),
        ({}, None),
    ],
)
def test_own_views_leave_no_room_for_augmentations(change, message):
    table = {**STUDY, "budget": {**STUDY["budget"], "simclr": {**STUDY["budget"]["simclr"], **change}}}
    if message is None:
        assert parse_study(table, "mine").pretrainings
    else:
        with pytest.raises(LabeleffError, match=message):
            parse_study(table, "mine")


@pytest.mark.parametrize(("option", "value"), [("area", 1.5), ("area", 0.0), ("momentum", 1.01)])
def test_options_out_of_range_are_an_error(option, value):
    with pytest.raises(LabeleffError, match=f"option '{option}': found {value}"):
        lookup.complete("pretext", "byol", {option: value})


def test_effective_rank_counts_dimensions():
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q
    rows = torch.linalg.qr(torch.randn(200, 16, generator=generator)).Q
    for used in (1, 5, 16):
        scale = torch.zeros(16)
        scale[:used] = 3.0
        assert effective_rank((rows * scale) @ turn) == pytest.approx(used, rel=1e-5)
    two = torch.tensor([3.0, 1.0])
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_rank(torch.diag(two)) == pytest.approx(expected, rel=1e-6)
    assert effective_rank(torch.zeros(3, 2)) == 0
    assert math.isnan(effective_rank(torch.tensor([[1.0, math.nan], [0.0, 1.0]])))
    assert effective_rank(torch.zeros(4, 3)) == 0
    assert effective_rank(torch.randn(5, 64, generator=generator)) <= 5
