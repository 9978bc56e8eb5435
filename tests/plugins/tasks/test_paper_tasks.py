"""The four tasks on images of objects, on images that are made up here."""

from pathlib import Path

import pytest
import torch

from labeleff.plugins.tasks import paper_tasks
from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.poses import MIRRORED, POSES
from labeleff.training.examples import Source
from labeleff.training.goals.classification import Classes
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.segmentation import PixelClasses

SIDE = 16
SOURCE = Source(Path("unused"), offline=True)
MAPS = torch.arange(2 * SIDE * SIDE).view(2, SIDE, SIDE) % 11


def images(labels, options, source):
    """Two images per split, brighter ones for testing; says which column it was asked for."""
    assert source is SOURCE

    def columns(split):
        level = 10 if split == "train" else 20
        pictures = torch.full((2, SIDE, SIDE, 3), level, dtype=torch.uint8)
        known = {"classes": torch.tensor([[3], [4]]), "poses": torch.tensor([1, 2])}
        known |= {"masks": MAPS.to(torch.uint8), "depths": MAPS.to(torch.int16)}
        return {"images": pictures, labels: known[labels]}

    return columns, f"{labels} by {options['by']}"


@pytest.mark.parametrize(
    ("place", "kind", "column", "classes", "goal", "labels"),
    [
        (0, "classify", "classes", tuple(CLASSES), Classes(), torch.tensor([3, 4])),
        (1, "pose", "poses", POSES, Classes(mirror=MIRRORED), torch.tensor([1, 2])),
        (2, "segment", "masks", ("background", *CLASSES), PixelClasses(grid=2), MAPS.to(torch.uint8)),
        (3, "depth", "depths", ("depth",), Depth(grid=2), MAPS.to(torch.int16)),
    ],
)
def test_a_source_of_images_gives_four_tasks(place, kind, column, classes, goal, labels):
    task = paper_tasks.tasks("made", images)[place]({"by": "hand"}, SOURCE)
    assert (task.name, task.classes, task.goal) == (f"made/{kind}", classes, goal)
    assert task.provenance == f"{column} by hand"
    assert torch.equal(task.train.labels, labels)
    assert (int(task.train.images[0, 0, 0, 0]), int(task.test.images[0, 0, 0, 0])) == (10, 20)
