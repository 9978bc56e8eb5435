"""Label counts in every way that people write them, and those that may be meant in two ways."""

from __future__ import annotations

from fractions import Fraction

import pytest

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.label_counts import label_unit, label_units, parse
from labeleff.reporting.external.reading import Reading


def error(text: str, found: str, expected: str, hint: str) -> RunsError:
    return RunsError(f"{text}: found {found}, expected {expected}; {hint}")


def labels(texts: list[str], words: str = "", task: str | None = None, **reading: object) -> list[int | None]:
    units = label_units(texts, words.split(), Reading(**reading), error)  # type: ignore[arg-type]
    return [units.labels(text, task) for text in texts]


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("100", 100, None),
        ("50.0", 50, None),
        ("1e3", 1000, None),
        ("1,000", 1000, None),
        ("1 000", 1000, None),
        ("12'500'000", 12_500_000, None),
        ("1.000.000", 1_000_000, None),
        ("1k", 1000, "labels"),
        ("10K", 10_000, "labels"),
        ("1.5k", 1500, "labels"),
        ("1,5k", 1500, "labels"),
        ("2M", 2_000_000, "labels"),
        ("n=100", 100, "labels"),
        ("100 labels", 100, "labels"),
        ("0.1%", Fraction(1, 1000), "percent"),
        ("0.1 %", Fraction(1, 1000), "percent"),
        ("10 percent", Fraction(1, 10), "percent"),
        ("1.00x", 1, "share"),
        ("0.25x", Fraction(1, 4), "share"),
        ("4 shots", 4, "per class"),
        ("4-shot", 4, "per class"),
        ("10 per class", 10, "per class"),
        ("full", 1, "all"),
        ("All labels", 1, "all"),
        ("fullysupervised", 1, "all"),
        ("Fully supervised", 1, "all"),
    ],
)
def test_one_label_count(text: str, number: Fraction, unit: str | None) -> None:
    count = parse(text)
    assert count is not None
    assert (count.number, count.unit) == (number, unit)


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.0", "-5", "+5", "many", "nan", "inf", "0x10", "1_000", "٣", "½", "1/10", "9" * 16, "1 00", "1,00,000"],
)
def test_no_label_count(text: str) -> None:
    assert parse(text) is None


def test_columns_of_one_unit() -> None:
    assert labels(["50", "1k", "50.0", "full"], pools={None: 5000}) == [50, 1000, 50, 5000]
    assert labels(["0.001", "0.01", "1.0"], pools={None: 50_000}) == [50, 500, 50_000]
    assert labels(["1", "10"], "label percent", pools={None: 1797}) == [18, 180]
    assert labels(["1", "5"], "n shots", per_class=10) == [10, 50]
    assert labels(["1", "5"], per_class=10) == [10, 50]
    assert labels(["1-shot", "20"], per_class=10, label_unit="labels") == [10, 20]
    assert labels(["0.5", "10"], pools={None: 1000}, label_unit="percent") == [5, 100]
    assert labels(["0,01", "0,1"], pools={None: 1000}) == [10, 100]


def test_pools_are_those_of_tasks() -> None:
    assert labels(["full"], task="svhn", pools={"svhn": 604_388, None: 50_000}) == [604_388]
    assert labels(["full"], task="cifar10", pools={"svhn": 604_388, None: 50_000}) == [50_000]
    assert labels(["full"], task="stl10", pools={"svhn": 604_388}) == [None]


@pytest.mark.parametrize(
    ("texts", "words", "message"),
    [
        (["many"], "", "found 'many', expected a whole number from 1 to 10^15 - 1"),
        (["0"], "", "leave rows without labels out"),
        (["1.5"], "", "found '1.5', expected a whole number"),
        (["1%", "10%", "100"], "", "'100' beside '1%', expected one unit; give --label-unit percent"),
        (["0.5", "1", "10"], "", "--label-unit percent for percentages, or --label-unit share"),
        (["0.1", "1"], "percent", "--label-unit percent for percentages, or --label-unit share for shares"),
        (["1", "10"], "fraction", "--label-unit percent for percentages, or --label-unit labels for counts"),
        (["0.01"], "", "a share of all labels, expected their number; give --pool N"),
        (["1%"], "", "a percentage of all labels, expected their number; give --pool N"),
        (["5"], "shots", "expected the number of classes; give --per-class CLASSES (or --label-unit labels"),
        (["2.500", "5.000"], "", "'2.500', which may be 2.5 or 2500"),
        (["1,500", "1,5"], "", "'1,500' beside '1,5', expected commas between thousands or before decimals"),
    ],
)
def test_what_may_be_meant_in_two_ways_is_refused(texts: list[str], words: str, message: str) -> None:
    with pytest.raises(RunsError) as caught:
        labels(texts, words)
    assert message in str(caught.value)


def test_a_share_of_less_than_one_label() -> None:
    with pytest.raises(RunsError, match="at least one label"):
        labels(["0.001", "0.1"], pools={None: 100})


def test_units_by_name() -> None:
    assert [label_unit(name) for name in ("labels", "per-class", "percent", "share", None)] == [
        "labels", "per class", "percent", "share", None
    ]  # fmt: skip
    with pytest.raises(
        OptionError, match="--label-unit: found 'pct', expected one of labels, per-class, percent, share"
    ):
        label_unit("pct")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("1% (500)", 500),
        ("10% (5k labels)", 5000),
        ("500 (1%)", 500),
        ("4-shot [40]", 40),
        ("40 (80)", None),
        ("1% (x)", None),
    ],
)
def test_of_counts_in_two_units_labels_count(text: str, labels: int | None) -> None:
    found = parse(text)
    assert (found and (found.number, found.unit)) == (labels and (labels, "labels"))


def test_k_is_a_number_of_shots() -> None:
    found = parse("K=5")
    assert found is not None
    assert (found.number, found.unit) == (5, "per class")
