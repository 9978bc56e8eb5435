"""Evidence of folders of runs for or against a published finding, and a judgement."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from scipy import special

from labeleff.reporting.findings import Comparison, Findings, find
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results, load
from labeleff.stats.differences import Difference
from labeleff.stats.interval_level import LEVEL
from labeleff.stats.pooling import FEWEST_SPREAD, Effect, averaged, from_interval, pooled
from labeleff.stats.power import POWER
from labeleff.study.arms import Arm

Judgement = Literal["reproduced", "not reproduced", "can't tell", "not tested"]
WHOLE = ("finetune", "validated")
"""Protocols that train the whole network on labels alone."""
MOST_DOUBLINGS = 99.0
"""Largest number of doublings that is written out."""


@dataclass(frozen=True)
class Folder:
    """One folder of records, with its study's results and findings."""

    path: Path
    results: Results
    findings: Findings
    clusters: Mapping[Place, int] = field(default_factory=dict)
    """Number of the measurement of a baseline by place: places, of any folder, that share runs of it have the same."""
    repeated: frozenset[tuple[Place, str]] = frozenset()
    """Places and arms most of whose runs count in another folder."""

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.results.study.name

    @property
    def level(self) -> float:
        """Probability of the folder's intervals."""
        return self.findings.measured.level

    @property
    def places(self) -> list[Place]:
        """Places of the paper's kind: clean, evenly drawn labels and encoders at the end of their pretraining."""
        plain = {task.label for task in self.results.study.tasks}
        return [place for place in self.findings.measured.places if place.task in plain]

    def arm(self, name: str) -> Arm:
        """The study's arm of that name."""
        return self.results.study.arms[self.results.arms.index(name)]

    def pretrained(self, name: str) -> bool:
        """Whether an arm starts from a pretrained encoder, with labels that are drawn."""
        arm = self.arm(name)
        return arm.pretext_plugin.makes_encoder and not arm.selected

    def finetunes(self, name: str) -> bool:
        """Whether an arm starts from a pretrained encoder, with labels that are drawn, and trains the whole network."""
        return self.pretrained(name) and self.arm(name).protocol.name in WHOLE

    @property
    def from_scratch(self) -> bool:
        """Whether the baseline trains a whole network from scratch."""
        name = self.findings.measured.baseline
        arm = self.arm(name)
        return not arm.pretext_plugin.makes_encoder and arm.protocol.name in WHOLE

    def finetuned(self, *, again: bool = False) -> Iterator[Comparison]:
        """Yield utilities of pretrained arms that train the whole network, where the baseline starts from scratch.

        Arms whose labels are selected are left out, and, unless `again`, those whose runs count in another folder.
        """
        places = self.places
        for item in self.findings.comparisons if self.from_scratch else ():
            counts = again or (item.place, item.arm) not in self.repeated
            if counts and item.place in places and self.finetunes(item.arm):
                yield item

    def worth_labels(self) -> Iterator[Comparison]:
        """Yield those of `finetuned` whose mean label ratio over the ladder is over 1 beyond doubt."""
        for item in self.finetuned():
            mean = item.mean
            if mean is None:
                continue
            alone = mean.joint_low is None and mean.low is not None and mean.low > 1  # where a rung is the headline
            if mean.sign > 0 or (alone and not mean.open_low):
                yield item

    def difficulty(self, place: Place) -> float:
        """Mean error of the baseline over the ladder, in 0..1."""
        runs = self.findings.measured.at(place, self.findings.measured.baseline)
        means = [sum(rung.values()) / len(rung) for rung in runs.values()]
        return 1 - sum(means) / len(means)

    def in_points(self, place: Place) -> bool:
        """Whether scores of the place are shares, whose differences are points."""
        return self.findings.measured.settings[place].units.percent


@dataclass(frozen=True)
class Outcome:
    """The judgement of one finding, with its evidence."""

    judgement: Judgement
    evidence: str
    """Sentences: what was measured, and where."""


def read(paths: Sequence[Path]) -> list[Folder]:
    """Read folders of records, each once; raises RecordError or StudyError for one that can't be read.

    Runs that several folders hold, as studies with equal cells do, count where an arm has most of them.
    """
    folders = []
    for path in {path.resolve(): path for path in paths}.values():
        results = load(path)
        folders.append(Folder(path, results, find(results.measured)))
    clusters = _clusters([[_keys(folder, place) for place in folder.places] for folder in folders])
    repeated = _repeated(folders)
    return [
        replace(each, clusters=dict(zip(each.places, numbers, strict=True)), repeated=again)
        for each, numbers, again in zip(folders, clusters, repeated, strict=True)
    ]


def _keys(folder: Folder, place: Place, arm: str | None = None) -> frozenset[str]:
    """Keys of the runs of an arm, by default of the baseline."""
    name = folder.findings.measured.baseline if arm is None else arm
    return frozenset(record.key for record in folder.results.at(place, name) if record.status == "ok")


def _clusters(keys: Sequence[Sequence[frozenset[str]]]) -> list[list[int]]:
    """Number sets of keys, given by folder, so that those which are joined by shared keys have the same number."""
    groups: list[set[str]] = []
    for one in (one for folder in keys for one in folder):
        touching = [group for group in groups if group & one]
        groups = [group for group in groups if not group & one] + [set(one).union(*touching)]
    return [[next((i for i, group in enumerate(groups) if group & one), -1) for one in folder] for folder in keys]


def _repeated(folders: Sequence[Folder]) -> list[frozenset[tuple[Place, str]]]:
    """Places and arms of every folder most of whose runs another one holds, which has as many of them or more."""
    arms = [
        (_keys(folder, place, arm), number, (place, arm))
        for number, folder in enumerate(folders)
        for place in folder.places
        for arm in folder.results.arms
    ]
    found: list[set[tuple[Place, str]]] = [set() for _ in folders]
    counted: set[str] = set()
    for keys, number, where in sorted(arms, key=lambda entry: -len(entry[0])):
        if 2 * len(keys & counted) > len(keys):
            found[number].add(where)
        else:
            counted |= keys
    return [frozenset(each) for each in found]


def once_each(effects: Iterable[tuple[Hashable, Effect]]) -> list[Effect]:
    """Average the effects of each measurement, which share noise: it counts once."""
    groups: dict[Hashable, list[Effect]] = {}
    for key, effect in effects:
        groups.setdefault(key, []).append(effect)
    return [averaged(group) for group in groups.values()]


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
            f"{over}, under 0: {under}). {self._power(effect, unit if len(effects) >= FEWEST_SPREAD else 'runs')}"
        )
        return Outcome(self.judge(low, high), evidence)

    def _power(self, effect: Effect, unit: str) -> str:
        """Sentence on what such runs can show, and how many more would show what counts."""
        detectable = (special.ndtri((1 + LEVEL) / 2) + special.ndtri(POWER)) * effect.error
        text = (
            f"{self.show(self.counts)} would count; these runs would show {self.show(detectable)} in "
            f"{100 * POWER:.0f} % of cases"
        )
        factor = (detectable / self.counts) ** 2
        return f"{text}." if factor <= 1 else f"{text}, and {factor:.1f} times as many {unit} what counts."


def points(value: float) -> str:
    """Write a difference of accuracies in points: `+1.2 points`."""
    return f"{100 * value:+.1f} points"


def factor(log2: float) -> str:
    """Write a number of doublings as a factor: `x1.41`."""
    return f"x{math.exp2(min(log2, MOST_DOUBLINGS)):.2f}"


def from_difference(difference: Difference | None, level: float) -> Effect | None:
    """Read a difference of arms as an effect; None without an interval."""
    if difference is None or difference.low is None or difference.high is None:
        return None
    return from_interval(difference.mean, difference.low, difference.high, level)
