from pathlib import Path

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
