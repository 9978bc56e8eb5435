"""The `auto` table: the largest ladder, its rungs and refusals."""

import pytest
from support import factories

from labeleff.errors import StudyError
from labeleff.study.auto_ladder import Auto

AUTO = {"at": [50, 200], "first": 20, "last": 1000}


def test_a_rung_for_every_doubling():
    assert Auto(**AUTO).ladder() == [20, 38, 50, 74, 140, 200, 270, 520, 1000]
    assert Auto(at=[200, 1000], first=50, last=8000).ladder() == [50, 100, 200, 440, 1000, 1900, 3900, 8000]


def test_points_set_the_number_of_rungs():
    assert Auto(at=[20], first=20, last=2000, points=3).ladder() == [20, 200, 2000]


def test_a_study_takes_the_largest_ladder_and_survives_its_records():
    study = factories.study(rungs="auto", auto=AUTO)
    assert study.rungs == Auto(**AUTO).ladder()
    again = type(study).model_validate(study.model_dump(mode="json"))
    assert again == study
    assert study.auto.width == 0.5


def test_cells_are_those_of_a_fixed_ladder():
    study = factories.study(rungs="auto", auto=AUTO)
    fixed = factories.study(rungs=study.rungs)
    assert [cell.key for cell in study.cells()] == [cell.key for cell in fixed.cells()]


def test_rungs_may_be_listed():
    study = factories.study(auto={"at": [50, 200]})
    assert study.rungs == factories.RUNGS


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rungs": "auto"}, "rungs = 'auto': found auto = None, expected a table like"),
        ({"rungs": "auto", "auto": 3}, "rungs = 'auto': found auto = 3"),
        ({"rungs": "auto", "auto": {"at": [50]}}, "needs the smallest and the largest rung, first and last"),
        ({"rungs": "auto", "auto": {**AUTO, "first": 2000}}, "expected first below last"),
        (
            {"rungs": "auto", "auto": {**AUTO, "at": [10]}},
            r"auto.at: found \[10\], expected label counts from 20",
        ),
        ({"rungs": "auto", "auto": {**AUTO, "at": []}}, "auto: at: expected one or more; found"),
        ({"rungs": "auto", "auto": {**AUTO, "widht": 1}}, "auto: unknown key 'widht'; did you mean 'width'"),
        ({"rungs": "auto", "auto": {**AUTO, "width": 0}}, "auto: width: Input should be greater than 0"),
        ({"rungs": "auto", "auto": {**AUTO, "last": 9000}}, "9000 labels asked for, but .* has 2000 training images"),
        ({"auto": {"at": [30]}}, "auto.at: found 30, expected some of the rungs"),
        ({"auto": {"at": [200, 50]}}, "auto.at: found 200 before 50"),
        ({"auto": {"at": [50]}, "draws": 1}, "auto: found one run a rung"),
        ({"auto": {"at": [50]}, "arms": ["scratch/finetune"]}, "auto: found 6 rungs and 1 arms"),
    ],
)
def test_what_is_wrong_is_told(changes, complaint):
    budget = {"budget": {"finetune": {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}}}
    table = budget if "arms" in changes else {}
    with pytest.raises(StudyError, match=complaint):
        factories.study(**changes, **table)
