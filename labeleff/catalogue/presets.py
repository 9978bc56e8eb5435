"""Presets of pretexts by name: short ones for small machines, and the paper's.

A preset is a row of the budget table and options; the paper's are those of its reference code. A study takes the row
by `budget.cmc = "cifar-r9"`, or as a table with `preset` and the keys that differ; the options by
`{ name = "cmc", preset = "cifar-r9" }` where it names the pretext.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import StudyError, UnknownNameError


@dataclass(frozen=True)
class Preset:
    """Settings of one pretext: options that differ from the defaults, and a row of the budget table."""

    pretext: str
    name: str
    clause: str
    options: Mapping[str, OptionValue]
    budget: Mapping[str, Any]


_SHORT = "minutes on one core, for a narrow resnet9 at 32 pixels"


def _short(
    pretext: str, optimizer: str, lr: float, batch: int, epochs: int, augment: Mapping[str, Any], **others: float
) -> Preset:
    """A preset of minutes on one core, for a narrow resnet9 and some thousand images of 32 pixels."""
    row = {"optimizer": optimizer, "lr": lr, "batch": batch, "epochs": epochs, "augment": augment, **others}
    return Preset(pretext, "short", _SHORT, {}, row)


_ADAMW: Mapping[str, Any] = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-2, "warmup": 0.05}


def _short_pair(pretext: str, **options: OptionValue) -> Preset:
    """A preset of minutes on one core, for a pretext that compares two views.

    A crop keeps three tenths of the image or more, since a twelfth of a 32-pixel image of a rendered object shows no
    shape. Slow copies follow within tens of steps, as a training has only some hundreds.
    """
    return Preset(pretext, "short", _SHORT, {"area": 0.3, **options}, {**_ADAMW, "batch": 128, "epochs": 16})


def _cifar_pair(pretext: str) -> Preset:
    """SimSiam's settings on CIFAR-10, for any pretext of two views.

    Source: Chen and He 2021, appendix D; the learning rate is 0.03 times the batch over 256.
    """
    row = {"optimizer": "sgd", "lr": 0.06, "weight_decay": 5e-4, "batch": 512, "epochs": 200}
    return Preset(pretext, "cifar-r9", "SimSiam's on CIFAR-10, for all that compare two views", {}, row)


_MAE: Mapping[str, Any] = {"optimizer": "adamw", "betas": (0.9, 0.95), "weight_decay": 0.05, "warmup": 0.05}
"""The optimiser of masked pretraining: He et al. 2022, appendix A.1, table 8, which warms up for 40 of 800 epochs."""

_IJEPA: Mapping[str, Any] = {"optimizer": "adamw", "weight_decay": 0.04, "warmup": 0.025}
"""The optimiser of I-JEPA: Assran et al. 2023, appendix A.1, which warms up for 15 of 600 epochs."""

_PLACES = {
    "cifar-r9": ("resnet9 on CIFAR-10", 32),
    "syn-r9": ("resnet9 on single objects of 64 pixels", 64),
    "syn-r50": ("resnet50 on single objects of 64 pixels", 64),
    "dense-r50": ("resnet50 on scenes of 128 pixels", 128),
}
"""Encoder and images of the reference code's configurations, in words, with the images' side in pixels."""


def _paper(
    pretext: str,
    place: str,
    batch: int,
    peak: float,
    last: float,
    decay: float,
    rounds: int,
    epochs: int,
    options: Mapping[str, OptionValue] | None = None,
) -> Preset:
    """A configuration of the reference code: Adam, five warm-up rounds, then a line from `peak` to `last`.

    An epoch is a pass over the data; the code's rounds, `rounds` in the whole training, are passes over what fits into
    memory. Grayscale, in that code a copy of one L*a*b* mean into all three channels, is left out. Jitter is of RGB,
    not L*a*b*, and always applied, not with 80 % probability; weight decay is on matrices only.
    """
    clause, side = _PLACES[place]
    augment: dict[str, Any] = {"crop": side // 8, "flip": True}
    if pretext != "cmc" or place == "dense-r50":
        augment["jitter"] = 0.25
    if pretext != "vae":
        augment["cutout"] = side // 4
    budget = {
        "optimizer": "adam",
        "betas": (0.8, 0.999),
        "lr": peak,
        "final": last / peak,
        "schedule": "linear",
        "warmup": 5 / rounds,
        "weight_decay": decay,
        "batch": batch,
        "epochs": epochs,
        "augment": augment,
    }
    return Preset(pretext, place, f"the paper's, for {clause}", options or {}, budget)


_VAE: Mapping[str, OptionValue] = {"rule": "reference", "space": "lab", "width": 1.0}


def _cmc(k: int, momentum: float, head: str) -> Mapping[str, OptionValue]:
    """Options of CMC with memory banks; the linear head is the one that the reference code adds to ResNet-50."""
    return {"negatives": "memory", "k": k, "momentum": momentum, "head": head}


PRESETS: tuple[Preset, ...] = (
    _short("rotation", "sgd", 0.1, 64, 12, {"crop": 3, "flip": True}, weight_decay=5e-4),
    _paper("rotation", "cifar-r9", 512, 1e-3, 1e-5, 1e-4, 100, 100),
    _paper("rotation", "syn-r9", 512, 5e-4, 1e-5, 1e-4, 400, 50),
    _paper("rotation", "syn-r50", 384, 5e-4, 1e-5, 1e-4, 400, 50),
    _paper("rotation", "dense-r50", 64, 5e-4, 1e-5, 1e-4, 900, 36),
    _short("vae", "adam", 3e-3, 32, 36, {"crop": 3, "flip": True}),
    _paper("vae", "cifar-r9", 512, 1e-3, 1e-5, 1e-5, 400, 400, _VAE),
    _paper("vae", "syn-r9", 512, 1e-3, 1e-5, 1e-5, 800, 100, _VAE),
    _paper("vae", "syn-r50", 384, 1e-3, 1e-5, 1e-5, 800, 100, _VAE),
    _paper("vae", "dense-r50", 96, 1e-3, 1e-5, 1e-5, 1200, 48, _VAE),
    _short("cmc", "adam", 2e-3, 64, 20, {"crop": 3, "flip": True}),
    _paper("cmc", "cifar-r9", 512, 1e-3, 1e-6, 1e-5, 400, 400, _cmc(4096, 0.4, "none")),
    _paper("cmc", "syn-r9", 256, 1e-3, 1e-6, 1e-5, 800, 100, _cmc(8192, 0.2, "none")),
    _paper("cmc", "syn-r50", 384, 5e-3, 1e-6, 1e-5, 1600, 200, _cmc(4086, 0.4, "linear")),
    _paper("cmc", "dense-r50", 64, 1e-3, 1e-6, 1e-5, 1600, 64, _cmc(16384, 0.4, "linear")),
    _short("amdim", "adam", 2e-3, 64, 20, {"crop": 6, "flip": True, "jitter": 1.0, "cutout": 8}),
    _paper("amdim", "cifar-r9", 384, 1e-3, 1e-6, 1e-5, 400, 400),
    _paper("amdim", "syn-r9", 384, 1e-3, 1e-6, 1e-5, 800, 50),
    _paper("amdim", "syn-r50", 192, 1e-3, 1e-6, 1e-5, 1600, 100),
    _paper("amdim", "dense-r50", 32, 5e-4, 1e-6, 1e-5, 1600, 32),
    _short_pair("simclr"),
    _short_pair("moco"),
    _short_pair("byol", momentum=0.98),
    Preset(
        "simsiam",
        "short",
        _SHORT,
        {"area": 0.15, "colour": 0.25},
        {"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "warmup": 0.05, "batch": 64, "epochs": 32},
    ),
    _short_pair("barlow_twins"),
    _short_pair("vicreg"),
    _short_pair("dino", momentum=0.98),
    _short_pair("lejepa", directions=128),
    _short_pair("swav", prototypes=128, queue=512),
    Preset(
        "mae",
        "short",
        "minutes on one core, for a narrow vit_tiny of few blocks at 32 pixels",
        {},
        {**_MAE, "lr": 2e-3, "batch": 64, "epochs": 40, "augment": {"crop": 4, "flip": True}},
    ),
    Preset(
        "mae",
        "imagenet",
        "the paper's, for images of 224 pixels; its crops of random size are shifts of an eighth here",
        {"width": 512, "depth": 8, "heads": 16},
        {**_MAE, "lr": 2.4e-3, "batch": 4096, "epochs": 800, "augment": {"crop": 28, "flip": True}},
    ),
    Preset(
        "ijepa",
        "short",
        "minutes on one core, for a narrow vit_tiny of few blocks at 32 pixels",
        {"width": 64, "depth": 1, "momentum": 0.99},
        {**_IJEPA, "lr": 1e-3, "batch": 64, "epochs": 40, "augment": {"crop": 4, "flip": True}},
    ),
    Preset(
        "ijepa",
        "imagenet",
        "the paper's for ViT-B/16 at 224 pixels; its growing weight decay stays at its start here",
        {"width": 384, "depth": 6, "heads": 12, "network": "teacher"},
        {**_IJEPA, "lr": 1e-3, "batch": 2048, "epochs": 600, "augment": {"crop": 28}},
    ),
    *map(_cifar_pair, ("simclr", "moco", "byol", "simsiam", "barlow_twins", "vicreg", "dino", "lejepa", "swav")),
)


def find(pretext: str, name: object) -> Preset:
    """The preset of a pretext by name; raises UnknownNameError with the nearest match."""
    presets = {preset.name: preset for preset in PRESETS if preset.pretext == pretext}
    if name not in presets:
        raise UnknownNameError(f"preset of {pretext!r}", str(name), presets)
    return presets[str(name)]


def row(key: str, value: Any) -> Any:
    """A row of the budget table: that of the preset that `value` names, overridden by its other keys."""
    if isinstance(value, str):
        return dict(find(key, value).budget)
    if isinstance(value, Mapping) and not value and (names := [one.name for one in PRESETS if one.pretext == key]):
        raise StudyError(
            f"budget.{key}: found an empty table, expected lr, batch and epochs or steps, or a preset: "
            f'{key} = "{names[0]}" (known: {", ".join(names)})'
        )
    if not isinstance(value, Mapping) or "preset" not in value:
        return value
    overrides = {name: setting for name, setting in value.items() if name != "preset"}
    budget = dict(find(key, value["preset"]).budget)
    if overrides.keys() & {"steps", "epochs"}:
        budget.pop("epochs")
    return budget | overrides


def options(pretext: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a pretext: those of the preset that `given` names, overridden by its other keys."""
    overrides = {name: value for name, value in given.items() if name != "preset"}
    return {**find(pretext, given["preset"]).options, **overrides} if "preset" in given else overrides
