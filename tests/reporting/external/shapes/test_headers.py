"""Numbers in names of columns: label counts, and what only looks like them."""

from __future__ import annotations

import pytest
from support.grids import grid

from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes.columns import Columns
from labeleff.reporting.external.shapes.headers import counts, run_of


def found(*header: str, **reading: object) -> list[tuple[str, str, str]]:
    table = grid(" | ".join(["method", *header]) + "\n" + " | ".join(["a"] + ["5"] * len(header)))
    return [(each.task, each.n, each.metric) for each in counts(Columns(table, Reading(**reading), {}))]  # type: ignore[arg-type]


def test_label_counts() -> None:
    assert found("100", "1k", "full") == [("", "100", ""), ("", "1k", ""), ("", "full", "")]
    assert found("acc@100", "test acc (1 000)") == [("", "100", "acc"), ("", "1 000", "test acc")]
    assert found("CIFAR-10 (40)", "svhn_1%") == [("CIFAR-10", "40", ""), ("svhn", "1%", "")]
    assert found("cifar_1", "cifar_10", "cifar_25") == [("cifar", "1", ""), ("cifar", "10", ""), ("cifar", "25", "")]
    assert found("cifar_1", "cifar_5", per_class=10) == [("cifar", "1", ""), ("cifar", "5", "")]
    assert found("1", "5") == [("", "1", ""), ("", "5", "")]


@pytest.mark.parametrize(
    "header",
    ["CIFAR-10,CIFAR-100", "ResNet-18,ResNet-50", "acc@1,acc@5", "mAP@50,mAP@75", "exp_1,exp_2", "top-5", "100 std"],
)
def test_other_numbers(header: str) -> None:
    assert found(*header.split(",")) == []


def test_runs() -> None:
    assert run_of("scratch_seed0") == ("scratch", "0")
    assert run_of("run 3") == ("", "3")
    assert run_of("scratch") is None
