"""Runs that lie far from the others: named, with the answers with and without them, and never left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labeleff.reporting.findings import Findings, find
from labeleff.reporting.head.answer import Asked
from labeleff.reporting.head.lines import head
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.sections import accuracy_and_utility, outlying_runs, weak_results
from labeleff.stats.resampling import Run

NS = (50, 100, 200, 500, 1000, 2000)
PLACE = Place("t")


def table(seed: int = 0) -> dict[str, dict[int, dict[Run, float]]]:
    rng = np.random.default_rng(seed)
    return {
        arm: {
            n: {(k, 0): 1 - 0.75 * (gain * n / 50) ** -0.3 + 0.006 * float(rng.standard_normal()) for k in range(4)}
            for n in NS
        }
        for arm, gain in (("scratch", 1.0), ("ssl", 2.2))
    }


def seen(runs: dict[str, dict[int, dict[Run, float]]], **changes: Any) -> Measurements:
    of = Measurements(
        settings={PLACE: Setting("t", NS)}, arms=tuple(runs), baseline="scratch", level=0.9, method="bayes", design="",
        runs={(PLACE, arm): each for arm, each in runs.items()}, shared=(),
    )  # fmt: skip
    return replace(of, **changes)


def top(found: Findings) -> str:
    return "\n".join(accuracy_and_utility.verdicts(found, PLACE))


def test_a_clean_table_names_none() -> None:
    found = find(seen(table()))
    assert found.outlying == []
    assert "run" not in top(found)


def test_a_run_that_decides_stands_at_the_top_with_both_answers() -> None:
    runs = table()
    runs["ssl"][500][2, 0] = 0.1
    found = find(seen(runs, run_numbers={(PLACE, "ssl"): {(500, (2, 0)): 7}}))
    [item] = found.outlying
    assert (item.arm, item.outlier.n, item.outlier.run, item.changes) == ("ssl", 500, (2, 0), ("ssl",))
    text = top(found)
    assert text.startswith(
        "**One run decides** what is claimed of ssl: ssl at 500 labels, run 7, has accuracy 10.0 %, "
    )
    assert "standard deviations of the other runs under their mean of 7" in text
    assert "with it and " in text
    assert "without it, the mean label ratio " in text
    assert text.index("One run decides") < text.index("For the whole ladder it can't be told: ")
    assert not any("Outlying" in flag for flag in weak_results.flags(found))
    [short] = outlying_runs.in_short(found.outlying)
    assert short.startswith("**One run decides** what is claimed of ssl: of ssl at 500 labels; ")
    assert short in next(head(Asked(found), []))


def test_the_answers_are_those_of_the_tables_with_and_without_the_run() -> None:
    runs = table()
    runs["ssl"][500][2, 0] = 0.1
    found = find(seen(runs))
    del runs["ssl"][500][2, 0]
    without = find(seen(runs))
    [item], [counted], [other] = found.outlying, found.comparisons, without.comparisons
    assert item.counted.mean == counted.mean
    assert item.without.mean == other.mean
    assert item.without.point == next(point for point in other.joint if point.n == 500)


def test_a_run_that_changes_no_claim_is_a_weak_point() -> None:
    runs = table()
    runs["ssl"][2000][1, 0] = min(runs["ssl"][2000].values()) - 0.07
    found = find(seen(runs))
    assert [item.changes for item in found.outlying] == [()]
    [flag] = [flag for flag in weak_results.flags(found) if "Outlying" in flag]
    assert flag.startswith("**Outlying run**: ssl at 2,000 labels, run 1, has accuracy ")
    assert "decides" not in top(found)
    assert list(outlying_runs.in_short(found.outlying)) == []


def test_a_run_of_the_baseline_shows_the_arm_that_it_changes_most() -> None:
    runs = table()
    runs["scratch"][200][0, 0] = 0.05
    [item] = find(seen(runs, shared=("draw", "seed"))).outlying
    assert (item.arm, item.compared) == ("scratch", "ssl")
    assert item.counted.mean is not None
    assert item.without.mean is not None
    assert item.counted.mean.ratio != pytest.approx(item.without.mean.ratio, rel=0.01)


def test_stand_ins_of_means_are_no_runs() -> None:
    runs = table()
    runs["ssl"][500][2, 0] = 0.1
    assert find(seen(runs, summarised=frozenset({(PLACE, "ssl")}))).outlying == []
