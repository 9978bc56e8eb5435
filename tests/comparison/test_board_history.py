"""Lines of a board: numbers of studies that were run several times, by time and of like conditions."""

import json

import pytest
from support import factories, run_pairs

from labeleff.comparison import board, headlines
from labeleff.comparison.board_history import HEIGHT, WIDTH, lines

LEVELS = (0.0, 0.002, -0.001, 0.001, -0.2, -0.201, -0.199, -0.2)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Runs of eight days, of which the last four are worse."""
    monkeypatch.chdir(tmp_path)
    return [run_pairs.on_day(day, shift) for day, shift in enumerate(LEVELS, start=1)]


def test_a_line_has_every_run_by_time_with_the_place_of_its_value(folders):
    found = lines([headlines.entry(folder) for folder in reversed(folders)])
    line = next(item for item in found if item.number == "accuracy (%), scratch/finetune")
    values = [run.value for run in line.runs]
    assert [run.commit for run in line.runs] == [f"{day:07d}" for day in range(1, 9)]
    assert [run.changed for run in line.runs] == [False] * 4 + [True] + [False] * 3
    xs, ys = [run.x for run in line.runs], [run.y for run in line.runs]
    assert xs == sorted(xs)
    assert [index for _, index in sorted(zip(values, range(8), strict=True))] == [
        index for _, index in sorted((-y, index) for index, y in enumerate(ys))
    ]
    assert min(xs + ys) > 0
    assert max(xs) < WIDTH
    assert max(ys) < HEIGHT
    assert line.newest.startswith(f"{100 * values[-1]:.1f} [")
    assert line.words.count("a new level") == 1


def test_one_run_or_several_studies_have_no_line(folders):
    assert lines([headlines.entry(folders[0])]) == []
    other = run_pairs.on_day(9, of=factories.study(name="other"))
    assert lines([headlines.entry(folder) for folder in (folders[0], other)]) == []


def test_unlike_conditions_are_not_joined(folders):
    odd = run_pairs.on_day(20, conditions=run_pairs.conditions(torch="9.9"))
    found = lines([headlines.entry(folder) for folder in (*folders[:2], odd)])
    assert {len(line.runs) for line in found if "accuracy" in line.number} == {2}


def test_the_board_shows_them(folders):
    files = board.files(board.read(folders[:3]))
    text = files["index.html"].decode()
    assert "<h2>Over time</h2>" in text
    content = json.loads(files["board.json"])
    assert text.count("<polyline") == len(content["lines"]) > 3
    assert {len(line["runs"]) for line in content["lines"]} == {3}
    assert "Over time" not in board.files(board.read(folders[:1]))["index.html"].decode()
