"""JSON as text: errors have a line, and no key counts twice."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.json_text import parse


def test_leaves_are_text():
    expected = {"a": ["1.50", "NaN", "true", "false", "", "x"], "b": {"c": "10000000000000000000000"}}
    text = '{"a": [1.50, NaN, true, false, null, "x"], "b": {"c": 10000000000000000000000}}'
    assert parse(text, "r.json") == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a": 1,\n "b": }', r"line 2, character 7: found text that isn't JSON \(Expecting value\)"),
        ('{"a": 1,\n "b": 2,\n "a": 3}', "line 1: found the key 'a' twice in the object"),
        ('{"a": [{},\n\n{"b": {"x": 1},\n "c": {}, "b": 1}]}', "line 3: found the key 'b' twice"),
        ('{"a": 1} {"a": 2}', "line 1, character 10: found text that isn't JSON"),
        ("[" * 100_000, "line 1: found JSON nested too deeply"),
    ],
)
def test_errors(text, error):
    with pytest.raises(RunsError, match=rf"^r\.json, {error}"):
        parse(text, "r.json")


def test_a_line_of_a_file():
    with pytest.raises(RunsError, match=r"^r\.json, line 7, character 2"):
        parse("{x}", "r.json", 7)
