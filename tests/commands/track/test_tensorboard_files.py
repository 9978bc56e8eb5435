"""TensorBoard's event files, read back by its own reader."""

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
        path = tmp_path / "tensorboard" / track.name.replace("/", " ") / tensorboard_files.FILE
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


def test_again_writes_the_same_bytes_and_more_records_the_same_files(tmp_path):
    of = factories.study()
    cells = factories.cell_records(of)
    entries = [factories.run_entry(of), *factories.pretrainings(of)]
    tensorboard_files.write(tracks(load(factories.write(tmp_path, [*entries, *cells[:-1]])), "r1"), tmp_path)
    before = files(tmp_path / "tensorboard")
    tensorboard_files.write(tracks(load(tmp_path), "r1"), tmp_path)
    assert files(tmp_path / "tensorboard") == before
    tensorboard_files.write(tracks(load(factories.write(tmp_path, [*entries, *cells])), "r1"), tmp_path)
    after = files(tmp_path / "tensorboard")
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == [
        name for name in after if "rotation linear" in str(name)
    ]


def test_names_that_a_folder_cuts_short_stay_apart(tmp_path):
    whole = tracks(load(factories.folder(tmp_path)), "r1")
    long = [type(track)("x" * 300, track.facts, track.series) for track in whole.tracks[:2]]
    tensorboard_files.write(type(whole)(**{**vars(whole), "tracks": long}), tmp_path)
    names = sorted(path.name for path in (tmp_path / "tensorboard").iterdir())
    assert names == ["x" * 200, "x" * 200 + " 2"]
