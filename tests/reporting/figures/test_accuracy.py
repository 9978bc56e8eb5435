"""Figures: they show what they should, and their bytes don't change."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from pathlib import Path

import pytest
from support import factories

from labeleff.catalogue.metrics import Metric, Units
from labeleff.errors import LabeleffWarning
from labeleff.reporting.figures import accuracy, glyphs, style, utility
from labeleff.reporting.figures import style as figures_style
from labeleff.reporting.figures.look import KINDS
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
        {place: Setting("$task_{$" * 30, (10, 100))}, names, names[0], runs, level=0.9, method="log", design=""
    )
    comparisons = compare_arms(measured)
    figures = accuracy.accuracy(measured, place), utility.utility(measured, comparisons)
    monkeypatch.setattr(glyphs, "find_families", lambda _: {})
    with pytest.warns(LabeleffWarning, match="U\\+57FA"):
        glyphs.complete(figures)
    for figure in figures:
        assert len(figure.axes[0].get_legend().get_texts()) == 4
        assert style.render(figure, "png")
