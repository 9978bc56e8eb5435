"""The report of a table of runs: what it says and writes, for tables of every kind."""

from __future__ import annotations

import contextlib
import io
import random
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from support.malformed_tables import HEADER, PERCENT, ROWS, table, with_column
from support.report_text import head_of, unlinked

from labeleff.curves.interpolation import METHODS
from labeleff.curves.methods import FORMULAS, methods
from labeleff.errors import LabeleffError, OptionError
from labeleff.reporting import csv_tables
from labeleff.reporting.external.external_report import build
from labeleff.reporting.external.options import Options
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.figures.look import Look
from labeleff.study.prices import Cost

LADDER = {20: 0.30, 50: 0.42, 100: 0.51, 200: 0.59, 500: 0.67}
NOISE = (-0.011, 0.004, 0.007)


def rows(arm: str, gain: float = 0.0, ladder: dict[int, float] = LADDER, runs: int = 3) -> list[list[str]]:
    """Rows of an arm that is `gain` over the ladder, with the noise of its runs."""
    return [
        [arm, str(n), str(run), f"{value + gain + NOISE[run]:.4f}"]
        for n, value in ladder.items()
        for run in range(runs)
    ]


def report(content: str, *, drawn: bool = False, **changes: Any) -> str:
    """report.md of a table; its files lie in the folder `out`, with empty figures unless they are to be drawn."""
    Path("runs.csv").write_text(content, encoding="utf-8")
    options = Options(**{"path": Path("runs.csv"), "out": Path("out"), "command": ["labeleff", "x y"], **changes})
    with contextlib.nullcontext() if drawn else mock.patch("labeleff.reporting.figures.style.render", return_value=b""):
        path, _ = build(options)
    return path.read_text(encoding="utf-8")


def csv(name: str) -> pd.DataFrame:
    return pd.read_csv(Path("out") / name)


def test_what_is_written() -> None:
    text = report(table([*rows("scratch"), *rows("rotation", 0.05)]))
    names = {str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file()}
    tables = {f"{name}.csv" for name in ("summary", "utility", "ranking", "targets", "curves", "runs")}
    assert names == {*tables, "report.md", "details.md", "report.html", "figures/utility-runs.png"}
    assert list(csv("summary.csv").columns) == csv_tables.SUMMARY
    assert list(csv("utility.csv").columns) == csv_tables.UTILITY
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# What the runs in runs.csv are worth",
        "## runs",
        "### Accuracy (%), mean ± standard deviation",
        "### Utility against scratch",
        "## Weak points",
        "## What the numbers mean",
        "## Words",
        "## Where the numbers come from",
        "## Reproduce",
    ]
    details = Path("out/details.md").read_text(encoding="utf-8")
    headings = [line for line in details.splitlines() if line.startswith("#")]
    assert headings == ["# Details", "## runs", "### Check of the curve of scratch", "### How many runs are enough"]
    assert "In full" not in text + details
    assert "\n- rotation is worth labels: averaged over 20 to 500 labels, one label does the work of " in text
    assert "| scratch  |     30.0 ± 1.0 |" in text
    assert "| rotation | **35.0 ± 1.0** |" in text
    assert "Bold: better than every other arm (90 %, all arms of a rung together)." in text
    assert "3 runs a rung, independent between arms." in unlinked(text)
    for note in (
        "in 0..1: none is over 1",
        "by comma",
        "count as independent",
        "the baseline is 'scratch', by its name",
    ):
        assert note in text
    assert "```\nlabeleff 'x y'\n```\n" in text
    for line in text.splitlines():
        if line.startswith("!["):
            assert (Path("out") / line.split("](")[1][:-1]).exists()


def test_the_numbers_of_the_csvs() -> None:
    report(
        table([*rows("scratch"), *rows("rotation", 0.05)]),
        chance=0.1,
        test_count=1000,
        reading=Reading(metric="top-1"),
        method="pchip",
    )
    summary = csv("summary.csv").set_index(["arm", "n"])
    row = summary.loc[("rotation", 50)]
    assert row["mean"] == pytest.approx(0.47)
    assert row.sd == pytest.approx(0.00964, abs=1e-4)
    assert row.low < row["mean"] < row.high
    assert (row.metric, row.runs, row.chance, row.test_count, row.baseline) == ("top-1", 3, 0.1, 1000, "scratch")
    assert row.test_low < row["mean"] < row.test_high
    assert summary[["task", "encoder", "draws", "seeds", "failed", "missing"]].isna().all(axis=None)
    assert row.difference == pytest.approx(0.05)
    assert row.difference_low < 0.05 < row.difference_high
    assert 0 < row.difference_p < 0.01
    assert row.difference_pairs == 0
    assert summary.loc["scratch"].difference.isna().all()
    worth = csv("utility.csv").set_index("n")
    # 0.47 lies between 0.42 at 50 and 0.51 at 100 labels: U in (0, 1).
    assert 0 < worth.loc[50].utility_low < worth.loc[50].utility < worth.loc[50].utility_high < 1
    assert (worth.loc[500].kind, worth.loc[500].utility_at_least) == ("above", 0)


def test_the_same_again_byte_for_byte() -> None:
    content = table([*rows("scratch"), *rows("rotation", 0.05)])
    report(content, drawn=True)
    first = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    report(content, drawn=True)
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == first


def test_dialects_give_the_same_numbers() -> None:
    report(table())
    first = (Path("out") / "utility.csv").read_bytes()
    for content in (table(PERCENT), table(delimiter=";"), table(PERCENT, delimiter="\t", end="\r\n")):
        said = report(content)
        ours, theirs = (pd.read_csv(io.BytesIO(b)) for b in ((Path("out") / "utility.csv").read_bytes(), first))
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)
        assert ("in percent" in said) == ("40.0" in content)
    assert "by tab" in said
    assert "as given" in report(table(PERCENT), reading=Reading(scale="percent"))


@pytest.mark.filterwarnings("ignore:no font here")
def test_several_tasks_one_without_an_arm() -> None:
    tables_of = {
        "größe/x": ["scratch", "rotation"],
        "größe x": ["scratch", "rotation", "third"],
        "字": ["scratch", "third"],
    }
    content = [
        [*row, task] for task, arms in tables_of.items() for arm in arms for row in rows(arm, 0.03 * (arm != "scratch"))
    ]
    text = report(table(content, [*HEADER, "task"]), title="Three tasks", look=Look(every=True))
    assert text.startswith("# Three tasks\n")
    assert [text.count(f"\n- {arm} is worth") for arm in ("rotation", "third")] == [2, 2]
    assert "Places: [größe/x](#größex), [größe x](#größe-x), [字](#字)." in text
    section = text.split("## 字\n")[1].split("## ")[1]
    assert "rotation" not in section
    names = sorted(path.name for path in (Path("out") / "figures").glob("utility-*.png"))
    assert names == ["utility-groe-x-2.png", "utility-groe-x.png", "utility-task.png"]
    assert list(csv("summary.csv").groupby("task", sort=False).arm.nunique()) == [2, 3, 2]
    assert "| tasks   | größe/x, größe x, 字" in text


def test_one_run_a_rung() -> None:
    content = table([*rows("scratch", runs=1), *rows("rotation", 0.05, runs=1)])
    learned = report(content)
    assert "**One run a rung**: their spread isn't measured" in learned
    assert csv("utility.csv").p_above.notna().all()
    assert csv("utility.csv")["flags"].str.contains("learned noise").all()
    text = report(content, method="pchip")
    assert "**One run a rung**: there is no spread to measure, so no number here has an interval." in text
    assert "(one run a rung: without an interval, nothing is certain)" in text
    assert "is worth" not in text.partition("## What the numbers mean")[0]
    assert csv("utility.csv")[["utility_low", "utility_high", "p_above"]].isna().all(axis=None)


def test_arms_are_ranked_over_the_ladder() -> None:
    content = [*rows("scratch"), *rows("worse", -0.05), *rows("good", 0.05), *rows("alike", 0.0501)]
    text = report(table(content), method="pchip")
    ranking = csv("ranking.csv")
    assert list(ranking.columns) == csv_tables.RANKING
    assert ranking.arm.tolist() == ["alike", "good", "worse"]
    assert ranking.tied.tolist() == [True, True, False]
    assert ranking.mean_ratio.tolist() == pytest.approx((2**ranking.mean_log2_ratio).tolist())
    assert (ranking.low <= ranking.mean_ratio).all()
    assert (ranking.mean_ratio <= ranking.high).all()
    assert ranking[["rungs", "n_first", "n_last"]].drop_duplicates().to_numpy().tolist() == [[5, 20, 500]]
    assert ranking.set_index("arm").loc[["good", "worse"], ["above", "below"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    section = text.split("### Utility against scratch")[1].split("![")[0]
    cells = {line.split("|")[1].strip(): line.split("|")[-3].strip() for line in section.splitlines() if "| " in line}
    assert [bool(re.fullmatch(r">= .+ =", cells[arm])) for arm in ("alike", "good")] == [True, True]
    assert re.fullmatch(r"<= [^=]+", cells["worse"])
    assert "`=` can't be told from the best of these arms." in section


def test_labels_for_accuracies_and_what_is_saved() -> None:
    content = table([*rows("scratch"), *rows("rotation", 0.05)])
    text = report(content, targets=(0.5, 0.66), cost=Cost(per_label=0.1, unit="hours"))
    assert "### Saved (hours)" in text
    assert "(n1 - n) labels at 0.1 hours a label" in text
    assert re.search(r"\| arm +\| +for 50 % \| +share \| +for 66 % \|", text)
    worth = csv("utility.csv")
    assert worth.saved.tolist() == pytest.approx((0.1 * (worth.n1 - worth.n)).tolist(), rel=1e-6)
    assert set(worth.saved_unit) == {"hours"}
    assert worth.set_index("n").loc[500].saved_at_least == 0
    assert csv("targets.csv").n.notna().all()
    report(content)
    assert csv("utility.csv")[["saved", "saved_low", "saved_at_least", "saved_unit"]].isna().all(axis=None)
    assert csv("targets.csv").empty


def test_an_arm_without_a_rung_of_the_best_is_set_aside() -> None:
    content = [*rows("scratch"), *rows("a", ladder={20: 0.4}), *rows("b", ladder={50: 0.5})]
    text = report(table(content))
    assert "Set aside, since too few of their label counts are those of the others: " in text
    assert len(csv("ranking.csv")) == 1


def test_an_arm_with_one_rung_shrinks_nobody() -> None:
    content = [*rows("scratch"), *rows("good", 0.05), *rows("worse", -0.05)]
    report(table(content))
    alone = csv("ranking.csv").drop(columns=["simultaneous_low", "simultaneous_high"])
    text = report(table([*content, *rows("single", ladder={50: 0.5})]))
    beside = csv("ranking.csv").drop(columns=["simultaneous_low", "simultaneous_high"])
    pd.testing.assert_frame_equal(beside, alone)
    assert (
        "Set aside, since too few of their label counts are those of the others: single (only 50; label ratio " in text
    )
    assert "over 20 to 500 labels one of its labels does the work of " in text
    assert len(csv("utility.csv").query("arm == 'single'")) == 1


def test_without_spread_nothing_is_bold() -> None:
    text = report(table([*rows("scratch", runs=1), *rows("rotation", 0.05, runs=1)]), method="pchip")
    assert "**" not in text.split("## runs")[1].split("\n## ")[0]
    assert csv("ranking.csv")[["low", "high"]].isna().all(axis=None)


def test_an_arm_with_fewer_runs_is_flagged() -> None:
    text = report(table([*rows("scratch"), *rows("rotation", 0.05, runs=1)]))
    assert "**Few runs**: fewer than 3 runs: rotation at 20, 50, 100, 200 and 500 labels." in text
    assert "1 to 3 runs a rung" in text


@pytest.mark.parametrize("method", methods())
def test_every_method_is_explained(method: str) -> None:
    text = report(table([*rows("scratch"), *rows("rotation", 0.05)]), method=method)
    assert f"**Curve** ({method}): " in text
    assert ("leave out the doubt whether the formula is right" in text) == (method in FORMULAS)
    assert ("never drawn beyond the rungs" in text) == (method in METHODS)


@pytest.mark.parametrize("paired", [False, True])
def test_identical_arms(paired: bool) -> None:
    content = [*rows("scratch"), *rows("copy")]
    header = HEADER
    if paired:
        header, *content = with_column("draw", [row[2] for row in content], content)
    text = report(table(content, header))
    points = csv("utility.csv")
    assert points.utility.tolist() == pytest.approx([0.0] * 5)
    if not paired:
        middle = points[points.n == 100].iloc[0]
        assert middle.utility_low < 0 < middle.utility_high
    verdict = text.split("## runs")[1].split("### ")[0]
    assert ("copy is worth no labels" if paired else "labels can't be told (mean label ratio): copy (") in verdict


def test_paired_runs_have_differences() -> None:
    content = [*rows("scratch"), *rows("rotation", 0.05)]
    header, *content = with_column("draw", [row[2] for row in content], content)
    text = report(table(content, header))
    assert "3 runs a rung, paired by draw." in unlinked(text)
    assert "whole draws are resampled, the same for both arms" in text
    summary = csv("summary.csv")
    assert summary[summary.arm == "rotation"].difference.tolist() == pytest.approx([0.05] * 5)
    assert summary[summary.arm == "rotation"].difference_pairs.tolist() == [3] * 5
    assert (summary.draws == 3).all()
    assert summary.seeds.isna().all()


def test_other_ladders_and_few_shared_rungs() -> None:
    low, high = {5: 0.2, 7: 0.25}, {10**6: 0.9, 10**15 - 1: 0.95}
    text = report(table([*rows("scratch"), *rows("low", ladder=low), *rows("high", ladder=high)]), method="log")
    assert "| low " in text
    assert set(csv("utility.csv").kind) == {"below", "above"}
    assert "is shown to save labels over 5 to 7 labels; highest is low" in unlinked(text), (
        "its label counts are bounds alone"
    )


def test_weak_accuracies_are_flagged() -> None:
    falling = {20: 0.11, 50: 0.5, 100: 0.3, 200: 0.6}
    text = report(table([*rows("scratch", ladder=falling), *rows("x", 0.05, ladder=falling)]), chance=0.1)
    assert "**Not to be trusted as it stands**: baseline falls" in head_of(text)
    verdict = text.split("## runs\n\n")[1]
    assert verdict.startswith(
        "**Not to be trusted as it stands**: scratch falls from 50.0 % at 50 labels to 30.0 % at "
    )
    assert csv("utility.csv").set_index("n").assumption.str.contains("baseline falls").tolist() == [
        False,
        False,
        True,
        False,
    ]
    assert re.search(r"\| x  .* \(\?\) \|", text)
    assert "**Near chance**: the baseline is less than 2 points over chance at 20 labels" in text


def test_the_reference_codes_convention_stands_beside_the_definitions() -> None:
    text = report(table([*rows("scratch"), *rows("rotation", 0.05)]), convention="selfstudy")
    assert "## Utility by the reference code's rules, against scratch" in text
    frame = csv("utility-selfstudy.csv")
    assert set(frame.convention) == {"selfstudy"}
    assert frame.ends.tolist()[-1]
    assert list(csv("utility.csv").columns) == csv_tables.UTILITY


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (table(), {"baseline": "scrach"}, "unknown baseline 'scrach'; did you mean 'scratch'"),
        (table(ROWS[:6]), {}, "found the one arm 'scratch'"),
        (table(ROWS[4:]), {}, "expected at least two for a curve"),
        (table([["a", *row[1:]] for row in ROWS[:6]]), {}, "--baseline isn't given"),
        (table(), {"method": "mmf4"}, "--method mmf4 has 4 parameters and needs as many label counts of the baseline"),
        (table(PERCENT), {"reading": Reading(scale="fraction")}, "line 2, column 'accuracy'"),
        (table(), {"reading": Reading(columns={"draw": "draws"})}, "column 'draws'"),
        (table([[a, n, r, "0"] for a, n, r, _ in ROWS]), {"convention": "selfstudy"}, "--convention selfstudy"),
    ],
)
def test_what_cant_be_done_leaves_nothing(content: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LabeleffError, match=message):
        report(content, **changes)
    assert not Path("out").exists()


def test_the_table_itself_is_never_overwritten() -> None:
    Path("summary.csv").write_text(table())
    with pytest.raises(OptionError, match=r"--out: summary\.csv is the table itself"):
        build(Options(path=Path("summary.csv"), out=Path(), command=[]))
    assert [path.name for path in Path().iterdir() if path.name != "cache"] == ["summary.csv"]
    assert Path("summary.csv").read_text() == table()


@pytest.mark.parametrize("seed", range(30))
def test_any_table_has_a_report(seed: int) -> None:
    source = random.Random(seed)
    names = ["scratch", *source.sample(["x", "$a$ b_", "_c", "|p|", "long " * 20, "a*[b](c)"], source.randint(1, 4))]
    rungs = sorted(source.sample([1, 2, 3, 7, 50, 51, 1000, 10**6, 10**15 - 1], source.randint(2, 5)))
    start, step = source.choice([(0.2, 0.1), (0.9, -0.1), (0.5, 0.0), (1.0, 0.0)])
    content = [
        [
            arm,
            str(n),
            str(run),
            f"{min(1.0, max(0.0, start + step * at + source.gauss(0, 0.02) * source.randint(0, 1))):.3f}",
        ]
        for arm in names
        for at, n in enumerate(rungs)
        if arm == "scratch" or at == 0 or source.random() < 0.7
        for run in range(source.randint(1, 3))
    ]
    convention = source.choice(["definition", "selfstudy"])
    text = report(
        table(content),
        method=source.choice(["bayes", "bayes", "pchip", "log", "linear", "log2"]),
        convention=convention,
        reading=Reading(lower_is_better=False),
        drawn=seed < 5,
    )
    assert len(csv("utility.csv")) == len({(row[0], row[1]) for row in content if row[0] != "scratch"})
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_metrics_keep_their_case() -> None:
    assert "### mAP (%), mean" in report(table(), reading=Reading(metric="mAP"))


def test_accuracies_of_zero_everywhere() -> None:
    text = report(table([[a, n, r, "0"] for a, n, r, _ in ROWS]), chance=0.0)
    assert head_of(text).startswith("- Nothing is claimed of rotation (baseline at chance, arm at chance).")
