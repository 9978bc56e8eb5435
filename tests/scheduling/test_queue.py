"""Limited time: its spelling, what fits, and whole runs that it ends."""

import json

import pytest
from support import factories, toy_study

from labeleff.errors import OptionError
from labeleff.records.entries import StopEntry
from labeleff.records.jsonl import read_records
from labeleff.reporting.study_report import build
from labeleff.scheduling.jobs import Pretrain, Train, jobs_for
from labeleff.scheduling.queue import TimeLimit, seconds_of, stop
from labeleff.study.loading import load_study


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("45", 45), ("1.5h", 5400), ("1h1m1s", 3661)],
)
def test_times(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-1h", "0", "0s", "1d", "30m1h", "1h 30m", "2h30", "2m30", "nan", "inf", "9" * 400]
)
def test_what_is_no_time_is_an_error(text):
    with pytest.raises(OptionError, match="--time-limit"):
        seconds_of(text)


def test_a_run_that_measured_nothing_needs_more_time_and_no_repetition(capsys):
    for measured, text in ((True, "run the same command to go on"), (False, "nothing fitted in it: allow more time")):
        assert stop("r", "now", 90.0, 3, 8, measured=measured) == StopEntry(run="r", time="now", limit=90.0, left=3)
        assert f"3 of 8 cells aren't measured; {text}\n" in capsys.readouterr().out


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def jobs():
    return jobs_for(factories.study().cells(), lambda _: False)


def limit(seconds, clock):
    return TimeLimit(seconds, lambda job: 30.0 if isinstance(job, Pretrain) else 10.0, clock)


def test_what_fits_in_what_is_left(jobs):
    clock = Clock()
    mine, job = limit(25.0, clock), next(job for job in jobs if isinstance(job, Train) and not job.needs)
    assert mine.fits(job, [])
    clock.now += 15.0
    assert mine.left == 10.0
    assert not mine.fits(job, [])
    clock.now += 100.0
    assert mine.left == 0.0


def test_estimates_follow_what_jobs_took(jobs):
    clock = Clock()
    mine, job = limit(100.0, clock), next(job for job in jobs if isinstance(job, Train) and not job.needs)

    clock.now += 60.0
    mine.learn(job, 60.0)
    assert mine.scale(job) == 6.0
    assert not mine.fits(job, [])


def test_a_pretraining_must_leave_time_for_a_cell(jobs):
    before = next(job for job in jobs if isinstance(job, Pretrain))
    waiting = [job for job in jobs if before.pretraining.key in job.needs]
    assert waiting
    assert limit(41.0, Clock()).fits(before, waiting)
    assert not limit(39.0, Clock()).fits(before, waiting)


def accuracies(folder):
    return {key: record.metrics["accuracy"] for key, record in read_records(folder).cells.items()}


def test_a_run_without_time_still_reports_and_the_next_goes_on(command, tmp_path):
    study, out, jobs = toy_study.write(tmp_path), tmp_path / "out", 2
    done = command("run", study, "--out", out, "--time-limit", "0.001", "--jobs", jobs)
    assert done.returncode == 4, done.stderr
    assert "stopped by the time limit of 0 s: 16 of 16 cells aren't measured" in done.stdout
    report = (out / "report.md").read_text()
    assert "> **Stopped by the time limit** of 0 s: 16 of 16 cells aren't measured." in report
    (out / "report.md").unlink()
    build(out)
    assert (out / "report.md").read_text() == report
    [stop] = read_records(out).stops.values()
    assert (stop.left, stop.limit, stop.reason) == (16, 0.001, "time limit")

    done = command("run", study, "--out", out, "--time-limit", "10m", "--jobs", jobs)
    assert done.returncode == 0, done.stderr
    assert "Stopped" not in (out / "report.md").read_text()
    assert len(read_records(out).stops) == 1
    straight = command("run", study, "--out", tmp_path / "straight")
    assert straight.returncode == 0, straight.stderr
    assert accuracies(out) == accuracies(tmp_path / "straight")


LONG = """
[budget.finetune]
lr = 0.05
batch = 16
steps = { min = 2, per_label = 1000, max = 10000000 }
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_runs_over_the_limit_is_stopped(command, tmp_path, jobs):
    """Speeds told too high let a job begin that never ends; those before it are kept."""
    text = toy_study.TEXT.partition("[budget.finetune]")[0].replace("rungs = [20, 40]", "rungs = [20, 40, 60]")
    study = tmp_path / "long.toml"
    study.write_text(text + LONG)
    (tmp_path / "cache").mkdir(exist_ok=True)
    [encoder] = load_study(str(study)).encoders
    (tmp_path / "cache" / "speed.json").write_text(json.dumps({f"{encoder.label} at 16 px": 1e12}))
    done = command("run", study, "--out", tmp_path / "out", "--time-limit", "6s", "--jobs", jobs)
    assert done.returncode in {0, 4}, done.stderr  # 4 where it left too little for any utility
    records = read_records(tmp_path / "out")
    [stop] = records.stops.values()
    assert stop.left == 24 - len(records.cells) > 0
    assert "**Stopped by the time limit** of 6 s" in (tmp_path / "out" / "report.md").read_text()


def test_a_bad_limit_is_told_at_once(command, tmp_path):
    done = command("run", toy_study.write(tmp_path), "--time-limit", "tomorrow")
    assert done.returncode == 2
    assert "--time-limit 'tomorrow': expected a time over 0 like 2h" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_stop_is_read_back(tmp_path):
    entry = StopEntry(run="r1", time="2026-01-02T03:04:05+00:00", limit=60.0, left=3)
    (tmp_path / "records.jsonl").write_text(entry.model_dump_json() + "\n")
    assert read_records(tmp_path).stops == {"r1": entry}
