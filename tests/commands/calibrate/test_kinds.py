"""Kinds of work of a study, each listed once."""

from labeleff.commands.calibrate.kinds import kinds
from labeleff.scheduling.job_seconds import job_estimates
from labeleff.scheduling.jobs import jobs_for
from labeleff.study.loading import load_study


def test_a_study_s_kinds_are_its_pretexts_and_protocols():
    found = kinds(load_study("smoke"))
    assert [len(kind.cells) for kind in found] == [0, 1, 2]
    few, many = found[-1].cells
    assert (few.n, many.n) == (20, 100)
    assert len({kind.name for kind in found}) == 3


def test_tasks_of_one_size_share_their_kinds_and_stories_have_their_own():
    found = kinds(load_study("quick"))
    assert len(found) == 4
    assert sum("babi" in kind.name for kind in found) == 1


def test_noise_and_imbalance_are_no_kinds_as_stand_ins_have_other_labels():
    cut = "imbalance={ratio=[1, 1000], unlabelled='tail'}"
    axes = load_study("smoke", ["noise={rate=[0.0, 0.2]}", cut])
    assert [kind.name for kind in kinds(axes)] == [kind.name for kind in kinds(load_study("smoke"))]
    assert all(kind.representative.imbalance is None for kind in kinds(axes))


def test_what_kinds_measure_is_what_estimates_look_up():
    """With a speed for every name of its kinds nothing of the study is a guess."""
    from labeleff.scheduling.speeds import Speed, Speeds, ready_name, scoring_name, solving_names, work_name

    study = load_study("quick")
    known = {}
    for kind in kinds(study):
        asked = kind.cells[0] if kind.cells else kind.pretraining
        names = [work_name(asked), ready_name(asked)]
        if kind.cells:
            names += [scoring_name(asked), *solving_names(asked)]
        known |= {name: Speed(rate=1.0, source="calibrated") for name in names}
    jobs = jobs_for(study.cells(), lambda _: False)
    assert {one.source for job in jobs for one in job_estimates(job, Speeds(known))} == {"calibrated"}
