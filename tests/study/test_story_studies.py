"""Studies with stories: allowed pairs, blocks beside a ladder, and stable keys."""

from pathlib import Path

import pytest

from labeleff.errors import LabeleffError, StudyError
from labeleff.study.loading import load_study, parse_study, with_vectors

BLOCK = """
name = "mixed"
tasks = [{ name = "toy/classify", train = 400, test = 200 }]
encoders = [{ name = "resnet9", width = 0.0625 }]
arms = ["scratch/finetune", "rotation/finetune"]
rungs = [20, 50]
draws = 2

[stories.one]
tasks = [{ name = "babi/qa1", size = "1k", source = "generated" }]
encoders = ["qrn"]
arms = ["scratch/validated"]
rungs = [1000]
draws = 1

[stories.one.budget.validated]
lr = 0.01
batch = 32
epochs = 1

[budget.rotation]
lr = 0.05
batch = 64
epochs = 2

[budget.finetune]
lr = 0.05
batch = 32
steps = { min = 8, max = 8 }
"""


@pytest.fixture
def mixed(tmp_path):
    path = tmp_path / "mixed.toml"
    path.write_text(BLOCK)

    def load(*overrides):
        return load_study(str(path), overrides)

    return load


def test_a_block_adds_its_cells_after_the_ladders(mixed):
    study = mixed()
    cells = list(study.cells())
    assert [cell.task.name for cell in cells] == ["toy/classify"] * 8 + ["babi/qa1"]
    assert (cells[-1].n, cells[-1].budget.lr, cells[-1].arm) == (1000, 0.01, "scratch/validated")
    assert study.stories["one"].baseline == "scratch/validated"


def test_a_block_takes_what_it_does_not_say_from_the_study(mixed):
    study = mixed("stories.one.arms=['scratch/finetune']", "stories.one.budget={finetune={lr=0.1, batch=8, epochs=1}}")
    assert study.stories["one"].precision == study.precision
    babi = load_study("babi")
    assert babi.stories["qa3"].encoders == babi.encoders
    assert babi.stories["qa3"].budget == babi.budget
    assert len({cell.task.name for cell in babi.cells()}) == 20


def test_a_recorded_study_is_read_back(mixed):
    for study in (mixed(), load_study("babi"), load_study("quick")):
        again = parse_study(study.model_dump(mode="json"), "a record")
        assert again == study
        assert [cell.key for cell in again.cells()] == [cell.key for cell in study.cells()]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stories.one.rungs=[10, 20]", r"stories.one.rungs: found \[10, 20\], expected one label count"),
        ("stories.one.tasks=['cifar10/classify']", r"works on stories, but cifar10/classify has images"),
        ("stories.one.rungs=[1001]", "1001 labels asked for, but .* has 1000 training stories"),
        ("stories.one.encoders=['resnet9']", "'resnet9' works on images, but babi/qa1 has stories"),
        ("stories.one.arms=['rotation/validated']", "'rotation' works on images, but babi/qa1 has stories|budget.rot"),
        (
            "stories.one.subset='prefix'",
            "stories.one.subset: found 'prefix', expected 'stratified', as of the whole study",
        ),
        ("stories.one.draws_from='lists'", "stories.one.draws_from: found 'lists', expected None, as of the whole"),
        ("stories.one=3", "stories.one: found 3, expected a table"),
        ("encoders=['qrn']", "'qrn' works on stories, but toy/classify has images"),
        ("stories.one.tasks=[{name='babi/qa1', size='5k'}]", "unknown size of task 'babi/qa1' '5k'"),
        ("stories.one.tasks=['babi/qa21']", "unknown task 'babi/qa21'; did you mean 'babi/qa2"),
        ("budget.finetune.augment.words=1.5", "words"),
        ("budget.finetune.clip=0", "clip"),
    ],
)
def test_what_cannot_be_is_named(mixed, override, message):
    with pytest.raises(LabeleffError, match=message):
        mixed(override)


def test_new_options_of_budgets_leave_old_keys_alone():
    """Keys written before stories existed; records of image studies must still match."""
    keys = [cell.key for cell in load_study("cifar10-small").cells()][:2]
    assert keys == ["455918ec5bef336d1983", "4610c6a9850a031ef879"]


def test_a_ladder_on_stories_is_an_ordinary_study():
    table = {
        "name": "ladder",
        "tasks": ["babi/qa1"],
        "encoders": ["qrn"],
        "arms": ["scratch/finetune", "scratch/validated", "scratch/linear"],
        "rungs": [100, 1000, 10000],
        "budget": {name: {"lr": 0.01, "batch": 32, "epochs": 1} for name in ("finetune", "validated")},
    }
    assert len(list(parse_study(table, "text").cells())) == 27


def test_vectors_are_an_option_of_every_reader(mixed):
    study = with_vectors(mixed(), "glove.txt", Path())
    assert {str(cell.encoder.options.get("vectors")) for cell in study.cells()} == {"None", "glove.txt"}
    assert next(study.cells()).key == next(mixed().cells()).key
    with pytest.raises(StudyError, match="no encoder that reads words"):
        with_vectors(load_study("smoke"), "glove.txt", Path())
