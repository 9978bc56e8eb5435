"""Figures: they show what they should, and their bytes don't change."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import factories

from labeleff.catalogue.metrics import Metric, Units
from labeleff.errors import LabeleffWarning
from labeleff.reporting.figures import accuracy, glyphs, style, utility
from labeleff.reporting.figures import style as figures_style
from labeleff.reporting.figures.look import KINDS, Look
from labeleff.reporting.findings import compare_arms
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.results import Results, load

TASK = Place("task")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return load(factories.folder(tmp_path))


def test_same_numbers_same_bytes(results: Results) -> None:
    comparisons = compare_arms(results.measured)
    for kind in KINDS:
        first, second = (style.render(utility.utility(results.measured, comparisons), kind) for _ in range(2))
        assert first == second
    assert b"Matplotlib" not in style.render(accuracy.accuracy(results.measured, results.places[0]), "png")
    assert b"<dc:date>" not in style.render(utility.utility(results.measured, comparisons), "svg")
    assert b"CreationDate" not in first


def test_accuracy_shows_every_arm_run_and_chance(results: Results) -> None:
    axes = accuracy.accuracy(results.measured, results.places[0]).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [*factories.SAVED, "chance"]
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sum(len(line.get_xdata()) for line in dots) == len(results.cells)
    assert len(axes.collections) == 3
    assert axes.get_xscale() == "log"


def test_many_arms_are_told_apart(results: Results) -> None:
    arms = ("scratch/finetune", *(f"rotation/p{i}" for i in range(40)))
    styles = figures_style.styles(dataclasses.replace(results.measured, arms=arms))
    assert len({tuple(style.values()) for style in styles.values()}) == 41


def many(count: int) -> Measurements:
    names = tuple(f"pretext{number}/finetune" for number in range(count))
    runs = {(TASK, name): {n: {(0, 0): 0.1 + n / 1000} for n in (10, 100)} for name in names}
    setting = Setting("task", (10, 100), chance=0.1)
    return Measurements({TASK: setting}, names, names[0], runs, level=0.9, method="log", design="")


@pytest.mark.parametrize("count", [2, 9])
def test_a_legend_stays_on_the_page(count: int) -> None:
    figure = accuracy.accuracy(many(count), TASK)
    figure.draw_without_rendering()
    [axes] = figure.axes
    legend = axes.get_legend().get_window_extent()
    assert legend.y0 >= 0
    assert legend.x1 <= figure.bbox.x1
    assert axes.get_window_extent().height > 0.6 * figure.bbox.height


@pytest.mark.parametrize("count", [10, 24, 40])
def test_many_arms_have_a_row_each(count: int) -> None:
    figure = accuracy.accuracy(many(count), TASK)
    figure.draw_without_rendering()
    first, second = figure.axes
    names = first.get_yticklabels()
    assert [text.get_text() for text in names] == [f"pretext{number}/finetune" for number in range(count)]
    boxes = sorted((text.get_window_extent() for text in names), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 2 for low, high in itertools.pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0
    assert first.get_window_extent().width > 0.25 * figure.bbox.width
    assert [axes.get_title("left") for axes in (first, second)] == ["n = 10", "n = 100"]


def test_an_axis_ends_where_the_metric_does() -> None:
    wide = {n: {(run, 0): 0.98 * (run % 2) + 0.01 for run in range(4)} for n in (10, 100)}
    measured = dataclasses.replace(many(2), runs={(TASK, "pretext0/finetune"): wide})
    low, high = accuracy.accuracy(measured, TASK).axes[0].get_ylim()
    assert (low, high) == pytest.approx((-2, 102))
    loss = Metric("loss", "loss", "losses", worst=math.inf, best=0.0, percent=False, share=False)
    setting = Setting("task", (10, 100), entry=loss, units=Units(worst=4.0, best=0.0, percent=False))
    low, high = accuracy.accuracy(dataclasses.replace(measured, settings={TASK: setting}), TASK).axes[0].get_ylim()
    assert low == pytest.approx(-0.08)
    assert high > 4.1


@pytest.mark.parametrize("count", [2, 10])
def test_runs_that_are_all_right_have_an_axis_in_plain_numbers(count: int) -> None:
    measured = many(count)
    right = {key: {n: dict.fromkeys([(0, 0), (1, 0)], 1.0) for n in (10, 100)} for key in measured.runs}
    setting = replace(measured.settings[TASK], chance=None)
    figure = accuracy.accuracy(replace(measured, runs=right, settings={TASK: setting}), TASK)
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis if count == 2 else figure.axes[0].xaxis
    low, high = axis.get_view_interval()
    assert 99 < low < 99.8
    assert 100 < high < 100.1
    assert axis.get_offset_text().get_text() == ""
    assert any(text.get_text().startswith("100.0") for text in axis.get_ticklabels())


LADDERS = {
    "close": tuple(10**6 * 2**k for k in range(12)),
    "odd": tuple(1_000_001 * 2**k for k in range(12)),
    "few": (50, 200, 800),
}


@pytest.mark.parametrize(
    ("ladder", "first", "last"),
    [("close", "1M", "1,024M"), ("odd", "1,000,001", "1,024,001,024"), ("few", "50", "800")],
)
@pytest.mark.parametrize("size", [None, (3.5, 2.6)])
def test_label_counts_dont_overprint_each_other(
    ladder: str, first: str, last: str, size: tuple[float, float] | None
) -> None:
    rungs = LADDERS[ladder]
    runs = {(TASK, name): {n: {(0, 0): 0.1 + k / 20} for k, n in enumerate(rungs)} for name in ("a", "b")}
    measured = Measurements({TASK: Setting("task", rungs)}, ("a", "b"), "a", runs, level=0.9, method="log", design="")
    figure = accuracy.accuracy(measured, TASK)
    style.fit(figure, Look(size=size))
    style.render(figure, "png")
    texts = figure.axes[0].get_xticklabels()
    boxes = [text.get_window_extent() for text in texts]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert (texts[0].get_text(), texts[-1].get_text()) == (first, last)
    if ladder == "few":
        assert len(texts) == 3


def test_pyplot_stays_out(results: Results) -> None:
    style.render(accuracy.accuracy(results.measured, results.places[0]), "png")
    assert "matplotlib.pyplot" not in sys.modules


def test_names_are_taken_literally(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [style.label(name) for name in ("a/b", "$x^$", "_a")] == ["a/b", r"\$x^\$", " _a"]
    assert style.label("0123456789" * 9) == "012345678901234567…34567890123456789"
    place = Place("$task_{$")
    names = ("$x^$", "_hidden", "基準", "w" * 300)
    runs = {(place, name): {n: {(0, 0): 0.1 * at + n / 1000} for n in (10, 100)} for at, name in enumerate(names)}
    measured = Measurements(
        {place: Setting("$task_{$" * 30, (10, 100), split="$y^$")},
        names,
        names[0],
        runs,
        level=0.9,
        method="log",
        design="",
    )
    comparisons = compare_arms(measured)
    figures = accuracy.accuracy(measured, place), utility.utility(measured, comparisons)
    monkeypatch.setattr(glyphs, "find_families", lambda _: {})
    with pytest.warns(LabeleffWarning, match="U\\+57FA"):
        glyphs.complete(figures)
    for figure in figures:
        assert len(figure.axes[0].get_legend().get_texts()) == 4
        assert style.render(figure, "png")
        assert r"\$" in figure.axes[0].get_ylabel()


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (
            [f"scratch/joint(classification_weight={x}, rotation_weight=1.0)" for x in (1.0, 4.0)],
            ["scratch…ht=1.0, rotation_weight=1.0)", "scratch…ht=4.0, rotation_weight=1.0)"],
        ),
        (
            [f"simclr(area=0.3, colour=0.{k}, hidden=512, projection=128)/finetune" for k in (1, 2, 3)],
            [f"simclr(area=0.3, colour=0.{k}, h…etune" for k in (1, 2, 3)],
        ),
        (
            [f"{'a' * 60}={k}, {'b' * 60}" for k in (1, 2)],
            [f"aaaaaaaaa…aa={k}, bbbbbbbbbb…bbbbbbbbb" for k in (1, 2)],
        ),
        (
            [f"{'a' * 60}{x}{'b' * 60}{y}{'c' * 60}" for x, y in ((1, 1), (1, 2), (2, 1), (2, 2))],
            [f"{'a' * 9}…aaa{x}{'b' * 12}…{'c' * 9} ({k})" for x, k in ((1, 1), (1, 2), (2, 1), (2, 2))],
        ),
        (["short", "w" * 300], ["short", f"{'w' * 18}…{'w' * 17}"]),
    ],
)
def test_long_names_of_a_figure_stay_distinct(names: list[str], shown: list[str]) -> None:
    assert list(style.labels(names).values()) == shown
    assert all(len(text) <= style.LONGEST + len(" (1)") for text in shown)
    runs = {(TASK, name): {n: {(0, 0): 0.1 * at + n / 1000} for n in (10, 100)} for at, name in enumerate(names)}
    measured = Measurements(
        {TASK: Setting("task", (10, 100))}, (*names,), names[0], runs, level=0.9, method="log", design=""
    )
    assert accuracy.accuracy(measured, TASK).axes[0].get_legend_handles_labels()[1] == shown
    axes = utility.utility(measured, compare_arms(measured)).axes[0]
    assert axes.get_legend_handles_labels()[1][: len(names) - 1] == shown[1:]
    assert axes.get_ylabel() == f"utility U(n) against {shown[0]}"
