"""Words that reports use, each explained once and linked where it is first used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from labeleff.reporting.markdown import anchor

HEADING = "Words"
WORDS = {
    "arm": "a way to learn from few labels: a pretext with a protocol, such as `rotation/finetune`",
    "rung": "a label count n of the ladder of counts that are measured",
    "draw": "the choice of which examples are labelled; the same draw gives every arm the same labels",
    "seed": "everything else that is random: initialisation, order, augmentation",
    "cell": "one arm at one rung with one draw and one seed: one measured number",
    "equivalent labels": "n1, the labels with which the baseline reaches what an arm reaches with n",
    "mean label ratio": (
        "n1/n averaged (geometrically) over the ladder: the baseline's labels that one label of the arm replaces; "
        "label counts beyond the ladder's reach are brought to its ends, which `>=` and `<=` tell"
    ),
    "effective data transferred": "n1 - n, the labels that an arm saves (Hernandez et al. 2021)",
}
"""Explanations by word, as the section gives them."""
_SKIPPED = ("#", "|", "!", "`", ">", "- **Utility**")


def section() -> Iterator[str]:
    """The section "Words" in paragraphs."""
    yield f"## {HEADING}"
    yield "\n".join(f"- **{word}**: {text}." for word, text in WORDS.items())


def linked(paragraphs: Iterable[str]) -> str:
    """Join paragraphs, with a link to the glossary at the first use of its words where the section is among them."""
    text = "\n\n".join(paragraphs)
    before, found, after = text.partition(f"\n\n## {HEADING}\n\n")
    if not found:
        return text
    lines = before.split("\n")
    for word in WORDS:
        pattern = re.compile(rf"(?<![\w/`\[(=-]){word}s?(?![\w/\])(=-])", re.IGNORECASE)
        places = (i for i, line in enumerate(lines) if not line.startswith(_SKIPPED) and pattern.search(line))
        if (place := next(places, None)) is not None:
            lines[place] = pattern.sub(lambda match: f"[{match[0]}](#{anchor(HEADING)})", lines[place], count=1)
    return "\n".join(lines) + found + after
