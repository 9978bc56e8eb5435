"""The linear probe: label sets solved together, scales, degenerate features, starts from smaller sets."""

import torch
import torch.nn.functional as F

from labeleff.plugins.protocols import features, logistic
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.linear import FACTORS, fit, held_out


def problem(n, dim=7, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, dim, generator=generator)
    features = 3 + 5 * (centres[labels] + torch.randn(n, dim, generator=generator))
    return LabelledFeatures(features, labels, classes)


def test_batched_equals_one_by_one():
    problems = [problem(n, seed=s) for n, s in ((12, 0), (300, 1), (40, 2), (41, 3))]
    together = fit(problems, {"prior": 10.0})
    probe = torch.randn(50, 7) * 5 + 3
    for one, fitted in zip(problems, together, strict=True):
        [alone] = fit([one], {"prior": 10.0})
        torch.testing.assert_close(fitted.predictor(probe), alone.predictor(probe), rtol=5e-3, atol=5e-3)


def test_scale_and_offset_of_features_do_not_matter():
    one = problem(60)
    moved = LabelledFeatures(one.features * 100 - 7, one.labels, one.outputs)
    [a], [b] = fit([one], {"prior": 10.0}), fit([moved], {"prior": 10.0})
    probe = torch.randn(20, 7)
    torch.testing.assert_close(a.predictor(probe), b.predictor(probe * 100 - 7), rtol=1e-3, atol=1e-3)


def test_constant_features_and_missing_classes_are_survived():
    one = problem(12)
    features = one.features.clone()
    features[:, 0] = 1.0
    [fitted] = fit([LabelledFeatures(features, one.labels % 3, 4)], {"prior": 10.0})
    scores = fitted.predictor(features)
    assert torch.isfinite(scores).all()
    assert int(scores.argmax(1).max()) < 3


def test_a_set_starts_from_the_solution_of_a_smaller_one_that_it_contains(monkeypatch):
    everything, order = problem(300), torch.randperm(300, generator=torch.Generator().manual_seed(0))
    gradients = []
    usual = logistic.Batch.gradient
    monkeypatch.setattr(features, "CACHED", 1)
    monkeypatch.setattr(logistic.Batch, "gradient", lambda *a: gradients.append(1) or usual(*a))

    def nested(named):
        gradients.clear()
        sets = [order[:n] for n in (300, 150, 150)]
        ones = [
            LabelledFeatures(everything.features[s], everything.labels[s], 4, rows=s if named else None) for s in sets
        ]
        return fit(ones, {"prior": 10.0}), len(gradients)

    (started, few), (alone, many) = nested(named=True), nested(named=False)
    assert few <= 0.8 * many
    for one, other in zip(started, alone, strict=True):
        probe = everything.features
        torch.testing.assert_close(one.predictor(probe), other.predictor(probe), rtol=5e-3, atol=5e-3)


def test_sets_of_other_rows_or_classes_start_from_nothing():
    one = problem(40)
    few = LabelledFeatures(one.features[:20], one.labels[:20] % 3, 4, rows=torch.arange(20))
    more = LabelledFeatures(one.features, one.labels, 4, rows=torch.arange(40))
    together, [alone] = fit([few, more], {"prior": 10.0}), fit([more], {"prior": 10.0})
    assert float(together[0].predictor(one.features)[:, 3].max()) < 0
    torch.testing.assert_close(together[1].predictor(one.features), alone.predictor(one.features), rtol=5e-3, atol=5e-3)


def test_every_fifth_label_of_a_class_is_held_out():
    labels = torch.tensor([0, 0, 1, 0, 0, 2, 0, 1, 0, 1, 1, 1])
    assert held_out(labels).nonzero()[:, 0].tolist() == [6, 11]


def test_equal_questions_are_held_out_together():
    labels = torch.tensor([0, 0, 1, 0, 0, 2, 0, 1, 0, 1, 1, 1])
    assert held_out(labels, torch.arange(12) * 7 % 12).nonzero()[:, 0].tolist() == [6, 11]
    equal = torch.tensor([3, 3, 9, 4, 5, 8, 6, 10, 7, 11, 12, 9])
    assert held_out(labels, equal).nonzero()[:, 0].tolist() == [8], "the fifth that differs of class 0"
    equal = torch.tensor([3, 4, 9, 5, 6, 8, 7, 10, 7, 11, 12, 9])
    assert held_out(labels, equal).nonzero()[:, 0].tolist() == [6, 8]


def test_a_split_chooses_the_prior_that_predicts_labels_held_out_best():
    one = problem(60)
    features = torch.cat([one.features, torch.randn(60, 40, generator=torch.Generator().manual_seed(1))], 1)
    noisy = LabelledFeatures(features, one.labels, 4)
    [chosen] = fit([noisy], {"prior": 10.0, "choose": "split"})
    out, losses = held_out(one.labels), {}
    for prior in (10.0 * factor for factor in FACTORS):
        [part] = fit([LabelledFeatures(features[~out], one.labels[~out], 4)], {"prior": prior})
        losses[prior] = float(F.cross_entropy(part.predictor(features[out]), one.labels[out]))
    assert chosen.metrics == {"prior": min(losses, key=losses.get)}
    [expected] = fit([noisy], {"prior": chosen.metrics["prior"]})
    torch.testing.assert_close(chosen.predictor(features), expected.predictor(features), rtol=5e-3, atol=5e-3)


def test_a_prior_stays_where_classes_have_too_few_labels_for_a_split():
    [fitted] = fit([problem(12)], {"prior": 10.0, "choose": "split"})
    assert fitted.metrics == {"prior": 10.0}
