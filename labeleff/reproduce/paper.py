"""The findings of Newell and Deng (CVPR 2020), each checked on folders of runs: a table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labeleff.reporting.markdown import table
from labeleff.reproduce import dependence, falling, foretelling, freezing, network_size, regularising
from labeleff.reproduce.evidence2020 import Outcome, read

CHECKS = (
    ("1", falling.falls_with_labels),
    ("2", dependence.depends_on_task_and_data),
    ("3", foretelling.linear_unlike_finetuned),
    ("4", regularising.regularises),
    ("5a", network_size.helps_larger_more),
    ("5b", dependence.helps_harder_more),
    ("6", network_size.turns_around),
    ("7", freezing.frozen_is_worse),
)
"""Numbers are those of the documentation; 5 has two halves."""


def outcomes(paths: Sequence[Path]) -> list[tuple[str, Outcome]]:
    """Every finding with what these folders say of it; raises RecordError or StudyError for one that can't be read."""
    folders = read(paths)
    return [(number, check(folders)) for number, check in CHECKS]


def document(paths: Sequence[Path]) -> str:
    """The table of judgements, and the evidence behind each."""
    found = outcomes(paths)
    rows = [[number, item.finding, item.source, f"**{item.judgement}**"] for number, item in found]
    evidence = "\n".join(f"- {number}: {item.evidence}" for number, item in found)
    read_from = ", ".join(f"`{path}`" for path in paths)
    return (
        "# Findings of Newell and Deng (2020)\n\n"
        + table(["#", "finding", "from", "here"], rows, left=4)
        + f"\n\n{evidence}\n\nChecked on {read_from}. Where a finding isn't reproduced, data, encoders and budgets "
        "differ from the paper's; *can't tell* means that the runs leave both open.\n"
    )
