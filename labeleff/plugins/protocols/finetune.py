"""Fine-tuning: encoder and linear head trained together, batch-norm in train mode.

With pretext `scratch` this is the supervised baseline, so both go through the same code and the same budget.
"""

from __future__ import annotations

from labeleff.plugins.protocols.interface import Prepared, by_itself
from labeleff.plugins.protocols.supervised import SupervisedRun, preparation


@preparation
def prepare(run: SupervisedRun) -> Prepared:
    """Train an encoder and a new linear head on all n labels; the last step's weights are the result."""
    return run.prepared(run.slot(run.model(), run.examples()))


fit = by_itself(prepare)
