"""Fine-tuning above a frozen part of the encoder (Newell & Deng, CVPR 2020).

The encoder up to and including one of its stages is frozen, and all above is trained with a new linear head. Newell &
Deng found accuracy to fall as more of the network is frozen.

Batch-norm statistics of the part are frozen too: it stays in eval mode, and the end checks that nothing in it changed.
In the paper's code frozen stages still update their statistics. Frozen to the last stage, only the head is trained.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from labeleff.errors import PluginError
from labeleff.plugins.protocols.interface import Fitted, Prepared, by_itself
from labeleff.plugins.protocols.supervised import SupervisedRun, fitted, preparation
from labeleff.records.training_log import Training
from labeleff.training.encoder_cache import state_sha256


class PartlyFrozen(nn.Sequential):
    """A model with some modules that have no gradient and always stay in eval mode."""

    def __init__(self, model: nn.Sequential, frozen: Sequence[nn.Module]) -> None:
        super().__init__(*model)
        self._frozen = list(frozen)
        for module in frozen:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> PartlyFrozen:
        """Set the mode of the modules that aren't frozen."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train what lies above the stage `frozen` (an option) of an encoder, and a new head, on all n labels.

    Raises UnknownNameError for a stage that the encoder doesn't have, PluginError where the frozen part changed.
    """
    stage = str(run.options["frozen"])
    frozen = run.encoder.until(stage)
    before = [state_sha256(module) for module in frozen]
    model = PartlyFrozen(run.model(), frozen)

    def finish(training: Training) -> Fitted:
        if [state_sha256(module) for module in frozen] != before:
            raise PluginError(f"partial: weights or statistics up to {stage} changed although they are frozen")
        return fitted(model, training, "loss", "accuracy")

    return run.prepared(run.slot(model, run.examples()), finish)


fit = by_itself(prepare)
