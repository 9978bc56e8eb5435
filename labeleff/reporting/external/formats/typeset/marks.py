"""Raised marks of typeset tables: footnotes kept from becoming digits, powers of ten written out, spreads kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

_ENDS_IN_NUMBER = re.compile(r"(?:^|(?<=[\s(±+×-]))(\d[\d.,]*|\.\d+)\s*%?\)?$")
_POWER = re.compile(r"(?:(\d+(?:\.\d+)?)\s*[×x·*]\s*)?\b10$")
_SYMBOLS = "*†‡§¶∗⋆★"
_TRAILING = re.compile(rf"(?<=[\d%)])\s*[{re.escape(_SYMBOLS)}]+$")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")

_DASHES = re.compile(r"[-–—]+")

Refuse = Callable[[str, str, str], Exception]
"""Builds the error from what was found, what was expected, and a hint."""


def attach(base: str, mark: str, refuse: Refuse) -> str:
    """Put a raised or lowered mark behind the text before it.

    A spread (±0.8) stays as it is; 10 to a whole power is written out; behind any other number, a mark is a footnote
    and goes. Whether 91 with a raised 1 has a footnote or is a power can't be told: that is refused. Behind a name the
    mark stays, apart from its digits (SimCLR^2).
    """
    base, mark = base.rstrip(), mark.strip()
    if not mark:
        return base
    if re.match(r"±|\+/?-", mark):
        return f"{base}±{re.sub(r'^(±|[+]/?-)', '', mark).strip()}"
    number = _ENDS_IN_NUMBER.search(base)
    if number is None or re.search("[^\\W\\dx×]", base):
        return f"{base}{mark}" if mark[0] in _SYMBOLS else f"{base}^{mark}"
    if re.fullmatch(r"[+-]?\d+", mark):
        return _powered(base, mark, number[1], refuse)
    if mark in {"st", "nd", "rd", "th", "%"}:
        return base + mark
    if any(character.isdigit() for character in mark.strip("[]()")) and not re.fullmatch(r"[\[(]?\d+[\])]?", mark):
        raise refuse(
            f"{base!r} with a raised or lowered {mark!r}", "a number, or mean ± spread", "write it in one line"
        )
    return base


def _powered(base: str, mark: str, number: str, refuse: Refuse) -> str:
    """A number with a raised whole number: a power of ten, or else a footnote."""
    power = _POWER.search(base)
    if power is not None and abs(int(mark)) <= 15:
        value = Decimal(power[1] or 1).scaleb(int(mark))
        return base[: power.start()] + format(value, "f")
    if "." in number and mark.isdigit():
        return base
    hint = "leave a footnote out, or write a power as a number"
    raise refuse(f"{base!r} with a raised {mark!r}, a footnote or a power", "a number alone", hint)


def unmarked(text: str, refuse: Refuse) -> str:
    """Text of a cell without footnote marks behind its number: 85.3*, 85.3†, 85.3²."""
    pieces = _RAISED_RUN.split(text)
    marks = _RAISED_RUN.findall(text)
    whole = pieces[0]
    for mark, piece in zip(marks, pieces[1:], strict=True):
        whole = attach(whole, mark.translate(_RAISED), refuse) + piece
    return _TRAILING.sub("", whole) if re.match(r"[^A-Za-z]*$", whole) else whole


def without_dashes(texts: Sequence[str], *, header: bool = False) -> list[str]:
    """Texts of a row's cells, a lone dash being an empty one.

    A row of a name and dashes alone keeps them: it isn't the heading of others, as a name and empty cells may be.
    """
    dashes = [_DASHES.fullmatch(text) is not None for text in texts]
    named = len(texts) > 2 and bool(texts[0]) and not dashes[0] and any(dashes)
    if named and not header and all(dash or not text for text, dash in zip(texts[1:], dashes[1:], strict=True)):
        return list(texts)
    return ["" if dash else text for text, dash in zip(texts, dashes, strict=True)]
