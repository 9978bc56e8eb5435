"""Mutated checkpoints: each fills an encoder with the right weights, or gives one clear error that names its file.

`LABELEFF_CHECKPOINTS` sets their number (150 unless told).
"""

from __future__ import annotations

import argparse
import collections
import copy
import gzip
import io
import json
import os
import pickle
import random
import struct
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from labeleff.catalogue import lookup
from labeleff.errors import WeightsError
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.resnet import narrow18
from labeleff.plugins.pretexts.weights.outside_weights import fill
from labeleff.plugins.pretexts.weights.weight_sources import load_file
from labeleff.training.examples import Source

CHECKPOINTS = int(os.environ.get("LABELEFF_CHECKPOINTS", "150"))
COUNTER = "num_batches_tracked"


def build(kind, seed):
    """A small encoder: labeleff's own ResNet9, or a ResNet-18, whose weights have torchvision's names too."""
    torch.manual_seed(seed)
    if kind == "resnet18":
        return narrow18({}, 1 / 16, 3)
    return build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 16}), seed)


@dataclass
class Case:
    """One checkpoint to be made: what it is made from, and what chance decides."""

    kind: str
    chance: random.Random
    path: Path
    own: dict[str, Any]
    """The weights that the encoder should get, by its names."""
    other: dict[str, Any]
    """Weights of another network of the same kind, which are not meant."""

    @property
    def bare(self):
        """The weights under the names that other programs give them."""
        return {name.removeprefix("net."): tensor for name, tensor in self.own.items()}

    @property
    def bare_other(self):
        return {name.removeprefix("net."): tensor for name, tensor in self.other.items()}

    def weight(self, least=1):
        """Name of any floating-point tensor of so many axes at least."""
        return self.chance.choice([n for n, t in self.own.items() if t.is_floating_point() and t.ndim >= least])

    def save(self, value, **options):
        torch.save(value, self.path, **options)

    def bytes(self, value):
        stream = io.BytesIO()
        torch.save(value, stream)
        return stream.getvalue()


def named(state, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def head(case):
    return {"fc.weight": torch.ones(10, 32), "fc.bias": torch.ones(10)} if case.kind == "resnet18" else {}


# Right: the encoder's weights come out, whatever is around them.


def prefixes(case):
    words = ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "net.", "a.b.c.", "0.", "student."]
    prefix = "".join(case.chance.sample(words, case.chance.randint(0, 3)))
    case.save(named(case.bare | head(case), prefix))
    return "right"


def nesting(case):
    value: Any = case.bare
    for _ in range(case.chance.randint(1, 4)):
        value = {case.chance.choice(["state_dict", "model", "net", "weights", "inner", 7]): value, "epoch": 3}
    case.save(value | {"best": np.float64(0.5), "args": argparse.Namespace(lr=0.1), "name": "r18", "none": None})
    return "right"


def optimizer(case):
    net = nn.Linear(3, 3)
    trainer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    trainer.step()
    key = case.chance.choice(["optimizer", "optimizer_state_dict", "optim", "opt_state", "opt"])
    case.save({"model": case.bare, key: trainer.state_dict(), "scheduler": {"last_epoch": 3}})
    return "right"


def lightning(case):
    case.save(
        {
            "state_dict": named(case.bare, "model.backbone.") | {"criterion.weight": torch.ones(10)},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
            "callbacks": {"ModelCheckpoint": {"best": torch.tensor(0.5)}},
            "hyper_parameters": {"lr": 0.1},
            "loops": {"fit": {"step": torch.tensor(3)}},
        }
    )
    return "right"


def averages(case):
    pairs = [("model", "model_ema"), ("student", "teacher"), ("online.encoder", "ema"), ("encoder_k", "encoder_q")]
    not_meant, meant = case.chance.choice(pairs)
    order = [(not_meant, case.bare_other), (meant, case.bare)]
    case.chance.shuffle(order)
    case.save(dict(order) if case.chance.random() < 0.5 else {"s": collections.OrderedDict(flattened(order))})
    return "right"


def flattened(parts):
    return [(f"{name}.{inner}", tensor) for name, state in parts for inner, tensor in state.items()]


def sequential(case):
    if case.kind != "resnet18":
        case.save({f"0.{name}": tensor for name, tensor in case.own.items()} | {"1.weight": torch.ones(10, 16)})
        return "right"
    children = list(dict.fromkeys(name.partition(".")[0] for name in case.bare))
    places = {child: str(place) for place, child in enumerate(children)}
    renamed = {
        ".".join([places[first], rest]): t for n, t in case.bare.items() for first, _, rest in [n.partition(".")]
    }
    case.save(renamed | {f"{len(children)}.weight": torch.ones(10, 32)})
    return "right"


def floats(case):
    dtype = case.chance.choice([torch.float64, torch.bfloat16, torch.float16])
    case.save({n: t.to(dtype) if t.is_floating_point() else t for n, t in case.bare.items()})
    case.own = {n: t.to(dtype).float() if t.is_floating_point() else t for n, t in case.own.items()}
    return "right"


def formats(case):
    suffix, how = case.chance.choice([".pt", ".pth", ".bin", ".ckpt", ".safetensors", "", ".zip"]), case.chance.random()
    case.path = case.path.with_suffix(suffix)
    if how < 0.4:
        case.path.write_bytes(safetensors_bytes(case.bare))
    else:
        case.save(case.bare, _use_new_zipfile_serialization=how < 0.7)
    return "right"


def tensors(case):
    """Parameters, views with strides of their own, no counters, and names in any order."""
    names = sorted(case.bare, key=lambda _: case.chance.random())
    state = {n: case.bare[n] for n in names if not n.endswith(COUNTER) or case.chance.random() < 0.5}
    case.save({n: nn.Parameter(strided(t)) if t.is_floating_point() else t for n, t in state.items()})
    return "right"


def strided(tensor):
    return torch.stack([tensor, tensor], dim=-1)[..., 0]


# Errors: what is found can't be meant, or its meaning is open.


def values(case):
    name, wrong = case.weight(2), case.chance.choice(["nan", "inf", "zeros", "one nan", "-inf", "beyond float32"])
    state = {n: t.clone() for n, t in case.bare.items()}
    tensor = state[name.removeprefix("net.")]
    if wrong == "one nan":
        tensor.view(-1)[case.chance.randrange(tensor.numel())] = float("nan")
    elif wrong == "beyond float32":
        state[name.removeprefix("net.")] = tensor.double() * 1e300
    else:
        tensor[:] = {"nan": float("nan"), "inf": float("inf"), "-inf": -float("inf"), "zeros": 0.0}[wrong]
    case.save(state)
    return name


def dtypes(case):
    name, dtype = case.weight(), case.chance.choice([torch.int8, torch.int64, torch.bool, torch.complex64, torch.uint8])
    case.save(case.bare | {name.removeprefix("net."): case.own[name].to(dtype)})
    return name


def layouts(case):
    name = case.weight(2)
    tensor, how = case.own[name], case.chance.choice(["meta", "sparse", "quantised"])
    if how == "quantised":
        with warnings.catch_warnings(action="ignore"):  # torch warns that such tensors will go
            tensor = torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)
    else:
        tensor = tensor.to("meta") if how == "meta" else tensor.to_sparse()
    case.save(case.bare | {name.removeprefix("net."): tensor})
    return name


def shapes(case):
    name = case.weight()
    tensor = case.own[name]
    changes = [lambda t: torch.cat([t, t[:1]]), lambda t: t[:-1], lambda t: t[None], lambda t: t.sum()]
    if tensor.ndim > 1 and tensor.shape[0] != tensor.shape[1]:
        changes += [lambda t: t.transpose(0, 1), lambda t: t.flatten(1)]
    case.save(case.bare | {name.removeprefix("net."): case.chance.choice(changes)(tensor).contiguous()})
    return name


def half(case):
    names = list(case.bare)
    gone = set(case.chance.sample(names, case.chance.choice([1, 3, len(names) // 3])))
    gone = {name for name in gone if not name.endswith(COUNTER)} or {names[0]}
    case.save({name: tensor for name, tensor in case.bare.items() if name not in gone})
    return min(gone)


def extra(case):
    name = case.chance.choice(["layer9.0.weight", "prepool2.weight", "embedding", "mask_token"])
    case.save(case.bare | {name: torch.ones(3, 3)})
    return name


def renamed(case):
    change = case.chance.choice([str.upper, lambda n: n.replace(".", "/"), lambda n: n.replace("weight", "kernel")])
    case.save({change(name): tensor for name, tensor in case.bare.items()})
    return "missing"


def another(case):
    other = build("resnet9" if case.kind == "resnet18" else "resnet18", 3).state_dict()
    wider = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.125, "dim": 16}), 0).state_dict()
    case.save(case.chance.choice([other, wider, nn.Linear(3, 3).state_dict()]))
    return "missing" if case.kind == "resnet18" else ("other shapes", "missing")


def truncated(case):
    data = case.chance.choice([case.bytes(case.bare), safetensors_bytes(case.bare)])
    case.path.write_bytes(data[: case.chance.choice([0, 1, 8, 9, 40, len(data) // 2, len(data) - 1])])
    return "not readable as weights", "not a file saved by torch"


def flipped(case):
    """One bit of the middle of a header."""
    data = bytearray(safetensors_bytes(case.bare))
    data[8 + case.chance.randrange(200)] ^= 1 << case.chance.randrange(7)
    case.path.write_bytes(data)
    return "any"


def headers(case):
    data = safetensors_bytes(case.bare)
    length = struct.unpack("<Q", data[:8])[0]
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    first = next(name for name in header if name != "__metadata__")
    how = case.chance.choice(["length", "dtype", "offsets", "shape", "no json", "list", "empty", "deep"])
    if how == "dtype":
        header[first]["dtype"] = "F33"
    elif how == "offsets":
        header[first]["data_offsets"] = [0, 10**9]
    elif how == "shape":
        header[first]["shape"] = [7, 7, 7]
    text = {"no json": b'{"a": ', "list": b"{}[]", "empty": b"{}", "deep": b'{"a":' * 5000}
    new = text.get(how, json.dumps(header).encode())
    count = length * 2**20 if how == "length" else len(new)
    case.path.write_bytes(struct.pack("<Q", count) + new + rest)
    return "readable" if how != "length" else "any"


def no_weights(case):
    folder = case.chance.random() < 0.2
    if folder:
        case.path.mkdir()
        return "readable"
    whole = gzip.compress(case.bytes(case.bare))
    texts = ["", "not weights\n", '{"metadata": {}, "weight_map": {}}', "<html>404</html>", "version https://git-lfs"]
    content = [
        *(text.encode() for text in texts),
        whole,
        b"\x89HDF\r\n\x1a\n",
        b"GGUF\x03",
    ]
    case.path.write_bytes(case.chance.choice(content))
    return "any"


def archives(case):
    if case.chance.random() < 0.4:
        np.savez(case.path.with_suffix(".npz"), **{name: tensor.numpy() for name, tensor in case.bare.items()})
        case.path = case.path.with_suffix(".npz")
        return "readable"
    with zipfile.ZipFile(case.path, "w") as archive:
        archive.writestr("archive/version", "3")
        if case.chance.random() < 0.5:
            archive.writestr("archive/data.pkl", pickle.dumps([1, 2]))
    return "any"


class Harmless:
    """An object of a class that only this module knows."""


def pickles(case):
    net = nn.Sequential(nn.Linear(2, 2))
    value = case.chance.choice([Harmless(), {"a": Harmless()}, net, {"model": net}, collections.Counter("aab"), print])
    if case.chance.random() < 0.4:
        case.path.write_bytes(pickle.dumps(value))
    else:
        case.save(value)
    return "any"


def values_alone(case):
    tensor = torch.ones(3)
    choices = [{}, [], None, 3, "text", tensor, [tensor], (tensor, tensor), {"a": 1}, {"model": {}}, {"a": [case.bare]}]
    case.save(case.chance.choice(choices))
    return "expected a state dict"


def pruned(case):
    """Masks of pruning beside weights under other names; what they mean is for its user to settle."""
    name = case.weight(2).removeprefix("net.")
    state = dict(case.bare)
    tensor = state.pop(name)
    case.save(state | {f"{name}_orig": tensor, f"{name}_mask": torch.ones_like(tensor)})
    return f"{name}_mask"


def missing_file(case):
    case.path = case.path.parent / case.chance.choice(["nothing.pt", "no folder/a.pt", "é.safetensors"])
    return "no such file"


MUTATIONS = (
    *(prefixes, nesting, optimizer, lightning, averages, sequential, floats, formats, tensors, values, dtypes, layouts),
    *(shapes, half, extra, renamed, another, truncated, flipped, headers, no_weights, archives, pickles, values_alone),
    *(pruned, missing_file),
)


@pytest.fixture(scope="module")
def networks():
    """Two networks of each kind by name, with weights that differ in every tensor."""
    return {kind: [awake(build(kind, seed).state_dict(), seed) for seed in (1, 2)] for kind in ("resnet9", "resnet18")}


@pytest.fixture(scope="module")
def fresh():
    """An encoder of each kind by name, as it is before it has any weights from outside."""
    return {kind: build(kind, 9) for kind in ("resnet9", "resnet18")}


def awake(state, seed):
    dice = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(tensor.shape, generator=dice) + 0.1 if tensor.is_floating_point() else tensor + seed
        for name, tensor in state.items()
    }


@pytest.mark.parametrize("seed", range(CHECKPOINTS))
def test_each_checkpoint_is_right_or_one_clear_error(tmp_path, networks, fresh, seed):
    kind = ("resnet9", "resnet18")[seed // len(MUTATIONS) % 2]
    own, other = networks[kind]
    case = Case(kind, random.Random(seed), tmp_path / "mine.pt", own, other)
    expected = MUTATIONS[seed % len(MUTATIONS)](case)
    before = fresh[kind].state_dict()
    encoder = copy.deepcopy(fresh[kind])
    try:
        weights = load_file({"path": str(case.path), "prefix": ""}, Source(tmp_path))
        said = fill(encoder, weights, "refuse", f"{weights.provenance} doesn't fit")
    except WeightsError as error:
        check_error(str(error), case, expected)
        assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())
        return
    assert expected == "right", said
    assert str(case.path) in said
    for name, tensor in encoder.state_dict().items():
        assert name.endswith(COUNTER) or torch.equal(tensor, case.own[name]), name


def check_error(text, case, expected):
    """Check that an error names the file and what was found there, in a line or two that people can read."""
    assert expected != "right", text
    assert str(case.path) in text
    assert text.count("\n") <= 1
    assert len(text) < 900
    words = [expected] if isinstance(expected, str) else expected
    assert "any" in words or any(word in text for word in words), text
