"""TensorBoard's event files, read back by its own reader."""

import dataclasses
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from support import factories

from labeleff.commands.track import tensorboard_files
from labeleff.commands.track.series import tracks
from labeleff.reporting.results import load

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_written_is_read_back(tmp_path):
    whole = tracks(load(factories.folder(tmp_path)), "r1")
    assert tensorboard_files.write(whole, tmp_path).endswith("tensorboard")
    for track in whole.tracks:
        (path,) = (tmp_path / "tensorboard" / track.name.replace("/", " ")).iterdir()
        events = list(loader.LegacyEventFileLoader(str(path)).Load())
        read, texts = {}, []
        for event in events:
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    read.setdefault(value.tag, []).append((event.step, value.simple_value))
                else:
                    texts += [text.decode() for text in value.tensor.string_val]
        assert read == {
            name: [(step, pytest.approx(value, rel=1e-6)) for step, value in points]
            for name, points in track.series.items()
        }
        assert "| environment.cpu | a processor |" in texts[0]
        assert {event.wall_time for event in events} == {1767323045.0}


def write(folder, cells):
    """Write a study of which the first `cells` are measured."""
    of = factories.study()
    entries = [factories.run_entry(of), *factories.pretrainings(of), *factories.cell_records(of)[:cells]]
    tensorboard_files.write(tracks(load(factories.write(folder, entries)), "r1"), folder)


def test_again_writes_nothing_and_more_records_new_files_of_what_changed(tmp_path):
    write(tmp_path, -1)
    before = files(tmp_path / "tensorboard")
    tensorboard_files.write(tracks(load(tmp_path), "r1"), tmp_path)
    assert files(tmp_path / "tensorboard") == before
    write(tmp_path, None)
    after = files(tmp_path / "tensorboard")
    assert {name.parent for name in after} == {name.parent for name in before}
    assert {path for path in before if after[path] != before[path]} == {path for path in after if not after[path]}
    changed = {str(path) for path in after.keys() - before.keys()}
    assert len(changed) == 1
    assert re.fullmatch(rf".*rotation linear/{tensorboard_files.FILE}\.00000002", changed.pop())


def test_tracks_of_arms_that_a_study_no_longer_has_are_emptied(tmp_path):
    write(tmp_path, None)
    whole = tracks(load(tmp_path), "r1")
    tensorboard_files.write(dataclasses.replace(whole, tracks=whole.tracks[1:]), tmp_path)
    after = files(tmp_path / "tensorboard")
    gone = whole.tracks[0].name.replace("/", " ")
    assert {str(path.parent) for path in after if not after[path]} == {gone}


def expected(folder, tag="accuracy"):
    """Points of the series that are true for the records in `folder`."""
    track = next(t for t in tracks(load(folder), "r1").tracks if t.name.replace("/", " ").endswith("rotation linear"))
    return [(step, pytest.approx(value, rel=1e-6)) for step, value in track.series[tag]]


def test_an_open_reader_goes_on_with_the_new_points_alone(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, -3)
    (folder,) = (tmp_path / "tensorboard").glob("*rotation linear")
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    assert [(one.step, one.value) for one in reader.Scalars("accuracy")] == expected(tmp_path)
    for cells in (-2, -1, None):
        write(tmp_path, cells)
        reader.Reload()
        assert [(one.step, one.value) for one in reader.Scalars("accuracy")] == expected(tmp_path)
        assert sum(path.stat().st_size > 0 for path in folder.iterdir()) == 1


@pytest.mark.parametrize("fast", ["true", "false"], ids=["data server", "loader in Python"])
def test_a_running_tensorboard_shows_what_was_written_again(tmp_path, fast):
    write(tmp_path, -3)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", tmp_path / "tensorboard", "--port", "0"]
    options = ["--reload_interval", "1", "--load_fast", fast, "--host", "127.0.0.1"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://\S+/", line)))
            _wait(address, expected(tmp_path))
            write(tmp_path, None)
            _wait(address, expected(tmp_path))
        finally:
            server.terminate()


def _wait(address, points):
    """Wait until the server has exactly these points."""
    end, shown = time.monotonic() + 300, None
    while shown != points:
        assert time.monotonic() < end, shown
        time.sleep(0.2)
        run = next((name for name in _ask(f"{address}data/runs") if name.endswith("rotation linear")), "")
        query = urllib.parse.urlencode({"run": run, "tag": "accuracy"})
        shown = _ask(f"{address}data/plugin/scalars/scalars?{query}")


def _ask(address):
    try:
        with urllib.request.urlopen(address, timeout=300) as answer:
            content = json.loads(answer.read())
    except OSError:
        return []
    return [(one[1], one[2]) if isinstance(one, list) else one for one in content]


def test_names_that_a_folder_cuts_short_stay_apart(tmp_path):
    whole = tracks(load(factories.folder(tmp_path)), "r1")
    long = [type(track)("x" * 300, track.facts, track.series) for track in whole.tracks[:2]]
    tensorboard_files.write(type(whole)(**{**vars(whole), "tracks": long}), tmp_path)
    names = sorted(path.name for path in (tmp_path / "tensorboard").iterdir())
    assert names == ["x" * 200, "x" * 200 + " 2"]
