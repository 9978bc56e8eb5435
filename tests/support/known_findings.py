"""Findings on arms with known curves, without records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeleff.reporting.findings import Findings, find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.stats.resampling import Runs

LADDER = (20, 50, 100, 200, 500, 1000)
NOISE = (-0.006, 0.001, 0.005)


def runs(worth: float, noise: float = 1.0, ladder: tuple[int, ...] = LADDER) -> Runs:
    """Runs of an arm whose label does the work of `worth` of those of the curve 0.92 - 1.6 n^-0.3."""
    first = round(1000 * worth)
    return {
        n: {(first + i, 0): 0.92 - 1.6 * (worth * n) ** -0.3 + noise * each for i, each in enumerate(NOISE)}
        for n in ladder
    }


def findings(places: Mapping[Place, Mapping[str, Runs]], **changes: Any) -> Findings:
    """Findings where every place has the given arms; the first arm of the first place is the baseline."""
    arms = tuple(dict.fromkeys(arm for own in places.values() for arm in own))
    fields: dict[str, Any] = {"level": 0.9, "method": "pchip", "design": "", **changes}
    return find(
        Measurements(
            {place: Setting(str(place), LADDER) for place in places},
            arms,
            arms[0],
            {(place, arm): of for place, own in places.items() for arm, of in own.items()},
            **fields,
        )
    )
