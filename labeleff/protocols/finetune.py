"""Fine-tuning: encoder and linear head trained together, batch-norm in train mode. With pretext `scratch` this is
the supervised baseline, so both go through the same code and the same budget."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder, linear_head
from labeleff.pipeline import Batch
from labeleff.protocols import Fitted, Labelled
from labeleff.seeding import stream_seed
from labeleff.stories import resident
from labeleff.train import Progress, Slot, train


def fit(
    data: Labelled,
    encoder: Encoder,
    seed: int,
    budget: Budget,
    options: Mapping[str, OptionValue],  # noqa: ARG001
    compute: Compute,
    progress: Progress,
) -> Fitted:
    """Train `encoder` (in place) and a new linear head on all n labels; the last step's weights are the result."""
    examples = resident(data.examples.inputs, data.normalisation, compute.device, augment=budget.augment, seed=seed)
    labels = data.examples.labels.to(compute.device)

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        logits = model(batch.images).float()
        target = labels[batch.samples]
        return F.cross_entropy(logits, target), (logits.argmax(1) == target).sum()

    model = nn.Sequential(encoder, linear_head(encoder.dim, data.classes, stream_seed("class head", seed)))
    slot = Slot(model, examples, objective, seed)
    [training] = train([slot], budget, budget.steps_for(len(data.examples)), compute, progress)
    model.eval()
    last = training.history[-1]
    return Fitted(model, training, {"loss": last["loss"], "accuracy": last["accuracy"]})
