"""Names of a report's files, and that they are written together."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeleff.errors import RecordError
from labeleff.reporting import outputs
from labeleff.reporting.findings import find
from labeleff.reporting.measured import Measured, Place, Setting


def measured(titles: list[str]) -> Measured:
    settings = {Place(str(at)): Setting(title, (1, 2)) for at, title in enumerate(titles)}
    return Measured(settings, ("a",), "a", {}, level=0.9, method="pchip", design="")


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
    assert list(outputs.slugs(measured(titles)).values()) == [
        "cifar10-classify-resnet9", "a", "a-2", "a-3", "a-4", "groe", "task", "task-2", "x" * 80, "task-3",
        "x" * 80 + "-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "prefix"),
    [("accuracy", "accuracy"), ("within_1.25", "within_1_25"), ("top-1", "top_1"), ("utility", "metric"), ("ö/", "o")],
)
def test_a_figure_is_named_after_its_metric(metric: str, prefix: str) -> None:
    assert outputs._prefix(metric) == prefix
    assert outputs._prefix("точность") == "metric"


def test_without_runs_nothing_is_drawn() -> None:
    assert outputs.draw(find(measured(["t"]))) == {Place("0"): {}}


def test_what_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()
    with pytest.raises(RecordError, match=r"figures/x\.png: can't be written: "):
        outputs.write(tmp_path, {"summary.csv": b"", "figures/x.png": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
