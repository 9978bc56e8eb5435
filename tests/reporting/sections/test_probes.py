"""What a report says of probes, from made-up curves."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from support import factories

from labeleff.records.entries import PretrainingRecord
from labeleff.records.training_log import ProbeCurve, ProbePoint, mean_curve
from labeleff.reporting.figures import probes as probe_figures
from labeleff.reporting.figures import style
from labeleff.reporting.results import Results, load
from labeleff.reporting.sections import probes
from labeleff.study.probe_settings import Probe
from labeleff.study.schema import Study

PROBE = Probe(labels=100, held_out=200)
CURVES = ([0.2, 0.3, 0.6, 0.5], [0.2, 0.5, 0.8, 0.5])


@pytest.fixture
def study() -> Study:
    return factories.study(seeds=2, pairing="zipped", draws=2, probe=PROBE.model_dump())


def curve(values: list[float | None], task: str, **changes: object) -> ProbeCurve:
    """Points at epochs 0, 1, 2, ... of the encoder `e`."""
    points = [ProbePoint(step=20 * k, epoch=float(k), value=value) for k, value in enumerate(values)]
    fields = {"task": task, "data": "", "probe": PROBE, "metric": "accuracy", "chance": 0.125}
    return ProbeCurve(**{**fields, "encoder_sha256": "e", "points": points, **changes})


def probed(study: Study, found: list[list[ProbeCurve]]) -> list[PretrainingRecord]:
    """The study's pretrainings with these curves."""
    records = factories.pretrainings(study)
    return [r.model_copy(update={"probes": p, "encoder_sha256": "e"}) for r, p in zip(records, found, strict=True)]


def results(folder: Path, study: Study, found: list[list[ProbeCurve]]) -> Results:
    return load(factories.write(folder, [factories.run_entry(study), *probed(study, found)]))


def test_a_row_has_means_over_seeds_and_where_they_peak(tmp_path: Path, study: Study) -> None:
    task = study.tasks[0].label
    told = results(tmp_path, study, [[curve(values, task)] for values in CURVES])
    text = "\n".join(probes.section(told, told.places[0]).paragraphs)
    assert "| rotation |     2 |      20.0 | 40.0 (epoch 1) | 50.0 (epoch 3) | 70.0 (epoch 2) |" in text
    assert "fitted on 100 labels of the training split and scored on 200 other examples" in text
    assert "chance 12.5 %" in text
    assert "Not measured" not in text
    table = pd.read_csv(io.BytesIO(probes.to_files(told)["probes.csv"]))
    assert table["value"].tolist() == [*CURVES[0], *CURVES[1]]
    assert table["seed"].tolist() == [0] * 4 + [1] * 4


def test_the_figure_has_a_thin_line_a_seed_a_thick_mean_and_chance(tmp_path: Path, study: Study) -> None:
    task = study.tasks[0].label
    told = results(tmp_path, study, [[curve(values, task)] for values in CURVES])
    figure = probe_figures.figure(probes.curves(told, told.places[0]), "toy")
    [axes] = figure.axes
    *seeds, mean, chance = axes.lines
    assert [list(line.get_ydata()) for line in seeds] == [[pytest.approx(100 * v) for v in values] for values in CURVES]
    assert list(mean.get_ydata()) == pytest.approx([20, 40, 70, 50])
    assert mean.get_xdata()[0] == 0
    assert mean.get_linewidth() > seeds[0].get_linewidth()
    assert set(chance.get_ydata()) == {12.5}
    assert axes.get_legend_handles_labels()[1] == ["rotation", "chance"]
    assert style.render(figure, "png")


def test_a_mean_is_taken_where_all_seeds_have_a_value() -> None:
    assert mean_curve([curve([0.2, None, 0.4], "t"), curve([0.4, 0.4, 0.6, 0.8], "t")]) == [
        (0, pytest.approx(0.3)),
        (2, pytest.approx(0.5)),
    ]


def test_what_is_missing_or_of_another_training_is_said(tmp_path: Path, study: Study) -> None:
    task = study.tasks[0].label
    stale = curve([0.2, 0.3], task, encoder_sha256="another")
    told = results(tmp_path / "a", study, [[stale], [curve([0.1], task, probe=Probe())]])
    text = "\n".join(probes.section(told, told.places[0]).paragraphs)
    assert "Not measured yet, `labeleff run` does it: rotation, seed 1." in text
    assert "bit for bit as the one that cells start from: rotation, seed 0." in text
    none = results(tmp_path / "b", study, [[], []])
    assert "rotation, seed 0; rotation, seed 1" in "\n".join(probes.section(none, none.places[0]).paragraphs)
    assert probes.curves(none, none.places[0]) == {}
    assert probes.to_files(none) == {}


def test_a_study_without_a_probe_says_nothing(tmp_path: Path, study: Study) -> None:
    plain = study.model_copy(update={"probe": None})
    told = results(tmp_path, plain, [[curve(values, study.tasks[0].label)] for values in CURVES])
    assert list(probes.section(told, told.places[0]).paragraphs) == []
    assert probes.curves(told, told.places[0]) == {}
