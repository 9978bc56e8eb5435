"""Compiling when first needed, and doing without."""

import shutil
import sys

import pytest

from labeleff.training.kernels import compiled

pytestmark = pytest.mark.skipif(shutil.which("cc") is None or sys.platform == "win32", reason="no compiler")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def load():
    return compiled.library.__wrapped__()


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A source that compiles at once: source("int two(void) { return 2; }")."""

    def put(text):
        (tmp_path / "maps.c").write_text(text)
        monkeypatch.setattr(compiled, "SOURCE", tmp_path / "maps.c")

    put("int two(void) { return 2; }")
    return put


def test_one_file_is_compiled_and_found_again(folder, source, monkeypatch):
    assert load().two() == 2
    [path] = folder.iterdir()
    monkeypatch.setattr(compiled, "_compile", lambda *_: pytest.fail("compiled again"))
    assert load().two() == 2
    assert [path] == list(folder.iterdir())


def test_another_source_is_another_file(folder, source):
    load()
    source("int two(void) { return 3; }")
    assert load().two() == 3
    assert len(list(folder.iterdir())) == 2


def test_what_does_not_compile_is_done_without(folder, source):
    source("int two(void) { return 2 }")
    assert load() is None
    assert list(folder.iterdir()) == []


def test_without_compiler_or_place_or_wish(folder, source, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "file" / "kernels"))
    assert load() is None
    monkeypatch.setenv(compiled.VARIABLE, "off")
    assert load() is None
    monkeypatch.setenv(compiled.VARIABLE, str(folder))
    monkeypatch.setattr(compiled.shutil, "which", lambda _: None)
    assert load() is None
    assert not folder.exists()


def test_a_compiler_that_hangs_is_given_up(folder, source, monkeypatch, tmp_path):
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("CC", str(slow))
    monkeypatch.setattr(compiled, "SECONDS", 0.2)
    assert load() is None


def test_the_cache_folder_is_the_usual_place(source, monkeypatch, tmp_path):
    monkeypatch.delenv(compiled.VARIABLE)
    monkeypatch.setenv("LABELEFF_CACHE", str(tmp_path / "cache"))
    assert load().two() == 2
    assert len(list((tmp_path / "cache" / "kernels").iterdir())) == 1
