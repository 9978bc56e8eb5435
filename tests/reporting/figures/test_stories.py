"""Training on stories by epoch: which line is which can be told without colours, and no line crosses out a text."""

from __future__ import annotations

import pytest
from support.story_records import record, study

from labeleff.reporting.figures.stories import QUANTITIES, figure
from labeleff.reporting.story_results import Answers


@pytest.mark.parametrize("what", QUANTITIES)
def test_training_is_solid_validation_dashed_and_texts_have_ground(what: str) -> None:
    one = record(next(iter(study().cells())), 0.9, 0.8)
    [axes] = figure([Answers("babi/qa1", "qrn", "scratch/validated", 10_000, (one,), one)], what).axes
    assert {line.get_label(): line.get_linestyle() for line in axes.lines if len(line.get_xdata()) > 1} == {
        "training": "-",
        "validation": "--",
    }
    boxes = [text.get_bbox_patch() for text in axes.texts]
    assert [box is not None and box.get_facecolor() for box in boxes] == [(1.0, 1.0, 1.0, 1.0)] * 2
    assert all(text.get_zorder() > line.get_zorder() for text in axes.texts for line in axes.lines)
