"""The studies behind the report of 2021: as published, and done soundly; in three sizes.

As published everything is repeated, defects included: Keras's batch-norm statistics, one fixed turn per image, the
class loss over images without a label, one draw and one seed. Soundly means statistics that converge, a new random
turn whenever an image comes, the class loss on labelled images alone, a ladder of label counts, and several draws of
labels, each with a seed and a pretraining of its own. Batches, optimiser and learning rates are the report's in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labeleff.commands.reproduce.printed2021 import LABELS, WEIGHTS
from labeleff.errors import UnknownNameError
from labeleff.study.loading import parse_study
from labeleff.study.schema import Study

AS_PUBLISHED, SOUNDLY = "as-published", "soundly"
"""Folders of both studies inside the output folder."""

KERAS = {"name": "mobilenet_v2", "bn_momentum": 0.001, "bn_eps": 0.001}
TURNED_ONCE = {"name": "rotation", "once": True, "holdout": 0.004}
"""200 images are held out, so that 49,800 are trained on, as in the report."""
HELD_OUT = 0.04
"""Share of the images without a label that part C is validated on."""


@dataclass(frozen=True)
class Size:
    """The amount of training. As published: epochs of B1 and C; soundly: the ladder and its budgets."""

    rotation_epochs: float
    joint_epochs: float
    labels: int
    steps: int
    rungs: tuple[int, ...]
    runs: int
    sound_rotation_epochs: float
    sound_joint_epochs: float
    steps_per_label: float
    most_steps: int
    stories: int = 10_000
    task: tuple[tuple[str, Any], ...] = (("name", "cifar10/classify"),)
    story_task: tuple[tuple[str, Any], ...] = (("name", "babi/qa1"),)
    smoke: bool = False


SIZES = {
    "full": Size(50, 20, LABELS, 400, (50, 100, 200, 500, 1000, 2000, 5000), 3, 50, 20, 2.0, 8000),
    "small": Size(3, 2, LABELS, 400, (100, 200, 500, 1000), 3, 4, 1, 1.0, 1000),
    "smoke": Size(
        *(0.2, 0.2, 20, 4, (20, 30, 40), 2, 0.2, 0.2, 0.0, 4, 900),
        task=(("name", "toy/classify"), ("train", 400), ("test", 100)),
        story_task=(("name", "babi/qa1"), ("source", "generated"), ("size", "1k")),
        smoke=True,
    ),
}
"""`full`: the report's epochs, hours on two CPU cores; `small`: 40 minutes; `smoke`: a rehearsal on made images."""


def size(name: str) -> Size:
    """Find a size by name; raises UnknownNameError for another name."""
    if name not in SIZES:
        raise UnknownNameError("size", name, SIZES)
    return SIZES[name]


def as_published(what: Size) -> Study:
    """Make the study of parts A, B1, B2, C1 to C3 and the memory network."""
    finetune = _adam(0.01, 64, steps={"min": what.steps, "max": what.steps})
    joints = {part: {"pretext": "scratch", "protocol": _unmasked(*weights)} for part, weights in WEIGHTS.items()}
    joints["C1"]["pretext"] = TURNED_ONCE  # it went on from weights already trained
    table = _table("report-2021-as-published", "The course report of 2021, as it was done", what) | {
        "encoders": [KERAS],
        "arms": ["scratch/finetune", {"pretext": TURNED_ONCE, "protocol": "finetune"}, *joints.values()],
        "rungs": [what.labels],
        "allow_one_rung": True,
        "draws": 1,
        "precision": "fp32",
        "budget": {
            "rotation": _adam(0.01, 64, epochs=what.rotation_epochs),
            "finetune": finetune,
            "rotation/finetune": {**finetune, "lr": 0.001},
            "joint": _adam(0.01, 128, epochs=what.joint_epochs),
        },
        "stories": {"babi": _memory_network(what)},
    }
    return parse_study(table, "the report's parts")


def soundly(what: Size) -> Study:
    """Make the study of scratch, rotation then finetuning, and masked joint training on a ladder, and of a reader."""
    table = _table("report-2021-soundly", "The experiment of the course report of 2021, done soundly", what) | {
        "encoders": ["mobilenet_v2"],
        "arms": ["scratch/finetune", "rotation/finetune", "scratch/joint"],
        "rungs": list(what.rungs),
        "draws": what.runs,
        "seeds": what.runs,
        "pairing": "zipped",
        "budget": {
            "rotation": _adam(0.01, 64, epochs=what.sound_rotation_epochs),
            "finetune": _adam(
                *(0.001, 64), steps={"min": what.steps, "per_label": what.steps_per_label, "max": what.most_steps}
            ),
            "joint": _adam(0.01, 128, epochs=what.sound_joint_epochs),
        },
        "stories": {"babi": _query_reduction(what)},
    }
    return parse_study(table, "the sound experiment")


def _table(name: str, title: str, what: Size) -> dict[str, Any]:
    return {"name": name, "title": title, "smoke": what.smoke, "tasks": [dict(what.task)]}


def _adam(lr: float, batch: int, **length: Any) -> dict[str, Any]:
    """Make a budget of Keras's Adam with a constant rate."""
    return {"optimizer": "adam", "lr": lr, "batch": batch, "warmup": 0.0, "schedule": "constant", **length}


def _unmasked(class_weight: float, rotation_weight: float) -> dict[str, Any]:
    weights = {"class_weight": class_weight, "rotation_weight": rotation_weight}
    return {"name": "joint", **weights, "mask": False, "holdout": HELD_OUT}


def _stories(what: Size, encoder: object, protocol: dict[str, Any], budget: dict[str, Any]) -> dict[str, Any]:
    return {
        "tasks": [dict(what.story_task)],
        "encoders": [encoder],
        "arms": [{"pretext": "scratch", "protocol": protocol}],
        "rungs": [what.stories],
        "draws": 1,
        "seeds": 1,
        "budget": {"validated": budget},
    }


def _memory_network(what: Size) -> dict[str, Any]:
    budget = {"optimizer": "rmsprop", "lr": 1e-3, "batch": 32, "epochs": 10, "warmup": 0.0, "schedule": "constant"}
    return _stories(what, "memnet", {"name": "validated", "keep": "last"}, budget)


def _query_reduction(what: Size) -> dict[str, Any]:
    """Make the block of the study `babi`'s reader, stopped once its validation stories are answered."""
    reader = {"name": "qrn", "layers": 4, "shared": True}
    budget = {"optimizer": "adam", "lr": 2e-3, "batch": 32, "epochs": 1 if what.smoke else 50, "warmup": 0.02}
    budget |= {"clip": 5.0, "augment": {"words": 0.05}}
    return _stories(what, reader, {"name": "validated", "stop": True}, budget)
