"""Names of a report's files, and that they are written together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeleff.errors import RecordError
from labeleff.reporting import output_files, place_figures
from labeleff.reporting.figures import style
from labeleff.reporting.figures.look import Look
from labeleff.reporting.findings import find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.output_files import Section
from labeleff.reporting.place_figures import Material
from labeleff.reporting.sections import accuracy_and_utility

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def measured(titles: list[str]) -> Measurements:
    settings = {Place(str(at)): Setting(title, (1, 2)) for at, title in enumerate(titles)}
    return Measurements(settings, ("a",), "a", {}, level=0.9, method="pchip", design="")


def blank() -> Figure:
    figure = style.blank()
    figure.add_subplot()
    return figure


def test_every_place_has_a_short_plain_name_of_its_own() -> None:
    titles = [
        "cifar10/classify, resnet9",
        "A",
        "a-2",
        "a!",
        "a?",
        "größe",
        "日本語",
        "語",
        "x" * 500,
        "../..",
        "x" * 501,
    ]
    assert list(output_files.slugs(measured(titles)).values()) == [
        "cifar10-classify-resnet9", "a", "a-2", "a-3", "a-4", "groe", "task", "task-2", "x" * 80, "task-3",
        "x" * 80 + "-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "prefix"),
    [("accuracy", "accuracy"), ("within_1.25", "within_1_25"), ("top-1", "top_1"), ("utility", "metric"), ("ö/", "o")],
)
def test_a_figure_is_named_after_its_metric(metric: str, prefix: str) -> None:
    assert place_figures._prefix(metric) == prefix
    assert place_figures._prefix("точность") == "metric"


def test_without_runs_nothing_is_drawn() -> None:
    assert place_figures.figures(Material(find(measured(["t"])))) == {Place("0"): []}


def test_a_figure_is_one_entry_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(material: Material, place: Place) -> list[object]:
        return [style.blank, style.blank] if place == Place("0") else []

    monkeypatch.setattr(place_figures, "FIGURES", {"mine": twice})
    found = measured(["t", "t-2"])
    drawn = place_figures.figures(Material(find(found)))
    assert [(item.name, item.words) for item in drawn[Place("0")]] == [("mine-t", "mine"), ("mine-t-2", "mine")]
    part = accuracy_and_utility.section(find(found), Place("0"), drawn[Place("0")])
    assert part.paragraphs[-1] == "![mine at t](figures/mine-t-2.png)"
    assert set(part.figures) == {"mine-t", "mine-t-2"}


def test_sections_become_files_in_order() -> None:
    sections = [Section(["a"], files={"x.csv": b"1"}), Section(), Section(["b", "c"], files={"y.csv": b"2"})]
    files = output_files.assemble(sections)
    assert files.pop(output_files.PAGE).startswith(b"<!doctype html>")
    assert files == {"x.csv": b"1", "y.csv": b"2", "report.md": b"a\n\nb\n\nc\n"}


@pytest.mark.parametrize(
    ("look", "drawn", "shown"),
    [
        (Look(), ["a.png"], ["![first](figures/a.png)"]),
        (Look(kinds=()), [], []),
        (
            Look(("svg", "pdf"), every=True),
            ["a.pdf", "a.svg", "b.pdf", "b.svg"],
            ["![first](figures/a.svg)", "![a](figures/a.svg)", "![b](figures/b.svg)"],
        ),
        (
            Look(("pdf",), every=True),
            ["a.pdf", "b.pdf"],
            ["[first](figures/a.pdf)", "[a](figures/a.pdf)", "[b](figures/b.pdf)"],
        ),
    ],
)
def test_figures_are_drawn_where_they_are_asked_for(look: Look, drawn: list[str], shown: list[str]) -> None:
    def unwanted() -> Figure:
        assert look.every, "drawn without being asked for"
        return blank()

    draws = {"a": blank, "b": unwanted}
    head = Section(["![first](figures/a.png)"])
    files = output_files.assemble(
        [head, Section(["![a](figures/a.png)", "![b](figures/b.png)", "text"], figures=draws)], look
    )
    assert sorted(name for name in files if name.startswith("figures/")) == [f"figures/{name}" for name in drawn]
    assert files["report.md"].decode().split("\n\n") == [*shown, "text\n"]


def test_what_a_figure_leaves_out_is_said_wherever_it_stands() -> None:
    head = Section(["head", "![a](figures/a.png)", "links"])
    place = Section(
        ["![a](figures/a.png)", "![b](figures/b.png)", "![c](figures/c.png)"],
        figures=dict.fromkeys("abc", blank),
        left_out=dict.fromkeys("ab", "Some."),
    )
    texts = [
        output_files.assemble([head, place], look)["report.md"].decode().strip().split("\n\n")
        for look in (Look(), Look(kinds=()), Look(("svg",), every=True))
    ]
    images = [f"![{name}](figures/{name}.svg)" for name in "abc"]
    assert texts == [
        ["head", "![a](figures/a.png)", "Some.", "links"],
        ["head", "links"],
        ["head", images[0], "Some.", "links", *images, "Some."],
    ]


@pytest.mark.parametrize(("arms", "said"), [(24, ""), (30, "Figures in `figures/` show the 12 arms with the ")])
def test_figures_of_many_arms_say_that_they_show_some(arms: int, said: str) -> None:
    names = ("base", *(f"arm{number}" for number in range(arms)))
    runs = {
        (Place("0"), name): {n: {(0, 0): 0.9 - (n * (1 + k)) ** -0.5} for n in (20, 50, 100)}
        for k, name in enumerate(names)
    }
    found = Measurements(
        {Place("0"): Setting("t", (20, 50, 100))}, names, "base", runs, level=0.9, method="pchip", design=""
    )
    findings = find(found)
    drawn = place_figures.figures(Material(findings, {"pretexts": lambda _: iter([style.blank])}))[Place("0")]
    assert [item.left_out[: len(said)] for item in drawn] == [said, said, ""]
    part = accuracy_and_utility.section(findings, Place("0"), drawn)
    assert list(part.left_out) == (["accuracy-t", "utility-t"] if said else [])
    chosen = find(replace(found, look=Look(arms=names[:20])))
    assert not any(item.left_out for item in place_figures.figures(Material(chosen))[Place("0")])


def test_figures_that_are_not_drawn_this_time_are_removed(tmp_path: Path) -> None:
    part = Section(["![a](figures/a-t.png)", "![b](figures/b-t.png)"], figures={"a-t": blank, "b-t": blank})

    def left(look: Look) -> list[str]:
        output_files.write(tmp_path, output_files.assemble([part], look))
        return sorted(path.name for path in (tmp_path / "figures").glob("*"))

    assert left(Look(("png", "svg", "pdf"), every=True)) == [
        f"{name}-t.{kind}" for name in "ab" for kind in ("pdf", "png", "svg")
    ]
    theirs = ["b-mine.png", "forecast-x.png", "history-accuracy-1.png", "mine.png"]
    for name in theirs:
        (tmp_path / "figures" / name).write_bytes(b"mine")
    assert left(Look(("svg",), every=True)) == sorted(["a-t.svg", "b-t.svg", *theirs])
    assert left(Look()) == sorted(["a-t.png", *theirs])
    output_files.write(tmp_path, {"history.md": b""})
    assert (tmp_path / "figures" / "a-t.png").exists()
    assert left(Look(kinds=())) == theirs
    for name in theirs:
        (tmp_path / "figures" / name).unlink()
    left(Look())
    left(Look(kinds=()))
    assert not (tmp_path / "figures").exists()


def test_details_are_a_file_of_their_own_that_the_report_links_to() -> None:
    files = output_files.assemble([Section(["a"], details=["b"]), Section(details=["c"])])
    assert files["details.md"] == b"# Details\n\nb\n\nc\n"
    assert files["report.md"].startswith(b"a\n\n")
    assert b"](details.md)" in files["report.md"]


def test_what_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()
    with pytest.raises(RecordError, match=r"figures/x\.png: can't be written: "):
        output_files.write(tmp_path, {"summary.csv": b"", "figures/x.png": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
