"""The linear probe's solver against scikit-learn's LogisticRegression on ladders of nested label sets.

`python benchmarks/linear_probe.py [--features FILE.npz]` prints a CSV: processor time of both, the largest gradient
entry and the excess of the objective over its minimum, both per label and in float64, and the test accuracy, by rung.
Both solve the same objective to the same tolerance on one thread; scikit-learn gets standardised float32 features for
nothing. Ours is all of `linear.fit`: standardisation is counted, and so is the spectrum that all ladders share, which
the first problem bears.
"""

import argparse
import itertools
import statistics
import sys
import time
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from csv_rows import to_csv

from labeleff.plugins.protocols import linear, logistic
from labeleff.plugins.protocols.features import FREE, Standardised, padded
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.training.device import one_core

RUNGS = (50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000)
DIM, CLASSES, POOL, TEST, DRAWS = 768, 20, 20_000, 20_000, 3
KINDS = {
    "steep": {"decay": 1.0, "overlap": 0.5},
    "flat": {"decay": 0.5, "overlap": 0.4},
    "rectified": {"decay": 1.5, "overlap": 0.5, "rectified": True},
}
"""Simulated embeddings: how fast variances of directions fall, how far apart classes are, whether negatives are cut."""


def embeddings(rows, *, decay, overlap, rectified=False, dim=DIM, classes=CLASSES, seed=0):
    """Simulate features (rows, dim) of classes in turn: power-law variances, heavy tails, scales and offsets."""
    draw = np.random.default_rng(seed)
    spread = np.arange(1, dim + 1) ** (-decay / 2)
    spread *= np.sqrt(dim / (spread**2).sum())
    labels = np.arange(rows) % classes
    means = draw.standard_normal((classes, dim)) * spread * np.where(np.arange(dim) < 40, overlap, 0.15 * overlap)
    latent = draw.standard_normal((rows, dim)) * spread * np.sqrt(draw.gamma(4, 0.25, (rows, 1))) + means[labels]
    turned = latent @ np.linalg.qr(draw.standard_normal((dim, dim)))[0]
    features = turned * np.exp(0.3 * draw.standard_normal(dim)) + draw.standard_normal(dim)
    return (np.maximum(features, 0) if rectified else features).astype(np.float32), labels


def ladders(features, labels, draws=1, rungs=RUNGS):
    """Make nested problems of every draw, each with as many rows per class; `labels` are classes in turn."""
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    outputs = int(labels.max()) + 1
    rounds = np.arange(len(y) // outputs * outputs).reshape(-1, outputs)
    orders = [torch.from_numpy(np.random.default_rng(d).permutation(rounds).reshape(-1)) for d in range(draws)]
    return [LabelledFeatures(x[o[:n]], y[o[:n]], outputs, rows=o[:n]) for o in orders for n in rungs]


def ours(problems, prior, tolerance):
    """Solve ladders: per problem, seconds of processor time and the solution."""
    usual, logistic.solve.__defaults__ = logistic.solve.__defaults__, (None, tolerance)
    try:
        with torch.no_grad(), logistic.blas_threads():
            began, found = time.process_time(), {}
            for i, solution in linear.solutions(problems, prior):
                now = time.process_time()
                found[i] = now - began, solution
                began = now
    finally:
        logistic.solve.__defaults__ = usual
    return [found[i] for i in range(len(problems))]


def theirs(problem, prior, tolerance, dtype=np.float32):
    """Solve a problem by scikit-learn: seconds of processor time and weights (classes, dim + 1)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x, y = Standardised.of(problem.features).x.numpy().astype(dtype), problem.labels.numpy()
    model = LogisticRegression(C=prior / x.shape[1], tol=tolerance, max_iter=10_000)
    with warnings.catch_warnings(), logistic.blas_threads():
        warnings.simplefilter("ignore", ConvergenceWarning)
        began = time.process_time()
        model.fit(x, y)
        seconds = time.process_time() - began
    return seconds, torch.from_numpy(np.hstack([model.coef_, model.intercept_[:, None]]))


def before(problem, prior, tolerance=1e-5):
    """Solve a problem as labeleff did before: Boehning's bound with Nesterov's momentum; seconds of processor time."""
    began = time.process_time()
    [x] = padded([problem])
    y = F.one_hot(problem.labels, problem.outputs).float()
    penalty = torch.full((x.shape[1], 1), (x.shape[1] - 1) / prior)
    penalty[-1] = FREE
    bound = torch.linalg.cholesky(0.5 * (x.T @ x) + torch.diag(penalty[:, 0]))
    weights = momentum = torch.zeros(x.shape[1], problem.outputs)
    t = 1.0
    for _ in range(500):
        gradient = x.T @ (torch.softmax(x @ momentum, 1) - y) + penalty * momentum
        if float(gradient.abs().max()) <= tolerance * len(x):
            break
        candidate = momentum - torch.cholesky_solve(gradient, bound)
        uphill = float((gradient * (candidate - weights)).sum()) > 0
        following = 1.0 if uphill else 0.5 * (1 + (1 + 4 * t * t) ** 0.5)
        pull = 0.0 if uphill else (t - 1) / following
        weights, momentum, t = candidate, candidate + pull * (candidate - weights), following
    return time.process_time() - began


def judge(problem, weights, prior, free):
    """Compute objective and largest gradient entry in float64, per label; `free` is the penalty of the constant."""
    x, w = Standardised.of(problem.features).x.double(), weights.double()
    y = F.one_hot(problem.labels, problem.outputs).double()
    decay = torch.full((w.shape[1],), x.shape[1] / prior, dtype=torch.float64)
    decay[-1] = free
    z = x @ w[:, :-1].T + w[:, -1]
    error = torch.softmax(z, 1) - y
    value = (z.logsumexp(1) - (z * y).sum(1)).sum() + 0.5 * (decay * w.square()).sum()
    gradient = torch.cat([error.T @ x, error.sum(0)[:, None]], 1) + decay * w
    return float(value) / len(x), float(gradient.abs().max()) / len(x)


def accuracy(problem, weights, features, labels):
    """Compute the test accuracy in percent."""
    one = Standardised.of(problem.features)
    scores = ((torch.from_numpy(features) - one.mean) / one.scale) @ weights[:, :-1].float().T + weights[:, -1].float()
    return 100 * float((scores.argmax(1).numpy() == labels).mean())


def quality(problem, weights, prior, free, minimum, test):
    """Compute gradient, excess over the minimum and test accuracy of a solution."""
    value, gradient = judge(problem, weights, prior, free)
    return {"gradient": gradient, "excess": value - minimum, "accuracy": accuracy(problem, weights, *test)}


def compare(features, labels, prior, tolerance, draws=DRAWS, pool=POOL, rungs=RUNGS):
    """Solve ladders of the first `pool` rows by both: a row per rung, and one of all ladders together.

    Times are medians over draws, qualities are those of the first draw, and the rows after the pool are the test.
    """
    problems, test = ladders(features[:pool], labels[:pool], draws, rungs), (features[pool:], labels[pool:])
    ours(problems[:2], prior, tolerance)
    found = ours(problems, prior, tolerance), [theirs(one, prior, tolerance) for one in problems]
    spent = np.array([[s for s, _ in each] for each in found]).reshape(2, draws, len(rungs))
    rows = []
    for i, (n, problem) in enumerate(zip(rungs, problems, strict=False)):
        tight = theirs(problem, prior, 1e-9, np.float64)[1]
        row = {"n": n, "faster": statistics.median(spent[1, :, i] / spent[0, :, i])}
        row |= {"ours_ms": 1e3 * np.median(spent[0, :, i]), "theirs_ms": 1e3 * np.median(spent[1, :, i])}
        weights = found[0][i][1].standardised(Standardised.of(problem.features)), found[1][i][1]
        for name, one, free in zip(("ours", "theirs"), weights, (FREE, 0.0), strict=True):
            measured = quality(problem, one, prior, free, judge(problem, tight, prior, free)[0], test)
            row |= {f"{name}_{key}": value for key, value in measured.items()}
        rows.append(row | {"tight_accuracy": accuracy(problem, tight, *test)})
    total, other = 1e3 * spent.sum((1, 2))
    whole = {"n": "all", "faster": other / total, "ours_ms": total, "theirs_ms": other}
    return [*rows, dict.fromkeys(rows[0], "") | whole]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", help="npz file of `features` (rows, dim) and `labels` (rows,) instead")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--priors", nargs="*", type=float, default=[10.0])
    parser.add_argument("--tolerances", nargs="*", type=float, default=[1e-4, 1e-5])
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--pool", type=int, default=POOL, help="rows before those of the test")
    arguments = parser.parse_args()
    one_core()
    for kind in ["file"] if arguments.features else arguments.kinds:
        features, labels = read(arguments.features) if arguments.features else simulated(kind)
        for prior, tolerance in itertools.product(arguments.priors, arguments.tolerances):
            rows = compare(features, labels, prior, tolerance, arguments.draws, arguments.pool)
            table = [{"features": kind, "prior": prior, "tolerance": tolerance} | row for row in rows]
            sys.stdout.write(to_csv([{key: shown(key, row[key]) for key in row} for row in table]))
            sys.stdout.flush()
        largest = ladders(features[: arguments.pool], labels[: arguments.pool])[-1]
        print(f"before, at {RUNGS[-1]}: {1e3 * before(largest, 10.0):.0f} ms", file=sys.stderr)


def simulated(kind):
    return embeddings(POOL + TEST, **KINDS[kind])


def read(path):
    """Read features and labels, which the first rows have in turn."""
    with np.load(path) as file:
        return file["features"].astype(np.float32), file["labels"].astype(np.int64)


def shown(name, value):
    if isinstance(value, int | str):
        return value
    return f"{value:.2f}" if name.endswith("accuracy") else f"{value:.3g}"


if __name__ == "__main__":
    main()
