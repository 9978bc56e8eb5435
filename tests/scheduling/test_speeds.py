"""Speeds in the cache: what is kept, by device, and what older files and damaged entries give."""

import json

import pytest

from labeleff.records.entries import Record
from labeleff.records.training_log import Training, Window
from labeleff.scheduling.speeds import (
    FILE_NAME,
    Speed,
    effective_seconds,
    peak_name,
    read_speeds,
    ready_name,
    remember,
    remember_speeds,
    scoring_name,
    source_of,
    work_name,
)
from labeleff.study.loading import load_study

CELLS = list(load_study("smoke").cells())
TRAINED = next(cell for cell in CELLS if cell.budget is not None)
FROZEN = next(cell for cell in CELLS if cell.budget is None)


def test_bare_numbers_of_earlier_versions_are_read_as_rates(tmp_path):
    (tmp_path / FILE_NAME).write_text('{"a": 5.0, "b": -1, "c": "fast", "d": {"rate": 0}, "e": null, "f": 2}')
    assert read_speeds(tmp_path) == {"a": 5.0, "f": 2.0}
    assert source_of(read_speeds(tmp_path), "a") == "remembered"


def test_speeds_of_devices_are_kept_apart(tmp_path):
    remember(tmp_path, {"a": Speed(rate=1.0), "b": Speed(rate=5.0)})
    remember(tmp_path, {"a": Speed(rate=100.0, device="a GPU")})
    assert read_speeds(tmp_path, "cpu") == {"a": 1.0, "b": 5.0}
    assert read_speeds(tmp_path, "a GPU") == {"a": 100.0}
    assert read_speeds(tmp_path)["a"] == 100.0, "the newest"
    remember(tmp_path, {"a": Speed(rate=2.0)})
    assert read_speeds(tmp_path)["a"] == 2.0
    assert read_speeds(tmp_path, "a GPU") == {"a": 100.0}


def test_a_newer_speed_without_memory_keeps_what_was_known_of_it(tmp_path):
    remember(tmp_path, {"a": Speed(rate=1.0, source="calibrated", peak_memory=123)})
    remember(tmp_path, {"a": Speed(rate=2.0)})
    known = read_speeds(tmp_path).by_name["a"]
    assert (known.rate, known.source, known.peak_memory) == (2.0, "remembered", 123)


def test_the_file_says_what_speeds_were_measured_on(tmp_path):
    remember(tmp_path, {"a": Speed(rate=1.0, processes=4)})
    entry = json.loads((tmp_path / FILE_NAME).read_text())["a"]
    assert (entry["device"], entry["threads"], entry["processes"]) == ("cpu", 1, 4)
    assert read_speeds(tmp_path).by_name["a"].place == "cpu, 1 thread a process, 4 processes side by side"


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path):
    (tmp_path / "file").write_text("")
    remember(tmp_path / "file", {"a": Speed(rate=1.0)})
    assert read_speeds(tmp_path / "file") == {}


@pytest.mark.parametrize(
    ("seconds", "processor", "device", "counts"),
    [(4.0, 1.0, "cpu", 1.0), (4.0, None, "cpu", 4.0), (4.0, 1.0, "a GPU", 4.0), (4.0, 8.0, "cpu", 4.0)],
)
def test_on_a_cpu_the_processor_s_clock_counts(seconds, processor, device, counts):
    assert effective_seconds(seconds, processor, device) == counts


def test_a_run_s_records_tell_all_that_an_estimate_adds_up(tmp_path):
    """8 steps of 10 images per second, 200 images scored in 4 s of 20, half of which others had the processor."""
    windows = [Window(images=80, seconds=16.0, processor_seconds=8.0) for _ in range(2)]
    training = Training(steps=16, batch=10, images=160, seconds=32, windows=windows)
    record = Record(
        run="r",
        key=TRAINED.key,
        cell=TRAINED,
        status="ok",
        training=training,
        test_count=200,
        test_seconds=4.0,
        seconds=40.0,
        processor_seconds=20.0,
        peak_memory=7,
        own_peak=True,
    )
    remember_speeds(tmp_path, [record])
    speeds = read_speeds(tmp_path)
    assert speeds[work_name(TRAINED)] == pytest.approx(10.0)
    assert speeds[scoring_name(TRAINED)] == pytest.approx(100.0)
    assert speeds[ready_name(TRAINED)] == pytest.approx(1 / (20 - 16 - 2))
    assert speeds.by_name[peak_name(TRAINED)].peak_memory == 7


def test_kinds_of_work_have_names_of_their_own():
    batch = TRAINED.model_copy(update={"budget": TRAINED.budget.model_copy(update={"batch": 7})})
    names = {work_name(TRAINED), work_name(batch), work_name(FROZEN), work_name(FROZEN.pretraining)}
    assert len(names) == 4
    dense = next(load_study("scenes-small").cells())
    assert "maps" in work_name(dense)
