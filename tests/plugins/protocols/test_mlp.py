"""The probe of one hidden layer: its shape, its seeds, and that it learns what no linear probe can."""

import pytest
import torch
from support import dense_tasks

from labeleff.catalogue import lookup
from labeleff.execution.scoring import EncodedLabels, score_frozen
from labeleff.plugins.encoders.heads import LastMap
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols import linear, mlp
from labeleff.plugins.protocols.interface import Labelled, LabelledFeatures
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.goals.depth import Depth
from labeleff.training.goals.segmentation import PixelClasses
from labeleff.training.images import Normalisation
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.slots import DivergedError

CPU = Compute(torch.device("cpu"), "fp32")
OPTIONS = lookup.complete("protocol", "mlp", {}).options


def crossed(count, seed=0):
    """Classes by the sign of a product of two features, among four more that say nothing."""
    dice = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 6, generator=dice) * 3 + 5
    labels = ((features[:, 0] > 5) == (features[:, 1] > 5)).to(torch.int64)
    return LabelledFeatures(features, labels, 2)


def accuracy(fitted, problem):
    return float((fitted.predictor(problem.features).argmax(1) == problem.labels).float().mean())


def test_it_learns_what_a_linear_probe_cannot():
    train, test = crossed(500), crossed(500, 1)
    [deep], [flat] = mlp.fit([train], OPTIONS), linear.fit([train], {"prior": 10.0})
    assert accuracy(deep, test) > 0.8
    assert accuracy(flat, test) < 0.65
    assert deep.training is None
    assert deep.metrics["accuracy"] > 0.8
    assert deep.metrics["loss"] < 0.5


def test_it_is_the_papers_head():
    layers = mlp.network(LabelledFeatures(torch.randn(4, 7), torch.zeros(4, dtype=torch.int64), 3))
    assert [type(layer).__name__ for layer in layers] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert sum(p.numel() for p in layers.parameters()) == 7 * 7 + 2 * 7 + 7 * 3 + 3


def test_numbers_depend_on_the_seed_and_on_nothing_that_ran_before():
    problem = crossed(40)
    other = LabelledFeatures(problem.features, problem.labels, 2, seed=1)
    alone = mlp.fit([problem], OPTIONS)[0].predictor(problem.features)
    torch.manual_seed(123)
    state = torch.random.get_rng_state()
    after, seeded = (one.predictor(problem.features) for one in mlp.fit([crossed(30), problem, other], OPTIONS)[1:])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(alone, after)
    assert not torch.equal(alone, seeded)


def test_a_prediction_does_not_depend_on_the_others_in_its_block():
    problem = crossed(60)
    [fitted] = mlp.fit([problem], OPTIONS)
    whole = fitted.predictor(problem.features)
    torch.testing.assert_close(whole[:1], fitted.predictor(problem.features[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("goal", "n"), [(PixelClasses(4), 5), (Depth(4), 5)])
def test_the_smallest_sets_can_be_solved(goal, n):
    labels = torch.rand(n) + 0.5 if isinstance(goal, Depth) else torch.arange(n) % 3
    problem = LabelledFeatures(torch.randn(n, 4), labels, goal.outputs(3), goal)
    [fitted] = mlp.fit([problem], OPTIONS)
    assert torch.isfinite(fitted.predictor(torch.randn(8, 4))).all()
    [one] = mlp.fit([LabelledFeatures(torch.randn(1, 4), labels[:1], goal.outputs(3), goal)], OPTIONS)
    assert torch.isfinite(one.predictor(torch.randn(8, 4))).all()


def test_features_that_are_no_numbers_are_told():
    problem = crossed(20)
    problem.features[3] = float("nan")
    with pytest.raises(DivergedError):
        mlp.fit([problem], OPTIONS)


@pytest.mark.parametrize("name", list(dense_tasks.GOALS))
def test_it_learns_every_goal_from_a_frozen_encoder(name):
    task = dense_tasks.task(name)
    normalisation = Normalisation.of(task.train.images)
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.125, "dim": 32}), 0).eval()
    model = LastMap(encoder) if task.goal.dense else encoder

    def labelled(indices):
        examples = Examples(task.train.inputs[indices], task.train.labels[indices])
        return Labelled(examples, task.outputs, normalisation, task.goal)

    union = torch.arange(60).numpy()
    problem = EncodedLabels(model, labelled, union, CPU).problem(union, 4)
    assert problem.seed == 4
    [fitted] = mlp.fit([problem], OPTIONS)
    test = LabelledExamples(task.test, task.goal, normalisation, CPU.device)
    [scored] = score_frozen(model, [fitted.predictor], test, CPU)
    found = scored.metrics()
    if name == "squares/depth":
        truth = task.goal.answers(task.goal.target(task.test.labels))
        assert found["mean_absolute_error"] < 0.8 * float((truth - truth.median()).abs().mean())
    else:
        assert found[task.goal.headline] > task.chance + 0.2 * (1 - task.chance)
