"""The one catalogue of plug-ins: names, options with defaults, and where the code lives.

It holds strings only, so that a study can be checked and planned without importing torch. `resolve` imports
the code of one entry when it is needed. Names that aren't built in are looked for among the plug-ins of other packages
(see `installed`).
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from labeleff import installed
from labeleff.cell import OptionValue, Spec
from labeleff.errors import LabeleffError, OptionError, StudyError, UnknownNameError
from labeleff.plugin import STORIES as STORIES
from labeleff.plugin import Kind as Kind
from labeleff.plugin import Plugin as Plugin

FACTORS = tuple("".join(letters) for letters in itertools.product("T-", "C-", "V-", "L-"))
"""The 16 settings of what varies in rendered scenes, from `TCVL` to `----`."""

_BABI = (
    "one supporting fact: where is someone",
    "two supporting facts: where is a thing that people carry about",
    "three supporting facts: where was a thing before",
    "two-argument relations: what is north of the garden",
    "three-argument relations: who gave what to whom",
    "yes or no: is someone there",
    "counting: how many things does someone carry",
    "lists: which things does someone carry",
    "negation: is someone no longer there",
    "indefinite knowledge: yes, no or maybe",
    "coreference: whom `he` stands for",
    "conjunction: two people in one sentence",
    "compound coreference: whom `they` stands for",
    "time: morning, afternoon, yesterday",
    "deduction: what is a sheep afraid of",
    "induction: what colour is a swan",
    "positions: is the square above the sphere",
    "sizes: does the box fit into the chest",
    "path finding: how to go from here to there",
    "motives: why did someone go there",
)


_VIEWED = tuple(text for text in FACTORS if "V" in text)
"""Settings in which poses differ."""
_SINGLE: dict[str, OptionValue] = {"train": 20_000, "test": 5_000, "size": 32, "factors": "TCVL", "poses": "balanced"}
_SEVERAL: dict[str, OptionValue] = {"train": 10_000, "test": 2_000, "size": 64, "factors": "TCVL", "objects": 4}
_SIDES = (32, 64, 128)
_POSES = ("balanced", "free")
_SYNSETS: dict[str, OptionValue] = {"path": ""}
_FILE: dict[str, OptionValue] = {"path": "", "colours": "auto", "scored": "test", "test": 5_000}
_FILE_CHOICES: dict[str, tuple[OptionValue, ...]] = {
    "colours": ("auto", "lab", "rgb"),
    "scored": ("test", "validation"),
}


_LIGHTLY = ("lightly", "ssl")


def _pairs(name: str, clause: str, area: float, colour: float, **options: OptionValue) -> Plugin:
    """A pretext that compares two views: crops keep `area` or more of an image, jitter has the strength `colour`."""
    shared: dict[str, OptionValue] = {"area": area, "colour": colour, "holdout": 0.02}
    return Plugin(
        name,
        f"{clause} (through lightly)",
        f"labeleff.pretext.{name}:pretrain",
        options=options | shared,
        limits={"area": 1.0, "momentum": 1.0},
        needs=_LIGHTLY,
        own_views=True,
    )


def _outside(name: str, clause: str, required: str, needs: tuple[str, str] | None = None, **options: str) -> Plugin:
    """A pretext that takes weights from outside; `required` names them."""
    return Plugin(
        name,
        clause,
        f"labeleff.pretext.from_{name}:load",
        options={required: "", **options, "stem": "refuse"},
        required=(required,),
        choices={"stem": ("refuse", "centre", "random")},
        trained=False,
        loaded=True,
        needs=needs,
    )


TASKS: tuple[Plugin, ...] = (
    Plugin(
        "toy/classify",
        "procedural coloured, textured shapes; made from a seed, nothing to download",
        "labeleff.data.toy:load",
        options={"train": 6000, "test": 2000, "size": 32},
        classes=10,
    ),
    Plugin(
        "shapes/classify",
        "rendered objects of 10 classes, made from a seed; four factors vary or don't: TCVL, -CV-, ...",
        "labeleff.data.shapes:classify",
        options=_SINGLE,
        choices={"size": _SIDES, "factors": FACTORS, "poses": _POSES},
        classes=10,
    ),
    Plugin(
        "shapes/pose",
        "the same images: upright, or tipped to one of four sides; the viewpoint must vary",
        "labeleff.data.shapes:pose",
        options=_SINGLE,
        choices={"size": _SIDES, "factors": _VIEWED, "poses": _POSES},
        classes=5,
        images_of="shapes/classify",
    ),
    Plugin(
        "shapes/segment",
        "rendered scenes of four objects: the class that a pixel shows, one in 8x8",
        "labeleff.data.shapes:segment",
        options=_SEVERAL,
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="pixel_classes",
    ),
    Plugin(
        "shapes/depth",
        "the same scenes: how far away a pixel is, one in 8x8",
        "labeleff.data.shapes:depth",
        options=_SEVERAL,
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="depth",
        images_of="shapes/segment",
    ),
    Plugin(
        "selfstudy/classify",
        "the paper's own images of single objects, PATH being a .h5 file of its rendering code",
        "labeleff.data.selfstudy:classify",
        options=_FILE,
        required=("path",),
        choices=_FILE_CHOICES,
        classes=10,
    ),
    Plugin(
        "selfstudy/pose",
        "the same images: upright, or tipped to one of four sides; the viewpoint must vary",
        "labeleff.data.selfstudy:pose",
        options=_FILE,
        required=("path",),
        choices=_FILE_CHOICES,
        classes=5,
        images_of="selfstudy/classify",
    ),
    Plugin(
        "selfstudy/segment",
        "the paper's own scenes of four objects, PATH being a .h5 file: the class that a pixel shows, one in 8x8",
        "labeleff.data.selfstudy:segment",
        options=_FILE,
        required=("path",),
        choices=_FILE_CHOICES,
        goal="pixel_classes",
    ),
    Plugin(
        "selfstudy/depth",
        "the same scenes: how far away a pixel is, one in 8x8",
        "labeleff.data.selfstudy:depth",
        options=_FILE,
        required=("path",),
        choices=_FILE_CHOICES,
        goal="depth",
        images_of="selfstudy/segment",
    ),
    Plugin(
        "shapenet/classify",
        "ShapeNet models of the same classes in the same scenes, PATH being your ShapeNetCore.v2 folder",
        "labeleff.data.shapenet:classify",
        options=_SYNSETS | _SINGLE,
        required=("path",),
        choices={"size": _SIDES, "factors": FACTORS, "poses": _POSES},
        classes=10,
    ),
    Plugin(
        "shapenet/pose",
        "the same images: upright, or tipped to one of four sides; the viewpoint must vary",
        "labeleff.data.shapenet:pose",
        options=_SYNSETS | _SINGLE,
        required=("path",),
        choices={"size": _SIDES, "factors": _VIEWED, "poses": _POSES},
        classes=5,
        images_of="shapenet/classify",
    ),
    Plugin(
        "shapenet/segment",
        "scenes of four ShapeNet models: the class that a pixel shows, one in 8x8",
        "labeleff.data.shapenet:segment",
        options=_SYNSETS | _SEVERAL,
        required=("path",),
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="pixel_classes",
    ),
    Plugin(
        "shapenet/depth",
        "the same scenes: how far away a pixel is, one in 8x8",
        "labeleff.data.shapenet:depth",
        options=_SYNSETS | _SEVERAL,
        required=("path",),
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="depth",
        images_of="shapenet/segment",
    ),
    Plugin(
        "cifar10/classify",
        "CIFAR-10: 50,000 + 10,000 photographs of 10 classes, 32x32",
        "labeleff.data.cifar10:load",
        pool=50_000,
        classes=10,
    ),
    Plugin(
        "folder/classify",
        "your images: PATH/train/CLASS/*.png|jpg and PATH/test/CLASS/*",
        "labeleff.data.folder:load",
        options={"path": "", "size": 32},
        required=("path",),
    ),
    *(
        Plugin(
            f"babi/qa{number}",
            f"bAbI task {number}, {clause}",
            f"labeleff.data.babi:qa{number}",
            options={"size": "10k", "source": "auto", "window": 130, "stop_words": "kept"},
            choices={
                "size": tuple(STORIES),
                "source": ("auto", "official", "generated"),
                "stop_words": ("kept", "removed"),
            },
            examples="stories",
        )
        for number, clause in enumerate(_BABI, start=1)
    ),
)

ENCODERS: tuple[Plugin, ...] = (
    Plugin(
        "mobilenet_v2",
        "torchvision's MobileNetV2, 1280 features",
        "labeleff.encoders.mobilenet_v2:build",
        options={"stem": "imagenet", "bn_momentum": 0.1, "bn_eps": 1e-5},
        later=("bn_momentum", "bn_eps"),
        choices={"stem": ("imagenet", "cifar")},
        limits={"bn_momentum": 1.0},
        narrow="narrow",
    ),
    Plugin(
        "resnet9",
        "the paper's ResNet9 with CELU and a linear layer before pooling",
        "labeleff.encoders.resnet9:build",
        options={"width": 1.0, "dim": 256},
        narrow="narrow",
    ),
    Plugin(
        "resnet18",
        "torchvision's ResNet-18, small-image stem",
        "labeleff.encoders.resnet:build18",
        narrow="narrow18",
    ),
    Plugin(
        "resnet50",
        "torchvision's ResNet-50, small-image stem",
        "labeleff.encoders.resnet:build50",
        narrow="narrow50",
    ),
    Plugin("resnet18_imagenet", "torchvision's ResNet-18 as it is", "labeleff.encoders.resnet:build18_imagenet"),
    Plugin("resnet50_imagenet", "torchvision's ResNet-50 as it is", "labeleff.encoders.resnet:build50_imagenet"),
    Plugin(
        "memnet",
        "memory network of the Keras examples, with an LSTM over the question",
        "labeleff.encoders.memnet:build",
        options={"vectors": ""},
        examples="stories",
    ),
    Plugin(
        "qrn",
        "query-reduction network: each layer rewrites the question in the light of the story",
        "labeleff.encoders.qrn:build",
        options={"width": 64, "layers": 3, "gates": 8, "shared": False, "vectors": ""},
        examples="stories",
    ),
)

PRETEXTS: tuple[Plugin, ...] = (
    Plugin(
        "scratch",
        "no pretraining: random initialisation",
        "labeleff.pretext.scratch:pretrain",
        trained=False,
        examples="either",
    ),
    Plugin(
        "rotation",
        "predict which multiple of 90 degrees an image was turned by",
        "labeleff.pretext.rotation:pretrain",
        options={"holdout": 0.02, "once": False},
        later=("once",),
    ),
    Plugin(
        "vae",
        "variational autoencoder: make the image again from a noisy code",
        "labeleff.pretext.vae:pretrain",
        options={"beta": 1.0, "rule": "image", "space": "rgb", "width": 0.125, "holdout": 0.02},
        choices={"rule": ("image", "reference"), "space": ("rgb", "lab")},
    ),
    Plugin(
        "cmc",
        "tell which lightness and which colour are of one image; the encoder is a pair, one for each",
        "labeleff.pretext.cmc:pretrain",
        options={
            "temperature": 0.1,
            "head": "none",
            "negatives": "batch",
            "k": 4096,
            "momentum": 0.4,
            "holdout": 0.02,
        },
        choices={"head": ("none", "linear"), "negatives": ("batch", "memory")},
        split=True,
    ),
    Plugin(
        "amdim",
        "tell which features and local vectors of two augmentations are of one image",
        "labeleff.pretext.amdim:pretrain",
        options={"clip": 30.0, "holdout": 0.02},
        augmented=True,
    ),
    _pairs(
        "simclr",
        "tell the other view of an image from all views in the batch",
        *(0.08, 0.5),
        temperature=0.5,
        hidden=512,
        projection=128,
    ),
    _pairs(
        "moco",
        "tell the other view of an image from a queue of earlier ones",
        *(0.2, 1.0),
        temperature=0.2,
        momentum=0.99,
        queue=4096,
        groups=4,
        hidden=512,
        projection=128,
    ),
    _pairs(
        "byol",
        "foretell what a slower copy makes of the other view",
        *(0.08, 1.0),
        momentum=0.996,
        hidden=1024,
        projection=256,
    ),
    _pairs(
        "simsiam",
        "foretell the projection of the other view",
        *(0.2, 1.0),
        projection=512,
        bottleneck=128,
    ),
    _pairs(
        "barlow_twins",
        "correlate each dimension of two views with itself alone",
        *(0.08, 1.0),
        redundancy=0.005,
        projection=1024,
    ),
    _pairs(
        "vicreg",
        "project two views to one place, keep variance, avoid covariance",
        *(0.08, 1.0),
        invariance=25.0,
        variance=25.0,
        covariance=1.0,
        projection=1024,
    ),
    _pairs(
        "dino",
        "give the prototypes that a slower copy gives for the other view",
        *(0.14, 1.0),
        momentum=0.996,
        student_temperature=0.1,
        teacher_temperature=0.04,
        prototypes=2048,
        hidden=512,
        bottleneck=256,
    ),
    _outside("file", "weights from a file of yours, .safetensors or .pt", "path", prefix=""),
    _outside("torchvision", "weights of torchvision, e.g. ResNet18_Weights.IMAGENET1K_V1", "weights"),
    _outside("timm", "weights of timm, e.g. resnet18.a1_in1k", "model", ("timm", "timm")),
)

PROTOCOLS: tuple[Plugin, ...] = (
    Plugin(
        "finetune",
        "train encoder and linear head together",
        "labeleff.protocols.finetune:fit",
        prepare="prepare",
        examples="either",
        dense=True,
    ),
    Plugin(
        "validated",
        "finetune with a share of the labels set aside, by which the best epoch is kept",
        "labeleff.protocols.validated:fit",
        prepare="prepare",
        options={"holdout": 0.1, "keep": "best", "stop": False},
        choices={"keep": ("best", "last")},
        examples="either",
        dense=True,
    ),
    Plugin(
        "joint",
        "train encoder, linear head and a head that tells rotations together, on labelled and unlabelled images",
        "labeleff.protocols.joint:fit",
        prepare="prepare",
        options={
            "class_weight": 1.0,
            "rotation_weight": 1.0,
            "labelled_share": 0.5,
            "mask": True,
            "holdout": 0.0,
        },
        later=("holdout",),
        limits={"labelled_share": 1.0},
        dense=True,
        unlabelled=True,
    ),
    Plugin(
        "partial",
        "finetune above a stage of the encoder, up to which it is frozen with its batch-norm statistics",
        "labeleff.protocols.partial:fit",
        prepare="prepare",
        options={"frozen": ""},
        required=("frozen",),
        dense=True,
    ),
    Plugin(
        "linear",
        "frozen encoder, logistic regression (of depths: least absolute deviations) on its features",
        "labeleff.protocols.linear:fit",
        options={"prior": 10.0},
        trained=False,
        examples="either",
        dense=True,
    ),
    Plugin(
        "mlp",
        "frozen encoder, a network of one hidden layer on its features, by a fixed recipe",
        "labeleff.protocols.mlp:fit",
        options={"rate": 0.003, "decay": 0.01},
        trained=False,
        examples="either",
        dense=True,
    ),
    Plugin(
        "knn",
        "frozen encoder, weighted vote of the nearest labelled features",
        "labeleff.protocols.knn:fit",
        options={"k": 20, "temperature": 0.07},
        trained=False,
        examples="either",
    ),
)


def _by_name(entries: Iterable[Plugin]) -> dict[str, Plugin]:
    return {plugin.name: plugin for plugin in entries}


_ENTRIES: dict[Kind, dict[str, Plugin]] = {
    "task": _by_name(TASKS),
    "encoder": _by_name(ENCODERS),
    "pretext": _by_name(PRETEXTS),
    "protocol": _by_name(PROTOCOLS),
}


def plugins(kind: Kind) -> tuple[Plugin, ...]:
    """All built-in entries of a kind, in the order they are listed to people."""
    return tuple(_ENTRIES[kind].values())


def offered(kind: Kind) -> list[installed.Offered]:
    """What other packages give of a kind, loaded; broken ones with their problem."""
    return installed.offered(kind, _ENTRIES[kind])


def lookup(kind: Kind, name: str) -> Plugin:
    """The entry called `name`: a built-in one, else that of another package, by entry point or `module:object`.

    Where neither is there, what records said of it stands in (see `recall`). Raises UnknownNameError with the nearest
    match, PluginError where another package's can't be loaded.
    """
    found = _ENTRIES[kind].get(name) or installed.find_or_recall(kind, name)
    if found is None:
        raise UnknownNameError(kind, name, (*_ENTRIES[kind], *installed.names(kind)))
    return found


def origin(kind: Kind, name: str) -> str | None:
    """Where a plug-in of another package comes from: distribution, version, digest of its file; None if built in.

    Raises PluginError where another package claims a built-in's name.
    """
    installed.check_name(kind, name, _ENTRIES[kind])
    return None if name in _ENTRIES[kind] else installed.origin(kind, name, lookup(kind, name).target)


def complete(kind: Kind, name: str, given: Mapping[str, Any]) -> Spec:
    """A spec with every option at its value: what was given, else the default; without those of `Plugin.later` that
    are at their default.

    Raises StudyError for an option of the wrong type or outside its choices, UnknownNameError for one that the
    plug-in doesn't have.
    """
    plugin = lookup(kind, name)
    options = dict(plugin.options)
    for key, value in given.items():
        if key not in options:
            raise UnknownNameError(f"option of {kind} {name!r}", key, plugin.options)
        default = plugin.options[key]
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            raise StudyError(
                f"{kind} {name!r}, option {key!r}: found {value!r}, expected {type(default).__name__} like {default!r}"
            )
        if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0 and value != default:
            raise StudyError(f"{kind} {name!r}, option {key!r}: found {value!r}, expected a number over 0")
        most = plugin.limits.get(key)
        if most is not None and isinstance(value, int | float) and value > most:
            raise StudyError(f"{kind} {name!r}, option {key!r}: found {value!r}, expected at most {most:g}")
        if key in plugin.choices and value not in plugin.choices[key]:
            raise UnknownNameError(f"{key} of {kind} {name!r}", str(value), map(str, plugin.choices[key]))
        options[key] = value
    for key in plugin.required:
        if not options[key]:
            raise StudyError(f"{kind} {name!r} needs the option {key!r}: {plugin.clause}")
    usual = {key for key in plugin.later if options[key] == plugin.options[key]}
    return Spec(name=name, options={key: value for key, value in options.items() if key not in usual})


def options(kind: Kind, spec: Spec) -> dict[str, OptionValue]:
    """Every option that a plug-in takes: those of the spec, and defaults that a spec leaves out."""
    return {**lookup(kind, spec.name).options, **spec.options}


def encoder_seed(pretext: Spec) -> int | None:
    """The seed of all encoders of a pretext whose weights come from outside; None where every run's seed counts."""
    whole = lookup("pretext", pretext.name).loaded and pretext.options.get("stem") != "random"
    return 0 if whole else None


def images_of(task: Spec) -> Spec:
    """The task whose training images a task has: itself, or another with those of its options that it knows."""
    other = lookup("task", task.name).images_of
    if not other:
        return task
    known = lookup("task", other).options
    return complete("task", other, {key: value for key, value in task.options.items() if key in known})


def resolve(kind: Kind, name: str) -> Any:
    """Import and return the function behind an entry; OptionError where an extra is to be installed for it."""
    return _imported(kind, name, lookup(kind, name).target.partition(":")[2])


def preparation(protocol: str) -> Any:
    """Import and return the function by which cells of a protocol are made ready to be trained together."""
    return _imported("protocol", protocol, str(lookup("protocol", protocol).prepare))


def _imported(kind: Kind, name: str, attribute: str) -> Any:
    plugin = lookup(kind, name)
    if plugin.missing is not None:
        assert plugin.needs is not None
        raise OptionError(f"{kind} {name!r} needs {plugin.needs[0]}, which isn't installed; {plugin.missing}")
    try:
        return getattr(importlib.import_module(plugin.target.partition(":")[0]), attribute)
    except (ImportError, AttributeError) as error:
        raise LabeleffError(f"{kind} {name!r}: {plugin.target} can't be loaded: {error}") from error
