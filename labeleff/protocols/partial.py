"""Fine-tuning above a frozen part: the encoder up to and with one of its stages stays as it is, and the rest is trained
with a new linear head. Newell & Deng (CVPR 2020) found accuracy to fall as more of the network is frozen.

Frozen is a part with its batch-norm statistics: it stays in eval mode, and that neither changed is checked at the end.
In the paper's code frozen stages still update their statistics. Frozen to the last stage, only the head is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from labeleff.cache import state_sha256
from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder
from labeleff.errors import PluginError
from labeleff.protocols import Fitted, Labelled, Prepared, by_itself
from labeleff.protocols.supervised import Supervised, model_for
from labeleff.record import Training
from labeleff.train import Slot


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


def prepare(
    data: Labelled,
    encoder: Encoder,
    seed: int,
    budget: Budget,
    options: Mapping[str, OptionValue],
    compute: Compute,
) -> Prepared:
    """Train what lies above the stage `frozen` (an option) of `encoder`, in place, and a new head on all n labels.

    Raises UnknownNameError for a stage that the encoder hasn't, PluginError where the frozen part changed.
    """
    stage = str(options["frozen"])
    frozen = encoder.until(stage)
    before = [state_sha256(module) for module in frozen]
    examples = data.on(compute.device, augment=budget.augment, seed=seed)
    model = PartlyFrozen(model_for(data, encoder, seed), frozen)
    slot = Slot(model, examples, Supervised(data.goal), seed)

    def finish(training: Training) -> Fitted:
        if [state_sha256(module) for module in frozen] != before:
            raise PluginError(f"partial: weights or statistics up to {stage} changed although they are frozen")
        last = training.history[-1]
        return Fitted(model.eval(), training, {"loss": last["loss"], "accuracy": last["accuracy"]})

    return Prepared(slot, budget.steps_for(len(data.examples)), finish)


fit = by_itself(prepare)
