import json

import pytest
from support import factories

from labeleff.errors import LabeleffError, StudyError
from labeleff.study.cell import Selection
from labeleff.study.loading import load_study, parse_study
from labeleff.study.schema import Study

PLAIN = ["scratch/finetune", "rotation/finetune", "rotation/linear"]


def test_every_arm_is_measured_with_every_selection_side_by_side():
    study = factories.study(selection=["random", "margin"])
    assert study.arm_names == [name for arm in PLAIN for name in (arm, f"{arm}@margin")]
    assert study.baseline == "scratch/finetune"


def test_one_selection_leaves_the_baseline_its_drawn_labels():
    study = factories.study(selection="coreset")
    assert study.arm_names == ["scratch/finetune", *(f"{arm}@coreset" for arm in PLAIN)]


def test_an_arm_may_name_its_own_selection():
    arms = [*PLAIN, "rotation/linear@typiclust", {"pretext": "rotation", "protocol": "knn", "selection": "margin"}]
    assert factories.study(arms=arms).arm_names == [*PLAIN, "rotation/linear@typiclust", "rotation/knn@margin"]
    mixed = factories.study(arms=["scratch/finetune", "rotation/linear@typiclust"], selection=["random", "margin"])
    assert mixed.arm_names == ["scratch/finetune", "scratch/finetune@margin", "rotation/linear@typiclust"]


def test_cells_of_drawn_labels_keep_their_keys_and_tables():
    plain, selected = factories.study(), factories.study(selection=["random", "margin"])
    before = {cell.key for cell in plain.cells()}
    after = [cell for cell in selected.cells() if cell.selection is None]
    assert {cell.key for cell in after} == before
    assert {key for arm in plain.model_dump(mode="json")["arms"] for key in arm} == {"pretext", "protocol"}
    assert factories.study(selection="random") == plain


def test_the_key_is_of_all_that_was_asked_before():
    def keys(rungs, selection="margin"):
        cells = factories.study(rungs=rungs, selection=selection).cells()
        return {cell.n: cell.key for cell in cells if cell.selection and cell.draw == 0 and cell.arm[:7] == "scratch"}

    short, long, other = keys([20, 100]), keys([20, 50, 100]), keys([20, 100, 500])
    assert short[20] == long[20]
    assert short[100] != long[100]
    assert short[100] == other[100], "what is asked later decides nothing"
    assert short[100] != keys([20, 100], "coreset")[100]
    assert len(set(long.values())) == 3


def test_a_cell_knows_the_rung_below_it():
    cells = [cell for cell in factories.study(rungs=[20, 50, 100], selection="margin").cells() if cell.selection]
    top = next(cell for cell in cells if cell.n == 100)
    assert top.selection == Selection(by="margin", below=(20, 50))
    assert top.rung_below in cells
    assert top.rung_below.rung_below in cells
    assert top.rung_below.rung_below.rung_below is None


def test_a_recorded_study_is_read_back():
    study = factories.study(selection=["margin", "scikit-activeml:Badge"])
    assert Study.model_validate(json.loads(json.dumps(study.model_dump(mode="json")))) == study
    assert [study.arm_of(cell) for cell in study.cells()][:: len(study.rungs) * 3] == study.arm_names


def test_all_selections_of_an_arm_share_its_budget():
    row = {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}
    budget = {"rotation": row, "finetune": row, "rotation/finetune": row | {"lr": 0.5}}
    study = factories.study(selection=["random", "margin"], budget=budget)
    rates = {study.arm_of(cell): cell.budget.lr for cell in study.cells() if cell.budget}
    assert rates == {
        "scratch/finetune": 0.05,
        "scratch/finetune@margin": 0.05,
        "rotation/finetune": 0.5,
        "rotation/finetune@margin": 0.5,
    }
    only = factories.study(arms=["scratch/finetune", "rotation/finetune@margin"], budget=budget)
    assert {study.arm_of(c): c.budget.lr for c in only.cells()}["rotation/finetune@margin"] == 0.5


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"selection": "margins"}, "did you mean 'margin'"),
        ({"selection": []}, r"selection: found \[\], expected a strategy or a list"),
        ({"selection": 3}, "selection: found 3, expected a strategy or a list"),
        ({"selection": ["margin", "margin"]}, "names one strategy twice"),
        ({"selection": "scikit-activeml:"}, "scikit-activeml:"),
        ({"selection": "scikit-activeml:os.path"}, "scikit-activeml:os.path"),
        ({"arms": ["scratch/finetune", "rotation/linear@"]}, "strategy"),
        ({"arms": [*PLAIN, "rotation/linear@margin", "rotation/linear@margin"]}, "names one arm twice"),
        ({"arms": ["scratch/finetune@margin", "rotation/linear"], "baseline": "scratch/finetune@margin"}, "are drawn"),
        ({"selection": "margin", "draws_from": "lists"}, "draws_from: found published labels and selection 'margin'"),
        (
            {"selection": "margin", "rungs": "auto", "auto": {"at": [50], "first": 20, "last": 100}},
            "auto: a ladder that chooses its rungs can't be climbed by selection 'margin'",
        ),
        (
            {"selection": "margin", "tasks": [{"name": "shapes/depth"}], "rungs": [20, 50]},
            "shapes/depth has images with",
        ),
        ({"selection": ["margin"], "arms": "all"}, "found 'all'"),
        ({"selection": "margin", "noise": {"rate": 0.2}}, "selection 'margin' beside noise or imbalance"),
    ],
)
def test_what_cannot_be_is_one_clear_error(changes, text):
    with pytest.raises(LabeleffError, match=text):
        factories.study(**changes)


def test_stories_have_no_selection():
    table = {
        "name": "told",
        "tasks": ["babi/qa1"],
        "encoders": ["memnet"],
        "arms": ["scratch/validated", "scratch/validated@margin"],
        "baseline": "scratch/validated",
        "rungs": [100],
        "allow_one_rung": True,
        "budget": {"validated": {"lr": 0.01, "batch": 32, "epochs": 1}},
    }
    with pytest.raises(StudyError, match=r"selection: babi/qa1 has stories, expected images or items"):
        parse_study(table, "the test's study")


def test_the_command_line_sets_it():
    assert "rotation/linear@margin" in load_study("smoke", ["selection=margin"]).arm_names
    assert "rotation/linear@margin" in load_study("smoke", ["selection=['random', 'margin']"]).arm_names
