"""A study of seconds for tests of the whole path."""

from pathlib import Path

TEXT = """
name = "tiny"
tasks = [{ name = "toy/classify", train = 200, test = 100, size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune", "rotation/finetune", "rotation/linear", "rotation/knn"]
rungs = [20, 40]
draws = 2

[budget.rotation]
lr = 0.05
batch = 32
epochs = 1

[budget.finetune]
lr = 0.05
batch = 16
steps = { min = 4, max = 4 }
"""


def write(folder: Path) -> Path:
    path = folder / "tiny.toml"
    path.write_text(TEXT)
    return path
