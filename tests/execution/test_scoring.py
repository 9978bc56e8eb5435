"""Encoding once and scoring by blocks, against the same image by image."""

import pytest
import torch
from support import dense_tasks
from torch import nn

from labeleff.catalogue import lookup
from labeleff.execution import scoring
from labeleff.execution.scoring import EncodedLabels, Score, predict, score, score_frozen
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols.interface import Labelled
from labeleff.plugins.protocols.linear import fit
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.depth import UNIT
from labeleff.training.goals.item_classes import ItemClasses
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import DivergedError

CPU = Compute(torch.device("cpu"), "fp32")


def built():
    return build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 8}), 0).eval()


def labelled_of(task, normalisation):
    def labelled(indices):
        chosen = torch.as_tensor(indices)
        examples = Examples(task.train.inputs[chosen], task.train.labels[chosen])
        return Labelled(examples, task.outputs, normalisation, task.goal)

    return labelled


@pytest.fixture(params=list(dense_tasks.GOALS))
def task(request):
    return dense_tasks.task(request.param)


def encoded_of(task, union):
    normalisation = Normalisation.of(task.train.images)
    model = LastMap(built()) if task.goal.dense else built()
    return EncodedLabels(model, labelled_of(task, normalisation), union, CPU), model, normalisation


def test_a_problem_has_a_row_for_every_counted_label(task):
    union, some = torch.arange(5, 50).numpy(), torch.tensor([7, 20, 21, 40]).numpy()
    encoded, model, normalisation = encoded_of(task, union)
    problem = encoded.problem(some)
    labels, rows = [], []
    for index in some.tolist():
        image = (task.train.images[index].float() - normalisation.mean) / normalisation.std
        with torch.inference_mode():
            features = model(image.permute(2, 0, 1)[None])[0]
        if not task.goal.dense:
            rows.append(features)
            labels.append(int(task.train.labels[index]))
            continue
        cells = torch.nn.functional.interpolate(features[None], (4, 4), mode="bilinear", align_corners=False)[0]
        for r in range(4):
            for c in range(4):
                label = int(
                    task.train.labels[
                        index,
                        dense_tasks.STRIDE * r + dense_tasks.STRIDE // 2,
                        dense_tasks.STRIDE * c + dense_tasks.STRIDE // 2,
                    ]
                )
                if label != 255 and (label > 0 or task.name == "squares/segment"):
                    rows.append(cells[:, r, c])
                    labels.append(label * UNIT if task.name == "squares/depth" else label)
    torch.testing.assert_close(problem.features, torch.stack(rows), rtol=1e-4, atol=1e-5)
    assert problem.labels.tolist() == pytest.approx(labels)
    assert problem.outputs == task.outputs
    assert problem.goal == task.goal


def test_frozen_predictors_are_scored_in_blocks(task, monkeypatch):
    encoded, model, normalisation = encoded_of(task, torch.arange(60).numpy())
    fitted = fit([encoded.problem(torch.arange(n).numpy()) for n in (30, 60)], {"prior": 10.0})
    test = LabelledExamples(task.test, task.goal, normalisation, CPU.device)
    predictors = [one.predictor for one in fitted]
    whole = [one.metrics() for one in score_frozen(model, predictors, test, CPU)]
    monkeypatch.setattr(scoring, "BLOCK", 7)
    blocks = [one.metrics() for one in score_frozen(model, predictors, test, CPU)]
    assert whole == [pytest.approx(one) for one in blocks]
    assert whole[0][task.goal.headline] > task.chance - 0.2


def test_sets_are_solved_in_packs_that_memory_holds(task, monkeypatch):
    sets = [torch.arange(n).numpy() for n in (10, 20, 30, 5)]
    encoded, *_ = encoded_of(task, torch.arange(60).numpy())
    assert [[len(s) for s in pack] for pack in encoded.packs(sets)] == [[10, 20, 30, 5]]
    monkeypatch.setattr(scoring, "LARGEST", 8 * 30 * (16 if task.goal.dense else 1))
    apart = [[10, 20], [30], [5]] if task.goal.dense else [[10, 20, 30, 5]]  # images' features aren't copied
    assert [[len(s) for s in pack] for pack in encoded.packs(sets)] == apart


def test_predictions_that_are_no_numbers_are_told(task):
    total = Score(task.goal)
    target = task.goal.target(task.test.labels)
    scores = torch.zeros(30, task.outputs, *target.shape[1:])
    scores[3] = float("nan")
    total.add(scores, target)
    with pytest.raises(DivergedError, match="not all finite"):
        total.metrics()
    with pytest.raises(DivergedError):
        Score(task.goal).metrics()


SCORING_CPU = Compute(torch.device("cpu"), "fp32")


def test_the_loss_is_the_mean_over_all_images_whatever_the_blocks(monkeypatch):
    task = dense_tasks.task("squares/classify")
    examples = Examples(task.test.images[:30], task.test.labels[:30])
    normalisation = Normalisation.of(task.train.images)
    torch.manual_seed(0)
    side = int(examples.images.shape[1])
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, task.outputs))
    labelled = LabelledExamples(examples, task.goal, normalisation, SCORING_CPU.device)
    monkeypatch.setattr("labeleff.execution.scoring.BLOCK", 7)
    found = score(model, labelled, SCORING_CPU)
    losses = []
    for image, label in zip(examples.images, examples.labels, strict=True):
        pixels = ((image.float() - normalisation.mean) / normalisation.std).permute(2, 0, 1)[None]
        scores = model(pixels)[0].detach()
        losses.append(float(torch.logsumexp(scores, 0) - scores[int(label)]))
    assert found.loss == pytest.approx(sum(losses) / 30, rel=1e-5)
    assert found.seconds > 0
    assert Score(task.goal).loss is None


@pytest.mark.parametrize("held", [2**27, 1])
def test_gathered_scores_are_scored_in_as_many_passes_as_memory_holds(held, monkeypatch):
    monkeypatch.setattr(scoring, "GATHERED", held)
    monkeypatch.setattr(scoring, "BLOCK_ON_CPU", 7)
    examples = Examples(torch.arange(30)[:, None], torch.arange(30) % 3)
    labelled = LabelledExamples(examples, ItemClasses(), None, CPU.device)
    model = nn.Sequential()
    passes = []
    model.forward = lambda x: passes.append(len(x)) or torch.nn.functional.one_hot(x[:, 0] % 3, 3) + x / 100
    both = score_frozen(model, [lambda x: x, lambda x: -x], labelled, CPU, [True, False], 3)
    assert sum(passes) == 30 * (1 if held > 1 else 2)
    assert both[0].metrics()["auroc"] == both[0].metrics()["accuracy"] == 1
    assert both[1].metrics()["accuracy"] == 0
    assert both[1].metrics()["auroc"] < 0.1
    learned = torch.nn.Parameter(torch.ones(3))  # a trained probe has weights with gradients
    assert score_frozen(model, [lambda x: x * learned], labelled, CPU)[0].metrics()["accuracy"] == 1
    diverged = score_frozen(model, [lambda x: x * float("nan")], labelled, CPU)
    with pytest.raises(DivergedError):
        diverged[0].metrics()


def test_marked_examples_are_also_scored_by_themselves(monkeypatch):
    task = dense_tasks.task("squares/classify")
    labelled = LabelledExamples(task.test, task.goal, Normalisation.of(task.train.images), SCORING_CPU.device)
    torch.manual_seed(0)
    pixels = int(task.test.images[0].numel())
    model = nn.Sequential(nn.Flatten(), nn.Linear(pixels, task.outputs))
    right = predict(model, labelled.resident, SCORING_CPU).argmax(1) == task.test.labels
    marks = [torch.arange(len(right)) % 3 == 0, torch.arange(len(right)) < 2, None, torch.zeros(len(right)).bool()]
    monkeypatch.setattr("labeleff.execution.scoring.BLOCK", 7)
    together = score_frozen(nn.Flatten(), [model[1]] * 4, labelled, SCORING_CPU, marked=marks)
    for mark, frozen in zip(marks, together, strict=True):
        for found in (frozen, score(model, labelled, SCORING_CPU, marked=mark)):
            assert found.metrics() == {"accuracy": int(right.sum()) / len(right)}
            if mark is None or not mark.any():
                assert found.of_marked is None
            else:
                assert found.of_marked.metrics() == {"accuracy": int(right[mark].sum()) / int(mark.sum())}
