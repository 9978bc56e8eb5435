"""Numbers in names of columns: label counts, and what only looks like them."""

from __future__ import annotations

import re

import pytest
from support.grids import grid, observed, values

from labeleff.errors import RunsError
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


@pytest.mark.parametrize("name", ["acc@{}%", "acc_{}%", "Acc {}%", "acc_{}pct", "test acc ({} %)", "acc_{}shot"])
def test_counts_with_a_unit_beside_a_metric(name: str) -> None:
    """The first ones would be accuracies `acc@1` and `acc@5` but for their unit."""
    wide = found(*(name.format(share) for share in (1, 5, 10, 50)))
    assert [re.sub(r"[^0-9]", "", n) for _, n, _ in wide] == ["1", "5", "10", "50"]
    assert len({metric for *_, metric in wide}) == 1


def test_ranks_are_label_counts_beside_others() -> None:
    every = [("", "1", "acc"), ("", "5", "acc"), ("", "10", "acc")]
    assert found("acc_1", "acc_5", "acc_10", per_class=10) == every
    assert found("acc_1", "acc_5", "acc_100") == [*every[:2], ("", "100", "acc")]
    assert found("acc_1", "acc_5", shape="by-n") == every[:2]
    assert found("acc@1", "acc@5", "svhn_100") == [("svhn", "100", "")]
    rows = grid("method | shots | acc@1 | acc@5 | acc@10\na | 4 | 50 | 70 | 80")
    columns = Columns(rows, Reading(per_class=10), {})
    assert [each.n for each in counts(columns, in_rows=True)] == ["10"]


@pytest.mark.parametrize(
    "header",
    ["CIFAR-10,CIFAR-100", "ResNet-18,ResNet-50", "acc@1,acc@5", "mAP@50,mAP@75", "exp_1,exp_2", "top-5", "100 std"],
)
def test_other_numbers(header: str) -> None:
    assert found(*header.split(",")) == []


def test_percentages_after_ranks_are_shares_of_labels_where_that_is_clear() -> None:
    shares = [("", each, "mAP") for each in ("1%", "10%", "100%")]
    for name in ("mAP {}", "mAP ({})", "mAP_{}"):
        assert found(*(name.format(n) for _, n, _ in shares)) == shares
    assert found("mAP 1%", "mAP 10%") == shares[:2]
    assert found("recall 50%", "recall 100%") == [("", "50%", "recall"), ("", "100%", "recall")]
    assert found("AP 50%", "AP 75%", pools={None: 1000}) == [("", "50%", "AP"), ("", "75%", "AP")]
    assert found("1%", "10%", "mAP 5%") == [("", "1%", ""), ("", "10%", "")]


@pytest.mark.parametrize("reading", [{}, {"pools": {None: 1000}}])
@pytest.mark.parametrize(
    "header", ["mAP@50,mAP@75", "mAP@50%,mAP@100%", "AP50,AP75", "mAP 50,mAP 75", "mAP 10,mAP 100"]
)
def test_thresholds_are_none(header: str, reading: dict[str, object]) -> None:
    assert found(*header.split(","), **reading) == []


@pytest.mark.parametrize("header", ["mAP 50%,mAP 75%", "recall 95%,precision 95%", "recall 1%,recall 5%", "IoU 50%"])
def test_percentages_that_may_be_thresholds_are_shares_if_said_to_be(header: str) -> None:
    assert found(*header.split(",")) == []
    assert len(found(*header.split(","), shape="by-n")) == header.count(",") + 1
    assert found("100", *header.split(","), shape="by-n") == [("", "100", "")]


@pytest.mark.parametrize(
    ("name", "task", "n", "metric"),
    [
        ("Top-1_Label fraction_{}%", "", "{}%", "Top-1"),
        ("Label fraction_Top-1_{}%", "", "{}%", "Top-1"),
        ("svhn_labels_{}00", "svhn", "{}00", ""),
        ("svhn_shots_{}00", "svhn", "{}00 shots", ""),
        ("Top-1_svhn_{}00", "svhn", "{}00", "Top-1"),
        ("svhn_digits_Top-1_{}%", "svhn_digits", "{}%", "Top-1"),
    ],
)
def test_rows_of_a_header_are_tasks_metrics_and_words_for_labels(name: str, task: str, n: str, metric: str) -> None:
    assert found(name.format(1), name.format(2)) == [(task, n.format(1), metric), (task, n.format(2), metric)]


def test_two_metrics_side_by_side_are_chosen_from() -> None:
    table = "method | {} | {}\na | 1 | 3\nb | 2 | 4".format("Top-1_labels_40", "mean IoU_labels_40")
    with pytest.raises(RunsError, match=r"found columns of 'Top-1', 'mean IoU', expected .*; give --metric-name Top-1"):
        observed(table)
    chosen = observed(table, metric="mean IoU")
    assert values(chosen) == [("a", 40, 0, "3"), ("b", 40, 0, "4")]
    assert "columns not used: Top-1_labels_40" in chosen.notes


def test_hints_can_be_pasted() -> None:
    with pytest.raises(RunsError, match="give --metric-name 'mean IoU'"):
        observed("method | mean IoU_40 | Top-1_40\na | 1 | 3")
    with pytest.raises(RunsError, match="give --pool 'Stanford dogs=N'"):
        observed("method | Stanford dogs_1% | Stanford dogs_10%\na | 1 | 3")
    whole = observed("method | Stanford dogs_40 | Stanford dogs_full\na | 1 | 3")
    assert any("give --pool 'Stanford dogs=N'" in note for note in whole.notes)


def test_runs() -> None:
    assert run_of("scratch_seed0") == ("scratch", "0")
    assert run_of("run 3") == ("", "3")
    assert run_of("scratch") is None
