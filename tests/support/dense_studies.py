"""A small study with a label per image and per pixel."""

from labeleff.study.loading import parse_study

BUDGET = {"lr": 0.05, "batch": 16, "steps": {"min": 4, "max": 4}}
TABLE = {
    "name": "squares",
    "tasks": ["squares/classify", "squares/segment", "squares/depth"],
    "encoders": [{"name": "resnet9", "width": 0.0625, "dim": 16}],
    "arms": ["scratch/finetune", "rotation/finetune", "rotation/linear"],
    "rungs": [10, 20],
    "draws": 2,
    "seeds": 2,
    "budget": {"rotation": BUDGET, "finetune": BUDGET},
}


def study(**changes):
    return parse_study({**TABLE, **changes}, "the test's study")
