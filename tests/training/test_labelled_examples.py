import pytest
import torch
from support import dense_tasks

from labeleff.study.cell import Augment
from labeleff.training.examples import Examples
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples

CPU = torch.device("cpu")


def labelled(name, **augment):
    task = dense_tasks.task(name)
    normalisation = Normalisation.of(task.train.images)
    return task, LabelledExamples(task.train, task.goal, normalisation, CPU, augment=Augment(**augment), seed=1)


def test_poses_of_mirrored_images_are_mirrored():
    task, examples = labelled("squares/pose", flip=True)
    batch = examples.resident.batch(torch.arange(60), torch.zeros(60, dtype=torch.int64))
    assert set(batch.flips.tolist()) == {0, 1}
    expected = [1 - y if flip else y for y, flip in zip(task.train.labels.tolist(), batch.flips.tolist(), strict=True)]
    assert examples.target(batch).tolist() == expected


def test_classes_stay_whatever_is_mirrored():
    task, examples = labelled("squares/classify", flip=True)
    batch = examples.resident.batch(torch.tensor([5, 3, 3]), torch.tensor([0, 1, 2]))
    assert torch.equal(examples.target(batch), task.train.labels[[5, 3, 3]])
    assert len(examples) == 60


@pytest.mark.parametrize("name", ["squares/segment", "squares/depth"])
def test_maps_come_with_the_batch(name):
    task, examples = labelled(name)
    batch = examples.resident.batch(torch.tensor([5, 3]), torch.tensor([0, 1]))
    assert torch.equal(examples.target(batch), task.goal.target(task.train.labels[[5, 3]]))


def test_stories_keep_their_answers():
    task = dense_tasks.task("squares/classify")
    words = torch.ones(60, 3, 4, dtype=torch.int16)
    examples = LabelledExamples(Examples(words, task.train.labels), task.goal, None, CPU)
    [batch] = examples.resident.plain_batches(100)
    assert torch.equal(examples.target(batch), task.train.labels)
