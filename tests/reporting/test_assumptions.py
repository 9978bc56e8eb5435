"""Assumptions that fail: what is found, with which numbers, and how rarely for nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from labeleff.curves.diagnostics import Disagreement
from labeleff.reporting.assumptions import CHECKS, Evidence, Failure, failures
from labeleff.reporting.findings import Findings, find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.stats.resampling import Runs

PLACE = Place("t")
NS = (20, 50, 100, 200, 500, 1000)
RISING = (0.30, 0.42, 0.51, 0.59, 0.67, 0.72)
FALLEN = (0.30, 0.42, 0.51, 0.45, 0.67, 0.72)
NOISE = (-0.006, 0.001, 0.005)


def runs(values: Sequence[float], count: int = 3) -> Runs:
    return {n: {(d, 0): value + NOISE[d] for d in range(count)} for n, value in zip(NS, values, strict=False)}


def measured(arms: Mapping[str, Runs], chance: float | None = None, targets: tuple[float, ...] = ()) -> Measurements:
    settings, by_arm = {PLACE: Setting("t", NS, chance=chance)}, {(PLACE, arm): own for arm, own in arms.items()}
    return Measurements(settings, tuple(arms), "base", by_arm, level=0.9, method="bayes", design="", targets=targets)


def found(arms: Mapping[str, Runs], chance: float | None = None, targets: tuple[float, ...] = ()) -> Findings:
    return find(measured(arms, chance, targets))


def failed(arms: Mapping[str, Runs], chance: float | None = None) -> list[Failure]:
    return list(found(arms, chance).failures[PLACE])


def test_nothing_fails_of_good_curves() -> None:
    assert failed({"base": runs(RISING), "arm": runs([v + 0.02 for v in RISING])}, chance=0.1) == []


def test_a_baseline_that_falls_takes_along_what_lies_between() -> None:
    [item] = failed({"base": runs(FALLEN), "arm": runs([v + 0.04 for v in RISING])})
    assert item.kind == "baseline falls"
    assert item.text.startswith("base falls from 51.0 % at 100 labels to 45.0 % at 200 (by 6.0 points, p < 0.001), so ")
    assert item.text.endswith("label counts between these accuracies are ill-defined")
    assert item.affected == {"arm": (50,)}
    assert (item.arm, item.labels) == ("base", (100, 200))
    assert item.accuracies is not None
    low, high = item.accuracies
    assert 0.42 < low < 0.45 < 0.51 < high < 0.54


def test_a_baseline_alone_is_tested_too() -> None:
    [item] = failed({"base": runs(FALLEN)})
    assert (item.kind, item.affected) == ("baseline falls", {})


def test_an_arm_that_falls_is_told_with_the_rungs_after_its_peak() -> None:
    [item] = failed({"base": runs(RISING), "arm": runs(FALLEN), "rising": runs(RISING)})
    assert (item.kind, item.affected, item.arm) == ("arm falls", {"arm": (200,)}, "arm")


def test_arms_are_tested_together() -> None:
    """Of many flat arms, some one seems to fall by luck in few studies."""
    rng = np.random.default_rng(0)

    def flat() -> Runs:
        return {n: {(d, 0): 0.5 + 0.02 * rng.standard_normal() for d in range(4)} for n in NS}

    def alarm() -> bool:
        arms = measured({"base": runs(RISING), **{f"a{k}": flat() for k in range(8)}})
        return any("falls" in item.kind for item in failures(Evidence(arms, PLACE, points={}, answers={})))

    assert sum(alarm() for _ in range(25)) <= 4


@pytest.mark.parametrize(("value", "flagged"), [(0.45, True), (0.49, False)])
def test_a_single_run_has_no_test(value: float, flagged: bool) -> None:
    items = failed({"base": runs([*FALLEN[:3], value, *FALLEN[4:]], 1)})
    assert bool(items) == flagged
    assert all("one run a rung: not tested" in item.text for item in items)


def test_arms_at_chance() -> None:
    level = [0.1 + d for d in (0.002, -0.001, 0.0, 0.001, -0.002, 0.001)]
    arms = {"base": runs(RISING), "arm": runs(level), "other": runs(level), "good": runs(RISING)}
    [item] = failed(arms, chance=0.1)
    assert item.kind == "arm at chance"
    assert item.text == "arm, other can't be told from chance at any label count"
    assert item.affected == {"arm": NS, "other": NS}
    [item, _] = failed({"base": runs(level), "arm": runs(level)}, chance=0.1)
    assert (item.kind, item.affected) == ("baseline at chance", {"arm": NS})
    assert failed({"base": runs(RISING, 1), "arm": runs([v - 0.25 for v in RISING], 1)}, chance=0.1) == []


def test_many_rungs_of_arms_at_chance_seldom_hide_it() -> None:
    """Runs share a test set of 50 examples, which moves all of them; rungs and arms are tested together."""
    rng = np.random.default_rng(0)

    def missed(size: int | None) -> bool:
        shared = rng.normal(0, math.sqrt(0.25 / 50))
        arms = [
            {n: {(d, 0): 0.5 + shared + 0.02 * rng.standard_normal() for d in range(4)} for n in NS} for _ in range(3)
        ]
        settings = {PLACE: Setting("t", NS, chance=0.5, test_count=size)}
        by_arm = {(PLACE, name): own for name, own in zip("abc", arms, strict=True)}
        measured = Measurements(settings, tuple("abc"), "a", by_arm, level=0.9, method="pchip", design="")
        evidence = Evidence(measured, PLACE, {}, {})
        return not any(item.arm == "a" and item.kind == "baseline at chance" for item in failures(evidence))

    assert sum(missed(50) for _ in range(40)) <= 4
    assert sum(missed(None) for _ in range(40)) > 10, "without the noise of the test set it would be hidden"


@pytest.mark.parametrize(("size", "flagged"), [(20, True), (2000, False), (None, False)])
def test_a_single_run_is_over_chance_by_more_than_its_test_set_moves_it(size: int | None, *, flagged: bool) -> None:
    settings = {PLACE: Setting("t", NS, chance=0.5, test_count=size)}
    by_arm = {(PLACE, "base"): runs([0.56] * len(NS), 1)}
    measured = Measurements(settings, ("base",), "base", by_arm, level=0.9, method="pchip", design="")
    kinds = [item.kind for item in failures(Evidence(measured, PLACE, {}, {}))]
    assert ("baseline at chance" in kinds) == flagged


def test_an_interval_that_leaves_out_every_formula() -> None:
    findings = found({"base": runs(RISING), "arm": runs([v + 0.02 for v in RISING])})
    [item] = findings.comparisons
    answers = [Disagreement(0.9 * (p.n1 or 0), 1.1 * (p.n1 or 0), ()) for p in item.joint]
    evidence = Evidence(findings.measured, PLACE, {"arm": item.joint}, {"arm": answers})
    assert failures(evidence) == ()
    apart = [*answers[:2], Disagreement(5000.0, 6000.0, ()), *answers[3:]]
    [failure] = failures(Evidence(findings.measured, PLACE, {"arm": item.joint}, {"arm": apart}))
    assert (failure.kind, failure.affected) == ("against all formulas", {"arm": (100,)})
    assert failure.text == "no formula that fits base gives a label count in the interval of arm at 100 labels"


def test_target_accuracies_in_a_fall_are_doubted() -> None:
    labels = found({"base": runs(FALLEN), "arm": runs(RISING)}, targets=(0.48, 0.65)).labels
    assert {(item.arm, item.target): item.doubts for item in labels} == {
        ("base", 0.48): ("baseline falls",),
        ("base", 0.65): (),
        ("arm", 0.48): ("baseline falls",),
        ("arm", 0.65): (),
    }


def test_every_check_yields_nothing_without_evidence() -> None:
    measured = Measurements({PLACE: Setting("t", NS)}, ("base",), "base", {}, level=0.9, method="bayes", design="")
    assert [list(check(Evidence(measured, PLACE, {}, {}))) for check in CHECKS] == [[]] * len(CHECKS)
