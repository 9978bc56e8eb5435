import math

import torch

from labeleff.plugins.protocols.interface import LabelledFeatures, SelectedFeatures
from labeleff.plugins.protocols.knn import fit


def slow_scores(bank, labels, classes, feature, k, temperature):
    """Cosine similarities one by one, sorted in Python."""

    def cosine(a, b):
        return float(a @ b / (a.norm() * b.norm()))

    near = sorted(((cosine(feature, f), int(c)) for f, c in zip(bank, labels, strict=True)), reverse=True)[:k]
    votes = [0.0] * classes
    for similarity, label in near:
        votes[label] += math.exp((similarity - 1) / temperature)
    return [vote / sum(votes) for vote in votes]


def test_votes_equal_the_slow_version():
    generator = torch.Generator().manual_seed(0)
    bank, labels = torch.randn(30, 6, generator=generator), torch.arange(30) % 3
    probe = torch.randn(9, 6, generator=generator)
    for k in (1, 5, 200):
        [fitted] = fit([LabelledFeatures(bank, labels, 3)], {"k": k, "temperature": 0.1})
        expected = torch.tensor([slow_scores(bank, labels, 3, feature, k, 0.1) for feature in probe])
        torch.testing.assert_close(fitted.predictor(probe), expected, rtol=1e-4, atol=1e-6)


def test_problems_that_share_features_get_the_scores_of_single_ones():
    generator = torch.Generator().manual_seed(0)
    source, labels = torch.randn(40, 6, generator=generator), torch.arange(40) % 3
    sets = [torch.arange(12), torch.arange(5, 40), torch.arange(0, 40, 3)]
    options = {"k": 7, "temperature": 0.1}
    shared = fit([SelectedFeatures(source, rows, labels[rows], 3) for rows in sets], options)
    single = fit([LabelledFeatures(source[rows], labels[rows], 3) for rows in sets], options)
    for probe in torch.randn(2, 9, 6, generator=generator):
        for one, other in zip(shared, single, strict=True):
            torch.testing.assert_close(one.predictor(probe), other.predictor(probe))
