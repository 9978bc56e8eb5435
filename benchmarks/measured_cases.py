"""Inversions and utilities of measured learning curves, read from DATA_DIR.

`development_cases.json` has curves of classical learners on tables, `image_development.json.gz` curves of image and
text networks. Both have sparse ladders, with the label count where a dense curve or a left-out rung reaches the target.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from labeleff.seeding import stream_seed

HALVES = ("choice", "report")
KINDS = {"above_asymptote": "above", "below_first": "below"}
SIGNED = ("MCC",)
"""Metrics from -1 to 1, which are brought to 0..1 as (1 + v) / 2; where a curve reaches a target stays the same."""
Ladder = dict[int, list[float]]
"""Accuracies of runs by label count."""


@dataclass(frozen=True)
class Case:
    """One inversion: a sparse ladder, a target, and the label count at which it is reached."""

    kind: str
    """interior, extrapolate, above (the target lies over the whole dense curve) or below (under the first rung)."""
    cluster: str
    """Data set; curves of one are alike."""
    ladder: Ladder
    target: float
    truth: float | None
    """None for kinds above and below."""
    truth_sd: float
    """Standard deviation of ln truth by the noise of the target itself; 0 where it isn't known."""
    dense_last: float
    """Last label count of the dense curve."""

    @property
    def first(self) -> float:
        """First rung."""
        return min(self.ladder)

    @property
    def last(self) -> float:
        """Last rung."""
        return max(self.ladder)

    def one_run(self) -> Case:
        """Keep the first run of every rung."""
        return replace(self, ladder=first_runs(self.ladder))


@dataclass(frozen=True)
class Worth:
    """The utility of an arm at one rung, against a sparse ladder of the baseline; `truth` is n1."""

    kind: str
    """inside or beyond the ladder."""
    cluster: str
    ladder: Ladder
    n: int
    arm: list[float]
    truth: float
    truth_sd: float

    def one_run(self) -> Worth:
        """Keep the first run of every rung and of the arm."""
        return replace(self, ladder=first_runs(self.ladder), arm=self.arm[:1])


class Clustered(Protocol):
    """What belongs to a data set."""

    @property
    def cluster(self) -> str: ...


Item = TypeVar("Item", bound=Clustered)


def half(items: list[Item], name: str) -> list[Item]:
    """Keep one half of the data sets, by a hash of their names; anything may be tuned on `choice`."""
    return [item for item in items if name in ("all", half_of(item.cluster))]


def half_of(cluster: str) -> str:
    """Tell which half the cases of one data set belong to."""
    return HALVES[stream_seed("half", cluster) % 2]


def first_runs(ladder: Ladder) -> Ladder:
    """Keep the first run of every rung."""
    return {n: group[:1] for n, group in ladder.items()}


def tabular(folder: Path) -> list[Case]:
    """Read inversions of classical learners; their truths have noise that isn't known (25 runs)."""
    return [
        Case(
            kind=KINDS.get(case["kind"], case["kind"]),
            cluster=case["dataset"],
            ladder={int(rung["n"]): rung["accs"] for rung in case["rungs"]},
            target=case["target"],
            truth=case["truth_n1"],
            truth_sd=0.0,
            dense_last=case["n_last_dense"],
        )
        for case in json.loads((folder / "development_cases.json").read_text(encoding="utf-8"))
    ]


def networks(folder: Path) -> tuple[list[Case], list[Worth]]:
    """Read inversions and utilities of image and text networks."""
    with gzip.open(folder / "image_development.json.gz", "rt", encoding="utf-8") as file:
        document = json.load(file)
    return [_network_case(case) for case in document["cases"]], [_worth(item) for item in document["utility"]]


def _network_case(case: Mapping[str, Any]) -> Case:
    signed = case["metric"] in SIGNED
    return Case(
        kind=case["kind"],
        cluster=case["cluster"],
        ladder={int(rung["n"]): [_fraction(v, signed) for v in runs_of(rung)] for rung in case["rungs"]},
        target=_fraction(case["target"], signed),
        truth=case["n1"],
        truth_sd=case.get("truth_sd_ln", 0.0),
        dense_last=case["n_last_curve"],
    )


def _worth(item: Mapping[str, Any]) -> Worth:
    return Worth(
        kind=item["place"],
        cluster=item["cluster"],
        ladder={int(rung["n"]): rung["accs"] for rung in item["baseline"]},
        n=int(item["n"]),
        arm=item["arm"],
        truth=item["n1"],
        truth_sd=item["truth_sd_ln"],
    )


def _fraction(value: float, signed: bool) -> float:
    return (1 + value) / 2 if signed else value


def runs_of(rung: Mapping[str, Any]) -> list[float]:
    """Give the runs of a rung; where it has only mean, sd and count k, k evenly spaced values with just those."""
    if rung.get("accs"):
        return list(rung["accs"])
    count = int(rung["k"])
    if count == 1 or not rung["sd"]:
        return [rung["mean"]] * count
    steps = np.arange(count) - (count - 1) / 2
    return (rung["mean"] + rung["sd"] * steps / math.sqrt(float(steps @ steps) / (count - 1))).tolist()
