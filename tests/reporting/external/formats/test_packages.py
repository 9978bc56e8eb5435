"""Optional packages, imported when they are needed."""

from __future__ import annotations

import sys

import pytest

from labeleff.errors import OptionError
from labeleff.reporting.external.formats.packages import needed, reason


def test_a_package_that_is_there_and_one_that_isnt(monkeypatch):
    assert needed("json.decoder", "x", "files").__name__ == "json.decoder"
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(OptionError, match=r"^x: files are read by absent, .*; pip install 'labeleff\[tables\]'$"):
        needed("absent.part", "x", "files")


def test_reasons_are_one_line():
    assert reason(ValueError("a\x0fb\nc")) == "a?b"
    assert reason(KeyError()) == "KeyError"
