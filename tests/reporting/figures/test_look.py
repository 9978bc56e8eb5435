"""How figures are drawn: what options ask for, and what comes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support import factories

from labeleff.errors import LabeleffError
from labeleff.reporting.figures import accuracy, style, utility
from labeleff.reporting.figures.look import Look, look
from labeleff.reporting.findings import find
from labeleff.reporting.measurements import Measurements
from labeleff.reporting.output_files import pictures
from labeleff.reporting.results import load


@pytest.fixture
def measured(tmp_path: Path) -> Measurements:
    return load(factories.folder(tmp_path)).measured


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((None, None, None, [], []), Look()),
        (("none", None, None, [], []), Look(kinds=(), every=True)),
        (("pdf, png", None, None, [], []), Look(kinds=("png", "pdf"), every=True)),
        (
            ("svg", "3.5x2.6", 8, ["a"], ["a=A = B"]),
            Look(("svg",), True, (3.5, 2.6), 8, ("a",), {"a": "A = B"}),
        ),
    ],
)
def test_options_are_read_and_written_again(options, expected) -> None:
    found = look(*options)
    assert found == expected
    words = list(found.options)
    given = dict(zip(words[::2], words[1::2], strict=True))
    again = look(
        given.get("--figures"),
        given.get("--figure-size"),
        float(given["--font-size"]) if "--font-size" in given else None,
        [given["--arms"]] if "--arms" in given else [],
        [given["--name"]] if "--name" in given else [],
    )
    assert again == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("gif", None, None, [], []), "unknown kind of --figures 'gif'"),
        ((None, "3.5", None, [], []), "--figure-size: found '3.5', expected WIDTHxHEIGHT"),
        ((None, "0.1x3", None, [], []), "--figure-size"),
        ((None, None, 400, [], []), "--font-size"),
        ((None, None, None, [], ["a"]), "--name"),
        ((None, None, None, [], ["a=x", "b=x"]), "--name: found 'x' twice"),
        ((None, None, None, [], ["a= "]), "--name: found '' for a"),
    ],
)
def test_what_cannot_be_used_is_named(options, message) -> None:
    with pytest.raises(LabeleffError, match=re.escape(message)):
        look(*options)


def test_arms_are_listed_with_commas_outside_of_their_options() -> None:
    known = ["a(x=1, y=2)/linear", "b", "c, d"]
    assert Look(arms=("b,a(x=1, y=2)/linear", "c, d")).among(known).arms == ("b", "a(x=1, y=2)/linear", "c, d")
    for arms, message in ((("e",), "unknown arm of --arms 'e'"), (("b,b",), "--arms: found 'b' twice")):
        with pytest.raises(LabeleffError, match=message):
            Look(arms=arms).among(known)
    with pytest.raises(LabeleffError, match="unknown arm of --name 'e'"):
        Look(names={"e": "E"}).among(known)


def test_arms_picked_and_ordered_keep_their_looks_and_have_names(measured: Measurements) -> None:
    arms, [place] = ("rotation/linear", "rotation/finetune"), measured.places
    before = style.styles(measured)
    findings = find(replace(measured, look=Look(names={arms[0]: "Turned"}))).only(place, arms)
    assert style.styles(findings.measured) == {arm: before[arm] for arm in arms}
    for figure in (
        accuracy.accuracy(findings.measured, place),
        utility.utility(findings.measured, findings.comparisons),
    ):
        assert figure.axes[0].get_legend_handles_labels()[1][:2] == ["Turned", "rotation/finetune"]


def test_size_and_letters_are_what_is_asked_for(measured: Measurements) -> None:
    [place] = measured.places
    asked = Look(kinds=("svg", "pdf"), size=(3.5, 3.0), font_size=7)
    figure = accuracy.accuracy(measured, place)
    files = pictures({"a": figure}, asked)
    assert sorted(files) == ["figures/a.pdf", "figures/a.svg"]
    svg = files["figures/a.svg"].decode()
    assert 'width="252pt" height="216pt"' in svg
    assert "rotation/finetune</text>" in svg
    assert "7px" in svg
    assert figure.axes[0].get_legend() is None
    [legend] = figure.legends
    figure.draw_without_rendering()
    assert legend.get_window_extent().y1 < figure.axes[0].get_window_extent().y0
    assert files["figures/a.pdf"].startswith(b"%PDF")
    assert pictures({"a": accuracy.accuracy(measured, place)}, Look(kinds=())) == {}
