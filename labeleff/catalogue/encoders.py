"""Built-in encoders, one row each."""

from __future__ import annotations

from labeleff.catalogue.declaration import Plugin


def _vit(name: str, clause: str) -> Plugin:
    """Declare a vision transformer."""
    return Plugin(
        f"vit_{name}",
        f"timm's vision transformer for small images, {clause}",
        f"labeleff.plugins.encoders.vision_transformer:{name}",
        options={"patch": 4, "pool": "mean", "size": 32, "depth": 12, "width": 1.0},
        later=("pool", "size", "depth", "width"),
        choices={"patch": (2, 4, 8, 16), "pool": ("mean", "token")},
        needs=("timm", "timm"),
        narrow=f"narrow_{name}",
        tokens=True,
    )


ENCODERS: tuple[Plugin, ...] = (
    Plugin(
        "mobilenet_v2",
        "torchvision's MobileNetV2, 1280 features",
        "labeleff.plugins.encoders.mobilenet_v2:build",
        options={"stem": "imagenet", "bn_momentum": 0.1, "bn_eps": 1e-5, "init": "kaiming"},
        later=("bn_momentum", "bn_eps", "init"),
        choices={"stem": ("imagenet", "cifar"), "init": ("kaiming", "glorot")},
        limits={"bn_momentum": 1.0},
        narrow="narrow",
    ),
    Plugin(
        "resnet9",
        "the paper's ResNet9 with CELU and a linear layer before pooling",
        "labeleff.plugins.encoders.resnet9:build",
        options={"width": 1.0, "dim": 256},
        narrow="narrow",
    ),
    Plugin(
        "resnet18",
        "torchvision's ResNet-18, small-image stem",
        "labeleff.plugins.encoders.resnet:build18",
        narrow="narrow18",
    ),
    Plugin(
        "resnet50",
        "torchvision's ResNet-50, small-image stem",
        "labeleff.plugins.encoders.resnet:build50",
        narrow="narrow50",
    ),
    Plugin(
        "resnet18_imagenet", "torchvision's ResNet-18 as it is", "labeleff.plugins.encoders.resnet:build18_imagenet"
    ),
    Plugin(
        "resnet50_imagenet", "torchvision's ResNet-50 as it is", "labeleff.plugins.encoders.resnet:build50_imagenet"
    ),
    _vit("tiny", "192 features"),
    _vit("small", "384 features"),
    Plugin(
        "rows",
        "rows of a file of embeddings, looked up",
        "labeleff.plugins.encoders.rows:StoredRows",
        examples="items",
    ),
    Plugin(
        "memnet",
        "memory network of the Keras examples, with an LSTM over the question",
        "labeleff.plugins.encoders.memnet:build",
        options={"vectors": ""},
        examples="stories",
    ),
    Plugin(
        "qrn",
        "query-reduction network: each layer rewrites the question in the light of the story",
        "labeleff.plugins.encoders.qrn:build",
        options={"width": 64, "layers": 3, "gates": 8, "shared": False, "vectors": ""},
        examples="stories",
    ),
    Plugin(
        "universal_transformer",
        "one transformer layer over the sentences, used again and again, which starts as a search by content",
        "labeleff.plugins.encoders.universal_transformer:build",
        options={"width": 128, "layers": 4, "heads": 4, "dropout": 0.1, "vectors": ""},
        limits={"dropout": 0.9},
        zero=("dropout",),
        examples="stories",
    ),
)
