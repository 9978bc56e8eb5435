"""Checkpoints as programs write them: each gives the same weights, and says what was taken off."""

import argparse

import numpy as np
import pytest
import torch
from torch import nn

from labeleff.catalogue import lookup
from labeleff.errors import WeightsError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.weights.outside_weights import Weights, fill, under
from labeleff.plugins.pretexts.weights.weight_files import read_checkpoint
from labeleff.plugins.pretexts.weights.weight_names import match
from labeleff.training.examples import Source


def encoder(seed, name="resnet18_imagenet"):
    return build_encoder(lookup.complete("encoder", name, {}), seed)


@pytest.fixture(scope="module")
def net():
    """A ResNet-18 with names as torchvision has them."""
    return encoder(7).net


@pytest.fixture(scope="module")
def others():
    """Weights of another network of the same kind, for the parts that aren't meant."""
    return encoder(8).net.state_dict()


def named(state, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


HEAD = {"fc.weight": torch.ones(10, 512), "fc.bias": torch.ones(10)}
PROJECTION = {"fc.0.weight": torch.ones(9, 512), "fc.2.weight": torch.ones(9, 9)}
WRAPPED = {
    "plain": (lambda w, _: w | HEAD, ""),
    "state_dict": (
        lambda w, _: {"epoch": 3, "best": np.float64(0.5), "state_dict": w, "args": argparse.Namespace()},
        "",
    ),
    "model beside an optimiser": (
        lambda w, _: {"model": w, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
        "",
    ),
    "parallel, compiled": (lambda w, _: named(w | HEAD, "module._orig_mod."), "module._orig_mod."),
    "averaged": (lambda w, _: named(w, "module.") | {"n_averaged": torch.tensor(3)}, "module."),
    "lightly": (lambda w, _: {"state_dict": named(w, "backbone.") | {"head.0.weight": torch.ones(1)}}, "backbone."),
    "MoCo": (
        lambda w, o: {
            "state_dict": named(w | PROJECTION, "module.encoder_q.")
            | named(o | PROJECTION, "module.encoder_k.")
            | {"module.queue": torch.ones(9, 4)}
        },
        "module.encoder_q.",
    ),
    "DINO": (
        lambda w, o: {"student": named(o, "module.backbone."), "teacher": named(w, "backbone."), "epoch": 3},
        "teacher.backbone.",
    ),
    "timm with EMA": (lambda w, o: {"state_dict": o, "state_dict_ema": w, "metric": 0.5}, "state_dict_ema."),
    "BYOL": (lambda w, o: named(w, "online.") | named(o, "target."), "online."),
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("suffix", [".pth.tar"])
def test_checkpoints_of_other_programs(tmp_path, net, others, kind, suffix):
    wrap, prefix = WRAPPED[kind]
    torch.save(wrap(net.state_dict(), others), tmp_path / f"a{suffix}")
    state, _ = read_checkpoint(tmp_path / f"a{suffix}")
    filled = encoder(1)
    said = fill(filled, Weights(state, "made"), "refuse", "what")
    assert all(torch.equal(filled.net.state_dict()[name], tensor) for name, tensor in net.state_dict().items())
    assert (f"tensors under {prefix!r}" in said) is bool(prefix)


def test_a_suffix_says_nothing(tmp_path, net):
    from safetensors.torch import save_file

    torch.save(net.state_dict(), tmp_path / "a.safetensors")
    torch.save(net.state_dict(), tmp_path / "a.ckpt")
    save_file(net.state_dict(), tmp_path / "a.bin")
    found = [Weights(read_checkpoint(tmp_path / name)[0], "") for name in ("a.safetensors", "a.ckpt", "a.bin")]
    assert len({weights.sha256 for weights in found}) == 1


@pytest.mark.parametrize("pooling", [True, False], ids=["with its pooling", "as SimCLR for small images"])
@pytest.mark.parametrize("prefix", ["", "f."])
def test_a_bare_sequential(net, pooling, prefix):
    children = [part for part in net.children() if pooling or not isinstance(part, nn.MaxPool2d)]
    bare = nn.Sequential(*children, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    filled = encoder(1)
    extra = {"g.0.weight": torch.ones(3, 3)} if prefix else {}
    said = fill(filled, Weights(named(bare.state_dict(), prefix) | extra, "made"), "refuse", "what")
    assert all(torch.equal(filled.net.state_dict()[name], tensor) for name, tensor in net.state_dict().items())
    assert "names by position, as of an nn.Sequential" in said


def test_what_else_would_fit_is_named_and_can_be_chosen(net, others):
    state = named(net.state_dict(), "student.") | named(others, "teacher.")
    naming = match(encoder(1), state)
    assert naming.prefix == "teacher."
    assert naming.notes[-1] == "the encoder's names are also under 'student.': set prefix to take those"
    chosen = under("student.", Weights(state, "made"))
    assert torch.equal(match(encoder(1), chosen.state).given["net.conv1.weight"], net.conv1.weight)


def test_where_nothing_fits_the_nearest_prefix_is_proposed(net):
    state = named(net.state_dict(), "model.encoder.")
    del state["model.encoder.bn1.weight"]
    with pytest.raises(WeightsError, match=r"nearest under 'model\.encoder\.': missing 1: net\.bn1\.weight$"):
        fill(encoder(1), Weights(state, "made"), "refuse", "what")
    with pytest.raises(WeightsError, match=r"no name begins with 'backbone\.'.* 'model\.' \(\d+ tensors\)"):
        under("backbone.", Weights(state, "made"))


def test_the_key_that_all_lay_under_is_recorded(tmp_path, net):
    from labeleff.plugins.pretexts.weights.weight_sources import load_file

    torch.save({"state_dict": named(net.state_dict(), "backbone.")}, tmp_path / "a.ckpt")
    for prefix in ("", "backbone.", "state_dict.backbone."):
        weights = load_file({"path": str(tmp_path / "a.ckpt"), "prefix": prefix}, Source(tmp_path, True))
        assert weights.provenance.startswith(f"file {tmp_path / 'a.ckpt'}, its 'state_dict'")
