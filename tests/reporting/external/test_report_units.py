"""Reports on errors, losses and means: every number in the table's own units, every utility that of the scores."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.report_text import unlinked

from labeleff.errors import OptionError
from labeleff.reporting.external.external_report import build
from labeleff.reporting.external.options import Options
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.forecast.forecast_report import build as build_forecast
from labeleff.reporting.forecast.options import Options as ForecastOptions

LADDER = {50: 61.7, 100: 70.0, 200: 75.9, 400: 80.1}
NOISE = (-0.9, 0.2, 0.7)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(column: str, cell: Any) -> str:
    lines = [f"arm,n,run,{column}"]
    for arm, gain in (("scratch", 0.0), ("ssl", 4.3)):
        for n, mean in LADDER.items():
            lines += [f"{arm},{n},{run},{cell(mean + gain + noise)}" for run, noise in enumerate(NOISE)]
    return "\n".join(lines) + "\n"


def options(
    content: str, out: str = "out", *, targets: tuple[float, ...] = (), chance: float | None = None, **how: Any
) -> Options:
    Path("t.csv").write_text(content, encoding="utf-8")
    return Options(Path("t.csv"), Path(out), ["labeleff"], reading=Reading(**how), targets=targets, chance=chance)


def frame(name: str, out: str = "out") -> pd.DataFrame:
    return pd.read_csv(Path(out) / name)


ACCURACIES = table("acc", lambda value: f"{value:.1f}")
ERRORS = table("err", lambda value: f"{100 - value:.1f}")
LOSSES = table("loss", lambda value: f"{3 - 3 * value / 100:.3f}")


def test_errors_have_the_utility_of_their_accuracies() -> None:
    text = build(options(ERRORS, lower_is_better=True, targets=(0.25,), chance=0.9))[0].read_text()
    build(options(ACCURACIES, "plain", targets=(0.75,), chance=0.1))
    errors, accuracies = frame("utility.csv"), frame("utility.csv", "plain")
    same = [name for name in errors if name not in ("accuracy", "baseline_accuracy")]
    pd.testing.assert_frame_equal(errors[same], accuracies[same])
    assert np.allclose(errors.accuracy, 1 - accuracies.accuracy)
    mine, theirs = frame("summary.csv"), frame("summary.csv", "plain")
    for name, other in (("mean", "mean"), ("low", "high"), ("high", "low"), ("chance", "chance")):
        assert np.allclose(mine[name], 1 - theirs[other])
    changes = ("difference", "difference"), ("difference_low", "difference_high"), ("difference_high", "difference_low")
    assert all(np.allclose(mine[name], -theirs[other], equal_nan=True) for name, other in changes)
    assert np.allclose(mine.sd, theirs.sd)
    assert frame("ranking.csv").equals(frame("ranking.csv", "plain"))
    assert frame("targets.csv").target.tolist() == [0.25, 0.25]
    assert frame("targets.csv").n.tolist() == frame("targets.csv", "plain").n.tolist()
    assert "### Error (%), mean" in text
    assert "| scratch |     38.3 ± 0.8 |" in text
    assert "it is still better than scratch at 400 labels" in text
    assert "for 25 %" in text
    assert "Chance: 90.0 %." in text
    assert "accurac" not in text.replace("--column accuracy=", "")


def test_losses_are_shown_as_they_are() -> None:
    text = build(options(LOSSES, lower_is_better=True, targets=(0.75,), chance=2.7))[0].read_text()
    assert "### Loss, mean ± standard deviation" in text
    assert "| scratch |     1.149 ± 0.025 |" in text
    assert "Chance: 2.700." in text
    assert re.search(r"for 0\.75 ", text)
    assert not re.search(r"[0-9] points", text)
    assert "accurac" not in text.replace("--column accuracy=", "")
    assert np.allclose(frame("summary.csv")["mean"][:4], [3 - 3 * mean / 100 for mean in LADDER.values()], atol=1e-9)
    assert frame("summary.csv").metric.unique().tolist() == ["loss"]
    assert frame("curves.csv").formula.str.match(r"3\.0 - 3\.0 \(|[0-9.]+ - [0-9.]+ \(").all()


def test_an_option_outside_the_metrics_range_is_an_error() -> None:
    for changes, message in (
        ({"targets": (5.0,)}, r"--target: found 5, expected a loss in 0\.\.1\.3"),
        ({"chance": -1.0}, r"--chance: found -1, expected a loss in 0\.\."),
        ({"chance": 0.0}, "--chance: found 0, expected a value that is worse than a perfect one"),
    ):
        with pytest.raises(OptionError, match=message):
            build(options(LOSSES, lower_is_better=True, **changes))  # type: ignore[arg-type]
        assert not Path("out").exists()


def test_auroc_has_its_chance_and_no_test_error() -> None:
    content = ACCURACIES.replace("acc", "auroc")
    made = options(content)
    text = build(Options(made.path, made.out, ["labeleff"], test_count=1000))[0].read_text()
    assert "Chance: 50.0 %." in text
    assert "AUROC values are no shares of test examples" in text
    assert frame("summary.csv").test_low.isna().all()


def test_a_forecast_of_errors_and_losses() -> None:
    for content, target, unit in ((ERRORS, 0.15, "15 %"), (LOSSES, 0.45, "0.45")):
        made = options(content, lower_is_better=True, targets=(target,))
        text = build_forecast(ForecastOptions(made))[0].read_text()
        rows = frame("forecast.csv")
        assert (rows.low <= rows.accuracy).all()
        assert (rows.accuracy <= rows.high).all()
        assert (rows.groupby("arm").accuracy.diff().dropna() <= 0).all()
        assert frame("labels.csv").target.tolist() == [target] * 2
        assert f"| {unit} " in text
        assert "is at most the target" in text


@pytest.mark.parametrize("kind", ["errors", "losses", "means"])
def test_the_runs_are_read_back_to_the_same_numbers(kind: str) -> None:
    means = "arm,n,err,std,runs\n" + "".join(
        f"{arm},{n},{100 - mean - gain:.1f},0.8,5\n"
        for arm, gain in (("scratch", 0), ("ssl", 4.3))
        for n, mean in LADDER.items()
    )
    build(options({"errors": ERRORS, "losses": LOSSES, "means": means}[kind], lower_is_better=True))
    text = Path("out/report.md").read_text()
    command = re.search(r"labeleff utility runs\.csv.*--lower-is-better", text)
    assert command is not None
    column = "loss" if kind == "losses" else "error"
    again = Options(
        Path("out/runs.csv"),
        Path("again"),
        ["labeleff"],
        baseline="scratch",
        reading=Reading(columns={"accuracy": column}, metric=column, lower_is_better=True),
    )
    build(again)
    first, second = frame("utility.csv"), frame("utility.csv", "again")
    assert np.allclose(first.n1, second.n1, rtol=1e-3 if kind == "means" else 1e-9)
    assert np.allclose(first.accuracy, second.accuracy)


def test_stand_ins_are_never_shown_as_runs() -> None:
    cells = table("acc", lambda value: f"{value:.1f}±0.8").splitlines()
    build(options("\n".join([cells[0], *cells[1::3]]), runs=3))
    runs = pd.read_csv(io.StringIO(Path("out/runs.csv").read_text()))
    assert len(runs) == 8
    assert runs["count"].tolist() == [3] * 8
    text = Path("out/report.md").read_text()
    assert "Means of 3 runs, independent between arms." in unlinked(text)
    assert re.search(r"\| runs +\| 24, as means +\|", text)
