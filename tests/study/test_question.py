"""Questions that a study may ask."""

from __future__ import annotations

import pytest
from support import factories

from labeleff.errors import LabeleffError, StudyError
from labeleff.study.question import check_question


@pytest.mark.parametrize(
    "text", ["ranking", "crossing", "agreement", "savings", "dependence on size", "dependence on task"]
)
def test_questions(text: str) -> None:
    check_question(text, ["size"])


@pytest.mark.parametrize("text", ["", "rank", "dependence", "dependence on", "dependence on colour", "Ranking"])
def test_what_is_no_question_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(StudyError) as raised:
        check_question(text, ["size", "factors"])
    assert str(raised.value) == (
        f"asks: found {text!r}, expected 'ranking', 'crossing', 'agreement', 'savings' or 'dependence on' one of task, "
        "encoder, factors, size"
    )


def test_a_study_asks_about_options_of_its_tasks() -> None:
    assert factories.study(asks="dependence on train").asks == "dependence on train"
    with pytest.raises(LabeleffError, match=r"asks: found 'dependence on colour'.* one of task, encoder, "):
        factories.study(asks="dependence on colour")


def test_a_question_leaves_the_keys_of_cells_as_they_are() -> None:
    plain, asking = (factories.study(**more) for more in ({}, {"asks": "savings"}))
    assert [cell.key for cell in plain.cells()] == [cell.key for cell in asking.cells()]
