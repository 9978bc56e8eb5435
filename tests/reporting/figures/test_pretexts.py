"""Learning curves: no two pretexts share an axis, and every seed is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import factories

from labeleff.records.entries import PretrainingRecord
from labeleff.reporting.figures import style
from labeleff.reporting.figures.pretexts import learning_curves, panels
from labeleff.reporting.results import load


@pytest.fixture
def one(tmp_path: Path) -> PretrainingRecord:
    [record] = load(factories.folder(tmp_path)).pretrainings
    return record


def named(record: PretrainingRecord, name: str, seed: int = 0, without: str = "-") -> PretrainingRecord:
    """The record as of another pretext or seed, without the measures that end in `without`."""
    spec = record.pretraining.pretext.model_copy(update={"name": name})
    asked = record.pretraining.model_copy(update={"pretext": spec, "seed": seed})
    assert record.training is not None
    history = [{k: v for k, v in entry.items() if not k.endswith(without)} for entry in record.training.history]
    training = record.training.model_copy(update={"history": history})
    return record.model_copy(update={"pretraining": asked, "training": training})


def shown(records: list[PretrainingRecord]) -> list[tuple[str, str, int]]:
    """Title, quantity and number of lines of every panel that is to be seen."""
    figure = learning_curves(panels(records), "toy")
    return [(a.get_title("left"), a.get_ylabel(), len(a.lines)) for a in figure.axes if a.get_visible()]


def test_loss_and_accuracy_have_a_panel_each(one: PretrainingRecord) -> None:
    assert shown([one]) == [("rotation", "loss", 1), ("rotation", "accuracy (%)", 2)]
    figure = learning_curves(panels([one]), "toy")
    [axes] = [a for a in figure.axes if a.get_ylabel() == "accuracy (%)"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "held out"]
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(100 * (0.9 - 0.6 / 5))


def test_no_curve_no_figure(one: PretrainingRecord) -> None:
    assert panels([]) == []
    assert panels([one.model_copy(update={"training": None})]) == []


def test_every_pretext_has_its_own_panels_and_all_its_seeds(one: PretrainingRecord) -> None:
    records = [named(one, "a", seed, "accuracy") for seed in range(3)] + [named(one, "b", seed) for seed in range(2)]
    assert shown(records) == [("a", "loss", 3), ("b", "loss", 2), ("b", "accuracy (%)", 4)]


def test_many_pretexts_are_a_grid_of_three_columns(one: PretrainingRecord) -> None:
    records = [named(one, f"pretext {k}") for k in range(10)]
    figure = learning_curves(panels(records), "toy")
    assert len(shown(records)) == 20
    columns = {round(axes.get_position().x0, 2) for axes in figure.axes if axes.get_visible()}
    assert len(columns) == 3
    assert len([axes for axes in figure.axes if axes.get_xlabel()]) == 3
    assert style.render(figure, "png")


def test_one_window_is_a_level_line(one: PretrainingRecord) -> None:
    assert one.training is not None
    single = one.training.model_copy(update={"history": one.training.history[:1]})
    drawn = panels([one.model_copy(update={"training": single})])
    figure = learning_curves(drawn, "toy", {"rotation": {"color": "black"}})
    line = figure.axes[0].lines[0]
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (0.0, line.get_ydata()[1])
    assert line.get_color() == "black"
