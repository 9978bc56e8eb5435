"""`labeleff forecast` as users meet it: output, errors, exit status and files."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pandas as pd
import pytest
from support.malformed_tables import PERCENT, table
from support.report_text import head_of

FILES = ["figures", "forecast.csv", "labels.csv", "next_rungs.csv", "reached.csv", "report.html", "report.md"]


@pytest.fixture
def called(called_here):
    """Call the command in this process; returns its exit status, output and error."""
    return functools.partial(called_here, "forecast")


def test_a_table_as_a_process(command):
    Path("my pilot.csv").write_text(table())
    done = command("forecast", "my pilot.csv", "--target", "80%", "--cost-per-label", "0.35EUR", "--at", "1000")
    assert (done.returncode, done.stderr) == (0, "")
    report = Path("runs/my pilot-forecast/report.md").read_text()
    verdict = head_of(report)
    assert done.stdout == (
        "read my pilot.csv: 2 arms x 3 label counts x 2 runs, one value per row; fields are separated by comma; "
        "accuracies are in 0..1: none is over 1; no column draw: runs of different arms count as independent\n"
        f"{verdict}\nreport: runs/my pilot-forecast/report.md\n"
    )
    number = r"[\d,.]+"
    assert re.match(
        rf"- scratch: with 1,000 labels accuracy is expected at {number} % \[{number}, {number}\] \(extrapolated "
        rf"x2.5\); 80 % is reached by {number} labels in the median \[{number}, {number}\] \(extrapolated x{number}\), "
        rf"{number} more than the 400 labelled, which cost {number} EUR \[{number}, {number}\]; a rung at ",
        verdict,
    )
    assert report.endswith(
        "```\nlabeleff forecast 'my pilot.csv' --target 80% --cost-per-label 0.35EUR --at 1000\n```\n"
    )


def test_files_agree_with_each_other_and_with_the_price(called):
    Path("runs.csv").write_text(table())
    assert called("runs.csv", "--target", 0.8, "--cost-per-label", 2, "--labelled", 500, "--out", "out")[0] == 0
    assert sorted(path.name for path in Path("out").iterdir()) == FILES
    assert sorted(path.name for path in Path("out/figures").iterdir()) == [
        f"forecast-{arm}.{kind}" for arm in ("rotation", "scratch") for kind in ("png",)
    ]
    labels = pd.read_csv("out/labels.csv").set_index("arm")
    assert labels["cost"].tolist() == pytest.approx((2 * labels["n"]).tolist())
    assert labels["additional_cost"].tolist() == pytest.approx((2 * (labels["n"] - 500).clip(lower=0)).tolist())
    assert set(labels["cost_unit"]) == {"USD"}
    accuracies = pd.read_csv("out/forecast.csv")
    assert (accuracies["cost"] == 2 * (accuracies["n"] - 500).clip(lower=0)).all()
    assert len(pd.read_csv("out/reached.csv")) == len(accuracies) == 14
    best = pd.read_csv("out/next_rungs.csv").query("best")
    assert set(best["arm"]) == {"scratch", "rotation"}
    text = Path("out/report.md").read_text()
    for name in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert Path("out", name).exists()


def test_one_arm_alone_and_percent(called):
    Path("runs.csv").write_text(table(PERCENT))
    status, output, _ = called("runs.csv", "--arm", "rotation")
    assert status == 0
    assert output.count("accuracy is expected at") == 1
    assert "- rotation: with 800 labels" in output
    assert "about accuracy at 12,800 labels" in output


def test_a_pilot_without_arms_has_one_by_its_file(called):
    Path("pilot.csv").write_text("n,acc\n50,0.55\n100,0.61\n200,0.68\n")
    status, out, _ = called("pilot.csv", "--target", 0.8)
    assert status == 0
    assert "the arm is 'pilot', the file's name, as no column has it" in out
    assert "\n- pilot: with " in out
    Path("pilot.csv").write_text("n,acc,tool,way\n50,0.55,x,a\n100,0.61,y,b\n200,0.68,x,b\n")
    status, _, error = called("pilot.csv", "--target", 0.8)
    assert (status, "pilot.csv, line 1, column 'arm': found the columns" in error) == (2, True)


def test_the_same_call_gives_the_same_bytes(called):
    Path("runs.csv").write_text(table())
    for _ in range(2):
        assert called("runs.csv", "--target", 0.8, "--out", "out")[0] == 0
        now = {path: path.read_bytes() for path in Path("out").rglob("*.*") if path.is_file()}
        before = locals().get("first", now)
        assert now == before
        first = now


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arm", "rotatoin"], "unknown --arm in runs.csv 'rotatoin'; did you mean 'rotation'?"),
        (["--at", "50"], "runs.csv, scratch: label counts of the forecast: found 50, expected from 100"),
        (
            ["--labelled", "300"],
            "runs.csv, scratch: labels that are there already: found 300, expected at least the 400",
        ),
        (["--target", "150%"], "--target: found '150%', expected an accuracy in 0..1"),
        (["--cost-per-label", "cheap"], "--cost-per-label: found 'cheap'"),
        (["--level", "90"], "--level: found 90"),
        (["--out", "runs.csv"], "--out: runs.csv is a file, expected a folder"),
        (["--column", "acuracy=x"], "--column: unknown column 'acuracy'"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(called, arguments, message):
    Path("runs.csv").write_text(table())
    status, output, error = called("runs.csv", *arguments)
    assert (status, output) == (2, "")
    assert error.startswith(f"labeleff: {message}")
    assert sorted(map(str, Path().rglob("*"))) == ["runs.csv"]


def test_one_label_count_gives_no_forecast(called):
    Path("runs.csv").write_text("arm,n,run,accuracy\na,100,0,0.6\na,100,1,0.7\n")
    assert called("runs.csv") == (
        2,
        "",
        "labeleff: runs.csv: a forecast needs at least two label counts of an arm, found one (a)\n",
    )
    Path("runs.csv").write_text("arm,n,run,accuracy\na,100,0,0.6\nb,100,0,0.6\nb,200,0,0.7\n")
    status, output, _ = called("runs.csv")
    assert (status, output.count("is expected at")) == (0, 1)
    assert "**No forecast**: a. One label count alone" in Path("runs/runs-forecast/report.md").read_text()
