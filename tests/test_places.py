import sys
from pathlib import Path

import pytest

from labeleff import places
from labeleff.places import cache_folder, data_folder


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
    monkeypatch.setattr(places, "user_cache_path", lambda name, **_: tmp_path / "Library" / "Caches" / name)
    if old_folder:
        (tmp_path / ".cache" / "labeleff").mkdir(parents=True)
    assert cache_folder() == tmp_path / expected


@pytest.mark.skipif(sys.platform != "linux", reason="the folder is the system's own")
def test_on_linux_it_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("LABELEFF_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "labeleff"
