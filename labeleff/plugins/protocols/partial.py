"""Fine-tuning above a frozen part: the encoder up to and with one of its stages stays as it is, and the rest is trained
with a new linear head. Newell & Deng (CVPR 2020) found accuracy to fall as more of the network is frozen.

Frozen is a part with its batch-norm statistics: it stays in eval mode, and that neither changed is checked at the end.
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
    """A model of which some modules are without gradient, and in eval mode whatever mode the rest is in."""

    def __init__(self, model: nn.Sequential, frozen: Sequence[nn.Module]) -> None:
        super().__init__(*model)
        self._frozen = list(frozen)
        for module in frozen:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> PartlyFrozen:
        """Set the mode of what isn't frozen."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train what lies above the stage `frozen` (an option) of an encoder, and a new head, on all n labels.

    Raises UnknownNameError for a stage that the encoder hasn't, PluginError where the frozen part changed.
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
