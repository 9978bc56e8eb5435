"""Patterns of paths: what they find, and how far they got."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labeleff.errors import OptionError, RunsError
from labeleff.reporting.external.formats.path_patterns import fields, find


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(pattern, below=None):
    return [dict(match.values) for match in find(pattern, below).files]


def test_fields_of_folders_and_files():
    make(
        *(
            f"results/{arm}/cifar/train-{n}-{draw}/out.json"
            for arm in ("sim-clr", "a")
            for n in (50, 100)
            for draw in "01"
        )
    )
    make("results/readme.txt", "results/a/cifar/other/out.json")
    values = found("results/{arm}/{task}/train-{n}-{draw}/out.json")
    assert len(values) == 8
    assert values[0] == {"arm": "a", "task": "cifar", "n": "50", "draw": "0"}
    assert [each["n"] for each in values[:4]] == ["50", "50", "100", "100"]
    assert found("{arm}/{task}/train-{n}-{draw}/out.json", Path("results")) == values
    assert found(f"{Path.cwd()}/results/{{arm}}/cifar/train-{{n}}-1/out.json")[0] == {"arm": "a", "n": "50"}


def test_stars_and_repeated_fields():
    make("a/x-a-5.json", "a/y-b-5.json", "b/z-b-7.json")
    assert found("{arm}/*-{arm}-{n}.json") == [{"arm": "a", "n": "5"}, {"arm": "b", "n": "7"}]


def test_names_with_hyphens_before_a_number():
    make("sim-clr-50.json", "sim-clr-1k.json", "sim-clr-0.1%.json", "sim-clr-full.json", "sim-clr-x.json")
    assert {(each["arm"], each["n"]) for each in found("{arm}-{n}.json")} == {
        ("sim-clr", n) for n in ("50", "1k", "0.1%", "full")
    }


def test_a_name_that_can_be_split_in_two_ways_is_refused():
    make("sim-clr-cifar-50.json")
    error = "--from: sim-clr-cifar-50.json matches {arm}-{task}-{n}.json in two ways, arm = 'sim-clr', task = 'cifar'"
    with pytest.raises(RunsError, match=re.escape(error)):
        found("{arm}-{task}-{n}.json")


def test_folders_that_lack_the_file_are_told():
    make("a/50/out.json", "a/100/err.txt")
    assert [str(path) for path in find("{arm}/{n}/out.json").lacking] == ["a/100"]


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("nowhere/{arm}/out.json", "--from: nothing below it matches nowhere: ./ has 'results'"),
        (
            "results/{arm}/{n}.json",
            "--from: results/{arm} matched 2 folders, but nothing below it matches {n}.json: results/a/ has 'train-50'",
        ),
        (
            "results/{arm}/train-{n}/res.json",
            "--from: results/{arm}/train-{n} matched 2 folders, but nothing below it matches res.json: "
            "results/a/train-50/ has 'out.json'",
        ),
    ],
)
def test_how_far_a_pattern_matched(pattern, error):
    make("results/a/train-50/out.json", "results/b/train-50/out.json")
    with pytest.raises(RunsError, match=re.escape(error)):
        find(pattern)


@pytest.mark.parametrize("pattern", ["results/out.json", "{}/x", "{a b}/x", "{a/{n}.json", "a}/{n}", "{a/b}/{n}"])
def test_patterns_that_cant_be_used(pattern):
    with pytest.raises(OptionError, match=r"^--from: found "):
        fields(pattern)
