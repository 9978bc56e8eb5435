"""The loss on the test split against a slow loop."""

import dense
import pytest
import torch
from torch import nn

from labeleff.device import Compute
from labeleff.labelled import LabelledExamples
from labeleff.pipeline import Normalisation
from labeleff.scoring import Score, score
from labeleff.tensors import Examples

CPU = Compute(torch.device("cpu"), "fp32")


def test_the_loss_is_the_mean_over_all_images_whatever_the_blocks(monkeypatch):
    task = dense.task("squares/classify")
    examples = Examples(task.test.images[:30], task.test.labels[:30])
    normalisation = Normalisation.of(task.train.images)
    torch.manual_seed(0)
    side = int(examples.images.shape[1])
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, task.outputs))
    labelled = LabelledExamples(examples, task.goal, normalisation, CPU.device)
    monkeypatch.setattr("labeleff.scoring.BLOCK", 7)
    found = score(model, labelled, CPU)
    losses = []
    for image, label in zip(examples.images, examples.labels, strict=True):
        pixels = ((image.float() - normalisation.mean) / normalisation.std).permute(2, 0, 1)[None]
        scores = model(pixels)[0].detach()
        losses.append(float(torch.logsumexp(scores, 0) - scores[int(label)]))
    assert found.loss == pytest.approx(sum(losses) / 30, rel=1e-5)
    assert found.seconds > 0
    assert Score(task.goal).loss is None
