"""Names by which a baseline is recognised."""

from __future__ import annotations

import re
from collections.abc import Iterable

BASELINES = ("scratch", "from scratch", "scratch/finetune", "baseline", "supervised", "supervised baseline")
"""In any case, and with space, - or _ between words."""


def like_baseline(arms: Iterable[str]) -> list[str]:
    """Arms that are named like a baseline, with their file's name before it (`ours: scratch`) or without."""
    return [arm for arm in arms if re.sub(r"[ _-]+", " ", arm.rpartition(": ")[2]).casefold() in BASELINES]
