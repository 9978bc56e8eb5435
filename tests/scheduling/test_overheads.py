"""What a run takes beside its jobs, from measured speeds; what was never measured isn't guessed."""

import pytest

from labeleff.records.run_estimate import Overheads
from labeleff.scheduling.forecast import estimate_run
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.overheads import START, data_again_name, data_name, overheads, remember_report, report_name
from labeleff.scheduling.speeds import Speed, Speeds, read_speeds
from labeleff.study.loading import load_study

STUDY = load_study("smoke")
[TASK] = STUDY.tasks
"""400 training and 200 test images."""


def known(**rates):
    names = {"start": START, "data": data_name(TASK), "again": data_again_name(TASK), "report": report_name(STUDY)}
    return Speeds({names[key]: Speed(rate=rate) for key, rate in rates.items()})


def test_parts_add_up_over_processes():
    whole = overheads(STUDY, known(start=0.5, data=60.0, again=300.0, report=0.25), 3)
    assert whole == Overheads(workers=3, start=2.0, data=10.0, data_again=2.0, report=4.0)
    assert whole.seconds == pytest.approx(4 * 2.0 + 10.0 + 3 * 2.0 + 4.0)
    assert whole.wall_seconds == pytest.approx(2.0 + 10.0 + 4.0 + (2.0 + 2.0)), "workers start side by side"
    assert whole.unknown == []
    alone = overheads(STUDY, known(start=0.5, data=60.0, report=0.25), 0)
    assert alone.seconds == alone.wall_seconds == pytest.approx(2.0 + 10.0 + 4.0)


def test_what_was_never_measured_is_named():
    nothing = overheads(STUDY, known(), 2)
    assert nothing.seconds == nothing.wall_seconds == 0.0
    assert nothing.unknown == ["starting processes", "making data ready", "the report"]
    assert overheads(STUDY, known(data=60.0), 2).data_again == 10.0, "as long as the first time, for all that is known"


def test_an_estimate_has_them_unless_nothing_is_left():
    jobs = jobs_for(STUDY.cells(), lambda _: False)
    speeds = known(start=0.5)
    estimate = estimate_run(jobs, speeds, 2, STUDY)
    assert estimate.processor_seconds == pytest.approx(estimate.seconds + 3 * 2.0)
    assert estimate.whole_seconds == pytest.approx(estimate.wall_seconds + 2 * 2.0)
    assert estimate_run([], speeds, 2, STUDY).whole_seconds == 0.0
    assert estimate_run(jobs[:1], speeds, 2, STUDY).overheads.workers == 1, "no more workers than jobs"


def test_a_report_is_remembered_by_study_and_cells(tmp_path):
    remember_report(tmp_path, STUDY, 8.0)
    speeds = read_speeds(tmp_path)
    assert overheads(STUDY, speeds, 0).report == 8.0
    assert overheads(load_study("smoke", ["draws=3"]), speeds, 0).report is None
