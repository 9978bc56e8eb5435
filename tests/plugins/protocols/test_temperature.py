"""Temperatures: known ones are found again, by labels of the cell alone that their predictors weren't trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from support import dense_tasks

import labeleff
from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols import knn, linear, logistic, mlp, ridge, validated
from labeleff.plugins.protocols.interface import Labelled, LabelledFeatures, SelectedFeatures
from labeleff.plugins.protocols.temperature import fit_temperature, folds_of, out_of_fold
from labeleff.study.cell import Budget, Steps
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.images import Normalisation


def problem(n=60, dim=8, classes=3, noise=1.5, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    features = np.eye(classes, dim)[labels] + noise * rng.normal(size=(n, dim))
    return LabelledFeatures(torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels), classes)


def calibrated(n, classes=5, seed=0):
    """Logits, and classes drawn with their probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, classes, generator=generator, dtype=torch.double)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("known", [0.01, 0.3, 1.0, 40.0])
def test_a_known_temperature_is_recovered(known):
    logits, labels = calibrated(20_000)
    found = fit_temperature(known * logits, labels)
    assert found.value == pytest.approx(known, rel=0.03)
    assert found.labels == 20_000


@pytest.mark.parametrize("n", [6, 50])
def test_it_is_the_minimum_of_the_cross_entropy_with_one_label_of_all_classes(n):
    logits, labels = calibrated(n, classes=2)
    scores = logits.numpy()

    def loss(log_temperature):
        scaled = scores / np.exp(log_temperature)
        own = (n * scaled[np.arange(n), labels] + scaled.mean(1)) / (n + 1)
        return float((logsumexp(scaled, axis=1) - own).sum())

    expected = np.exp(minimize_scalar(loss, bounds=(-6, 6), method="bounded", options={"xatol": 1e-9}).x)
    assert fit_temperature(logits, labels).value == pytest.approx(expected, rel=1e-5)


def test_labels_without_an_error_and_scores_without_a_sense_have_temperatures():
    labels = torch.arange(12) % 3
    right = torch.nn.functional.one_hot(labels).double()
    assert 0.05 < fit_temperature(right, labels).value < 1
    assert fit_temperature(-right, labels).value > 100
    assert fit_temperature(0 * right, labels).value == 1


def test_classes_that_a_predictor_could_not_know_are_left_out():
    logits, labels = calibrated(40, classes=3)
    labels = labels % 2
    labels[7] = 2
    others = torch.arange(40) != 7
    assert fit_temperature(logits, labels) == fit_temperature(logits[others], labels[others])
    assert fit_temperature(logits, labels, torch.tensor([0, 1])) == fit_temperature(logits[others], labels[others])
    assert fit_temperature(logits, labels, torch.arange(3)).labels == 40
    assert fit_temperature(logits[:2], torch.arange(2)) is None


def test_every_label_is_in_one_fold_but_those_that_are_alone_in_their_class():
    labels = torch.tensor([0, 0, 1, 0, 2, 0, 0, 1, 0, 0])
    outs = list(folds_of(labels, 5))
    assert torch.stack(outs).sum(0).tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
    assert all({0, 1} <= set(labels[~out].tolist()) for out in outs)


def test_equal_questions_are_in_one_fold():
    """As many questions about stories are: the same words about the same story."""
    labels = torch.tensor([0, 0, 1, 0, 2, 0, 0, 1, 0, 2])
    equal = torch.tensor([3, 5, 9, 3, 4, 6, 5, 8, 7, 4])
    outs = list(folds_of(labels, 2, equal))
    assert [out.nonzero()[:, 0].tolist() for out in outs] == [[1, 6, 7, 8], [0, 2, 3, 5]], "class 2 has one question"
    alike = zip(folds_of(labels, 3), folds_of(labels, 3, 7 * torch.arange(10) % 10), strict=True)
    assert all(torch.equal(one, other) for one, other in alike), "without equal ones it's as before"


def test_a_part_has_its_own_numbers_of_equal_questions():
    one, equal, chosen = problem(6), torch.tensor([4, 2, 4, 1, 2, 9]), torch.tensor([0, 1, 1, 0, 1, 1]).bool()
    whole = LabelledFeatures(one.features, one.labels, 3, equal=equal)
    shared = SelectedFeatures(one.features, torch.arange(6), one.labels, 3, equal=equal)
    assert whole.part(chosen).equal.tolist() == shared.part(chosen).equal.tolist() == [2, 4, 2, 9]
    assert one.part(chosen).equal is None


def test_a_temperature_by_folds_is_not_fooled_by_equal_questions():
    """Rows that all stand twice: were one of each in training, labels without any pattern would seem predictable."""
    one = problem(63, dim=80, noise=50.0)
    twice = LabelledFeatures(one.features.repeat(2, 1), one.labels.repeat(2), 3, equal=torch.arange(63).repeat(2))
    known, unknown = (
        linear.fit([each], {"prior": 1000.0, "folds": 5})[0] for each in (twice, replace(twice, equal=None))
    )
    assert known.temperature.value > 10 * unknown.temperature.value


def test_of_equal_questions_with_other_answers_those_that_no_refit_knows_are_left_out():
    one, equal = problem(12), torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0])
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 2])
    odd = LabelledFeatures(one.features, labels, 3, equal=equal)
    [fitted] = linear.fit([odd], {"prior": 10.0, "folds": 5})
    assert fitted.temperature.labels == 11


@pytest.mark.parametrize("options", [{"choose": "fixed"}, {"choose": "split"}])
def test_folds_of_a_linear_probe_are_refits_without_them_and_leave_the_probe_alone(options):
    one = problem()
    [plain], [scaled] = (linear.fit([one], {"prior": 10.0, "folds": folds, **options}) for folds in (0, 5))
    assert torch.equal(plain.predictor(one.features), scaled.predictor(one.features))
    prior, scores, labels = plain.metrics.get("prior", 10.0), [], []
    for out in folds_of(one.labels, 5):
        [part] = linear.fit([LabelledFeatures(one.features[~out], one.labels[~out], 3)], {"prior": prior})
        scores.append(part.predictor(one.features[out]))
        labels.append(one.labels[out])
    expected = fit_temperature(torch.cat(scores), torch.cat(labels))
    assert scaled.temperature.value == pytest.approx(expected.value, rel=1e-2)
    assert scaled.temperature.labels == 60


def test_without_a_solved_refit_there_is_no_temperature(monkeypatch):
    one = problem()
    [solved] = linear.fit([one], {"prior": 10.0})
    monkeypatch.setattr(logistic, "MAX_SHARED_STEPS", 2)
    monkeypatch.setattr(logistic, "MAX_STEPS", 1)
    [unsolved] = linear.fit([one], {"prior": 10.0, "folds": 5})
    assert unsolved.failure is not None
    assert solved.failure is unsolved.temperature is None


def test_a_split_that_chooses_the_prior_also_gives_a_temperature():
    one = problem(90)
    [fitted] = linear.fit([one], {"prior": 10.0, "choose": "split"})
    out = linear.held_out(one.labels)
    kept = LabelledFeatures(one.features[~out], one.labels[~out], 3)
    [part] = linear.fit([kept], {"prior": fitted.metrics["prior"]})
    expected = fit_temperature(part.predictor(one.features[out]), one.labels[out], kept.labels)
    assert fitted.temperature.value == pytest.approx(expected.value, rel=1e-2)
    assert fitted.temperature.labels == int(out.sum()) == 18


@pytest.mark.parametrize("n", [30, 9])
def test_ridge_leaves_one_out(n):
    one, penalty = problem(n), 0.3
    mean, scale = one.features.mean(0), one.features.std(0, correction=0)
    rows = ((one.features - mean) / scale).double()
    targets, said = torch.nn.functional.one_hot(one.labels).double(), []
    for i in range(n):  # the penalty is per item of all n, and features are standardised without labels
        others = torch.arange(n) != i
        x, y = rows[others], targets[others]
        centred = x - x.mean(0)
        weights = torch.linalg.solve(centred.T @ centred + penalty * n * torch.eye(8).double(), centred.T @ y)
        said.append((rows[i] - x.mean(0)) @ weights + y.mean(0))
    [fitted] = ridge.fit([one], {"penalty": penalty})
    assert fitted.temperature == fit_temperature(torch.stack(said), one.labels) or fitted.temperature.value == (
        pytest.approx(fit_temperature(torch.stack(said), one.labels).value, rel=1e-6)
    )


def test_mlp_has_a_temperature_by_folds_and_neighbours_have_none(monkeypatch):
    monkeypatch.setattr(mlp, "STEPS", Steps(min=120, max=120))
    one = problem(30, noise=50.0)
    rows = SelectedFeatures(one.features, torch.arange(30), one.labels, 3)
    [fitted] = mlp.fit([rows], {"rate": 0.003, "decay": 0.01, "folds": 5})
    assert fitted.temperature.value > 1, "it has learned noise and is too sure"
    assert mlp.fit([one], {"rate": 0.003, "decay": 0.01})[0].temperature is None
    assert knn.fit([one], {"k": 5, "temperature": 0.1})[0].temperature is None
    assert out_of_fold([problem(3)], 5, lambda problems: [1 / 0 for _ in problems]) == [None]


def test_validated_fits_it_on_the_images_set_aside_by_the_weights_kept():
    task = dense_tasks.task("squares/classify")
    encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": 0.0625, "dim": 8}), 0)
    normalisation, n = Normalisation.of(task.train.images), 40
    images, labels = task.train.images[:n], task.train.labels[:n]
    data = Labelled(Examples(images, labels), task.outputs, normalisation, task.goal)
    budget = Budget(lr=0.05, batch=8, steps=Steps(min=12, max=12))
    options = lookup.complete("protocol", "validated", {"holdout": 0.3}).options
    compute = Compute(torch.device("cpu"), "fp32")
    fitted = validated.fit(data, encoder, 0, budget, options, compute, lambda *_: None)
    trained, held = validated.split(data, 0.3, 0)
    pixels = (images[held].float() - normalisation.mean) / normalisation.std
    with torch.inference_mode():
        scores = fitted.predictor(pixels.permute(0, 3, 1, 2))
    expected = fit_temperature(scores, labels[held], labels[trained])
    assert fitted.temperature.value == pytest.approx(expected.value, rel=1e-3)
    assert fitted.temperature.labels == 12


def test_no_test_label_is_seen(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    features = np.eye(3, 6)[labels] + rng.normal(size=(120, 6))
    found = []
    for name, held in (("a", labels[80:]), ("b", np.roll(labels[80:], 1))):
        results = labeleff.probe(
            {"f": features[:80]},
            labels[:80],
            tmp_path / name,
            test=({"f": features[80:]}, held),
            rungs=[12, 40],
            draws=2,
            protocols=["ridge", "linear"],
        )
        found.append({(one.cell.protocol.name, one.cell.n, one.cell.draw): one.calibration for one in results.cells})
    one, other = found
    assert len(one) == 8
    for key in one:
        assert one[key].get("temperature") == other[key].get("temperature")
        assert ("temperature" in one[key]) == (key[0] == "ridge")
        assert one[key] != other[key]
    assert one["ridge", 40, 0]["temperature_labels"] == 40
    assert set(one["linear", 40, 0]) == {"ece", "brier", "nll"}
    labeleff.report(tmp_path / "a")
    assert "## Calibration: embeddings/classify" in (tmp_path / "a" / "details.md").read_text()
    assert (tmp_path / "a" / "calibration.csv").exists()
