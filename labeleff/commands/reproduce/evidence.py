"""Evidence of folders of runs for or against a published finding, and a judgement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labeleff.reporting.findings import Comparison, Findings, find
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results, load
from labeleff.study.arms import Arm

Judgement = Literal["reproduced", "not reproduced", "can't tell", "not tested"]
JUDGEMENTS: dict[int, Judgement] = {1: "reproduced", -1: "not reproduced", 0: "can't tell"}
"""Judgement by the `order` of two intervals, where a finding says that the second one is higher."""


@dataclass(frozen=True)
class Folder:
    """One folder of records, with its study's results and findings."""

    path: Path
    results: Results
    findings: Findings

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.results.study.name

    def pretrained(self, arm: str) -> bool:
        """Whether an arm starts from a pretrained encoder."""
        return self._arm(arm).pretext_plugin.makes_encoder

    def _arm(self, arm: str) -> Arm:
        return self.results.study.arms[self.results.arms.index(arm)]

    def finetuned(self) -> Iterator[Comparison]:
        """Yield utilities of pretrained arms that train the whole network, where the baseline starts from scratch.

        Arms whose labels are selected are left out.
        """
        if self.pretrained(self.findings.measured.baseline):
            return
        for item in self.findings.comparisons:
            arm = self._arm(item.arm)
            if self.pretrained(item.arm) and not arm.selected and arm.protocol.name in ("finetune", "validated"):
                yield item

    def difficulty(self, place: Place) -> float:
        """Mean error of the baseline over the ladder, in 0..1."""
        runs = self.findings.measured.at(place, self.findings.measured.baseline)
        means = [sum(rung.values()) / len(rung) for rung in runs.values()]
        return 1 - sum(means) / len(means)


@dataclass(frozen=True)
class Outcome:
    """The judgement of one finding, with its evidence."""

    judgement: Judgement
    evidence: str
    """Sentences: what was counted or measured, and where."""


def read(paths: Sequence[Path]) -> list[Folder]:
    """Read folders of records; raises RecordError or StudyError for one that can't be read."""
    folders = []
    for path in paths:
        results = load(path)
        folders.append(Folder(path, results, find(results.measured)))
    return folders


def majority(positive: int, negative: int, unclear: int) -> Judgement:
    """Judge by counts of cases for a finding, against it, and neither: a majority of all decides."""
    if not positive + negative + unclear:
        return "not tested"
    if positive > negative + unclear:
        return "reproduced"
    return "not reproduced" if negative > positive + unclear else "can't tell"


def consensus(judgements: Sequence[Judgement]) -> Judgement:
    """Combine judgements: the one that all give, else that it can't be told."""
    distinct = set(judgements)
    return distinct.pop() if len(distinct) == 1 else "can't tell" if distinct else "not tested"


def order(one: tuple[float | None, float | None], other: tuple[float | None, float | None]) -> int:
    """Order two intervals: 1 where `other` lies wholly above `one`, -1 where below, else 0; None is an open end."""
    if one[1] is not None and other[0] is not None and other[0] > one[1]:
        return 1
    return -1 if one[0] is not None and other[1] is not None and other[1] < one[0] else 0
