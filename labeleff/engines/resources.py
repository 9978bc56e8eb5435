"""What a job takes of a cluster, and how many jobs that leaves room for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

WHOLE = 10_000
"""Ray counts resources in ten-thousandths."""


@dataclass(frozen=True)
class Asked:
    """What one job takes: always one processor, and of GPUs none or at most one."""

    gpus: float = 0.0

    def places(self, total: Mapping[str, float]) -> int:
        """Jobs that a cluster with these resources (`CPU`, `GPU`, as Ray names them) does side by side.

        A job's part of a GPU lies on one GPU: with 0.4 two jobs go on each, and the rest of it stays unused.
        """
        processors = math.floor(total.get("CPU", 0.0))
        if not self.gpus:
            return processors
        on_each = WHOLE // max(1, round(self.gpus * WHOLE))
        return min(processors, math.floor(total.get("GPU", 0.0)) * on_each)


def asked(device: str, gpu_share: float | None) -> Asked:
    """What a job on a kind of device (`cpu`, `cuda`) takes: on a GPU all of it, unless a share is given."""
    return Asked(gpus=(gpu_share or 1.0)) if device == "cuda" else Asked()
