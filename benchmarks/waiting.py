"""A protocol whose cells wait, as if another machine computed them, and train a step: what an engine itself costs."""

from __future__ import annotations

import time
from collections.abc import Mapping

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder
from labeleff.protocols import Fitted, Labelled, finetune
from labeleff.train import Progress

SECONDS = 0.5


def fit(
    data: Labelled,
    encoder: Encoder,
    seed: int,
    budget: Budget,
    options: Mapping[str, OptionValue],
    compute: Compute,
    progress: Progress,
) -> Fitted:
    """Wait, then fine-tune."""
    time.sleep(SECONDS)
    return finetune.fit(data, encoder, seed, budget, options, compute, progress)
