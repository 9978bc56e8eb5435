"""Guesses of frozen protocols' times, against what it takes to tell minutes from seconds."""

import pytest

from labeleff.scheduling.job_seconds import WORTH_WORKERS, job_estimates
from labeleff.scheduling.jobs import Solve
from labeleff.scheduling.solving_guess import SET_UP, solving_seconds
from labeleff.study.loading import parse_study

EMBEDDINGS = {
    "name": "files",
    "tasks": [{"name": "embeddings/classify", "files": "a=a.npy;b=b.npy", "labels": "labels.csv"}],
    "encoders": ["rows"],
    "rungs": [50, 10_000],
    "draws": 10,
}


def cells(protocol, **changed):
    table = {**EMBEDDINGS, "arms": [{"pretext": {"name": "embedding", "of": of}, "protocol": protocol} for of in "ab"]}
    return parse_study({**table, "baseline": f"embedding(of=a)/{protocol}", **changed}, "test").cells()


@pytest.mark.parametrize("protocol", ["linear", "knn", "ridge", "mlp"])
def test_many_labels_take_longer_and_more_so_with_more_features(protocol):
    few, many = (next(cell for cell in cells(protocol) if cell.n == n) for n in (50, 10_000))
    assert SET_UP < solving_seconds(few, 20, 5_000) < solving_seconds(many, 20, 5_000)
    wide = many.model_copy(update={"encoder": many.encoder.model_copy(update={"options": {"dim": 4 * 768}})})
    assert solving_seconds(wide, 20, 5_000) > 3 * solving_seconds(many, 20, 5_000)


@pytest.mark.parametrize("protocol", ["linear", "mlp"])
def test_folds_are_solved_too(protocol):
    alone = next(cell for cell in cells(protocol) if cell.n == 10_000)
    options = {**alone.protocol.options, "folds": 5}
    folded = alone.model_copy(update={"protocol": alone.protocol.model_copy(update={"options": options})})
    assert solving_seconds(folded, 20, 0) > 4 * solving_seconds(alone, 20, 0)
    several = folded.task.model_copy(update={"name": "embeddings/multilabel"})
    if protocol == "linear":
        several, single = (one.model_copy(update={"task": several}) for one in (folded, alone))
        assert solving_seconds(several, 20, 0) == solving_seconds(single, 20, 0), "several classes have no temperature"


def test_a_large_study_of_files_is_worth_workers_before_it_was_ever_timed():
    ladder = tuple(cells("linear", rungs=[50, 100, 250, 500, 1000, 2500, 5000, 10_000]))
    assert sum(estimate.seconds for estimate in job_estimates(Solve(ladder), {})) > WORTH_WORKERS / 2
    small = tuple(cells("linear", rungs=[10, 20], draws=2))
    assert sum(estimate.seconds for estimate in job_estimates(Solve(small), {})) < 2
