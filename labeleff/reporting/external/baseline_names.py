"""Names by which a baseline is recognised."""

from __future__ import annotations

import re
from collections.abc import Iterable

BASELINES = ("scratch", "from scratch", "scratch/finetune", "baseline", "supervised", "supervised baseline")
"""In any case, and with space, -, _ or / between words."""


def like_baseline(arms: Iterable[str]) -> list[str]:
    """Arms that are named like a baseline, with their file's name before it (`ours: scratch`) or without."""
    known = {*map(_words, BASELINES)}
    return [arm for arm in arms if _words(arm.rpartition(": ")[2]) in known]


def _words(name: str) -> str:
    return re.sub(r"[ _/-]+", " ", name).casefold()
