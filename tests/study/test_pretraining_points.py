"""Points of pretraining as an axis of a study: parsed, expanded, named, counted, refused."""

import pytest
from support import factories

from labeleff.catalogue.declaration import Spec
from labeleff.errors import LabeleffError
from labeleff.scheduling.job_seconds import steps_of
from labeleff.scheduling.jobs import Pretrain, jobs_for
from labeleff.scheduling.shards import loads
from labeleff.study.loading import parse_study
from labeleff.study.pretraining_points import WHOLE, PretrainingPoint

FILE = {"pretext": {"name": "file", "path": "a.pt"}, "protocol": "linear"}
AT = {"at": [0.1, 0.5, 1.0]}


def keys(study):
    return [cell.key for cell in study.cells()]


def test_cells_at_the_end_on_all_images_are_those_without_the_axis_and_the_baseline_is_shared():
    plain = factories.study()
    study = factories.study(pretraining=AT | {"images": [500, "all"]})
    assert set(keys(plain)) < set(keys(study))
    assert len(set(keys(study))) == len(keys(study)) == 18 * (1 + 2 * 3 * 2)
    assert {cell.key for cell in study.cells() if cell.point == WHOLE} == set(keys(plain))
    for same in ({"at": [1.0]}, {"images": ["all"]}, {"images": [2000]}, {"at": [1], "images": ["all"]}):
        assert keys(factories.study(pretraining=same)) == keys(plain)
    shares = factories.study(pretraining=AT)
    assert [item.key for item in shares.pretrainings] == [item.key for item in plain.pretrainings]


def test_one_pretraining_serves_all_its_shares_and_each_number_of_images_is_one():
    study = factories.study(pretraining=AT | {"images": [500, "all"]}, draws=2, seeds=2)
    assert [(item.images, item.seed) for item in study.pretrainings] == [(500, 0), (500, 1), (None, 0), (None, 1)]
    for item in study.pretrainings:
        points = study.saved_points[item.key]
        assert [point.share for point in points] == [0.1, 0.5]
        assert {point.whole.key for point in points} == {item.key}
        assert {point.images for point in points} == {item.images}
        assert len({point.key for point in points} | {item.key}) == 3
    jobs = jobs_for(study.cells(), lambda _: False)
    first = {job.pretraining.key for job in jobs if isinstance(job, Pretrain)}
    assert first == {item.key for item in study.pretrainings}
    assert {key for job in jobs for key in job.needs} == first
    assert not [job for job in jobs_for(study.cells(), lambda _: True) if isinstance(job, Pretrain)]


def test_shards_never_part_the_points_of_a_pretraining():
    study = factories.study(pretraining=AT, draws=2, seeds=2)
    parts = loads(list(study.cells()), 2)
    parts = [{cell.pretraining.whole.key for cell in cells if cell.pretrain} for _, cells in parts]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == 2


def test_epochs_are_of_the_images_seen():
    budget = {"lr": 0.05, "batch": 32, "epochs": 4}
    study = factories.study(
        pretraining={"images": [400, "all"]}, budget={"rotation": budget, "finetune": {**budget, "epochs": 1}}
    )
    assert [steps_of(item) for item in study.pretrainings] == [50, 250]


def test_names_say_the_point():
    task = Spec(name="cifar10/classify")
    assert PretrainingPoint(share=0.1).named(task).label == "cifar10/classify(pretraining=0.1)"
    assert PretrainingPoint(images=500).named(task).label == "cifar10/classify(pretraining_images=500)"
    assert WHOLE.named(task) is task
    study = factories.study(pretraining=AT, noise={"rate": [0.0, 0.2]})
    assert [task.options.get("pretraining") for task in study.named_tasks] == [0.1, 0.5, None] * 2
    for cell in study.cells():
        names = study.reported_tasks(cell)
        assert cell.named_task in names
        assert len(names) == (3 if cell.pretrain is None else 1)


def test_a_study_read_from_its_own_dump_is_the_same():
    study = factories.study(pretraining=AT | {"images": [500, "all"]})
    assert parse_study(study.model_dump(mode="json"), "again") == study


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"at": [0.0, 1.0]}, "pretraining.at: found 0.0, expected shares of the steps over 0 and up to 1"),
        ({"at": [0.5, 1.5]}, "pretraining.at: found 1.5, expected shares"),
        ({"at": [True]}, "pretraining.at: found true, expected shares"),
        ({"at": [0.5, 0.5, 1.0]}, "pretraining.at: found 0.5 before 0.5, expected numbers that rise"),
        ({"at": [0.5, 0.9]}, "pretraining.at: found 0.9 as the last share, expected 1.0"),
        ({"at": []}, "pretraining.at: found none as the last share, expected 1.0"),
        ({"images": [500, 100]}, "pretraining.images: found 500 before 100, expected numbers that rise"),
        ({"images": ["all", 500]}, "pretraining.images: found 'all', expected numbers of images from 2 on"),
        ({"images": [0.5]}, "pretraining.images: found 0.5, expected numbers of images from 2 on"),
        ({"images": []}, "pretraining.images: found none"),
        ({"images": [2001]}, "2,001 images asked for, but toy/classify(size=32, test=1000, train=2000) has 2,000"),
        ({"images": [2000, "all"]}, 'found all images twice, by their number and as "all"'),
        ({}, "pretraining: found neither 'at' nor 'images'"),
        ({"share": [1.0]}, "unknown key (in 'pretraining') 'share'"),
        (0.5, "pretraining: found 0.5, expected a table"),
    ],
)
def test_points_that_cant_be_are_refused(table, text):
    with pytest.raises(LabeleffError) as error:
        factories.study(pretraining=table)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"arms": ["scratch/finetune", "scratch/linear"]}, "expected an arm whose pretext is trained here"),
        (
            {"arms": ["scratch/finetune", "rotation/linear", FILE]},
            "whose weights come from outside and have no points here",
        ),
        ({"arms": ["scratch/finetune", "rotation/linear@margin"]}, "found a selection of labels beside it"),
        ({"rungs": "auto", "auto": {"at": [50], "first": 20, "last": 200}}, "can't have points of pretraining"),
    ],
)
def test_settings_that_contradict_points_are_refused(changes, text):
    with pytest.raises(LabeleffError) as error:
        factories.study(pretraining=AT, **changes)
    assert text in str(error.value)
