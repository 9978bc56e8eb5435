"""Cells of measured values: all ways to write a mean, and those that can't be read or may be read in two ways."""

from __future__ import annotations

import pytest

from labeleff.reporting.external.values import (
    SpreadCell,
    UnreadableCellError,
    Value,
    decimals,
    has_decimal_commas,
    read_spread,
    read_value,
)


@pytest.mark.parametrize(
    ("cell", "text", "spread"),
    [
        ("61.7", "61.7", None),
        (".5", ".5", None),
        ("1e-3", "1e-3", None),
        ("−0.12", "-0.12", None),
        ("61.7±0.8", "61.7", "0.8"),
        ("61.7 ± 0.8", "61.7", "0.8"),
        ("61.7\u00a0±\u20090.8", "61.7", "0.8"),
        ("61.7 (0.8)", "61.7", "0.8"),
        ("61.7 (±0.8)", "61.7", "0.8"),
        ("61.7(0.8)", "61.7", "0.8"),
        ("85 (3)", "85", "3"),
        ("61.7 +- 0.8", "61.7", "0.8"),
        ("61.7+/-0.8", "61.7", "0.8"),
        (r"61.7 \pm 0.8", "61.7", "0.8"),
        (r"$61.7 \pm 0.8$", "61.7", "0.8"),
        (r"61.7 $\pm$ 0.8", "61.7", "0.8"),
        ("-0.12±0.03", "-0.12", "0.03"),
    ],
)
def test_numbers_and_means(cell: str, text: str, spread: str | None) -> None:
    assert read_value(cell) == Value(text, float(text), spread=spread)


@pytest.mark.parametrize(
    "cell",
    ["61.7 [60.9, 62.5]", "61.7 (60.9, 62.5)", "61.7 [60.9; 62.5]", "61.7 (60.9–62.5)", "61.7 [60.9-62.5]"],
)
def test_means_with_an_interval(cell: str) -> None:
    assert read_value(cell) == Value("61.7", 61.7, ends=("60.9", "62.5"))


@pytest.mark.parametrize(
    "cell", ["85.3%", "85.3 %", r"85.3\%", "85.3%±0.2%", "85.3±0.2%", "(85.3±0.2)%", "85.3% (0.2)"]
)
def test_a_percent_sign_is_kept(cell: str) -> None:
    value = read_value(cell)
    assert (value.text, value.percent) == ("85.3", True)
    assert value.spread in (None, "0.2")


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("61.7(8)", "it may be 61.7±0.8 (in units of the last digit) or 61.7±8; write which"),
        ("0.617 (8)", "it may be 0.617±0.008 (in units of the last digit) or 0.617±8; write which"),
        ("nan", "leave a run that wasn't measured out"),
        ("-inf", "leave a run that wasn't measured out"),
        ("–", "leave a run that wasn't measured out"),
        ("61,7", "write decimals with a point, not a comma"),
        ("61.7*", "leave footnote marks and units out"),
        ("†61.7", "leave footnote marks and units out"),
        ("85.3²", ""),
        ("61.7 +0.8/-0.9", "give one spread for both sides, or an interval in brackets"),
        ("61.7±", ""),
        ("±0.8", ""),
        ("", ""),
        ("1_000", ""),
        ("61.7±-0.8", ""),
        ("61.7 [60.9]", ""),
    ],
)
def test_cells_that_are_none(cell: str, hint: str) -> None:
    with pytest.raises(UnreadableCellError) as caught:
        read_value(cell)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("61,7±0,8", Value("61.7", 61.7, spread="0.8")),
        ("61,7 [60,9; 62,5]", Value("61.7", 61.7, ends=("60.9", "62.5"))),
        ("61,7 [60,9, 62,5]", Value("61.7", 61.7, ends=("60.9", "62.5"))),
        (",5", Value("0.5", 0.5)),
        ("85,3%", Value("85.3", 85.3, percent=True)),
    ],
)
def test_decimal_commas(cell: str, expected: Value) -> None:
    assert read_value(cell, comma=True) == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["61.7", "0.5"], False),
        (["85,3"], True),
        (["0,617", "0,700"], True),
        (["1234,5"], True),
        (["1,234"], "1,234"),
        (["1,234", "1,5"], True),
        (["61.7 [60.9, 62.5]"], False),
        (["61.7 [60.9,62.5]"], False),
    ],
)
def test_which_commas_are_decimal(cells: list[str], expected: bool | str) -> None:
    assert has_decimal_commas(cells) == expected


def test_a_column_of_spreads() -> None:
    assert read_spread("±0.8") == read_spread("0.8") == SpreadCell("0.8")
    assert read_spread("0,8", comma=True) == SpreadCell("0.8")
    assert read_spread("[60.9, 62.5]") == SpreadCell(None, ("60.9", "62.5"))
    assert read_spread("0.8 %") == SpreadCell("0.8", percent=True)
    assert read_spread("[60.9%, 62.5%]") == SpreadCell(None, ("60.9", "62.5"), percent=True)
    for cell in ("-0.8", "nan", "small"):
        with pytest.raises(UnreadableCellError, match="a spread from 0"):
            read_spread(cell)


def test_decimals() -> None:
    assert [decimals(text) for text in ("61.70", "62", "1e-3", "1.5e3", ".5")] == [2, 0, 3, -2, 1]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [("41.2 (+10.0)", "differences"), ("41.2 (↑1)", "differences"), ("**41.2**", "bold"), ("\\\\textbf{4}", "bold")],
)
def test_marks_and_differences_are_named(cell: str, hint: str) -> None:
    with pytest.raises(UnreadableCellError) as caught:
        read_value(cell)
    assert hint in caught.value.hint
