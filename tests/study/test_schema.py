"""Studies from tables: expansion into cells, defaults, refusals."""

import re

import pytest
from support import factories

from labeleff.curves.methods import methods
from labeleff.errors import LabeleffError
from labeleff.study.consistency import left_out
from labeleff.study.loading import built_in, load_study, parse_study

SMOKE = """
name = "mine"
tasks = [{ name = "toy/classify", train = 400, test = 200 }]
encoders = ["resnet9"]
arms = ["scratch/finetune", "rotation/linear"]
rungs = [20, 50]
[budget.rotation]
lr = 0.1
batch = 64
epochs = 2
[budget.finetune]
lr = 0.1
batch = 32
steps = { min = 8, max = 8 }
"""


@pytest.mark.parametrize("name", built_in())
def test_built_in_studies_are_valid_and_survive_their_records(name):
    study = load_study(name)
    assert study.name == name
    again = type(study).model_validate(study.model_dump(mode="json"))
    assert again == study
    assert [c.key for c in again.cells()] == [c.key for c in study.cells()]


def test_cells_are_the_product_of_the_axes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SMOKE)
    study = load_study(str(path), ["draws=2", "seeds=3"])
    cells = list(study.cells())
    assert len(cells) == len({c.key for c in cells}) == 2 * 2 * 2 * 3
    assert {c.arm for c in cells} == {"scratch/finetune", "rotation/linear"}
    assert len(study.pretrainings) == 3
    assert all(c.budget is None for c in cells if c.protocol.name == "linear")


def test_zipped_runs_pair_draws_with_seeds(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SMOKE)
    study = load_study(str(path), ["pairing=zipped", "draws=3", "seeds=3"])
    assert study.runs == [(0, 0), (1, 1), (2, 2)]
    with pytest.raises(LabeleffError, match="draws = 3, seeds = 2"):
        load_study(str(path), ["pairing=zipped", "draws=3", "seeds=2"])


def test_a_cells_key_covers_everything_that_decides_its_number():
    base = next(load_study("smoke").cells())
    changed = [
        "budget.finetune.lr=0.06",
        "budget.finetune.batch=16",
        "budget.finetune.augment={flip=true}",
        "encoders=[{name='resnet9', width=0.125}]",
        "tasks=[{name='toy/classify', train=500, test=200}]",
        "rungs=[30, 50]",
        "subset=random",
        "precision=fp32",
    ]
    keys = {next(load_study("smoke", [change]).cells()).key for change in changed}
    assert len(keys) == len(changed)
    assert base.key not in keys
    assert next(load_study("smoke", ["draws=3", "level=0.8", "title=other"]).cells()).key == base.key


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("draw=1", "unknown key 'draw'; did you mean 'draws'"),
        ("selecton=margin", "unknown key 'selecton'; did you mean 'selection'"),
        ("encoders=['resnet8']", "unknown encoder 'resnet8'; did you mean 'resnet"),
        ("encoders=[{name='resnet9', widht=2.0}]", "'widht'; did you mean 'width'"),
        ("encoders=[{name='resnet9', width='big'}]", "found 'big', expected float"),
        ("encoders=[{name='resnet9', width=-1}]", "expected a number over 0"),
        ("encoders=[{name='mobilenet_v2', stem='cfar'}]", "'cfar'; did you mean 'cifar'"),
        ("tasks=['cifar/classify']", "did you mean 'cifar10/classify'"),
        ("tasks=['folder/classify']", "needs the option 'path'"),
        ("arms=['scratch/finetun']", "unknown protocol 'finetun'; did you mean 'finetune'"),
        ("arms=['scratch']", "expected 'pretext/protocol'"),
        ("arms='scratch/finetune'", "expected a list"),
        ("baseline=rotation/knn", "known: rotation/finetune"),
        ("rungs=[50, 20]", "rungs: found 50 before 20"),
        ("rungs=[-5, 20]", "rungs: found -5"),
        ("rungs=[20, 20]", "rungs: found 20 before 20"),
        ("rungs=[20]", "rungs"),
        ("rungs=[20, 401]", "401 labels asked for, but .* 400 training images"),
        ("rungs=[5, 20]", "5 labels can't cover the 10 classes"),
        ("draws=0", "draws: .* found 0"),
        ("draws=many", "draws: .* found 'many'"),
        ("subset=level", "subset"),
        ("level=1.5", "level"),
        ("budget.finetune.lr=0", "budget.finetune.lr: .* found 0"),
        ("budget.finetune.lrr=0.1", "unknown key 'budget.finetune.lrr'"),
        (
            "budget.finetune.steps.mni=1",
            "'budget.finetune.steps.mni'; did you mean|unknown key 'budget.finetune.steps.mni'",
        ),
        ("budget.finetune.epochs=3", "exactly one of 'steps' and 'epochs'"),
        ("budget.finetune.steps={min=9, max=8}", r"min \(9\) is over max \(8\)"),
        ("budget.rotate.lr=1", "budget.rotate"),
        ("budget=3", "budget"),
        ("name='a/b'", "name"),
        ("=3", "expected key=value"),
        ("draws", "expected key=value"),
        ("rungs.x=3", "no table"),
        ("budget.finetune.lr=nan", "budget.finetune.lr"),
    ],
)
def test_every_mistake_says_where_and_what(override, message):
    with pytest.raises(LabeleffError, match=message) as caught:
        load_study("smoke", [override])
    assert "smoke" in str(caught.value) or "--set" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = ", "not TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "name: is missing"),
        (SMOKE.replace("[budget.rotation]", "[budget.rotatoin]").encode(), "budget.rotation is missing|rotatoin"),
    ],
)
def test_files_that_are_no_study(tmp_path, content, message):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(LabeleffError, match=message) as caught:
        load_study(str(path))
    assert str(path) in str(caught.value)


def test_an_unknown_study_gets_the_nearest_match(tmp_path):
    with pytest.raises(LabeleffError, match="did you mean 'smoke'"):
        load_study("smok")
    with pytest.raises(LabeleffError, match="can't be read: No such file"):
        load_study(str(tmp_path / "missing.toml"))


def test_rungs_below_the_class_count_can_be_allowed():
    study = load_study("smoke", ["rungs=[5, 20]", "allow_missing_classes=true"])
    assert study.rungs == [5, 20]


@pytest.mark.parametrize("name", methods())
def test_every_method_can_be_the_curve(name):
    assert parse_study({**factories.study().model_dump(mode="json"), "curve": name}, "here").curve == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"curve": "pchp"}, "unknown curve method 'pchp'; did you mean 'pchip'?"),
        ({"curve": "pow4", "rungs": [20, 50, 100]}, "family pow4 has 4 parameters"),
    ],
)
def test_a_curve_that_cant_be_fitted_is_named(changes, message):
    with pytest.raises(LabeleffError, match=re.escape(message)):
        factories.study(**changes)


def repeated(**changes):
    """A study with the pretext `rotation` in two forms and the protocol `linear` in two."""
    arms = [
        "scratch/finetune",
        {"pretext": {"name": "rotation", "holdout": 0.1}, "protocol": "linear"},
        {"pretext": {"name": "rotation", "holdout": 0.2}, "protocol": "linear"},
        {"pretext": {"name": "rotation", "holdout": 0.2}, "protocol": {"name": "linear", "prior": 1.0}},
    ]
    return factories.study(arms=arms, **changes)


def test_arms_of_one_name_are_told_apart_by_what_differs():
    study = repeated()
    expected = [
        "scratch/finetune",
        "rotation(holdout=0.1)/linear(prior=10.0)",
        "rotation(holdout=0.2)/linear(prior=10.0)",
        "rotation(holdout=0.2)/linear(prior=1.0)",
    ]
    assert study.arm_names == expected
    assert list(dict.fromkeys(study.arm_of(cell) for cell in study.cells())) == expected
    again = type(study).model_validate(study.model_dump(mode="json"))
    assert again.arm_names == expected
    assert repeated(baseline=expected[1]).baseline == expected[1]
    with pytest.raises(LabeleffError, match="did you mean 'rotation"):
        repeated(baseline="rotation/linear")
    assert len(study.pretrainings) == 2


def test_names_stay_short_where_nothing_repeats():
    arms = ["scratch/finetune", {"pretext": {"name": "rotation", "holdout": 0.1}, "protocol": "linear"}]
    assert factories.study(arms=arms).arm_names == ["scratch/finetune", "rotation/linear"]


def test_one_arm_twice_is_an_error():
    with pytest.raises(LabeleffError, match="names one arm twice"):
        factories.study(arms=["scratch/finetune", "rotation/linear", "rotation/linear"])


def test_a_budget_can_be_of_one_namesake():
    row = {"lr": 0.5, "batch": 8, "epochs": 1}
    name = "rotation(holdout=0.2)/finetune"
    arms = [
        "scratch/finetune",
        *({"pretext": {"name": "rotation", "holdout": share}, "protocol": "finetune"} for share in (0.1, 0.2)),
    ]
    study = factories.study(arms=arms, budget={"rotation": row, "finetune": {**row, "lr": 0.1}, name: row})
    [encoder] = study.encoders
    assert [study.budget_of(arm, encoder).lr for arm in study.arms] == [0.1, 0.1, 0.5]


TWO_ENCODERS = {
    "encoders": [{"name": "resnet9", "width": 0.0625, "dim": 16}, {"name": "vit_tiny", "patch": 8, "depth": 1}],
    "arms": ["scratch/finetune", "rotation/finetune", "mae/finetune", "mae/linear"],
}


def test_rows_of_one_encoder_come_before_those_of_all():
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    rows = {
        "finetune": 1,
        "finetune on vit_tiny": 2,
        "mae/finetune": 3,
        "rotation": 4,
        "rotation on vit_tiny": 5,
        "mae": 6,
    }
    study = factories.study(**TWO_ENCODERS, budget={key: {**row, "lr": lr} for key, lr in rows.items()})
    rates = {
        (c.encoder.name, study.arm_of(c)): (c.pretrain and c.pretrain.lr, c.budget and c.budget.lr)
        for c in study.cells()
    }
    assert rates == {
        ("resnet9", "scratch/finetune"): (None, 1),
        ("vit_tiny", "scratch/finetune"): (None, 2),
        ("resnet9", "rotation/finetune"): (4, 1),
        ("vit_tiny", "rotation/finetune"): (5, 2),
        ("vit_tiny", "mae/finetune"): (6, 3),
        ("vit_tiny", "mae/linear"): (6, None),
    }


def test_arms_are_left_out_on_encoders_that_lack_what_they_need_and_that_is_said():
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    budget = dict.fromkeys(("finetune", "rotation", "mae"), row)
    study = factories.study(**TWO_ENCODERS, budget=budget)
    assert [note.partition(",")[0] for note in left_out(study)] == [
        "mae/finetune isn't measured on resnet9(dim=16",
        "mae/linear isn't measured on resnet9(dim=16",
    ]
    assert not left_out(factories.study())
    with pytest.raises(LabeleffError, match="mae hides patches, and encoder 'resnet9' has none"):
        factories.study(**TWO_ENCODERS, budget=budget, baseline="mae/linear")
    with pytest.raises(LabeleffError, match="mae hides patches"):
        factories.study(**{**TWO_ENCODERS, "encoders": TWO_ENCODERS["encoders"][:1]}, budget=budget)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("finetune on resnet18", "unknown row of the budget table 'finetune on resnet18'; did you mean"),
        ("mae on resnet9", "unknown row of the budget table 'mae on resnet9'"),
        ("mae/finetun", "did you mean 'mae/finetune'"),
    ],
)
def test_a_row_that_nothing_uses_is_named(key, message):
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    with pytest.raises(LabeleffError, match=message):
        factories.study(**TWO_ENCODERS, budget=dict.fromkeys(("finetune", "rotation", "mae", key), row))


def test_a_share_held_out_leaves_something_to_train_on():
    row = {"lr": 0.1, "batch": 8, "epochs": 1}
    arm = {"pretext": {"name": "rotation", "holdout": 1.0}, "protocol": "linear"}
    with pytest.raises(LabeleffError, match=r"option 'holdout': found 1\.0, expected at most 0\.9"):
        factories.study(arms=["scratch/linear", arm], baseline="scratch/linear", budget={"rotation": row})


def test_several_arms_at_one_rung_are_measured_on_purpose_alone():
    with pytest.raises(LabeleffError, match="expected two or more to compare them; set allow_one_rung = true"):
        load_study("smoke", ["rungs=[20]"])
    assert len(list(load_study("smoke", ["rungs=[20]", "allow_one_rung=true"]).cells())) == 3 * 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[" * 3000 + "]" * 3000, "nested too deep"),
        ("{a=" * 3000 + "1" + "}" * 3000, "nested too deep"),
        ("9" * 5000, "digits"),
    ],
)
def test_a_table_that_the_parser_gives_up_on_is_named(tmp_path, value, message):
    (tmp_path / "odd.toml").write_text(f"name = {value}\n")
    with pytest.raises(LabeleffError, match=rf"odd\.toml: .*{message}"):
        load_study(str(tmp_path / "odd.toml"))
    with pytest.raises(LabeleffError):
        load_study("smoke", [f"draws={value}"])


@pytest.mark.parametrize("change", ["draws=1000000000000000000", "seeds=60000"])
def test_a_study_too_large_to_be_meant_is_refused_at_once(change):
    with pytest.raises(LabeleffError, match=r"found .* cells, expected 100,000 at most"):
        load_study("smoke", [change])
