import importlib.util

import pytest

from labeleff.catalogue.strategies import STRATEGIES, check_strategy, find_strategy, resolve_strategy
from labeleff.errors import OptionError, UnknownNameError
from labeleff.plugins.strategies import coreset, margin, typiclust


def test_every_row_is_found_and_resolved():
    assert [resolve_strategy(one.name) for one in STRATEGIES] == [margin.choose, coreset.choose, typiclust.choose]
    assert [find_strategy(one.name) for one in STRATEGIES] == list(STRATEGIES)


@pytest.mark.parametrize("name", ["random", "Margin", "margin ", "scikit-activeml", "scikit-activeml:", "modal:x", ""])
def test_other_names_are_refused_with_those_that_are_known(name):
    with pytest.raises(UnknownNameError, match=r"margin.*"):
        find_strategy(name)


def test_the_extra_that_is_missing_is_named(monkeypatch, called_here):
    """Before a plan and before a run; a report of finished records needs no extra."""
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skactiveml" else usual(name))
    check_strategy("margin")
    text = "selection 'scikit-activeml:Badge' needs skactiveml, which isn't installed; pip install 'labeleff[active]'"
    with pytest.raises(OptionError) as caught:
        resolve_strategy("scikit-activeml:Badge")
    assert text in str(caught.value)
    for command in ("plan", "run"):
        status, _, error = called_here(command, "smoke", "--set", "selection=scikit-activeml:Badge")
        assert status == 2
        assert text in error
