"""Optimiser step for K slots at once, each with its own rate, decay and clipping.

The formulas are those of `torch.optim`. Weights, gradients and moments are matrices (K, P), one row per slot, so that
an update is a few elementwise calls however many layers there are. Rates and step counts are device tensors, not
numbers of the host, as a captured step needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labeleff.study.cell import ADAM_BETAS, ADAM_EPS, Budget

RMS_ALPHA, RMS_EPS = 0.9, 1e-7
"""Keras's constants."""
CLIP_EPS = 1e-6
"""The constant of `torch.nn.utils.clip_grad_norm_`."""


@dataclass(frozen=True)
class Rule:
    """The part of a budget that the slots of a pack must have in common."""

    optimizer: str
    momentum: float
    betas: tuple[float, float]
    eps: float
    eps_hat: float
    batch: int
    decays: bool
    clips: bool

    @staticmethod
    def of(budget: Budget) -> Rule:
        """Take the rule of a budget."""
        betas, hat = budget.betas or ADAM_BETAS, budget.eps_hat or 0.0
        eps = 0.0 if hat else budget.eps or ADAM_EPS
        decays, clips = budget.weight_decay > 0, budget.clip is not None
        return Rule(budget.optimizer, budget.momentum, betas, eps, hat, budget.batch, decays, clips)


@dataclass(frozen=True)
class Rates:
    """Learning rate, weight decay, largest gradient norm and steps done before, per slot: all (K, 1)."""

    rate: Tensor
    decay: Tensor
    clip: Tensor
    steps: Tensor


def _channels_last(weights: Tensor) -> bool:
    """Whether kernels (K, D, C, h, w) lie in memory as (K, D, h, w, C)."""
    return weights.ndim == 5 and not weights.is_contiguous()


class Updates:
    """Weights of a pack with the moments of their optimiser.

    `views` are the trained weights, (K, *shape) each. Only weights of two or more axes decay.
    """

    def __init__(self, rule: Rule, views: Mapping[str, Tensor]) -> None:
        self._rule = rule
        ordered = sorted(views, key=lambda name: views[name].ndim <= 2)
        self.names = ordered
        self._channels_last = [_channels_last(views[name]) for name in ordered]
        self._parts = [
            self._in_memory(views[name], last) for name, last in zip(ordered, self._channels_last, strict=True)
        ]
        self._sizes = [part.shape[1] for part in self._parts]
        self._matrices = sum(size for size, name in zip(self._sizes, ordered, strict=True) if views[name].ndim > 2)
        self.weights = torch.cat(self._parts, 1)
        moments = {"sgd": int(rule.momentum > 0), "rmsprop": 1}.get(rule.optimizer, 2)
        self.moments = [torch.zeros_like(self.weights) for _ in range(moments)]

    def gather(self) -> None:
        """Read the weights again after a slot's were exchanged."""
        torch.cat(self._parts, 1, out=self.weights)

    def concatenate(self, gradients: Sequence[Tensor]) -> Tensor:
        """Concatenate gradients in the order of `names`, (K, *shape) or (K * first axis, ...), to (K, P)."""
        pairs = zip(gradients, self._channels_last, strict=True)
        moved = [gradient.movedim(-3, -1) if last else gradient for gradient, last in pairs]
        return torch.cat([gradient.reshape(len(self.weights), -1) for gradient in moved], 1)

    @staticmethod
    def _in_memory(weights: Tensor, channels_last: bool) -> Tensor:
        """View weights (K, *shape) as (K, size), numbers in the order of memory."""
        return (weights.movedim(-3, -1) if channels_last else weights).view(len(weights), -1)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], at: Rates) -> None:
        """Change the weights of every slot in place."""
        gradient, rule = self.concatenate(gradients), self._rule
        if rule.clips:
            norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient = gradient * (at.clip / (norm + CLIP_EPS)).clamp(max=1.0)
        if rule.decays and rule.optimizer == "adamw":
            self.weights[:, : self._matrices] *= 1 - at.rate * at.decay
        elif rule.decays:
            gradient[:, : self._matrices].addcmul_(self.weights[:, : self._matrices], at.decay)
        self.weights.addcmul_(self._direction(gradient, at), at.rate, value=-1.0)
        torch.split_with_sizes_copy(self.weights, self._sizes, dim=1, out=self._parts)

    def _direction(self, gradient: Tensor, at: Rates) -> Tensor:
        """Compute the update direction (K, P): the gradient, or the optimiser's function of its moments."""
        rule = self._rule
        if rule.optimizer == "sgd":
            if not self.moments:
                return gradient
            [velocity] = self.moments
            velocity.mul_(rule.momentum).add_(gradient)
            return gradient.add(velocity, alpha=rule.momentum)
        if rule.optimizer == "rmsprop":
            [square] = self.moments
            square.mul_(RMS_ALPHA).addcmul_(gradient, gradient, value=1 - RMS_ALPHA)
            return gradient / (square.sqrt() + RMS_EPS)
        (first, second), (beta, gamma), step = self.moments, rule.betas, at.steps + 1
        first.lerp_(gradient, 1 - beta)
        second.mul_(gamma).addcmul_(gradient, gradient, value=1 - gamma)
        root = second.sqrt() + rule.eps_hat if rule.eps_hat else second.sqrt()
        spread = root / (1 - gamma**step).sqrt() + rule.eps
        return first / (1 - beta**step) / spread
