import sys
from pathlib import Path

import pytest

from labeleff.files import cache_folder, data_folder, write_together, write_whole


def test_a_file_is_replaced_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]


def test_a_failure_names_the_file_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken") as caught:
        write_whole(tmp_path / "taken", b"x")
    assert caught.value.filename == str(tmp_path / "taken")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


def test_files_are_put_in_place_together(tmp_path):
    write_together(tmp_path / "new", {"a.txt": b"one", "in/b.txt": b"two"})
    write_together(tmp_path / "new", {"a.txt": b"three"})
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} == {"new", "new/a.txt", "new/in", "new/in/b.txt"}
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"three"


@pytest.mark.parametrize("taken", ["in", "in/b.txt"])
def test_where_one_cant_be_put_in_place_none_is(tmp_path, taken):
    """A file where a folder is needed, and a folder where a file belongs."""
    (tmp_path / "a.txt").write_bytes(b"old")
    (tmp_path / "in").mkdir() if "/" in taken else (tmp_path / "in").touch()
    if "/" in taken:
        (tmp_path / taken).mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match="in") as caught:
        write_together(tmp_path, {"a.txt": b"new", "deep/er/c.txt": b"x", "in/b.txt": b"two"})
    assert caught.value.filename == str(tmp_path / "in" / "b.txt")
    assert caught.value.strerror
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "a.txt").read_bytes() == b"old"


def test_options_come_before_variables_before_defaults(monkeypatch):
    monkeypatch.delenv("LABELEFF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == data_folder() == Path("/xdg/labeleff")
    monkeypatch.setenv("LABELEFF_CACHE", "/cache")
    assert cache_folder() == data_folder() == Path("/cache")
    monkeypatch.setenv("LABELEFF_DATA", "/data")
    assert cache_folder() == Path("/cache")
    assert data_folder() == Path("/data")
    assert data_folder("/option") == Path("/option")


@pytest.mark.parametrize(("old_folder", "expected"), [(False, "Library/Caches/labeleff"), (True, ".cache/labeleff")])
def test_elsewhere_it_is_the_system_s_folder_unless_there_is_an_old_one(monkeypatch, tmp_path, old_folder, expected):
    monkeypatch.delenv("LABELEFF_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / "Library" / "Caches" / name)
    if old_folder:
        (tmp_path / ".cache" / "labeleff").mkdir(parents=True)
    assert cache_folder() == tmp_path / expected


@pytest.mark.skipif(sys.platform != "linux", reason="the folder is the system's own")
def test_on_linux_it_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("LABELEFF_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "labeleff"
