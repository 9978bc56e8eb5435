"""Noise and imbalance as axes of a study: parsed, expanded, named, refused."""

import pytest
from support import factories

from labeleff.catalogue.declaration import Spec
from labeleff.errors import LabeleffError
from labeleff.records.conditions import table_changes
from labeleff.study.label_conditions import CLEAN, Imbalance, LabelCondition, Noise
from labeleff.study.loading import load_study, parse_study

RATES = {"rate": [0.0, 0.2, 0.4]}


def keys(study):
    return [cell.key for cell in study.cells()]


def test_conditions_are_an_axis_and_clean_cells_keep_their_keys():
    plain = keys(factories.study())
    both = factories.study(noise=RATES, imbalance=[1, 10])
    assert len(keys(both)) == 6 * len(plain)
    assert len(set(keys(both))) == 6 * len(plain)
    assert {cell.key for cell in both.cells() if cell.noise is None and cell.imbalance is None} == set(plain)
    assert keys(factories.study(noise={"rate": 0.0}, imbalance=1)) == plain


def test_a_study_read_from_its_own_dump_is_the_same():
    study = factories.study(noise=[RATES, {"rate": 0.2, "kind": "pairs"}], imbalance={"ratio": [1, 50]})
    assert parse_study(study.model_dump(mode="json"), "again") == study
    assert [one.words for one in study.label_conditions][::2] == [
        "clean labels",
        "20 % noise",
        "40 % noise",
        "20 % pair noise",
    ]


def test_names_say_the_condition():
    task = Spec(name="cifar10/classify")
    noise = Noise(rate=0.2)
    assert LabelCondition(noise=noise).named(task).label == "cifar10/classify(label_noise=0.2)"
    assert LabelCondition(imbalance=Imbalance(ratio=100)).named(task).label == "cifar10/classify(imbalance=100)"
    assert CLEAN.named(task) is task
    study = factories.study(noise=RATES)
    plain, *others = study.named_tasks
    assert plain == study.tasks[0]
    assert [task.options["label_noise"] for task in others] == [0.2, 0.4]


def test_pretraining_depends_on_the_tail_alone_and_only_where_images_are_cut():
    plain = {item.key for item in factories.study().pretrainings}
    assert {item.key for item in factories.study(noise=RATES, imbalance=[1, 10]).pretrainings} == plain
    cut = factories.study(imbalance={"ratio": 10, "unlabelled": "tail"}).pretrainings
    assert {item.imbalance for item in cut} == {10.0}
    assert not {item.key for item in cut} & plain


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"noise": {"rate": 1.5}}, r"noise: found rate = 1.5, expected a share of wrong labels in 0..1"),
        ({"noise": {"rate": [0.1, -0.1]}}, r"found rate = -0.1"),
        ({"noise": {"rate": True}}, r"found rate = true"),
        ({"noise": {}}, r"found no rate"),
        ({"noise": 0.2}, r"found 0.2, expected a table"),
        ({"noise": {"rate": 0.2, "kind": "pear"}}, r"unknown kind of noise 'pear'; did you mean 'pairs'"),
        ({"noise": {"rates": 0.2}}, r"unknown key \(in 'noise'\) 'rates'; did you mean 'rate'"),
        ({"noise": {"rate": [0.2, 0.2]}}, r"found 20 % noise twice"),
        ({"noise": {"kind": "file:x.csv", "rate": 0.2}}, r"found rate = 0.2 beside x.csv"),
        ({"noise": {"kind": "file:"}}, r"found no path"),
        ({"noise": {"rate": 0.2, "column": "a"}}, r"found 'column' beside kind = 'uniform'"),
        ({"imbalance": 0.5}, r"imbalance: found 0.5, expected the largest class over the smallest, 1 or more"),
        ({"imbalance": {"ratio": 10, "unlabelled": "tails"}}, r"unknown value of 'unlabelled'.*did you mean 'tail'"),
        ({"imbalance": [10, 10.0]}, "found imbalance 10 twice"),
        ({"imbalance": 10, "subset": "balanced"}, r"found subset = 'balanced'"),
        ({"imbalance": 10, "draws_from": "lists"}, r"found draws_from"),
        (
            {"noise": RATES, "rungs": "auto", "auto": {"at": [50], "first": 20, "last": 160}},
            r"auto: a ladder that chooses its rungs",
        ),
        ({"noise": RATES, "draws": 2000}, r"found 108,000 cells, expected 100,000 at most"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, found):
    with pytest.raises(LabeleffError, match=found):
        factories.study(**changes)


def test_dense_tasks_and_stories_are_refused_by_name():
    finetune = ["scratch/finetune"]
    for task, found in (("shapes/segment", "labels of the kind 'pixel_classes'"), ("shapes/depth", "'depth'")):
        with pytest.raises(LabeleffError, match=f"noise: {task} has .*{found}"):
            factories.study(tasks=[task], arms=finetune, budget={"finetune": _budget()}, noise={"rate": 0.2})
    with pytest.raises(LabeleffError, match="noise: babi/qa1 has stories"):
        load_study("babi", ["noise={rate=0.2}", "tasks=['babi/qa1']"])


def _budget():
    return {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}


def test_stories_of_a_study_dont_take_its_noise():
    study = load_study("quick", ["noise={rate=[0.0,0.2]}"])
    assert all(block.noise is None for block in study.stories.values())


def test_a_table_of_labels_is_read_when_the_study_is_loaded_and_its_place_is_no_part_of_keys(tmp_path):
    def load(name):
        path = tmp_path / f"{name}.toml"
        text = (tmp_path / "tiny.toml").read_text()
        path.write_text(f'noise = {{ kind = "file:{name}.csv" }}\n{text}')
        return load_study(str(path))

    from support import toy_study

    toy_study.write(tmp_path)
    with pytest.raises(LabeleffError, match=r"noise: .*one.csv: can't be read: No such file"):
        load("one")
    (tmp_path / "one.csv").write_text("0\n")
    (tmp_path / "two.csv").write_text("0\n")
    (tmp_path / "three.csv").write_text("1\n")
    one, two, three = load("one"), load("two"), load("three")
    assert keys(one) == keys(two)
    assert not set(keys(one)) & set(keys(three))
    assert parse_study(one.model_dump(mode="json"), "records").noise == one.noise
    assert (
        table_changes(*(study.model_copy(update={"name": "n"}).model_dump(mode="json") for study in (one, two))) == []
    )
    assert table_changes(one.model_dump(mode="json"), three.model_dump(mode="json"))
