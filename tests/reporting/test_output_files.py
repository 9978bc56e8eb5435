"""Names of a report's files, and that they are written together."""

from __future__ import annotations

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
    def empty() -> Figure:
        figure = style.blank()
        figure.add_subplot()
        return figure

    def unwanted() -> Figure:
        assert look.every, "drawn without being asked for"
        return empty()

    draws = {"a": empty, "b": unwanted}
    head = Section(["![first](figures/a.png)"])
    files = output_files.assemble(
        [head, Section(["![a](figures/a.png)", "![b](figures/b.png)", "text"], figures=draws)], look
    )
    assert sorted(name for name in files if name.startswith("figures/")) == [f"figures/{name}" for name in drawn]
    assert files["report.md"].decode().split("\n\n") == [*shown, "text\n"]


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
