"""Names of a report's files, and that they are written together."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeleff.errors import RecordError
from labeleff.reporting import output_files, place_figures
from labeleff.reporting.figures import style
from labeleff.reporting.findings import find
from labeleff.reporting.measurements import Measurements, Place, Setting
from labeleff.reporting.output_files import Section
from labeleff.reporting.place_figures import Material
from labeleff.reporting.sections import accuracy_and_utility


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
    assert place_figures.draw(Material(find(measured(["t"])))) == {Place("0"): []}


def test_a_figure_is_one_entry_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(material: Material, place: Place) -> list[object]:
        return [style.blank(), style.blank()] if place == Place("0") else []

    monkeypatch.setattr(place_figures, "FIGURES", {"mine": twice})
    found = measured(["t", "t-2"])
    drawn = place_figures.draw(Material(find(found)))
    assert [(item.name, item.words) for item in drawn[Place("0")]] == [("mine-t", "mine"), ("mine-t-2", "mine")]
    part = accuracy_and_utility.section(find(found), Place("0"), drawn[Place("0")])
    assert part.paragraphs[-1] == "![mine at t](figures/mine-t-2.png)"
    assert set(part.figures) == {"mine-t", "mine-t-2"}


def test_sections_become_files_in_order() -> None:
    files = output_files.assemble([Section(["a"], {"x.csv": b"1"}), Section(), Section(["b", "c"], {"y.csv": b"2"})])
    assert files == {"x.csv": b"1", "y.csv": b"2", "report.md": b"a\n\nb\n\nc\n"}


def test_what_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()
    with pytest.raises(RecordError, match=r"figures/x\.png: can't be written: "):
        output_files.write(tmp_path, {"summary.csv": b"", "figures/x.png": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
