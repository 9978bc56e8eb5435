"""Answers in a report: what is chosen, what failed, every epoch, and their texts."""

import io
import shutil

import pandas as pd
import pytest
from support import factories
from support.story_records import HISTORY, record, study

from labeleff.reporting import story_results
from labeleff.reporting.figures.look import Look
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.results import load
from labeleff.reporting.sections import stories
from labeleff.reporting.sections.stories import story_report
from labeleff.reporting.story_results import extremes, story_answers
from labeleff.reporting.study_report import build

ACCURACIES = {"babi/qa1": (0.9, 0.95), "babi/qa2": (1.0, 0.5), "babi/qa3": (None, None)}
"""Of seeds 0 and 1; the validation accuracy is higher for seed 1."""


@pytest.fixture
def folder(tmp_path):
    of = study()
    records = [record(cell, ACCURACIES[cell.task.name][cell.seed], 0.5 + 0.1 * cell.seed) for cell in of.cells()]
    facts = {"chance": 0.2, "metric": "accuracy"}
    tasks = {
        spec.label: {**facts, "provenance": "generated, 10k" if spec.name == "babi/qa2" else "official v1.2 files, 10k"}
        for block in of.blocks
        for spec in block.tasks
    }
    return factories.write(tmp_path / "run", [factories.run_entry(of, tasks=tasks), *records])


def test_the_run_of_the_best_validation_is_shown_whatever_its_test_accuracy(folder):
    one, two, three = story_answers(load(folder))
    assert [item.chosen.cell.seed for item in (one, two)] == [1, 1]
    assert (one.accuracy, one.passed) == (0.95, True), "an error of exactly 5 % passes"
    assert (two.accuracy, two.passed) == (0.5, False)
    assert (three.accuracy, three.passed) == (None, False)


def test_extremes_are_the_first_of_their_kind():
    assert extremes(HISTORY) == {
        "lowest_loss": 2,
        "highest_accuracy": 2,
        "lowest_validation_loss": 1,
        "highest_validation_accuracy": 1,
    }
    assert set(extremes([{"loss": 1.0, "accuracy": 0.5}])) == {"lowest_loss", "highest_accuracy"}
    assert extremes([]) == {}


def test_tables_hold_every_run_and_epoch(folder):
    build(folder)
    runs = pd.read_csv(folder / "answers.csv")
    assert len(runs) == 6
    assert runs["error"].dropna().tolist() == pytest.approx([0.1, 0.05, 0.0, 0.5])
    assert runs[runs["chosen"]]["seed"].tolist()[:2] == [1, 1]
    assert runs["provenance"].tolist()[2] == "generated, 10k"
    curves = pd.read_csv(folder / "epochs.csv")
    assert len(curves) == 4 * 3
    first = curves.iloc[:3]
    assert first["lowest_validation_loss"].tolist() == [False, True, False]
    assert first["highest_accuracy"].tolist() == [False, False, True]


def test_the_report_counts_passed_tasks_and_names_the_failed(folder):
    text = build(folder, ReportOptions(look=Look(("png", "svg"), every=True))).read_text()
    assert "1 of 3 tasks passed (error at most 5.0 %), mean error 51.7 %" in text
    assert "failed: babi/qa2 from 10k (50.0 %), babi/qa3 from 1k (100.0 %)." in text
    assert "Stories were generated, they are not the official ones." in text
    assert "**Runs differ** on babi/qa2" in text
    assert "**Unlike training sets**: babi/qa3 had the 1k file" in text
    assert "diverged: the loss is nan" in text
    assert "generated, 10k" in text
    assert "What the numbers mean" not in text, "utility isn't explained where there is no ladder"
    drawn = {path.name for path in (folder / "figures").iterdir()}
    assert len(drawn) == 4
    for name in drawn:
        if name.endswith("png"):
            assert f"figures/{name}" in text


def written(folder, of, records):
    """A folder with these records of the study."""
    facts = {spec.label: {"chance": 0.2, "metric": "accuracy"} for block in of.blocks for spec in block.tasks}
    return factories.write(folder / "run", [factories.run_entry(of, tasks=facts), *records])


def told(folder, of, accuracies):
    """A report on the study's cells of these tasks."""
    records = [
        record(cell, accuracies[cell.task.name, cell.encoder.name], 0.9)
        for cell in of.cells()
        if (cell.task.name, cell.encoder.name) in accuracies
    ]
    return story_report(load(written(folder, of, records)))


def other(*tasks, **changes):
    return {"other": {"tasks": list(tasks), "encoders": ["universal_transformer"], **changes}}


def test_readers_that_share_the_tasks_out_have_one_verdict(tmp_path):
    of = study(stories=other("babi/qa3"))
    qrn, transformer = "qrn", "universal_transformer"
    report = told(tmp_path, of, {("babi/qa1", qrn): 0.97, ("babi/qa2", qrn): 0.4, ("babi/qa3", transformer): 0.99})
    assert [line.partition(" (")[0] for line in report.verdict] == [
        "qrn and universal_transformer, scratch/validated: 2 of 3 tasks passed"
    ]
    text = "\n".join(paragraph for section in report.sections for paragraph in section.paragraphs)
    assert "| babi/qa3 | universal_transformer |" in text


@pytest.mark.parametrize(
    "stories",
    [other("babi/qa1", "babi/qa2"), other({"name": "babi/qa1", "size": "1k"}, rungs=[1000]), other("babi/qa2")],
)
def test_rivals_have_a_verdict_each_whatever_was_measured(tmp_path, stories):
    [*_, last] = stories["other"]["tasks"]
    task = "babi/qa1" if isinstance(last, dict) else last
    report = told(tmp_path, study(stories=stories), {("babi/qa1", "qrn"): 0.97, (task, "universal_transformer"): 0.99})
    assert [line.partition(":")[0] for line in report.verdict] == [
        "qrn, scratch/validated",
        "universal_transformer, scratch/validated",
    ]


def test_a_partial_study_says_so(tmp_path):
    of = study(stories={})
    entries = [record(cell, 0.97, 0.9) for cell in of.cells() if cell.task.name == "babi/qa1"]
    text = build(written(tmp_path, of, entries)).read_text()
    assert "1 of 1 tasks passed" in text
    assert "**Incomplete**: 2 of 4 cells have finished" in text


def test_readers_of_one_kind_are_told_apart(tmp_path):
    wide = {"name": "qrn", "width": 128}
    of = study(stories={"other": {"tasks": ["babi/qa3"], "encoders": [wide]}})
    report = told(tmp_path, of, {(f"babi/qa{number}", "qrn"): 0.5 for number in (1, 2, 3)})
    [verdict] = report.verdict
    assert verdict.startswith("qrn(gates=8, layers=3, shared=False, width=64) and qrn(gates=8, layers=3")
    figures = [name for section in report.sections for name in section.figures]
    assert len(figures) == 2
    assert max(map(len, figures)) < 110


def test_runs_that_differ_are_of_the_reader_of_their_task(tmp_path):
    of = study(stories=other("babi/qa3", seeds=2))
    records = [record(cell, 0.5 + 0.4 * cell.seed, 0.9) for cell in of.cells()]
    report = story_report(load(written(tmp_path, of, records)))
    assert "**Runs differ** on babi/qa3: universal_transformer, scratch/validated answers 50.0 to 90.0 %, by seed." in (
        report.weak
    )


def test_images_alone_have_nothing_to_tell(tmp_path):
    report = story_report(load(factories.folder(tmp_path)))
    assert (report.verdict, report.weak, report.sections) == ([], [], [])


def test_ten_epochs_stand_beside_those_of_2021(folder):
    cell = next(study(encoders=["memnet"]).cells())
    ten = [{**HISTORY[0], "epoch": float(i)} for i in range(10)]
    of_ten = record(cell, 0.4, 0.4)
    of_ten = of_ten.model_copy(update={"training": of_ten.training.model_copy(update={"history": ten})})
    text = "\n".join(stories.report2021_comparison(of_ten))
    assert "0.3670" in text
    assert "1.7425" in text
    assert not list(stories.report2021_comparison(record(cell, 0.4, 0.4)))
    assert not list(stories.report2021_comparison(record(next(study().cells()), 0.4, 0.4)))


def test_a_real_run_is_reported_twice_the_same(told, tmp_path):
    shutil.copy(told / "records.jsonl", tmp_path)
    build(tmp_path)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    build(tmp_path)
    assert kept == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    table = pd.read_csv(io.BytesIO(kept[tmp_path / "answers.csv"]))
    assert table["provenance"].tolist() == ["generated, 1k"] * 2
    assert table["validation_count"].tolist() == [100, 100]
    [shown] = story_answers(load(tmp_path))
    assert shown.passed
    assert shown.size == "1k"
    assert len(story_results.curves([shown])) >= 2
