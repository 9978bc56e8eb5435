"""Labels needed for an accuracy: of every kind, with shares of the baseline's."""

from __future__ import annotations

import pytest

from labeleff.curves import model_average
from labeleff.curves import solvers as invert_module
from labeleff.curves.solvers import invert
from labeleff.reporting import csv_tables
from labeleff.reporting.findings import Share, TargetLabels, find, target_labels
from labeleff.reporting.markdown import portion
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.stats.resampling import Runs

PLACE = Place("t")
LADDER = (20, 50, 100, 200, 500, 1000)
NOISE = (-0.006, 0.001, 0.005)


def runs(shift: float = 1.0, ladder: tuple[int, ...] = LADDER) -> Runs:
    """An arm that needs 1 / `shift` times the labels of the curve 0.92 - 1.6 n^-0.3; every arm has its own draws."""
    first = round(1000 * shift)
    values = {n: 0.92 - 1.6 * (shift * n) ** -0.3 for n in ladder}
    return {n: {(first + d, 0): value + NOISE[d] for d in range(3)} for n, value in values.items()}


def needed(targets: tuple[float, ...], method: str = "bayes") -> dict[tuple[str, float], TargetLabels]:
    arms = {"base": runs(), "twice": runs(2.0), "half": runs(0.5), "short": runs(1.0, (20,))}
    measured = Measurements(
        {PLACE: Setting("t", LADDER)}, tuple(arms), "base", {(PLACE, arm): own for arm, own in arms.items()},
        level=0.9, method=method, design="", targets=targets,
    )  # fmt: skip
    return {(item.arm, item.target): item for item in target_labels(measured)}


def test_every_curve_is_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    fit = model_average.average
    monkeypatch.setattr(invert_module, "average", lambda means: fitted.append(means) or fit(means))
    arms = {"base": runs(), "twice": runs(2.0), "half": runs(0.5)}
    measured = Measurements(
        {PLACE: Setting("t", LADDER)}, tuple(arms), "base", {(PLACE, arm): own for arm, own in arms.items()},
        level=0.9, method="bayes", design="", targets=(0.5, 0.6),
    )  # fmt: skip
    findings = find(measured)
    assert (len(findings.comparisons), len(findings.labels)) == (2, 6)
    assert len(fitted) == len(arms)


def test_nothing_asked_nothing_said() -> None:
    assert needed(()) == {}


@pytest.mark.parametrize("method", ["bayes", "pchip", "pow3"])
def test_it_is_the_inversion_of_every_arms_own_curve(method: str) -> None:
    found = needed((0.5,), method)
    ladder = runs(2.0)
    expected = invert(list(ladder), [list(rung.values()) for rung in ladder.values()], 0.5, method=method)
    labels = found["twice", 0.5].labels
    assert labels is not None
    assert labels.value == pytest.approx(expected.n, rel=0.05)
    share = found["twice", 0.5].share
    assert share.value == pytest.approx(0.5, rel=0.1)
    assert found["base", 0.5].share == Share(1.0, None, None)
    assert found["half", 0.5].share.value == pytest.approx(2.0, rel=0.15)


def test_outside_the_ladder_shares_are_bounds() -> None:
    found = needed((0.32, 0.78, 0.99), "pchip")
    kinds = {key: item.labels.kind for key, item in found.items() if item.labels}
    assert (kinds["twice", 0.32], kinds["half", 0.78]) == ("below", "above")
    assert found["twice", 0.32].share.at_most == pytest.approx(20 / found["base", 0.32].labels.value)  # type: ignore[union-attr,operator]
    assert (found["base", 0.99].share, found["twice", 0.99].share) == (Share(None, None, None),) * 2


def test_an_arm_without_a_curve_has_a_reason() -> None:
    item = needed((0.5,))["short", 0.5]
    assert (item.labels, item.share, item.rungs) == (None, Share(None, None, None), 1)
    assert item.reason == "1 label count, and its curve needs 2"


def test_the_table() -> None:
    found = needed((0.5, 0.95))
    frame = csv_tables.targets(list(found.values()), "base").frame().set_index(["arm", "target"])
    assert list(frame.reset_index().columns[:2]) == ["arm", "target"]
    assert set(csv_tables.TARGETS) == set(frame.reset_index().columns)
    row = frame.loc[("twice", 0.5)]
    assert row.n_low < row.n < row.n_high
    assert frame.loc[("base", 0.95)].n_at_least == 1000
    assert frame.loc[("short", 0.5)][["kind", "n", "n_low"]].isna().all()
    assert b"inf" not in csv_tables.to_csv(frame)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(0.25, None, None), "25 %"),
        (Share(None, None, 0.2534), "<= 25.3 %"),
        (Share(None, 1.5, None), ">= 150 %"),
        (Share(None, 0.1, 0.2), "10 to 20 %"),
        (Share(None, None, None), "–"),
    ],
)
def test_shares_in_words(share: Share, text: str) -> None:
    assert portion(share) == text
