"""Label counts as people write them: 1k, 50.0, 1,000, 0.1 %, 1.00x, 4 shots, full."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.grid import quote
from labeleff.reporting.external.reading import Reading

Unit = Literal["labels", "per class", "percent", "share", "all"]
"""What a number counts; `all` is the whole data set, `share` a share of it (`1.00x` is all of it)."""

MOST = 10**15
"""Label counts are smaller."""
EXPECTED = f"a whole number from 1 to 10^{len(str(MOST)) - 1} - 1"

_ALL = r"(?:all|full|whole|entire|fully[ _-]*supervised)(?:[ _-]*(?:data|data[ _-]*set|set|labels?))?"
_BEFORE = r"(?:(?P<before>n|labels?|n[ _]?labels|num[ _]?labels|n[ _]?train|samples|frac(?:tion)?|shots?|k)\s*[=:]\s*)?"
_NUMBER = r"(?P<number>[0-9][0-9.,' \u00a0\u202f]*(?:e[+]?[0-9]{1,2}|(?<=[0-9.])e-[0-9]{1,2})?)"
_AFTER = (
    r"[ _-]*(?:(?P<percent>%|percent|pct)|(?P<times>x|×)|(?P<kilo>[km])|"
    r"(?P<labels>labell?ed)?)?[ _-]*"
    r"(?:(?P<shots>shots?|(?:labels?|samples?|images?|examples?)?[ _-]*(?:per[ _-]*class|/[ _-]*class))|"
    r"(?P<things>labels?|samples?|examples?|images?|imgs?|data))?"
)
_COUNT = re.compile(rf"{_BEFORE}{_NUMBER}{_AFTER}", re.IGNORECASE)
_WHOLE_DATA = re.compile(_ALL, re.IGNORECASE)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:([,' \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:\.[0-9]+)?")
_THOUSANDS_BY_POINTS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}")
_EITHER_WAY = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_IN_TWO_UNITS = re.compile(r"([^()\[\]]+?)\s*[(\[]([^()\[\]]+)[)\]]")
_DECIMAL = re.compile(r"[0-9]+(?:[.,][0-9]*)?(?:e[+-]?[0-9]{1,2})?", re.IGNORECASE)
_PREFIXES: dict[str, Unit] = {
    "frac": "share",
    "fraction": "share",
    "shot": "per class",
    "shots": "per class",
    "k": "per class",
}


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A number of labels as written."""

    number: Fraction
    """1 for all labels; of percents the share."""
    unit: Unit | None
    """None where a bare number doesn't say."""
    either_way: bool = False
    """Whether it may be a decimal number or have a point between thousands: `2.500`."""


@functools.cache
def parse(text: str) -> LabelCount | None:
    """Parse one label count; None for what isn't one, and for zero."""
    text = text.strip()
    if text.isdecimal() and text.isascii():
        return LabelCount(Fraction(int(text)), None) if len(text) <= 15 and int(text) else None
    if _WHOLE_DATA.fullmatch(text):
        return LabelCount(Fraction(1), "all")
    if both := _IN_TWO_UNITS.fullmatch(text):
        return _labels_of_two(parse(both[1]), parse(both[2]))
    match = _COUNT.fullmatch(text)
    number = _number(match["number"].strip()) if match else None
    if match is None or not number or number >= MOST:
        return None
    return _in_unit(number, match)


def _labels_of_two(first: LabelCount | None, second: LabelCount | None) -> LabelCount | None:
    """The one of two counts of the same labels that counts labels: `10% (5k)`, `500 (1%)`; None for others."""
    if first is None or second is None:
        return None
    plain = [count for count in (first, second) if count.unit in (None, "labels") and count.number.denominator == 1]
    return LabelCount(plain[0].number, "labels") if len(plain) == 1 else None


def _number(text: str) -> Fraction | None:
    """Value of a number with a decimal point or comma, or with separators of thousands."""
    if _THOUSANDS.fullmatch(text):
        return Fraction(re.sub(r"[,' \u00a0\u202f]", "", text))
    if _THOUSANDS_BY_POINTS.fullmatch(text):
        return Fraction(text.replace(".", ""))
    return Fraction(text.replace(",", ".").rstrip(".")) if _DECIMAL.fullmatch(text) else None


def _in_unit(number: Fraction, match: re.Match[str]) -> LabelCount:
    before = (match["before"] or "").casefold()
    if match["kilo"]:
        number *= 1000 if match["kilo"] in "kK" else 10**6
    if match["percent"]:
        return LabelCount(number / 100, "percent")
    if match["times"] or _PREFIXES.get(before) == "share":
        return LabelCount(number, "share")
    if match["shots"] or _PREFIXES.get(before) == "per class":
        return LabelCount(number, "per class")
    marked = match["kilo"] or match["things"] or match["labels"] or before
    either_way = bool(_EITHER_WAY.fullmatch(match["number"].strip()))
    return LabelCount(number, "labels" if marked and number.denominator == 1 else None, either_way)


def spoken_unit(words: Iterable[str]) -> Unit | None:
    """Unit that the words of a column's name speak of; None where they don't."""
    spoken = set(words)
    if spoken & {"percent", "percentage", "pct", "%"}:
        return "percent"
    if spoken & {"fraction", "frac", "share", "proportion", "ratio"}:
        return "share"
    if spoken & {"shot", "shots"} or {"per", "class"} <= spoken or spoken & {"lpc", "spc", "ipc"}:
        return "per class"
    return None


Fail = Callable[[str, str, str, str], RunsError]
"""Builds the error for a count's text from what was found and expected, and a hint."""


@dataclass(frozen=True)
class LabelUnits:
    """What the label counts of one file count."""

    bare: Unit
    """What numbers without a mark count."""
    reading: Reading
    fail: Fail

    def labels(self, text: str, task: str | None) -> int | None:
        """Number of labels; None for all labels of a task whose pool isn't given. Raises RunsError."""
        count = parse(text)
        if count is None:
            raise self.fail(text, quote(text), EXPECTED, _hint(text))
        unit = count.unit or self.bare
        number = count.number / 100 if unit == "percent" and count.unit is None else count.number
        if unit == "labels":
            return self._whole(text, number)
        if unit == "per class":
            return self._whole(text, number * self._classes(text))
        return self._of_pool(text, task, number, unit)

    def of_pool(self, text: str) -> bool:
        """Whether a count is a share of all labels."""
        count = parse(text)
        return count is not None and (count.unit or self.bare) in ("percent", "share", "all")

    def _whole(self, text: str, number: Fraction) -> int:
        if number.denominator != 1:
            raise self.fail(text, quote(text), EXPECTED, "")
        return int(number)

    def _classes(self, text: str) -> int:
        if self.reading.per_class is None:
            way_out = "give --per-class CLASSES (or --label-unit labels, where they count all labels)"
            raise self.fail(text, f"{quote(text)}, labels per class", "the number of classes", way_out)
        return self.reading.per_class

    def _of_pool(self, text: str, task: str | None, number: Fraction, unit: Unit) -> int | None:
        pool = self.reading.pools.get(task, self.reading.pools.get(None))
        if pool is None and unit == "all":
            return None
        if pool is None:
            name = "N" if task is None else shlex.quote(f"{task}=N")
            of = f"{quote(text)}, a {'percentage' if unit == 'percent' else 'share'} of all labels"
            raise self.fail(text, of, "their number", f"give --pool {name}")
        labels = round(number * pool)
        if labels < 1:
            raise self.fail(text, f"{quote(text)} of {pool:,} labels", "at least one label", "")
        return labels


def label_units(texts: Collection[str], words: Iterable[str], reading: Reading, fail: Fail) -> LabelUnits:
    """Recognise what the label counts of one column or header count; `words` are those of the column's name.

    Raises RunsError, with both readings, where numbers may be meant in two ways.
    """
    counts = {text: count for text in texts if (count := parse(text)) is not None}
    bare = {text: count for text, count in counts.items() if count.unit is None}
    marked: dict[Unit | None, str] = {}
    for text, count in counts.items():
        if count.unit not in (None, "all", "labels"):
            marked.setdefault(count.unit, text)
    if not bare:
        return LabelUnits("labels", reading, fail)
    if reading.label_unit is not None:
        return LabelUnits(reading.label_unit, reading, fail)
    if marked:
        unit = next(unit for unit in marked)
        odd, others = (
            (list(bare), list(marked.values())) if len(bare) <= len(marked) else (list(marked.values()), list(bare))
        )
        raise fail(odd[0], f"{quote(odd[0])} beside {quote(others[0])}", "one unit", _either(unit, "labels"))
    _check_decimals(bare, fail)
    return LabelUnits(_bare_unit(bare, spoken_unit(words), reading, fail), reading, fail)


def _bare_unit(bare: dict[str, LabelCount], spoken: Unit | None, reading: Reading, fail: Fail) -> Unit:
    """What numbers without a mark count."""
    numbers = [count.number for count in bare.values()]
    within = max(numbers) <= 1 and min(numbers) < 1
    broken = next((text for text, count in bare.items() if count.number.denominator != 1), None)
    first = next(iter(bare))
    if spoken == "percent" and within:
        raise fail(first, f"{quote(first)} in a column of percentages", "one reading", _either("percent", "share"))
    if spoken == "percent" and max(numbers) <= 100:
        return "percent"
    if within or (spoken == "share" and max(numbers) <= 1):
        return "share"
    if spoken in ("percent", "share"):
        largest = max(bare, key=lambda text: bare[text].number)
        raise fail(largest, f"{quote(largest)} in a column of shares", "one reading", _either("percent", "labels"))
    if spoken == "per class" or reading.per_class is not None:
        return "per class"
    if broken is not None and max(numbers) <= 100 and len(bare) > 1 and bare[broken].number < 1:
        raise fail(broken, f"{quote(broken)}, no whole number", "label counts", _either("percent", "share"))
    return "labels"


def _check_decimals(bare: dict[str, LabelCount], fail: Fail) -> None:
    """Refuse points and commas that may stand between thousands or before decimals."""
    commas = [text for text in bare if re.fullmatch(r"0,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})", text)]
    thousands = [text for text in bare if re.fullmatch(r"[0-9]{1,3},[0-9]{3}", text) and text not in commas]
    if commas and thousands:
        both = f"{quote(thousands[0])} beside {quote(commas[0])}"
        raise fail(thousands[0], both, "commas between thousands or before decimals, not both", "")
    either = [text for text, count in bare.items() if count.either_way]
    if either and max(count.number for count in bare.values()) > 1:
        number = bare[either[0]].number
        readings = f"{float(number):g} or {int(number * 1000)}"
        raise fail(
            either[0],
            f"{quote(either[0])}, which may be {readings}",
            EXPECTED,
            "write it without a separator of thousands, and without decimals",
        )


def _either(*units: Unit | None) -> str:
    """Way out where two readings are possible."""
    words = {"labels": "counts of labels", "percent": "percentages", "share": "shares", "per class": "counts per class"}
    return ", ".join(
        f"{'or' if at else 'give'} --label-unit {str(unit).replace(' ', '-')} for {words[str(unit)]}"
        for at, unit in enumerate(units)
    )


def _hint(text: str) -> str:
    if re.fullmatch(r"0+(?:\.0+)?", text):
        return "leave rows without labels out"
    return "" if text else "leave a run that wasn't measured out"


def label_unit(text: str | None) -> Literal["labels", "per class", "percent", "share"] | None:
    """Unit from its name on the command line. Raises OptionError for anything else."""
    names: dict[str, Literal["labels", "per class", "percent", "share"]] = {
        "labels": "labels",
        "per-class": "per class",
        "percent": "percent",
        "share": "share",
    }
    if text is not None and text not in names:
        raise OptionError(f"--label-unit: found {text!r}, expected one of {', '.join(names)}")
    return None if text is None else names[text]
