"""A board of studies: its rows are the reports' numbers, and its files are the same bytes each time."""

import csv
import json

import pytest
from support import factories
from typer.testing import CliRunner

from labeleff.commands.cli import app
from labeleff.comparison import board
from labeleff.errors import OptionError
from labeleff.reporting.output_files import PAGE
from labeleff.reporting.study_report import build


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = [tmp_path_factory.mktemp("a") / "study", tmp_path_factory.mktemp("b") / "study"]
    for folder, title in zip(made, ("First", "<b>Second</b> | x"), strict=True):
        folder.mkdir()
        factories.folder(folder, title=title)
        build(folder)
    return made


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture(scope="module")
def studies(folders):
    return board.read(folders)


def test_folders_of_one_name_have_pages_of_their_own(studies):
    assert [study.page for study in studies] == [f"study/{PAGE}", f"study-2/{PAGE}"]


def test_rows_are_the_numbers_of_the_reports(folders, studies):
    ranking = read(folders[0] / "ranking.csv")
    ladder = [row for row in studies[0].rows if row.labels == board.LADDER]
    assert [row.arm for row in ladder] == [row["arm"] for row in ranking]
    for ours, theirs in zip(ladder, ranking, strict=True):
        assert ours.ratio == pytest.approx(float(theirs["mean_ratio"]))
        assert ours.low == pytest.approx(float(theirs["simultaneous_low"]))
    utility = {(row["arm"], int(row["n"])): row for row in read(folders[0] / "utility.csv")}
    others = [row for row in studies[0].rows if row.labels != board.LADDER]
    assert len(others) == len(utility)
    for row in others:
        theirs = utility[row.arm, int(row.labels.replace(",", ""))]
        if theirs["kind"] == "inside":
            assert row.ratio == pytest.approx(float(theirs["data_multiplier"]))
            assert row.low == pytest.approx(1 + float(theirs["simultaneous_low"]))


def test_the_same_records_give_the_same_site(folders, studies):
    files = board.files(studies)
    assert files == board.files(board.read(folders))
    content = json.loads(files["board.json"])
    assert len(content["rows"]) == sum(len(study.rows) for study in studies)
    assert [item["title"] for item in content["studies"]] == ["First", "<b>Second</b> | x"]


def test_names_of_others_stay_texts(studies):
    text = board.files(studies)["index.html"].decode()
    assert "<b>Second" not in text
    assert "&lt;b&gt;Second" in text
    assert "<b>" not in board.index(studies).decode()


def test_folders_without_records_are_passed_over(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    words = ["board", str(tmp_path / "empty"), str(folders[0]), "--out", str(tmp_path / "site")]
    shown = CliRunner().invoke(app, [*words, "--index", str(tmp_path / "index.md")])
    assert shown.exit_code == 0, shown.output
    assert "empty: passed over, as it has no records.jsonl" in shown.output
    assert {path.name for path in (tmp_path / "site").iterdir()} == {"index.html", "board.json", "study"}
    assert "First" in (tmp_path / "index.md").read_text()


def test_without_any_study_nothing_is_written(tmp_path):
    (tmp_path / "empty").mkdir()
    shown = CliRunner().invoke(app, ["board", str(tmp_path / "empty"), "--out", str(tmp_path / "site")])
    assert isinstance(shown.exception, OptionError)
    assert not (tmp_path / "site").exists()
