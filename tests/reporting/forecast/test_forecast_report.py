"""Reports of forecasts: sections in order, figures with plain names, and the table is never replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labeleff.errors import OptionError
from labeleff.reporting.external import options as external_options
from labeleff.reporting.forecast.forecast_report import build
from labeleff.reporting.forecast.options import Options

TABLE = "arm,n,run,accuracy\n" + "".join(
    f"{arm},{n},{run},{0.5 + n / 1000 + run / 100}\n" for arm in ("a/b", "a b") for n in (100, 200) for run in (0, 1)
)


def options(out: str, path: str = "runs.csv") -> Options:
    return Options(external_options.Options(Path(path), Path(out), ["labeleff", "forecast", path], targets=(0.9,)))


def test_sections_and_figures() -> None:
    Path("runs.csv").write_text(TABLE)
    path, notes = build(options("out"))
    text = path.read_text()
    assert notes[2] == "accuracies are in 0..1: none is over 1"
    assert re.findall(r"^##? (.*)$", text, re.MULTILINE) == [
        *("Forecast from the runs in runs.csv", "Weak points", "a/b", "a b", "What the numbers mean"),
        *("Where the numbers come from", "Reproduce"),
    ]
    assert re.findall(r"\(figures/(.*)\)", text) == ["forecast-a-b.png", "forecast-a-b-2.png"]
    assert text.startswith("# Forecast from the runs in runs.csv\n\n- a/b: ")


def test_the_table_is_not_replaced() -> None:
    Path("out").mkdir()
    Path("out/labels.csv").write_text(TABLE)
    with pytest.raises(OptionError, match=r"--out: out/labels.csv is the table itself, expected another folder"):
        build(options("out", "out/labels.csv"))
    assert Path("out/labels.csv").read_text() == TABLE
