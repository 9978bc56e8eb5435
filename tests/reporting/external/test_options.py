"""Options of `labeleff utility`: what can't be used is named before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labeleff.errors import LabeleffError, OptionError, UnknownNameError
from labeleff.reporting.external import options as runs_options
from labeleff.reporting.external.options import Options
from labeleff.reporting.external.reading import Reading


def options(**changes: Any) -> Options:
    return Options(**{"path": Path("runs.csv"), "out": Path("out"), "command": ["labeleff"], **changes})


def test_what_can_be_used() -> None:
    assert options(level=0.99, chance=0.0, test_count=1, title="größe", method="linear").title == "größe"
    assert runs_options.columns(["accuracy=top 1", " n = labels ", "arm=a=b"]) == {
        "accuracy": "top 1", "n": "labels", "arm": "a=b"
    }  # fmt: skip
    names = {",": ",", "comma": ",", ";": ";", "semicolon": ";", "\t": "\t", "tab": "\t", "\\t": "\t", None: None}
    assert {text: runs_options.reading(delimiter=text).delimiter for text in names} == names
    assert [runs_options.reading(scale=text).scale for text in ("fraction", "percent", None)] == [
        "fraction",
        "percent",
        None,
    ]
    assert [runs_options.convention(text) for text in ("definition", "selfstudy")] == ["definition", "selfstudy"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": 0.5}, "--level: found 0.5, expected a probability over 0.5 and under 1, e.g. 0.90"),
        ({"level": 90.0}, "--level: found 90"),
        ({"level": float("nan")}, "--level: found nan"),
        ({"chance": 10.0}, "--chance: found 10, expected an accuracy from 0 to under 1"),
        ({"chance": float("nan")}, "--chance: found nan"),
        ({"chance": -0.1}, "--chance: found -0.1"),
        ({"test_count": 0}, "--test-count: found 0"),
        ({"method": "pchp"}, "unknown --method 'pchp'; did you mean 'pchip'?"),
        ({"title": ""}, "--title: found ''"),
        ({"title": "a\nb"}, r"--title: found 'a\nb', expected a name without line breaks"),
        ({"reading": Reading(metric=" ")}, "--metric-name: found ' '"),
        ({"targets": (101.0,)}, "--target: found 101"),
        ({"targets": (-0.1,)}, "--target: found -0.1"),
        ({"targets": (0.9, 90.0)}, "--target: found 90 twice"),
    ],
)
def test_what_cant_be_used_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LabeleffError) as caught:
        options(**changes)
    assert str(caught.value).startswith(message)


def test_folders_that_arent_for_this() -> None:
    Path("file").touch()
    with pytest.raises(OptionError, match="--out: file is a file, expected a folder"):
        options(out=Path("file"))
    Path("study").mkdir()
    (Path("study") / "records.jsonl").touch()
    with pytest.raises(OptionError, match=r"--out: study holds a study's records\.jsonl"):
        options(out=Path("study"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["accuracy"], "--column: found 'accuracy', expected NAME=THEIRS"),
        (["n=a", "n=b"], "--column: found n twice"),
        (["acuracy=a"], "--column: unknown column 'acuracy'; did you mean 'accuracy'?"),
        (["n="], "--column: found an empty name"),
        (["n=x", "arm=x"], "--column: arm and n are both in 'x'"),
    ],
)
def test_columns_that_cant_be_meant(texts: list[str], message: str) -> None:
    with pytest.raises(LabeleffError) as caught:
        runs_options.columns(texts)
    assert str(caught.value).startswith(message)


def test_names_that_are_in_no_list() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown --delimiter 'tabs'; did you mean 'tab'\?"):
        runs_options.reading(delimiter="tabs")
    with pytest.raises(UnknownNameError, match=r"unknown --scale '%' \(known: fraction, percent\)"):
        runs_options.reading(scale="%")
    with pytest.raises(UnknownNameError, match=r"unknown --convention 'paper'"):
        runs_options.convention("paper")


@pytest.mark.parametrize("text", ["0", "-5", "many", "=5", "svhn=", "1.5"])
def test_pools_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="--pool: found"):
        runs_options.reading(pool=[text])


def test_other_readings_that_are_none() -> None:
    with pytest.raises(OptionError, match="--pool: found 'svhn' twice"):
        runs_options.reading(pool=["svhn=5", "svhn=6"])
    with pytest.raises(OptionError, match="--per-class: found 0"):
        runs_options.reading(per_class=0)
    with pytest.raises(UnknownNameError, match="unknown --shape 'wide'"):
        runs_options.reading(shape="wide")


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["ours.csv"], "ours"),
        (["x.csv"], "x"),
        (["hoiem_no_pretr_ft.json", "hoiem_pretr_ft.json"], "hoiem"),
        (["scratch.json", "scramble.json"], "2-files"),
        (["a_1.csv", "a_2.csv", "b.csv"], "3-files"),
    ],
)
def test_several_files_are_named_by_what_their_names_share(names: list[str], name: str) -> None:
    assert runs_options.short_name([Path(each) for each in names], None) == name


def test_lists_of_files() -> None:
    assert [runs_options.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]
