"""How many runs are enough, in words: for paired, unpaired, crossed, single and equal runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import factories

from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.results import load
from labeleff.reporting.sections.resolution import runs_needed
from labeleff.stats.power import resolve
from labeleff.stats.resampling import Runs

PLACE = Place("t")
NS = (20, 50, 100)


def noisy(gain: float, seed: int, draws: int = 4, first: int = 0) -> Runs:
    rng = np.random.default_rng(seed)
    return {
        n: {(first + d, first + d): 0.3 + 0.1 * k + gain + 0.02 * rng.standard_normal() for d in range(draws)}
        for k, n in enumerate(NS)
    }


def said(**arms: Runs) -> str:
    runs = {(PLACE, arm): own for arm, own in arms.items()}
    measured = Measurements({PLACE: Setting("t", NS)}, tuple(arms), "base", runs, level=0.9, method="bayes", design="")
    return "\n".join(runs_needed(measured, PLACE))


def test_the_closest_arm_is_looked_at() -> None:
    base, near = noisy(0, 1), noisy(0.03, 2)
    text = said(base=base, far=noisy(0.2, 3), near=near)
    away = np.mean([abs(np.mean(list(near[n].values())) - np.mean(list(base[n].values()))) for n in NS])
    assert f"Closest to base is near, {100 * away:.1f} points away" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    found = resolve(base, near, float(away))
    assert [f"{row.draws} [{row.cautious}]" for row in found] == [line.split("|")[6].strip() for line in rows]
    assert "draws and seeds change together" in text


def test_arms_on_both_sides_arent_close() -> None:
    base = noisy(0, 1)
    crossing = {
        n: {run: value + gain for run, value in base[n].items()} for n, gain in zip(NS, (0.2, 0, -0.2), strict=True)
    }
    assert "is near," in said(base=base, crossing=crossing, near=noisy(0.03, 2))


def test_unpaired_arms() -> None:
    text = said(base=noisy(0, 1), arm=noisy(0.03, 2, first=10))
    assert "| 4 unpaired |" in text
    assert "Noted: unpaired: no shared draws." in text


def test_equal_arms_are_asked_for_half_a_point() -> None:
    base = noisy(0, 1)
    text = said(base=base, arm=base)
    assert "draws for 0.5 points" in text
    assert "-0.0" not in text


def test_single_runs_have_a_reason() -> None:
    text = said(base=noisy(0, 1, 1), arm=noisy(0.03, 2, 1))
    assert "can't be said: no interval" in text
    assert "|" not in text


def test_crossed_designs_split_the_spread(tmp_path: Path) -> None:
    measured = load(factories.folder(tmp_path, draws=3, seeds=3)).measured
    text = "\n".join(runs_needed(measured, measured.places[0]))
    assert "averaged over the ladder, draws of labels" in text
    assert "in brackets" not in text


@pytest.mark.parametrize("arms", [{}, {"arm": {}}, {"arm": {200: {(0, 0): 0.5}}}])
def test_without_anything_to_compare(arms: dict[str, Runs]) -> None:
    assert said(base=noisy(0, 1), **arms) == ""
