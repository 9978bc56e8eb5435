"""Overrides on the command line as nested tables."""

import pytest

from labeleff.errors import StudyError
from labeleff.study.overrides import nested_tables


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("draws=1", {"draws": 1}),
        ("a.b = [1, 2]", {"a": {"b": [1, 2]}}),
        ("name=plain words", {"name": "plain words"}),
        ("a=b=c", {"a": "b=c"}),
        ("budget.rotation/finetune.lr=0.1", {"budget": {"rotation/finetune": {"lr": 0.1}}}),
        ('budget."pkg.mod:f".lr=0.1', {"budget": {"pkg.mod:f": {"lr": 0.1}}}),
        ("budget.'pkg.mod:f' . lr=0.1", {"budget": {"pkg.mod:f": {"lr": 0.1}}}),
        ('budget."file(path=a.pt)/linear".lr=1', {"budget": {"file(path=a.pt)/linear": {"lr": 1}}}),
        (r'"a\"b.c"=1', {'a"b.c': 1}),
        ('"a".b="c.d=e"', {"a": {"b": "c.d=e"}}),
    ],
)
def test_keys_are_split_at_dots_outside_of_quotes(text, table):
    assert nested_tables([text]) == table


def test_later_ones_are_added():
    assert nested_tables(["a.b=1", 'a."b.c"=2', "a.b=3"]) == {"a": {"b": 3, "b.c": 2}}


@pytest.mark.parametrize("text", ["draws", "=1", "a..b=1", ".a=1", "a.=1", '"a.b=1', 'a"b".c=1', ""])
def test_what_is_no_assignment_is_said(text):
    with pytest.raises(StudyError, match=r"expected key=value"):
        nested_tables([text])


def test_a_value_is_no_table():
    with pytest.raises(StudyError, match=r"--set 'a\.b=1': 'a' is no table"):
        nested_tables(["a=2", "a.b=1"])
