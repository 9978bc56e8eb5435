"""Nested objects: which level is what, by its keys alone."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.json_levels import count_of, levels_grid


def shown(value):
    found = levels_grid(value, "d/ours.json")
    return found.fields, [row.cells for row in found.rows], found.arm


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"50": "1", "100": "2"}, (("n", "value"), [("50", "1"), ("100", "2")], "ours")),
        ({"50": ["1", "2"]}, (("n", "value", "run"), [("50", "1", "0"), ("50", "2", "1")], "ours")),
        ({"a": {"50": "1"}, "b": {"50": "2"}}, (("arm", "n", "value"), [("a", "50", "1"), ("b", "50", "2")], None)),
        ({"50": {"a": "1", "b": "2"}}, (("n", "arm", "value"), [("50", "a", "1"), ("50", "b", "2")], None)),
        ({"t": {"a": {"50": "1"}}}, (("task", "arm", "n", "value"), [("t", "a", "50", "1")], None)),
        ({"scratch": {"t": {"50": "1"}}}, (("arm", "task", "n", "value"), [("scratch", "t", "50", "1")], None)),
        (
            {"a": {"50": {"0": "1", "1": "2"}, "100": {"0": "3"}}},
            (
                ("arm", "n", "run", "value"),
                [("a", "50", "0", "1"), ("a", "50", "1", "2"), ("a", "100", "0", "3")],
                None,
            ),
        ),
        (
            {"a": {"1": {"50": "1", "100": "2"}, "2": {"50": "3"}}},
            (
                ("arm", "run", "n", "value"),
                [("a", "1", "50", "1"), ("a", "1", "100", "2"), ("a", "2", "50", "3")],
                None,
            ),
        ),
        (
            {"a": {"n=50": {"seed_3": "1", "seed_4": "2"}}},
            (("arm", "n", "seed", "value"), [("a", "50", "3", "1"), ("a", "50", "4", "2")], None),
        ),
        (
            {"a": {"1k": {"mean": "1", "std": "2"}, "full": {"mean": "3", "std": "4"}}},
            (("arm", "n", "mean", "std"), [("a", "1k", "1", "2"), ("a", "full", "3", "4")], None),
        ),
        (
            {"a": {"n": ["50", "100"], "acc": ["1", "2"]}, "b": {"n": ["50"], "acc": ["3"]}},
            (("arm", "n", "acc"), [("a", "50", "1"), ("a", "100", "2"), ("b", "50", "3")], None),
        ),
    ],
)
def test_levels(value, expected):
    assert shown(value) == expected


def test_the_levels_are_said():
    assert levels_grid({"t": {"a": {"50": "1"}}}, "r").notes == ("keys are, from the outside: task, arm, n",)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"a": {"50": {"100": "1"}}}, r"found 2 levels of numbers \(50 and 100\)"),
        ({"a": {"b": {"c": {"50": "1"}}}}, "found keys 'a'; 'b'; 'c'; '50' by level"),
        ({"a": {"50": "1"}, "b": {"50": {"x": "1"}}}, "found a value at a.50 and objects down to b.50.x"),
        ({"a": {"0": {"1": {"2": "1"}}}}, "found 3 levels of numbers"),
    ],
)
def test_what_cant_be_told(value, error):
    with pytest.raises(RunsError, match=rf"^d/ours\.json: {error}"):
        shown(value)


@pytest.mark.parametrize(
    ("key", "count"),
    [*[(key, key) for key in ("50", "1k", "0.1%", "1,000", "full", "all")], ("n=50", "50"), ("50 labels", "50")],
)
def test_keys_that_are_label_counts(key, count):
    assert count_of(key) == count


@pytest.mark.parametrize("key", ["a", "seed0", "cifar10", "resnet50", "", "5 shots", "v2"])
def test_keys_that_are_none(key):
    assert count_of(key) == ""
