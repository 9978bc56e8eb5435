"""Evidence of folders of runs for or against a published finding, and a judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scipy import special

from labeleff.reporting.findings import Comparison, Findings, find
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results, load
from labeleff.stats.differences import Difference
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.pooling import Effect, from_interval, pooled
from labeleff.stats.power import POWER
from labeleff.study.arms import Arm

Judgement = Literal["reproduced", "not reproduced", "can't tell", "not tested"]


@dataclass(frozen=True)
class Folder:
    """One folder of records, with its study's results and findings."""

    path: Path
    results: Results
    findings: Findings
    repeated: frozenset[tuple[Place, str]] = frozenset()
    """Places and arms all of whose runs another of the folders holds too."""

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.results.study.name

    @property
    def level(self) -> float:
        """Probability of the folder's intervals."""
        return self.findings.measured.level

    def pretrained(self, arm: str) -> bool:
        """Whether an arm starts from a pretrained encoder."""
        return self._arm(arm).pretext_plugin.makes_encoder

    def _arm(self, arm: str) -> Arm:
        return self.results.study.arms[self.results.arms.index(arm)]

    def finetuned(self) -> Iterator[Comparison]:
        """Yield utilities of pretrained arms that train the whole network, where the baseline starts from scratch.

        Arms whose labels are selected are left out, and those whose runs count in another folder.
        """
        if self.pretrained(self.findings.measured.baseline):
            return
        for item in self.findings.comparisons:
            arm = self._arm(item.arm)
            if (item.place, item.arm) in self.repeated or not self.pretrained(item.arm):
                continue
            if not arm.selected and arm.protocol.name in ("finetune", "validated"):
                yield item

    def worth_labels(self) -> Iterator[Comparison]:
        """Yield those of `finetuned` whose mean label ratio over the ladder is over 1 beyond doubt."""
        return (item for item in self.finetuned() if item.mean is not None and item.mean.sign > 0)

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
    """Sentences: what was measured, and where."""


def read(paths: Sequence[Path]) -> list[Folder]:
    """Read folders of records; raises RecordError or StudyError for one that can't be read.

    Runs that several folders hold, as studies with equal cells do, count in the largest of them.
    """
    folders = []
    for path in paths:
        results = load(path)
        folders.append(Folder(path, results, find(results.measured)))
    repeated: dict[Path, frozenset[tuple[Place, str]]] = {}
    counted: set[str] = set()
    for folder in sorted(folders, key=lambda folder: -len(_keys(folder))):
        by_arm = _keys_by_arm(folder)
        repeated[folder.path] = frozenset(where for where, keys in by_arm.items() if keys <= counted)
        counted |= _keys(folder)
    return [replace(folder, repeated=repeated[folder.path]) for folder in folders]


def _keys_by_arm(folder: Folder) -> dict[tuple[Place, str], set[str]]:
    return {
        (place, arm): {record.key for record in folder.results.at(place, arm)}
        for place in folder.findings.measured.places
        for arm in folder.results.arms
    }


def _keys(folder: Folder) -> set[str]:
    return set().union(*_keys_by_arm(folder).values())


@dataclass(frozen=True)
class Criterion:
    """A quantity that is over 0 where a finding holds, and how much of it would count."""

    what: str
    """The quantity in words."""
    counts: float
    """The least value that would count, over 0."""
    show: Callable[[float], str]

    def judge(self, low: float, high: float) -> Judgement:
        """Judge an interval: reproduced where it lies over 0, not where it leaves out what would count."""
        if low > 0:
            return "reproduced"
        return "not reproduced" if high < self.counts else "can't tell"

    def interval(self, value: float, low: float, high: float) -> str:
        """Write the quantity with its interval."""
        return f"{self.what} {self.show(value)} [{self.show(low)}, {self.show(high)}]"

    def decide(self, effects: Sequence[Effect], unit: str, missing: str) -> Outcome:
        """Judge the pooled effect; `unit` names what effects are of, `missing` says why there are none."""
        if not effects:
            return Outcome("not tested", missing)
        effect = pooled(effects)
        low, high = effect.ends()
        over = sum(each.ends()[0] > 0 for each in effects)
        under = sum(each.ends()[1] < 0 for each in effects)
        evidence = (
            f"{self.interval(effect.value, low, high)} ({unit}: {len(effects)}; by themselves over 0 beyond doubt: "
            f"{over}, under 0: {under}). {self._power(effect)}"
        )
        return Outcome(self.judge(low, high), evidence)

    def _power(self, effect: Effect) -> str:
        """Sentence on what such runs can show."""
        detectable = (special.ndtri((1 + LEVEL) / 2) + special.ndtri(POWER)) * effect.error
        text = (
            f"{self.show(self.counts)} would count; these runs would show {self.show(detectable)} in "
            f"{100 * POWER:.0f} % of cases"
        )
        factor = (detectable / self.counts) ** 2
        return f"{text}." if factor <= 1 else f"{text}, and {factor:.1f} times as many what counts."


def points(value: float) -> str:
    """Write a difference of accuracies in points: `+1.2 points`."""
    return f"{100 * value:+.1f} points"


def factor(log2: float) -> str:
    """Write a number of doublings as a factor: `x1.41`."""
    return f"x{2**log2:.2f}"


def from_difference(difference: Difference | None, level: float) -> Effect | None:
    """Read a difference of arms as an effect; None without an interval."""
    if difference is None or difference.low is None or difference.high is None:
        return None
    return from_interval(difference.mean, difference.low, difference.high, level)
