"""Steps of an adaptive ladder: what each added, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from labeleff.reporting.markdown import table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.scheduling.ladder_chooser import Aim, Choice, Chooser


def section(results: Results) -> Section:
    """Section with a table per place: cells added, why, intervals before and after; empty for fixed ladders."""
    return Section([*_paragraphs(results)])


def _paragraphs(results: Results) -> Iterator[str]:
    if results.adaptive_ladders is None or results.study.auto is None:
        return
    yield "## How the ladder was chosen"
    auto, study = results.study.auto, results.study
    counts = ", ".join(f"{n:,}" for n in auto.at)
    yield (
        f"Asked for: U(n) at {counts} labels, with ln(high / low) of n1, the width of an interval of U(n) + 1, up to "
        f"{auto.width:g}. The largest ladder has {len(study.rungs)} rungs from {study.rungs[0]:,} to "
        f"{study.rungs[-1]:,} and {len(study.runs)} runs a rung."
    )
    for place in results.places:
        chooser = results.adaptive_ladders.choosers[str(place.task), str(place.encoder)]
        if len(results.places) > 1:
            yield f"{results.title(place)}:"
        yield table(["step", "added", "why", "ln(high / low), before → after"], _rows(chooser), left=4)
        share = results.adaptive_ladders.share((str(place.task), str(place.encoder)))
        end = "Not finished." if chooser.finished is None else f"It ended as {chooser.finished}."
        yield f"{end} What was chosen is {share:.0%} of the largest ladder's training steps, pretraining included."
    yield (
        "The choice follows from the accuracies in the records alone, in the way this report looks at them, and no "
        "hyperparameter is chosen. To end as soon as intervals are narrow is a choice by the data: what happens to "
        "look narrow ends first."
    )


def _rows(chooser: Chooser) -> list[list[str]]:
    rows = []
    for number, step in enumerate(chooser.steps):
        if not step.aims:
            rows.append([str(number), _cells_text(step.choices), "a coarse ladder, and what is asked for", ""])
        rows += [
            [str(number), _cells_text(aim.choices), f"{aim.arm} at {aim.n:,}: {aim.reason}", _change(aim)]
            for aim in step.aims
        ]
    return rows


def _cells_text(choices: Sequence[Choice]) -> str:
    """List cells by arm and label count: `scratch/finetune at 50, 200 (2 runs each)`."""
    counts: dict[tuple[str, int], int] = {}
    for choice in choices:
        counts[choice.arm, choice.n] = counts.get((choice.arm, choice.n), 0) + 1
    arms: dict[tuple[str, int], list[int]] = {}
    for (arm, n), count in sorted(counts.items()):
        arms.setdefault((arm, count), []).append(n)
    return "; ".join(
        f"{arm} at {', '.join(f'{n:,}' for n in ns)}{f' ({count} runs each)' if count > 1 else ''}"
        for (arm, count), ns in arms.items()
    )


def _change(aim: Aim) -> str:
    return f"{_width(aim.before)} → {_width(aim.after)}"


def _width(width: float | None) -> str:
    if width is None:
        return "–"
    return "open" if width == math.inf else f"{width:.2f}"
