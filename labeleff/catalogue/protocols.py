"""Built-in protocols, one row each."""

from __future__ import annotations

from labeleff.catalogue.declaration import Plugin

PROTOCOLS: tuple[Plugin, ...] = (
    Plugin(
        "finetune",
        "train encoder and linear head together",
        "labeleff.plugins.protocols.finetune:fit",
        prepare="prepare",
        examples="either",
        dense=True,
    ),
    Plugin(
        "validated",
        "finetune with a share of the labels set aside, by which the best epoch is kept",
        "labeleff.plugins.protocols.validated:fit",
        prepare="prepare",
        options={"holdout": 0.1, "keep": "best", "stop": False},
        choices={"keep": ("best", "last")},
        examples="either",
        dense=True,
    ),
    Plugin(
        "joint",
        "train encoder, linear head and a head that tells rotations together, on labelled and unlabelled images",
        "labeleff.plugins.protocols.joint:fit",
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
        "labeleff.plugins.protocols.partial:fit",
        prepare="prepare",
        options={"frozen": ""},
        required=("frozen",),
        dense=True,
    ),
    Plugin(
        "linear",
        "frozen encoder, logistic regression (of depths: least absolute deviations) on its features",
        "labeleff.plugins.protocols.linear:fit",
        options={"prior": 10.0, "choose": "fixed"},
        later=("choose",),
        choices={"choose": ("fixed", "split")},
        trained=False,
        examples="either",
        dense=True,
    ),
    Plugin(
        "mlp",
        "frozen encoder, a network of one hidden layer on its features, by a fixed recipe",
        "labeleff.plugins.protocols.mlp:fit",
        options={"rate": 0.003, "decay": 0.01},
        trained=False,
        examples="either",
        dense=True,
    ),
    Plugin(
        "ridge",
        "frozen encoder, least squares on one-hot classes in closed form, its penalty chosen by leave-one-out",
        "labeleff.plugins.protocols.ridge:fit",
        options={"penalty": 0.0},
        trained=False,
        examples="either",
    ),
    Plugin(
        "knn",
        "frozen encoder, weighted vote of the nearest labelled features",
        "labeleff.plugins.protocols.knn:fit",
        options={"k": 20, "temperature": 0.07},
        trained=False,
        examples="either",
    ),
)
