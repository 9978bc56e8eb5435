"""How often a comparison is wrong: false alarms over many pairs without a change, and misses of real ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as reference
from support import run_pairs

from labeleff.comparison.judgement import judge
from labeleff.comparison.matching import match
from labeleff.comparison.score_changes import score_changes
from labeleff.reporting.results import Results, load
from labeleff.study.gate import criteria

LEVEL = 0.90


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> Results:
    """The small study, whose noise both sides of every pair below have in common."""
    return load(run_pairs.folder(tmp_path_factory.mktemp("known")))


def measured(results: Results, *changes) -> Results:
    """The same with every cell changed."""
    groups = results.groups
    for change in changes:
        groups = {key: [change(record) for record in group] for key, group in groups.items()}
    return replace(results, groups=groups)


def most(count: int, probability: float = (1 - LEVEL) / 2) -> float:
    """Alarms that so many comparisons exceed once in a thousand times, where each has the nominal probability."""
    return float(reference.binom.ppf(0.999, count, probability))


@pytest.mark.parametrize("sd", [0.002, 0.01, 0.04])
def test_false_alarms_of_scores(known, sd):
    alarms = {"worse": 0, "better": 0}
    for pair in range(200):
        sides = [measured(known, run_pairs.again(2 * pair + side, sd=sd)) for side in (0, 1)]
        verdicts = {row.verdict for row in judge(score_changes(match(*sides), LEVEL), criteria(None), LEVEL)}
        for verdict in alarms:
            alarms[verdict] += verdict in verdicts
    assert max(alarms.values()) <= most(200)


def test_false_alarms_of_whole_comparisons(known):
    alarms = 0
    for pair in range(60):
        sides = [
            measured(known, run_pairs.again(2 * pair + side), run_pairs.at_speed(1.0, 1000 * pair + side))
            for side in (0, 1)
        ]
        alarms += run_pairs.outcome(*sides).status != 0
    assert alarms <= most(60)


def test_intervals_hold_the_truth(known):
    hits = []
    for pair in range(100):
        sides = [measured(known, run_pairs.again(2 * pair + side, -0.02 * side)) for side in (0, 1)]
        for change in score_changes(match(*sides), LEVEL):
            low, high = change.interval(LEVEL)
            hits.append(low <= -0.02 <= high)
    assert np.mean(hits) > LEVEL - 0.02


@pytest.mark.parametrize(
    ("shift", "speed"),
    [(-0.06, 1.0), (0.0, 0.88)],
    ids=["six points", "twelve percent slower"],
)
def test_real_changes_are_found(known, shift, speed):
    for pair in range(20):
        base = measured(known, run_pairs.again(2 * pair), run_pairs.at_speed(1.0, 1000 * pair))
        new = measured(known, run_pairs.again(2 * pair + 1, shift), run_pairs.at_speed(speed, 1000 * pair + 1))
        assert run_pairs.outcome(base, new).status == 3


def test_equal_numbers_are_told_to_be_the_same(known):
    """Noise far below the margin: nearly every row is told the same, and hardly any isn't told at all."""
    sides = [measured(known, run_pairs.again(side, sd=0.001)) for side in (0, 1)]
    rows = judge(score_changes(match(*sides), LEVEL), criteria(None), LEVEL)
    assert np.mean([row.verdict == "same" for row in rows]) > 0.9
