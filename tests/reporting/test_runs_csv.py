"""`runs.csv`: every run of a report, which `labeleff utility` reads back to the same numbers."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import factories

from labeleff.reporting import runs_csv
from labeleff.reporting.csv_tables import utilities
from labeleff.reporting.external import external_report
from labeleff.reporting.external.options import Options, reading
from labeleff.reporting.external.reader import read_runs
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.findings import find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.results import load

HEADERS = {
    "plain": ("run",),
    "seeds that nothing shares": ("seed", "run"),
    "draws": ("draw", "run"),
    "draws and seeds": ("draw", "seed", "run"),
    "tasks": ("task", "draw", "run"),
}


def written(folder: Path, names: tuple[str, ...], *, percent: bool = False) -> Path:
    """A table of three arms with 3 x 2 runs per rung; runs have numbers that begin anywhere."""
    rng = np.random.default_rng(5)
    lines = [",".join([*names, "arm", "n", "accuracy"])]
    for task in ["one", "two"] if "task" in names else ["one"]:
        for arm, gain in (("scratch", 1.0), ("b", 2.0), ("a", 1.4)):
            for n in (50, 100, 200, 400):
                for k in rng.permutation(6):
                    value = 1 - 0.8 * (n * gain / 50) ** -0.3 + 0.02 * rng.standard_normal()
                    cells = {"task": task, "draw": k // 2, "seed": k % 2, "run": 40 + 3 * k}
                    number = f"{100 * value:.2f}" if percent else f"{value:.4f}"
                    lines.append(",".join([*(str(cells[name]) for name in names), arm, str(n), number]))
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def seen(path: Path) -> Measurements:
    table = read_runs([path], Reading())
    return external_report.view(table, "scratch", Options(path=path, out=path.parent / "report", command=[]))


@pytest.mark.parametrize("percent", [False, True])
@pytest.mark.parametrize("names", HEADERS.values(), ids=HEADERS)
def test_a_table_is_read_back_to_the_same_numbers(tmp_path: Path, names: tuple[str, ...], percent: bool) -> None:
    first = seen(written(tmp_path, names, percent=percent))
    (tmp_path / "runs.csv").write_bytes(runs_csv.to_files(first)["runs.csv"])
    again = seen(tmp_path / "runs.csv")
    assert again.shared == first.shared
    assert again.runs == first.runs
    assert utilities(find(again).comparisons).csv() == utilities(find(first).comparisons).csv()
    assert again.run_numbers == first.run_numbers


RISING = {"scratch": (41.0, 55.1, 66.3, 73.2), "ssl": (50.2, 60.9, 70.4, 75.8)}
FALLS = {"scratch": (110.0, 81.0, 50.5, 30.2), "ssl": (91.0, 60.0, 41.5, 25.8)}
OVER = {arm: tuple(cell + 101 for cell in cells) for arm, cells in FALLS.items()}
LOWER = {"lower": True}
KINDS: dict[str, tuple[str, dict[str, tuple[float, ...]], float, dict[str, object]]] = {
    "accuracy": ("acc", RISING, 1, {"chance": 0.1}),
    "percent in the name": ("acc (%)", RISING, 1, {"metric": "my top-1 (%)"}),
    "error": ("error (%)", {arm: cells[::-1] for arm, cells in RISING.items()}, 1, {**LOWER, "chance": 0.9}),
    "error of which more is better": ("error", RISING, 1, {"lower": False}),
    "one minus AUROC": ("1 - AUROC", {arm: cells[::-1] for arm, cells in RISING.items()}, 1, LOWER),
    "WER over 1": ("WER (%)", FALLS, 1, LOWER),
    "CER all over 1": ("cer", OVER, 1, {**LOWER, "scale": "percent"}),
    "ECE": ("ece", FALLS, 0.002, LOWER),
    "loss": ("loss", FALLS, 0.02, {**LOWER, "chance": 3.0}),
    "perplexity": ("ppl", FALLS, 0.5, {**LOWER, "chance": 90.0}),
    "bits per character": ("bpc", FALLS, 0.03, LOWER),
    "RMSE with a perfect value": ("rmse", FALLS, 0.1, {**LOWER, "best": 1.5}),
    "unknown, less is better": ("distance", FALLS, 1, LOWER),
    "R2": ("r2", {arm: tuple(cell - 60 for cell in cells) for arm, cells in RISING.items()}, 0.01, {}),
    "kappa": ("kappa", RISING, 0.01, {"chance": 0.1}),
    "AUROC": ("auroc", RISING, 1, {}),
    "F1 that falls": ("f1", {arm: cells[::-1] for arm, cells in RISING.items()}, 1, {"lower": False}),
}
"""Kinds of metrics: the column's name, means by arm, their unit, and how they are read."""


def read_as_told(path: Path, words: list[str]) -> Measurements:
    """Measurements of a table by the words of a command line after the file's name."""
    given = dict(zip(words, [*words[1:], ""], strict=True))
    lower = {"--lower-is-better": True, "--higher-is-better": False}
    number = {name: float(given[name]) if name in given else None for name in ("--chance", "--best")}
    how = reading(
        column=[given["--column"]] if "--column" in given else None,
        metric=given.get("--metric-name"),
        scale=given.get("--scale"),
        lower=next((value for name, value in lower.items() if name in words), None),
        best=number["--best"],
        baseline=given["--baseline"],
    )
    return seen_as(path, how, number["--chance"])


def seen_as(path: Path, how: Reading, chance: float | None) -> Measurements:
    table = read_runs([path], how, chance=chance)
    options = Options(path=path, out=path.parent / "report", command=[], reading=how, chance=chance)
    return external_report.view(table, "scratch", options)


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_reads_back_every_kind_of_metric(tmp_path: Path, kind: str) -> None:
    column, arms, unit, options = KINDS[kind]
    lines = [f"arm,n,run,{column}"]
    for arm, means in arms.items():
        for n, value in zip((50, 100, 200, 400), means, strict=True):
            lines += [f"{arm},{n},{run},{unit * (value + 0.4 * run):.6g}" for run in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    chance = options.get("chance")
    how = reading(**{name: value for name, value in options.items() if name != "chance"}, baseline="scratch")  # type: ignore[arg-type]
    first = seen_as(tmp_path / "t.csv", how, chance)  # type: ignore[arg-type]
    (tmp_path / "runs.csv").write_bytes(runs_csv.to_files(first)["runs.csv"])
    words = shlex.split(runs_csv.command(first))
    assert words[:3] == ["labeleff", "utility", "runs.csv"]
    again = read_as_told(tmp_path / "runs.csv", words[3:])
    (units, same) = (next(iter(each.settings.values())) for each in (first, again))
    assert (units.units, units.chance) == (same.units, pytest.approx(same.chance))
    assert ("--chance" in words) == (chance is not None)
    left, right = (utilities(find(each).comparisons).frame() for each in (first, again))
    pd.testing.assert_frame_equal(
        left.drop(columns="metric", errors="ignore"), right.drop(columns="metric", errors="ignore")
    )


def test_a_study_is_read_back_place_by_place(tmp_path: Path) -> None:
    encoders = [{"name": "resnet9", "width": 0.25}, {"name": "resnet9", "width": 0.5}]
    results = load(factories.folder(tmp_path, encoders=encoders))
    (tmp_path / "runs.csv").write_bytes(runs_csv.to_files(results.measured, results.run_metrics)["runs.csv"])
    again = seen_with(tmp_path / "runs.csv", results.measured.baseline)
    assert [place.task for place in again.places] == [str(place) for place in results.measured.places]
    left, right = (utilities(find(measured).comparisons).frame() for measured in (results.measured, again))
    pd.testing.assert_frame_equal(left.drop(columns=["task", "encoder"]), right.drop(columns=["task", "encoder"]))
    assert "--baseline scratch/finetune" in runs_csv.command(results.measured)


def seen_with(path: Path, baseline: str) -> Measurements:
    return external_report.view(
        read_runs([path], Reading()), baseline, Options(path=path, out=path.parent / "report", command=[])
    )


def measurements(metric: str = "accuracy", **changes: object) -> Measurements:
    place = Place("t")
    runs = {(place, "base"): {10: {(0, 0): 0.5, (1, 0): 0.75}}, (place, "arm"): {10: {(0, 0): 0.625, (1, 0): 0.875}}}
    fields = {
        "settings": {place: Setting("t", (10,), metric)}, "arms": ("base", "arm"), "baseline": "base", "runs": runs,
        "level": 0.9, "method": "bayes", "design": "",
    }  # fmt: skip
    return Measurements(**fields | changes)  # type: ignore[arg-type]


def test_means_are_written_as_means() -> None:
    """What stands in for the runs of a mean is no run."""
    found = measurements(summarised=frozenset({(Place("t"), "base"), (Place("t"), "arm")}))
    frame = pd.read_csv(io.BytesIO(runs_csv.to_files(found)["runs.csv"]))
    assert list(frame.accuracy) == [0.625, 0.75]
    assert list(frame.sd) == pytest.approx([0.25 / 2**0.5] * 2)
    assert list(frame["count"]) == [2, 2]
    assert len(frame) == 2


def test_the_reported_metric_comes_first_and_further_ones_follow() -> None:
    found = measurements("mean_iou")
    further = {(Place("t"), "arm", 10, (0, 0)): {"mean_iou": 0.625, "loss": 2.5}}
    text = runs_csv.to_files(found, further)["runs.csv"].decode().splitlines()
    assert text[0] == "task,arm,n,draw,seed,run,mean_iou,loss"
    assert text[3] == "t,arm,10,0,0,0,0.625,2.5"
    assert runs_csv.command(found) == (
        "labeleff utility runs.csv --baseline base --column accuracy=mean_iou --metric-name mean_iou"
    )
    assert runs_csv.to_files(measurements(runs={})) == {}
