"""Estimates corrected during a run: each kind of work by its own."""

from labeleff.scheduling.corrections import Corrections, kind_of
from labeleff.scheduling.jobs import Pretrain, Solve, Train, jobs_for, part_of
from labeleff.study.loading import load_study

JOBS = jobs_for(load_study("smoke").cells(), lambda _: False)


def test_kinds_are_pretraining_finetuning_and_frozen_probes():
    kinds = {type(job): {kind_of(one) for one in JOBS if type(one) is type(job)} for job in JOBS}
    assert {kind: len(names) for kind, names in kinds.items()} == {Pretrain: 1, Train: 1, Solve: 1}
    assert len(set.union(*kinds.values())) == 3
    assert kind_of(part_of(JOBS[-1], [])) == "nothing"


def test_what_one_kind_took_says_nothing_about_another():
    known = Corrections()
    known.learn("a", 30.0, 10.0)
    known.learn("a", 10.0, 10.0)
    known.learn("b", 1.0, 2.0)
    assert known.factors() == {"a": 2.0, "b": 0.5}


def test_work_under_way_counts_from_its_first_news_on():
    known = Corrections()
    assert known.factors([("a", 5.0, 0.0)]) == {}
    known.learn("a", 10.0, 10.0)
    assert known.factors([("a", 5.0, 0.0), ("b", 6.0, 2.0)]) == {"a": 1.0, "b": 3.0}
    assert known.factors() == {"a": 1.0}, "what is under way isn't learnt"
    known.learn("c", 3.0, 0.0)
    assert "c" not in known.factors(), "nothing was expected of it"
