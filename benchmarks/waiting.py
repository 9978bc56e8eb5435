"""A protocol whose cells wait, as if another machine computed them: the cost of an engine itself."""

from __future__ import annotations

import time
from collections.abc import Mapping

from labeleff.catalogue.declaration import OptionValue
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.protocols import finetune
from labeleff.plugins.protocols.interface import Fitted, Labelled
from labeleff.study.cell import Budget
from labeleff.training.device import Compute
from labeleff.training.slots import Progress

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
    """Wait, then finetune."""
    time.sleep(SECONDS)
    return finetune.fit(data, encoder, seed, budget, options, compute, progress)
