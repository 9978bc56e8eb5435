"""Built-in pretexts, one row each."""

from __future__ import annotations

from labeleff.catalogue.declaration import OptionValue, Plugin

_LIGHTLY = ("lightly", "ssl")
_NETWORKS: dict[str, tuple[OptionValue, ...]] = {"network": ("student", "teacher")}


def _pairs(name: str, clause: str, area: float, colour: float, **options: OptionValue) -> Plugin:
    """Declare a pretext that compares two views; `area` is the least share of a crop, `colour` the jitter."""
    shared: dict[str, OptionValue] = {"area": area, "colour": colour, "holdout": 0.02}
    return Plugin(
        name,
        f"{clause} (through lightly)",
        f"labeleff.plugins.pretexts.{name}:pretrain",
        options=options | shared,
        choices=_NETWORKS,
        later=("network",) if "network" in options else (),
        limits={"area": 1.0, "momentum": 1.0, "weight": 1.0},
        needs=_LIGHTLY,
        resumes=True,
        own_views=True,
    )


def _outside(name: str, clause: str, required: str, needs: tuple[str, str] | None = None, **options: str) -> Plugin:
    """Declare a pretext that takes weights from outside; the option `required` names them."""
    return Plugin(
        name,
        clause,
        f"labeleff.plugins.pretexts.weights.weight_sources:load_{name}",
        options={required: "", **options, "stem": "refuse"},
        required=(required,),
        choices={"stem": ("refuse", "centre", "random")},
        trained=False,
        loaded=True,
        needs=needs,
    )


PRETEXTS: tuple[Plugin, ...] = (
    Plugin(
        "scratch",
        "no pretraining: random initialisation",
        "labeleff.plugins.pretexts.scratch:pretrain",
        trained=False,
        examples="either",
    ),
    Plugin(
        "embedding",
        "no pretraining here: the features in the task's file of this name, made elsewhere",
        "labeleff.plugins.pretexts.scratch:pretrain",
        options={"of": ""},
        required=("of",),
        trained=False,
        examples="items",
    ),
    Plugin(
        "rotation",
        "predict which multiple of 90 degrees an image was turned by",
        "labeleff.plugins.pretexts.rotation:pretrain",
        options={"holdout": 0.02, "once": False},
        later=("once",),
        resumes=True,
    ),
    Plugin(
        "vae",
        "variational autoencoder: make the image again from a noisy code",
        "labeleff.plugins.pretexts.vae:pretrain",
        options={"beta": 1.0, "rule": "image", "space": "rgb", "width": 0.125, "holdout": 0.02},
        choices={"rule": ("image", "reference"), "space": ("rgb", "lab")},
        resumes=True,
    ),
    Plugin(
        "cmc",
        "tell which lightness and which colour are of one image; the encoder is a pair, one for each",
        "labeleff.plugins.pretexts.cmc:pretrain",
        options={
            "temperature": 0.1,
            "head": "none",
            "negatives": "batch",
            "k": 4096,
            "momentum": 0.4,
            "holdout": 0.02,
        },
        choices={"head": ("none", "linear"), "negatives": ("batch", "memory")},
        limits={"momentum": 1.0},
        split=True,
        resumes=True,
    ),
    Plugin(
        "amdim",
        "tell which features and local vectors of two augmentations are of one image",
        "labeleff.plugins.pretexts.amdim:pretrain",
        options={"clip": 30.0, "holdout": 0.02},
        augmented=True,
        resumes=True,
    ),
    Plugin(
        "mae",
        "make the hidden patches of an image again from a few visible ones (through lightly)",
        "labeleff.plugins.pretexts.hidden_patches.mae:pretrain",
        options={"ratio": 0.75, "width": 128, "depth": 2, "heads": 4, "normalise": True, "holdout": 0.02},
        limits={"ratio": 1.0},
        needs=_LIGHTLY,
        tokens=True,
        check="check",
        resumes=True,
    ),
    Plugin(
        "ijepa",
        "predict what a slower copy makes of hidden blocks of an image (through lightly)",
        "labeleff.plugins.pretexts.hidden_patches.ijepa:pretrain",
        options={
            "blocks": 4,
            "scale": 0.18,
            "width": 96,
            "depth": 2,
            "heads": 4,
            "momentum": 0.996,
            "network": "student",
            "holdout": 0.02,
        },
        choices=_NETWORKS,
        later=("network",),
        limits={"scale": 1.0, "momentum": 1.0},
        needs=_LIGHTLY,
        tokens=True,
        check="check",
        resumes=True,
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
        "predict what a slower copy makes of the other view",
        *(0.08, 1.0),
        momentum=0.996,
        hidden=1024,
        projection=256,
    ),
    _pairs(
        "simsiam",
        "predict the projection of the other view",
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
        network="student",
    ),
    _pairs(
        "lejepa",
        "project two views to one place, and all images to a normal distribution",
        *(0.08, 1.0),
        weight=0.05,
        directions=1024,
        hidden=1024,
        projection=64,
    ),
    _pairs(
        "swav",
        "tell the cluster that the other view is assigned to, equally many images to each",
        *(0.14, 1.0),
        temperature=0.1,
        sharpness=0.05,
        prototypes=512,
        queue=0,
        hidden=512,
        projection=128,
    ),
    _outside("file", "weights from a file of yours, of safetensors or torch", "path", prefix=""),
    _outside("torchvision", "weights of torchvision, e.g. ResNet18_Weights.IMAGENET1K_V1", "weights"),
    _outside("timm", "weights of timm, e.g. resnet18.a1_in1k", "model", ("timm", "timm")),
)
