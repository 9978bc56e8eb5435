"""The findings of Newell and Deng (CVPR 2020), each checked on folders of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeleff.commands.reproduce import size_findings, training_findings, utility_findings
from labeleff.commands.reproduce.evidence import Folder, Outcome, read
from labeleff.reporting.markdown import table


@dataclass(frozen=True)
class Finding:
    """One finding of the paper."""

    number: str
    """Number in the documentation; finding 5 has two halves."""
    sentence: str
    source: str
    """Place in the paper, or who quotes it."""
    check: Callable[[Sequence[Folder]], Outcome]


FINDINGS = (
    Finding(
        "1",
        "Utility falls towards zero as labels grow; finetuned and scratch merge before accuracy saturates.",
        "captions of figures (object classification by ResNet-9), as others quote them",
        utility_findings.falls_with_labels,
    ),
    Finding(
        "2",
        "Utility depends on the downstream task and on properties of the training data.",
        "abstract",
        utility_findings.depends_on_task_and_data,
    ),
    Finding(
        "3",
        "Linear evaluation does not correlate with finetuning performance.",
        "abstract",
        training_findings.linear_unlike_finetuned,
    ),
    Finding(
        "4",
        "Pretraining regularises (less overfitting) more than it helps optimisation.",
        "the authors' reading, as others quote it",
        training_findings.regularises,
    ),
    Finding(
        "5a",
        "Self-supervision helps larger networks more.",
        "the text, as others summarise it",
        size_findings.helps_larger_more,
    ),
    Finding(
        "5b",
        "Self-supervision helps more on harder versions of the data.",
        "the text, as others summarise it",
        utility_findings.helps_harder_more,
    ),
    Finding(
        "6",
        "With few labels ResNet-50 from scratch is worse than ResNet-9, but pretrained it is better.",
        "the text, as others summarise it",
        size_findings.turns_around,
    ),
    Finding(
        "7",
        "The more of the network is frozen, the lower the accuracy.",
        "the text, as others summarise it",
        training_findings.frozen_is_worse,
    ),
)


def outcomes(paths: Sequence[Path]) -> list[tuple[str, Outcome]]:
    """Check every finding on folders of runs; raises RecordError or StudyError for a folder that can't be read."""
    folders = read(paths)
    return [(finding.number, finding.check(folders)) for finding in FINDINGS]


def document(paths: Sequence[Path]) -> str:
    """Write the table of judgements as Markdown, with the evidence behind each."""
    judged = [outcome for _, outcome in outcomes(paths)]
    rows = [
        [finding.number, finding.sentence, finding.source, f"**{outcome.judgement}**"]
        for finding, outcome in zip(FINDINGS, judged, strict=True)
    ]
    evidence = "\n".join(f"- {row[0]}: {outcome.evidence}" for row, outcome in zip(rows, judged, strict=True))
    read_from = ", ".join(f"`{path}`" for path in paths)
    return (
        "# Findings of Newell and Deng (2020)\n\n"
        + table(["#", "finding", "from", "here"], rows, left=4)
        + f"\n\n{evidence}\n\nChecked on {read_from}. Where a finding isn't reproduced, data, encoders and budgets "
        "differ from the paper's; *can't tell* means that the runs leave both open.\n"
    )
