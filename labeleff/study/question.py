"""Questions that a study asks, which open its report."""

from __future__ import annotations

from collections.abc import Collection

from labeleff.errors import StudyError

RANKING, CROSSING, AGREEMENT, SAVINGS, DEPENDENCE = "ranking", "crossing", "agreement", "savings", "dependence"
"""Which arm saves most; where curves cross the baseline's; whether frozen evaluation predicts finetuning; what an arm
saves; on what it depends (`dependence on WHAT`)."""
PLAIN = (RANKING, CROSSING, AGREEMENT, SAVINGS)


def check_question(text: str, options: Collection[str]) -> None:
    """Raise StudyError for what isn't a question; `options` are those of the study's tasks."""
    known = ("task", "encoder", *sorted(options))
    if text not in PLAIN and text not in {f"{DEPENDENCE} on {what}" for what in known}:
        expected = f"{', '.join(map(repr, PLAIN))} or '{DEPENDENCE} on' one of {', '.join(known)}"
        raise StudyError(f"asks: found {text!r}, expected {expected}")
