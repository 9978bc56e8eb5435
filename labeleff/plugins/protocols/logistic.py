"""Multinomial logistic regression with a Gaussian prior: several problems of one shape at once.

The objective is the cross-entropy summed over rows plus `penalty / 2` times the squared weights; it is strictly convex,
and nothing here changes its minimum. It is found by nonlinear conjugate gradients (Polak and Ribiere's, restarted where
they point uphill; Nocedal and Wright 2006, section 5.2). Two things make that fast.

The Hessian, a sum of (diag p - p p') x (x x') over rows, is close to the Kronecker product of the mean of its first
factor and of the features' Gram matrix (Martens and Grosse 2015, "Optimizing neural networks with Kronecker-factored
approximate curvature"). In the eigenvectors of both, its inverse is a division. The eigenvectors of features hardly
depend on which rows are labelled, so that one `Spectrum` serves every problem of an encoder.

Along a direction the scores are linear, so that the length of a step costs no further product with the features: an
iteration has two, one for the scores of its direction and one for its gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from labeleff.plugins.protocols.features import FREE
from labeleff.training.device import summing_type
from labeleff.training.kernels.bf16 import products_gain

MAX_SHARED_STEPS = 100
"""Most steps with a spectrum that problems share, several times as many as they take with the usual prior.

Under one that is thousands of times as large, curvatures differ so much that the spectrum of other rows is no guide.
"""
MAX_STEPS = 1_000
"""Most steps that a problem takes from there with its own spectrum."""
TOLERANCE = 1e-5
"""Largest gradient entry, relative to n, at which a problem counts as solved."""
REFRESHED: tuple[int, ...] = (0, 2, 5)
"""Steps at which the mean curvature of the classes is computed again; they begin anew along the gradient."""
RENEWED = 25
"""Steps after which scores are computed from the weights, so that rounding doesn't add up."""
FLOOR = 0.03
"""Share of the curvature at class frequencies that the curvature of classes has at least."""
SLOPE = 0.3
"""Largest slope at the end of a step, relative to that at its beginning."""
MAX_TRIALS = 30
KEPT = 1.5
"""Largest ratio of curvatures among directions of features that are taken for one."""
ROUNDED_FROM = 2**19
"""Numbers in the features from which a solution begins with rounded ones."""
ROUNDED_TO = 2.5e-3
"""Tolerance, times the root of n, to which rounded features are solved: twice what rounding adds to a gradient."""
FAR = 4
"""Largest ratio of that tolerance to the one asked for: beyond it the rest of the way takes more than was saved."""
PATIENCE = 4
"""Steps in a row without a gradient by a fifth smaller than the smallest, after which rounded features are left."""
STEEP = 1e4
"""Ratio of a direction's curvature to that of the others from which rounding of theirs is taken out of it."""
SPECTRUM_ROWS = 2**14
"""Most rows that a spectrum is computed from."""


@functools.cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


def blas_threads() -> AbstractContextManager[object]:
    """Let numpy's library compute with as many threads as torch does."""
    return _thread_pools().limit(limits=torch.get_num_threads(), user_api="blas")  # type: ignore[no-any-return]


def product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices (P, ...); `a` is rounded where `b` is bfloat16, and the result is float32.

    On a CPU, numpy's library does it: its thin products are up to twice as fast as torch's on AMD's. Those of
    bfloat16 are torch's, which are fast for single matrices alone.
    """
    if b.dtype == torch.bfloat16:
        parts = [one.bfloat16() @ other for one, other in zip(a, b, strict=True)]
        return (torch.stack(parts) if len(parts) > 1 else parts[0][None]).float()
    return torch.from_numpy(np.matmul(a.numpy(), b.numpy())) if a.device.type == "cpu" else a @ b


def _eigen(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Compute eigenvalues (r,) and vectors (N, r) of a Gram matrix (N, N), without those of rows that are 0.

    LAPACK's fastest search may not end where many eigenvalues are equal, as 0 is for features that never vary: these
    are left out, and where it still doesn't, its slowest one finds them.
    """
    live = gram.diagonal() > 0
    part = gram if bool(live.all()) else gram[live][:, live]
    try:
        values, found = torch.linalg.eigh(part)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        slow = scipy.linalg.eigh(part.cpu().double().numpy(), driver="ev")
        values, found = (torch.from_numpy(one).to(gram) for one in slow)
    vectors = gram.new_zeros(len(gram), len(values))
    vectors[live] = found
    return values, vectors


@dataclass(frozen=True)
class Spectrum:
    """Eigenvectors (dim, r) of features' second moments, eigenvalues (r,) per row, largest first; the others are 0."""

    vectors: Tensor
    values: Tensor

    @staticmethod
    def of(x: Tensor) -> Spectrum:
        """Compute the spectrum of standardised features (N, dim), from the smaller one of their two Gram matrices."""
        x = x[:SPECTRUM_ROWS]
        few = len(x) < x.shape[1]
        values, vectors = _eigen(product(x, x.mT) if few else product(x.mT, x))
        values, vectors = values.flip(0), vectors.flip(1)
        live = values > (1e-6 if x.dtype == torch.float32 else 1e-12) * values[:1]
        values, vectors = values[live], vectors[:, live]
        if few:
            vectors = product(x.mT, vectors / values.sqrt())
        return Spectrum(vectors, values / len(x))

    @staticmethod
    def exact(x: Tensor) -> Spectrum:
        """Compute the spectrum in double precision, so that its small values count and all vectors are orthogonal."""
        spectrum = Spectrum.of(x.to(summing_type(x.device)))
        return Spectrum(spectrum.vectors.to(x.dtype), spectrum.values.to(x.dtype))

    def leading(self, curvature: float, penalty: float) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the directions whose curvature differs from the others': vectors, values, the others' mean value."""
        values = curvature * self.values + penalty
        dim = self.vectors.shape[0]
        least = values[-1] if len(values) == dim else values.new_tensor(penalty)
        kept = int((values > KEPT * least).sum())
        others = self.values[kept:].sum() / max(1, dim - kept)
        return self.vectors[:, :kept], self.values[:kept], others


@dataclass(frozen=True)
class Batch:
    """P problems of one dim and number of classes, padded to N rows.

    `x` are standardised features (P, N, dim), `y` one-hot labels (P, classes, N); both are 0 where a row is padding.
    """

    x: Tensor
    y: Tensor
    penalty: float

    def rounded(self) -> Batch:
        """Round the features to bfloat16."""
        return replace(self, x=self.x.bfloat16())

    def one(self, place: int) -> Batch:
        """Select one problem, without its padding."""
        live = self.y[place].sum(0) > 0
        return replace(self, x=self.x[place, live][None], y=self.y[place][:, live][None])

    @functools.cached_property
    def counts(self) -> Tensor:
        """Count labels per problem and class: (P, classes)."""
        return self.y.sum(2)

    @functools.cached_property
    def decay(self) -> Tensor:
        """Give the penalty per feature and, small, of the constant: (dim + 1,)."""
        decay = torch.full((self.x.shape[2] + 1,), self.penalty, device=self.x.device)
        decay[-1] = FREE
        return decay

    def scores(self, weights: Tensor) -> Tensor:
        """Compute scores (P, classes, N) of weights (P, classes, dim + 1), the constant last."""
        return product(weights[:, :, :-1], self.x.mT) + weights[:, :, -1:]

    def likelihoods(self, scores: Tensor) -> Tensor:
        """Compute the probability of every class, 0 where a row is padding."""
        p = torch.softmax(scores, 1)
        return p * self.y.sum(1, keepdim=True) if len(p) > 1 else p

    def gradient(self, p: Tensor, weights: Tensor) -> Tensor:
        """Compute the objective's gradient (P, classes, dim + 1)."""
        error = p - self.y
        slope = torch.cat([product(error, self.x), error.sum(2, keepdim=True)], 2)
        return slope + self.decay * weights


def _preconditioner(batch: Batch, p: Tensor, spectrum: Spectrum) -> Callable[[Tensor], Tensor]:
    """Make the approximate inverse Hessian, as a function of gradients (P, classes, dim + 1)."""
    counts = batch.counts
    own = torch.diag_embed(p.sum(2)) - product(p, p.mT)
    usual = torch.diag_embed(counts) - counts[:, :, None] * counts[:, None, :] / counts.sum(1)[:, None, None]
    a, v = torch.linalg.eigh(own + FLOOR * usual)
    a = a.clamp(min=1e-6 * counts.sum(1, keepdim=True))[:, :, None]
    vectors, values, others = spectrum.leading(float(a.mean(1).max()), batch.penalty)
    rest = 1 / (a * others + batch.penalty)
    own, constant = 1 / (a * values + batch.penalty), 1 / (a + FREE)
    most = a.amax()
    steep = int((most * values + batch.penalty > STEEP * (most * others + batch.penalty)).sum())
    steepest = vectors[:, :steep]

    def inverse(gradient: Tensor) -> Tensor:
        turned = product(v.mT, gradient)
        weights = turned[:, :, :-1]
        inside = product(weights, vectors)
        step = product(inside * (own - rest), vectors.mT) + rest * weights
        if steep:  # of these, `rest` twice, once less its rounding, would leave that rounding alone
            exact = inside[:, :, :steep] * own[:, :, :steep]
            step = step + product(exact - product(step, steepest), steepest.mT)
        return product(v, torch.cat([step, constant * turned[:, :, -1:]], 2))

    return inverse


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Compute the inner product per problem: (P, 1, 1)."""
    return (a * b).sum((1, 2), keepdim=True)


def _step(
    batch: Batch, p: Tensor, scores: Tensor, weights: Tensor, direction: Tensor, slope: Tensor, done: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Search each problem's step along its direction by Newton's method: steps, scores there, probabilities there.

    A step counts where the slope has fallen to `SLOPE` of what it was; a bracket keeps Newton's method from running
    off.
    """
    along, decayed = batch.scores(direction), batch.decay * direction
    bend, fixed = _dot(decayed, direction), _dot(decayed, weights) - _dot(batch.y, along)
    low, high, t, now = torch.zeros_like(slope), torch.full_like(slope, torch.inf), torch.zeros_like(slope), slope
    share = p * along
    for _ in range(MAX_TRIALS):
        mean = share.sum(1, keepdim=True)
        newton = t - now / (_dot(share, along) - _dot(mean, mean) + bend)
        middle = torch.where(high.isinf(), 2 * t + 1, 0.5 * (low + high))
        t = torch.where(done, t, torch.where((newton > low) & (newton < high), newton, middle))
        there = torch.addcmul(scores, t, along)
        p = batch.likelihoods(there)
        share = p * along
        now = share.sum((1, 2), keepdim=True) + fixed + t * bend
        done = done | (now.abs() <= SLOPE * slope.abs())
        if bool(done.all()):
            break
        low, high = torch.where(now < 0, t, low), torch.where(now < 0, high, t)
    return t, there, p


class Solved(NamedTuple):
    """Weights (P, classes, dim + 1), the constant last, and why each problem isn't solved; None where it is."""

    weights: Tensor
    failures: list[str | None]


def solve(batch: Batch, spectrum: Spectrum, start: Tensor | None = None, tolerance: float = TOLERANCE) -> Solved:
    """Solve a batch from weights `start` or from 0.

    A problem is solved once no entry of its gradient exceeds `tolerance` times its number of rows. Where
    products of bfloat16 are faster, the way there is gone with rounded features, and its end, or a check, in float32.
    """
    (problems, rows, dim), classes = batch.x.shape, batch.y.shape[1]
    weights = batch.x.new_zeros(problems, classes, dim + 1) if start is None else start
    refreshed, coarse = REFRESHED, max(0.5 * tolerance, ROUNDED_TO / rows**0.5)
    large = batch.x.device.type == "cpu" and batch.x.numel() >= ROUNDED_FROM
    if large and coarse <= FAR * tolerance and products_gain():
        weights, _ = _descend(batch.rounded(), spectrum, weights, coarse, REFRESHED, MAX_SHARED_STEPS)
        refreshed = REFRESHED[:1]
    weights, sizes = _descend(batch, spectrum, weights, tolerance, refreshed, MAX_SHARED_STEPS)
    failures: list[str | None] = [None] * problems
    for i in torch.nonzero(~(sizes <= 1))[:, 0].tolist():
        weights[i], failures[i] = _by_itself(batch.one(i), weights[i : i + 1], tolerance)
    return Solved(weights, failures)


def _by_itself(batch: Batch, start: Tensor, tolerance: float) -> tuple[Tensor, str | None]:
    """Solve a batch of one problem with its own spectrum: weights (classes, dim + 1), and why it isn't solved."""
    [weights], [size] = _descend(batch, Spectrum.exact(batch.x[0]), start, tolerance, REFRESHED, MAX_STEPS)
    if size <= 1:
        return weights, None
    prior, found = batch.x.shape[2] / batch.penalty, float(size) * tolerance
    return weights, (
        f"the linear probe's weights after {MAX_STEPS} steps with prior {prior:g}: found {found:.2g} as the largest "
        f"entry of the gradient per label, expected at most {tolerance:g}; smaller priors are solved sooner"
    )


def _descend(
    batch: Batch, spectrum: Spectrum, weights: Tensor, tolerance: float, refreshed: tuple[int, ...], limit: int
) -> tuple[Tensor, Tensor]:
    """Descend from weights by conjugate gradients until every problem is solved, at most `limit` steps.

    Returns weights, and of each problem the largest entry of the gradient over that of a solved one: (P,). Rounded
    features are left sooner, where they bring a problem no nearer.
    """
    scores = batch.scores(weights)
    p, least = batch.likelihoods(scores), tolerance * batch.counts.sum(1)[:, None, None]
    direction = before = preconditioned = weights
    smallest, waited, patience = float("inf"), 0, PATIENCE if batch.x.dtype == torch.bfloat16 else limit
    for step in range(limit + 1):
        gradient = batch.gradient(p, weights)
        size = gradient.abs().amax((1, 2), keepdim=True) / least
        done, largest = size <= 1, float(size.max())
        smallest, waited = (largest, 0) if largest < 0.8 * smallest else (smallest, waited + 1)
        if largest <= 1 or waited > patience or step == limit:
            break
        if step in refreshed:
            inverse = _preconditioner(batch, p, spectrum)
        scaled = inverse(gradient)
        if step in refreshed:
            direction = -scaled
        else:
            pull = _dot(gradient - before, scaled) / _dot(before, preconditioned).clamp(min=1e-30)
            direction = pull.clamp(min=0) * direction - scaled
        slope = _dot(gradient, direction)
        direction = torch.where(slope < 0, direction, -scaled)
        slope = torch.where(slope < 0, slope, -_dot(gradient, scaled))
        before, preconditioned = gradient, scaled
        t, scores, p = _step(batch, p, scores, weights, direction, slope, done)
        weights = weights + t * direction
        if step % RENEWED == RENEWED - 1:
            scores = batch.scores(weights)
            p = batch.likelihoods(scores)
    return weights, size[:, 0, 0]
