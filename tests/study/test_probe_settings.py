"""The `probe` table: checks, the plan of probes, curves that are missing or merged."""

import pytest
from support import toy_study

from labeleff.catalogue.declaration import Spec
from labeleff.errors import StudyError
from labeleff.records.training_log import ProbeCurve, merge_curves, tasks_without_curve
from labeleff.scheduling.job_seconds import pretraining_estimate, probe_estimate
from labeleff.study.loading import load_study
from labeleff.study.probe_settings import Probe

PROBE = "probe={labels=40, held_out=60}"


@pytest.fixture
def study(tmp_path):
    path = str(toy_study.write(tmp_path))
    return lambda *overrides: load_study(path, overrides)


def test_a_probe_is_off_unless_asked_for_and_belongs_to_no_key(study):
    plain, probed = study(), study(PROBE)
    assert plain.probe is None
    assert plain.probe_plan is None
    assert probed.probe == Probe(every=1, labels=40, held_out=60)
    assert [cell.key for cell in plain.cells()] == [cell.key for cell in probed.cells()]
    assert [item.key for item in plain.pretrainings] == [item.key for item in probed.pretrainings]
    assert {key: [task.name for task in tasks] for key, tasks in probed.probe_plan.tasks.items()} == {
        item.key: ["toy/classify"] for item in probed.pretrainings
    }


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["probe={labels=150, held_out=60}"], r"probe: 150 labels and 60 held-out examples asked for, but .* has 200"),
        (
            [PROBE, "arms=['scratch/linear']", "baseline=scratch/linear", "budget={}"],
            r"probe: none of the arms \['scratch/linear'\] trains an encoder",
        ),
        (["probe={every=0}"], "probe.every"),
        (["probe={label=3}"], "unknown key 'probe.label'"),
        (["probe=true"], "probe"),
    ],
)
def test_a_probe_that_cannot_be_is_refused(study, overrides, message):
    with pytest.raises(StudyError, match=message):
        study(*overrides)


def test_a_block_of_stories_does_not_inherit_it_and_may_not_have_it():
    quick = load_study("quick", ["probe={}"])
    assert quick.probe == Probe()
    assert quick.stories["qa1"].probe is None
    with pytest.raises(StudyError, match=r"probe: none of the arms \['scratch/validated'\]"):
        load_study("quick", ["stories.qa1.probe={}"])


def test_tasks_on_the_same_images_are_all_probed():
    quick = load_study("quick", ["probe={}"])
    assert [[task.name for task in tasks] for tasks in quick.probe_plan.tasks.values()] == [
        ["shapes/classify", "shapes/pose"]
    ] * 3


def test_curves_count_for_their_task_and_probe_alone():
    asked, first, second = Probe(), Spec(name="a"), Spec(name="b")
    curve = ProbeCurve(task="a", data="", probe=asked, metric="accuracy", chance=0.1, encoder_sha256="", points=[])
    assert tasks_without_curve([curve], asked, [first, second]) == [second]
    assert tasks_without_curve([curve], Probe(every=2), [first]) == [first]
    newer, other = (curve.model_copy(update=change) for change in ({"data": "new"}, {"task": "b"}))
    assert merge_curves([curve, other], [newer]) == [other, newer]
    assert merge_curves([], [curve]) == [curve]


def test_its_time_is_the_images_that_it_encodes(study):
    speeds = {"resnet9(dim=16, width=0.0625) at 16 px": 100.0}
    of = study(PROBE, "budget.rotation.epochs=10")
    [pretraining] = of.pretrainings
    training = pretraining_estimate(pretraining, speeds)
    # 63 steps are windows of 20, 20 and 23; with the untrained encoder there are four probes
    once = probe_estimate(pretraining, of.probe_plan, speeds)
    assert once.seconds == pytest.approx(4 * 100 / (3 * 100.0))
    assert training == pretraining_estimate(pretraining, speeds), "it isn't counted as pretraining"
    rarely = study("probe={labels=40, held_out=60, every=3}", "budget.rotation.epochs=10")
    assert probe_estimate(pretraining, rarely.probe_plan, speeds).seconds == pytest.approx(once.seconds / 2)
    assert probe_estimate(pretraining, None, speeds).seconds == 0
