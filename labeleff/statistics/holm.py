"""P values of several tests, adjusted so that any false alarm among them is as improbable as in one test.

Holm's step-down procedure (1979, Scand. J. Statist. 6) holds under any dependence, which matters here: rungs share
draws, and utility is made of the accuracies beside it. It bounds the probability of one false alarm. Benjamini and
Hochberg's procedure bounds the share of false ones among the alarms instead, so that true improvements elsewhere would
make a false alarm more probable, and a gate fails on one.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the order given: those of at most alpha may be rejected together."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        adjusted[place] = largest
    return adjusted
