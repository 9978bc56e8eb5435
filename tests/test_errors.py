import sys

import pytest

from labeleff import errors
from labeleff.errors import (
    LabeleffError,
    LabeleffWarning,
    MissingPackageError,
    OptionError,
    UnknownNameError,
    optional,
    reason,
)


def test_one_family():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    raised = [kind for kind in kinds if not issubclass(kind, Warning)]
    assert len(raised) > 8
    assert all(issubclass(kind, LabeleffError) for kind in raised)
    assert all(issubclass(kind, LabeleffWarning) for kind in kinds if kind not in raised)


def test_unknown_names_get_the_nearest_match_and_the_list():
    text = str(UnknownNameError("fruit", "aple", ["pear", "apple"]))
    assert text == "unknown fruit 'aple'; did you mean 'apple'? (known: apple, pear)"
    assert "did you mean" not in str(UnknownNameError("fruit", "zzz", ["pear"]))


def test_an_optional_package_that_is_there_missing_or_broken(tmp_path, monkeypatch):
    assert optional("json.decoder", "x needs", "tables").__name__ == "json.decoder"
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(MissingPackageError) as missing:
        optional("absent.part", "x.h5: these files need", "tables")
    expected = "x.h5: these files need absent, which isn't installed; pip install 'labeleff[tables]'"
    assert str(missing.value) == expected
    assert "a and b, which aren't installed" in str(MissingPackageError("x needs", "tables", "a", "b"))
    (tmp_path / "broken_package.py").write_text("import a_module_of_no_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OptionError, match="x needs broken_package, which can't be imported: No module named 'a_mod"):
        optional("broken_package", "x needs", "tables")


def test_reasons_are_one_line():
    assert reason(ValueError("a\x0fb\nc")) == "a?b"
    assert reason(KeyError()) == "KeyError"
