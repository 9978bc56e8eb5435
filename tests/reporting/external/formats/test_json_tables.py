"""JSON in every shape that holds a table: the same rows, or one error."""

from __future__ import annotations

import json

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.json_tables import is_json, read
from labeleff.reporting.external.reading import Reading


def grid(table, **options):
    text = table if isinstance(table, str) else json.dumps(table)
    return read(text, "results/ours.json", Reading(**options))


def shown(value):
    """Fields, rows and the arm of a grid."""
    found = grid(value)
    return found.fields, [row.cells for row in found.rows], found.arm


RECORDS = [{"arm": "a", "n": 50, "acc": 0.5}, {"arm": "b", "n": 100, "acc": 0.6}]
ROWS = (("arm", "n", "acc"), [("a", "50", "0.5"), ("b", "100", "0.6")], None)


@pytest.mark.parametrize(
    "value",
    [
        RECORDS,
        "\n".join(map(json.dumps, RECORDS)) + "\n\n",
        {name: [record[name] for record in RECORDS] for name in RECORDS[0]},
        {name: {str(at): record[name] for at, record in enumerate(RECORDS)} for name in RECORDS[0]},
        {str(at): record for at, record in enumerate(RECORDS)},
        {"columns": list(RECORDS[0]), "index": [0, 1], "data": [list(record.values()) for record in RECORDS]},
        {"made": "2026", "results": RECORDS, "config": {"x": 1}},
        [list(RECORDS[0]), *(list(record.values()) for record in RECORDS)],
    ],
)
def test_ways_to_write_records(value):
    assert shown(value) == ROWS


def test_places():
    assert [row.place for row in grid(RECORDS).rows] == ["item 1", "item 2"]
    assert [row.place for row in grid('{"a": "x"}\n\n{"a": "y"}').rows] == ["line 1", "line 3"]
    assert grid({"a": {"50": [0.1]}}).rows[0].place == "at a.50, value 1"


def test_numbers_keep_their_digits_and_nan_its_name():
    text = '[{"n": 50, "x": 0.50, "y": 1e3}, {"n": NaN, "x": -Infinity, "y": null, "z": true}]'
    expected = [("50", "0.50", "1e3", ""), ("NaN", "-Infinity", "", "true")]
    assert shown(text)[1] == expected


def test_lists_of_values_one_arm_per_file():
    assert shown([{"num": 25, "test_errors": [1.5, 2]}, {"num": 50, "test_errors": [3]}]) == (
        ("num", "test_errors", "run"),
        [("25", "1.5", "0"), ("25", "2", "1"), ("50", "3", "0")],
        "ours",
    )
    assert shown([{"dataset": "c", "n": 25, "errors": [1]}])[2] is None
    assert shown([{"n": [25, 50], "acc": [1, 2]}])[:2] == (("n", "acc"), [("25", "1"), ("50", "2")])


def test_nested_records():
    assert shown({"arm": "a", "config": {"n": 50}, "test": {"acc": {"top1": 0.5}}})[:2] == (
        ("arm", "config.n", "test.acc.top1"),
        [("a", "50", "0.5")],
    )


def test_an_object_is_one_record_where_its_value_is_named_or_it_is_one_of_many():
    value = {"test": {"acc": 0.5, "loss": 1}, "val": {"acc": 0.6, "loss": 2}}
    assert grid(value).fields == ("arm", "acc", "loss")
    names = ("test.acc", "test.loss", "val.acc", "val.loss")
    assert grid(value, value="test.acc").fields == names
    assert grid(value, pattern="{n}.json").fields == names
    assert grid({"50": [1, 2]}, pattern="{arm}.json").fields == ("n", "value", "run")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "[]",
        "{}",
        "3",
        "[1, 2]",
        '[{"a": 1}, 2]',
        '[{"a": [1, 2], "b": [1]}]',
        '[{"a": [{"b": 1}]}]',
        '{"a": [1, 2], "b": [1]}',
        '{"a": [{"x": 1}], "b": [{"y": 1}]}',
    ],
)
def test_what_is_no_table(value):
    with pytest.raises(RunsError, match=r"^results/ours\.json"):
        grid(value)


def test_what_is_json():
    assert is_json('\ufeff {"a": 1}')
    assert is_json("[\n 1]")
    assert is_json("[[1]]")
    assert not is_json("[x],y\n1,2")
    assert not is_json("arm,n\n")


def test_lists_of_records_by_name_are_arms_or_tasks() -> None:
    runs = '[{"n": 40, "accs": [0.1, 0.2]}, {"n": 80, "accs": [0.3]}]'
    assert read(f'{{"a": {runs}, "b": {runs}}}', "t.json", Reading()).fields[0] == "arm"
    named = '[{"method": "a", "n": 40, "acc": 0.1}]'
    assert read(f'{{"svhn": {named}, "cifar": {named}}}', "t.json", Reading()).fields[0] == "task"
    with pytest.raises(RunsError, match="found lists of records in 'train', 'test', expected one"):
        read(f'{{"train": {runs}, "test": {runs}}}', "t.json", Reading())
