"""Pairs of encoders for lightness and colour: as large as a plain one, and used like one."""

import copy

import pytest
import torch

from labeleff.catalogue import declaration, lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import StudyError
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.split import parameters
from labeleff.records.entries import PretrainingRecord
from labeleff.study.loading import load_study
from labeleff.training.encoder_cache import EncoderCache, state_sha256

SIZES = [
    ("resnet9", {}, 0.001, 256),
    ("resnet9", {"width": 0.25}, 0.01, 256),
    ("resnet9", {"width": 0.125}, 0.005, 256),
    ("resnet18", {}, 0.002, 720),
    ("resnet50", {}, 0.005, 2880),
    ("mobilenet_v2", {"stem": "cifar"}, 0.005, 1280),
]


def spec_of(name, options):
    return lookup.complete("encoder", name, options)


@pytest.mark.parametrize(("name", "options", "off", "dim"), SIZES)
def test_a_pair_is_as_large_as_a_plain_encoder(name, options, off, dim):
    pair, plain = (build_encoder(spec_of(name, options), 0, split=split) for split in (True, False))
    assert pair.plain == parameters(plain)
    assert abs(parameters(pair) / pair.plain - 1) < off
    light, colour = parameters(pair.light), parameters(pair.colour)
    assert 0 < colour - light < 0.03 * light  # one more input channel
    assert pair.dim == dim


@pytest.mark.parametrize(("name", "options", "off", "dim"), SIZES)
@pytest.mark.parametrize("training", [False, True])
def test_maps_and_features_are_both_halves(name, options, off, dim, training):
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pair = build_encoder(spec_of(name, options), 0, split=True).double().train(training)
    again = copy.deepcopy(pair)
    with torch.inference_mode():
        maps, features = pair.maps(images), again(images)
        light, colour = again.views(images)
    assert tuple(maps) == pair.stages
    torch.testing.assert_close(maps[pair.stages[-1]].mean((2, 3)), features)
    torch.testing.assert_close(LastMap(pair.eval())(images).mean((2, 3)), pair(images))
    if not training:
        with torch.inference_mode():
            torch.testing.assert_close(features[:, : pair.light.dim], again.light(light))
            torch.testing.assert_close(features[:, pair.light.dim :], again.colour(colour))


@pytest.mark.parametrize(("name", "options", "off", "dim"), SIZES)
def test_stages_together_hold_all_weights_and_buffers(name, options, off, dim):
    pair = build_encoder(spec_of(name, options), 0, split=True)
    held = [
        id(tensor) for module in pair.until(pair.stages[-1]) for tensor in module.state_dict(keep_vars=True).values()
    ]
    assert sorted(held) == sorted(id(tensor) for tensor in pair.state_dict(keep_vars=True).values())


def test_weights_depend_on_the_seed_alone():
    spec = spec_of("resnet9", {"width": 0.1, "dim": 8})
    one, again, other = (build_encoder(spec, seed, split=True) for seed in (1, 1, 2))
    assert state_sha256(one) == state_sha256(again) != state_sha256(other)


def test_a_pair_is_cached_with_what_it_knows_of_colours(tmp_path):
    spec = spec_of("resnet9", {"width": 0.0625, "dim": 8})
    pair = build_encoder(spec, 0, split=True)
    pair.lab.mean.copy_(torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1))
    [pretraining, *_] = load_study("smoke").pretrainings
    record = PretrainingRecord(run="r", key="k", pretraining=pretraining, status="ok")
    cache = EncoderCache(tmp_path)
    cache.save("k", pair, record)
    other = build_encoder(spec, 5, split=True)
    cache.load("k", other)
    assert state_sha256(other) == state_sha256(pair)


def test_families_without_a_narrow_version_are_refused(monkeypatch):
    entry = declaration.Plugin(
        "wide", "only wide", "labeleff.plugins.encoders.resnet9:build", options={"width": 1.0, "dim": 8}
    )
    monkeypatch.setitem(lookup._ENTRIES["encoder"], entry.name, entry)
    with pytest.raises(
        StudyError, match=r"'wide' has no narrow version, .* as cmc needs it; choose one of mobilenet_v2, resnet9"
    ):
        build_encoder(Spec(name="wide", options=dict(entry.options)), 0, split=True)
