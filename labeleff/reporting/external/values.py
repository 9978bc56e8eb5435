"""Cells of measured values: numbers, percentages, means with a spread or an interval."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

NOT_MEASURED = {"nan", "inf", "infinity", "na", "n/a", "none", "null", "-", "--", "–", "—"}
"""Cells, in small letters and without sign, that tell that nothing was measured."""
VALUE = "a number, or a mean with its spread such as 61.7±0.8 or 61.7 [60.9, 62.5]"
_LEAVE_EMPTY = "leave the cell empty where nothing was measured (and give --skip-empty in a table of one value per row)"

_SIGN = r"[+\-−]?"
_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_NUMBER = rf"{_SIGN}{_PLAIN}"
_PERCENT = r"\s*(?:\\?%)?\s*"
_PLUS_MINUS = r"(?:±|\+/?-|\$?\\pm\$?|\+/−)"
_ALONE = re.compile(rf"({_NUMBER})(\s*\\?%)?")
_WITH_SPREAD = re.compile(rf"\(?\s*({_NUMBER}){_PERCENT}{_PLUS_MINUS}\s*({_PLAIN})\s*\)?{_PERCENT}")
_IN_BRACKETS = re.compile(rf"({_NUMBER}){_PERCENT}(\s*)\(\s*(?:{_PLUS_MINUS})?\s*({_PLAIN}){_PERCENT}\)(?:\s*\\?%)?")
_INTERVAL = rf"[\[(]\s*({_NUMBER}){_PERCENT}(?:,|;|–|—|\bto\b|-)\s*({_NUMBER}){_PERCENT}[\])](?:\s*\\?%)?"
_WITH_INTERVAL = re.compile(rf"({_NUMBER}){_PERCENT}{_INTERVAL}")
_ONLY_INTERVAL = re.compile(_INTERVAL)
_ONLY_SPREAD = re.compile(rf"(?:{_PLUS_MINUS})?\s*({_PLAIN}){_PERCENT}")
_DECIMAL_COMMA = re.compile(r"(?<![0-9.])([0-9]*),([0-9]+)(?![0-9.]|,[0-9])")
_SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f]+")


class UnreadableCellError(ValueError):
    """A cell that isn't a value: what was found, what was expected, and what to do."""

    def __init__(self, expected: str, hint: str = "") -> None:
        super().__init__(expected)
        self.expected, self.hint = expected, hint


@dataclass(frozen=True, slots=True)
class Value:
    """One cell, on the table's own scale."""

    text: str
    """The number as digits, with a decimal point."""
    number: float
    percent: bool = False
    """Whether the cell has a percent sign."""
    spread: str | None = None
    """The spread as digits; None without one."""
    ends: tuple[str, str] | None = None
    """The ends of an interval as digits; None without one."""


def read_value(cell: str, *, comma: bool = False) -> Value:
    """Read a value's cell; `comma`: decimals are written with a comma. Raises UnreadableCellError."""
    alone = _ALONE.fullmatch(cell)
    if alone:
        return Value(_digits(alone[1]), float(_digits(alone[1])), alone[2] is not None)
    text = _SPACES.sub(" ", _points(cell) if comma else cell).strip().strip("$").strip()
    percent = "%" in text
    if found := _ALONE.fullmatch(text):
        return Value(_digits(found[1]), float(_digits(found[1])), percent)
    if found := _WITH_SPREAD.fullmatch(text):
        return Value(_digits(found[1]), float(_digits(found[1])), percent, found[2])
    if found := _IN_BRACKETS.fullmatch(text):
        _refuse_last_digits(found[1], found[3])
        return Value(_digits(found[1]), float(_digits(found[1])), percent, found[3])
    if found := _WITH_INTERVAL.fullmatch(text):
        return Value(_digits(found[1]), float(_digits(found[1])), percent, None, (_digits(found[2]), _digits(found[3])))
    raise UnreadableCellError(VALUE, _hint(text))


@functools.lru_cache(maxsize=10_000)
def is_value(cell: str) -> bool:
    """Whether a cell can be read, with decimal points or commas."""
    for comma in (False, True) if re.search("[0-9]", cell) else ():
        try:
            read_value(cell, comma=comma)
        except UnreadableCellError:
            continue
        return True
    return False


@dataclass(frozen=True, slots=True)
class SpreadCell:
    """The spread of a mean: its size, or the ends of an interval, as digits."""

    size: str | None
    ends: tuple[str, str] | None = None
    percent: bool = False
    """Whether the cell has a percent sign."""


def read_spread(cell: str, *, comma: bool = False) -> SpreadCell:
    """Read the cell of a column of spreads: its size, or the ends of an interval. Raises UnreadableCellError."""
    text = _SPACES.sub(" ", _points(cell) if comma else cell).strip().strip("$").strip()
    if found := _ONLY_SPREAD.fullmatch(text):
        return SpreadCell(found[1], percent="%" in text)
    if found := _ONLY_INTERVAL.fullmatch(text):
        return SpreadCell(None, (_digits(found[1]), _digits(found[2])), "%" in text)
    raise UnreadableCellError("a spread from 0, or an interval such as [60.9, 62.5]", _hint(text))


def decimals(text: str) -> int:
    """Number of decimals of a number in digits, under 0 for one such as 1e3."""
    mantissa, _, exponent = text.lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def _digits(text: str) -> str:
    return text.replace("−", "-")


def _points(cell: str) -> str:
    """The cell with decimal points for its decimal commas; a comma before a space separates."""
    return _DECIMAL_COMMA.sub(lambda found: f"{found[1] or '0'}.{found[2]}", cell)


def _refuse_last_digits(number: str, bracket: str) -> None:
    """Refuse `61.7(8)`: a spread of 8, or of 8 of the last digit."""
    places = decimals(number)
    if places > 0 and "." not in bracket and "e" not in bracket.lower():
        small = f"{int(bracket) / 10**places:.{places}f}"
        raise UnreadableCellError(
            "one reading", f"it may be {number}±{small} (in units of the last digit) or {number}±{bracket}; write which"
        )


def _hint(text: str) -> str:
    if text.lower().lstrip("+-") in NOT_MEASURED:
        return "leave a run that wasn't measured out"
    if re.fullmatch(rf"{_SIGN}[0-9]+,[0-9]+\s*%?", text):
        return "write decimals with a point, not a comma"
    if re.search(r"\*\*|__|\\[a-z]+\{|</?[a-z]+>", text):
        return "leave bold and other marks out"
    if re.match(rf"{_NUMBER}\s*[*†‡^a-z]|[*†‡§¶^]+\s*{_NUMBER}", text):
        return "leave footnote marks and units out"
    if re.search(r"[(\[]\s*[+\-−↑↓▲▼Δ]\s*[0-9.]+\s*%?\s*[)\]]|[↑↓▲▼Δ]", text):
        return "leave differences to other rows out"
    if re.search(r"\+\s*[0-9.]+\s*/?\s*-\s*[0-9.]+", text):
        return "give one spread for both sides, or an interval in brackets"
    return _LEAVE_EMPTY if text and not re.search("[0-9]", text) else ""


def has_decimal_commas(cells: Iterable[str], *, shares: bool = False) -> bool | str:
    """Whether commas in the cells of one column are decimal ones; the cell that may be read in two ways, if there is.

    `1,234` alone may be 1.234 or 1234; `0,617`, `85,3` and `1234,5` may not, and one of them tells for all. `shares`:
    there are no values over 100.
    """
    doubtful = ""
    with_comma = [cell for cell in cells if "," in cell and "." not in cell]
    for cell in with_comma:
        for whole, digits in _DECIMAL_COMMA.findall(cell):
            if shares or len(digits) != 3 or len(whole) > 3 or whole in ("", "0"):
                return True
            doubtful = doubtful or cell
    return doubtful or False
