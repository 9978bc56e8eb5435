"""Fine-tuning: encoder and linear head trained together, batch-norm in train mode. With pretext `scratch` this is
the supervised baseline, so both go through the same code and the same budget."""

from __future__ import annotations

from collections.abc import Mapping

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder
from labeleff.protocols import Fitted, Labelled, Prepared, by_itself
from labeleff.protocols.supervised import Supervised, model_for
from labeleff.record import Training
from labeleff.train import Slot


def prepare(
    data: Labelled,
    encoder: Encoder,
    seed: int,
    budget: Budget,
    options: Mapping[str, OptionValue],  # noqa: ARG001
    compute: Compute,
) -> Prepared:
    """Train `encoder` (in place) and a new linear head on all n labels; the last step's weights are the result."""
    examples = data.on(compute.device, augment=budget.augment, seed=seed)
    model = model_for(data, encoder, seed)
    slot = Slot(model, examples, Supervised(data.goal), seed)

    def finish(training: Training) -> Fitted:
        last = training.history[-1]
        return Fitted(model.eval(), training, {"loss": last["loss"], "accuracy": last["accuracy"]})

    return Prepared(slot, budget.steps_for(len(data.examples)), finish)


fit = by_itself(prepare)
