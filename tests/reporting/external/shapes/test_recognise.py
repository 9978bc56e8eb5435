"""Tables of every shape hold the same values, and a header that may be read in two ways is refused."""

from __future__ import annotations

import random
import re

import pytest
from support.grids import grid, observed, values

from labeleff.errors import LabeleffError, RunsError
from labeleff.reporting.external.measured import measured
from labeleff.reporting.external.reading import Reading
from labeleff.reporting.external.shapes.recognise import observations
from labeleff.stats.stand_ins import StandIns

LONG = """
method | labels | seed | test_acc
scratch | 100 | 0 | 50.1
scratch | 100 | 1 | 51.1
scratch | 1000 | 0 | 60.2
scratch | 1000 | 1 | 61.2
simclr | 100 | 0 | 70.3
"""
VALUES = {
    ("scratch", 100, 0, "50.1"),
    ("scratch", 100, 1, "51.1"),
    ("scratch", 1000, 0, "60.2"),
    ("scratch", 1000, 1, "61.2"),
    ("simclr", 100, 0, "70.3"),
}
BY_N = "method | 100 | 1k\nscratch | 50.1 | 60.2\nscratch | 51.1 | 61.2\nsimclr | 70.3 | -"
SAME = {
    "long": LONG,
    "without runs": re.sub(r"\| (seed|0|1) (?=\|)", "", LONG),
    "by arm": "n | run | scratch | simclr\n"
    "100 | 0 | 50.1 | 70.3\n100 | 1 | 51.1 |\n1000 | 0 | 60.2 | \n1000 | 1 | 61.2 | nan",
    "by arm and run": "n | scratch_seed0 | scratch_seed1 | simclr_seed0\n"
    "100 | 50.1 | 51.1 | 70.3\n1e3 | 60.2 | 61.2 | ",
    "by run": "method | n | run 0 | run 1\n"
    "scratch | 100 | 50.1 | 51.1\nscratch | 1,000 | 60.2 | 61.2\nsimclr | 100 | 70.3 |",
    "by n": BY_N,
    "by n without a name": BY_N.replace("method", ""),
    "by n with the count's name": BY_N.replace("method", "labels"),
    "by n=": BY_N.replace("| 100 ", "| n=100 ").replace("1k", "n=1000"),
    "by labels": BY_N.replace("| 100 ", "| 100 labels ").replace("1k", "1,000 labels"),
    "by accuracy at n": BY_N.replace("| 100 ", "| acc@100 ").replace("1k", "acc@1000"),
}


@pytest.mark.parametrize("shape", SAME)
def test_every_shape_holds_the_same_values(shape: str) -> None:
    found = observed(SAME[shape])
    assert set(values(found)) == VALUES
    assert len(found.rows) == 5
    words = {"by arm": "wide by arm", "by arm and run": "wide by arm", "by n": "wide by n", "long": "one value per row"}
    assert found.notes[0] == f"2 arms x 2 label counts x 1 to 2 runs, {words.get(shape, found.notes[0][39:])}"


@pytest.mark.parametrize(
    "header",
    [
        "cifar10_40 | cifar10_250 | svhn_40",
        "cifar10@40 | cifar10@250 | svhn@40",
        "cifar10-40 | cifar10-250 | svhn-40",
        "cifar10 (40) | cifar10 (250) | svhn (40)",
        "cifar10 40 labels | cifar10 250 labels | svhn 40 labels",
    ],
)
def test_tasks_and_label_counts_in_the_header(header: str) -> None:
    found = observed(f" | {header}\nsupervised | 10 | 20 | 30\nfixmatch | 40 | 50 | ")
    assert values(found) == [
        ("cifar10", "supervised", 40, 0, "10"),
        ("cifar10", "supervised", 250, 0, "20"),
        ("svhn", "supervised", 40, 0, "30"),
        ("cifar10", "fixmatch", 40, 0, "40"),
        ("cifar10", "fixmatch", 250, 0, "50"),
    ]
    assert found.notes[0] == "2 tasks x 2 arms x 2 label counts x 1 run, wide by task and n"
    assert "1 of 6 cells empty: not measured" in found.notes


def test_numbers_of_data_sets_are_no_label_counts() -> None:
    with pytest.raises(RunsError, match="column 'n': found the columns 'method', 'CIFAR-10', 'CIFAR-100'"):
        observed("method | CIFAR-10 | CIFAR-100\na | 1 | 2\nb | 3 | 4")
    found = observed("method | CIFAR-10 (1 000) | CIFAR-10-40\na | 1 | 2\nb | 3 | 4")
    assert {row.n for row in found.rows if row.task == "CIFAR-10"} == {40, 1000}


def test_columns_found_by_other_names_are_said() -> None:
    found = observed(LONG + "simclr | 1000 | 0 | 80\n")
    assert found.notes[1] == "values from 'test_acc', n from 'labels', arm from 'method', run from 'seed'"
    assert (found.value_name, found.draws, found.seeds) == ("test_acc", False, True)


def test_spreads_and_numbers_of_runs() -> None:
    found = observed("method | n | acc_mean | acc_std | k\na | 10 | 50 | 1.5 | 3\nb | 10 | 60 | 1.2 | 5")
    assert [(row.value, row.spread, row.count) for row in found.rows] == [("50", "1.5", "3"), ("60", "1.2", "5")]
    assert {row.spread_kind for row in found.rows} == {"sd"}
    ends = observed("method | n | acc | ci_low | ci_high\na | 10 | 50 | 48 | 52\nb | 10 | 60 | 59 | 61")
    assert [(row.spread, row.spread_kind) for row in ends.rows] == [("[48, 52]", "ci"), ("[59, 61]", "ci")]
    arms = observed("n | a_mean | a_std | b_mean | b_std\n10 | 50 | 1.5 | 60 | 1.2")
    assert [(row.arm, row.value, row.spread) for row in arms.rows] == [("a", "50", "1.5"), ("b", "60", "1.2")]
    by_n = observed("method | 10 | 10 std | 20 | 20 std\na | 50 | 1.5 | 60 | 1.2")
    assert [(row.n, row.spread) for row in by_n.rows] == [(10, "1.5"), (20, "1.2")]
    blank = observed("method | n | acc | acc_std\na | 10 | 50 |\nb | 10 | 60 |")
    assert [row.spread for row in blank.rows] == [None, None]


def test_every_spread_keeps_its_own_kind() -> None:
    one = observed("n | scratch | simclr | simclr_se\n100 | 40 | 44 | 1.1\n400 | 50 | 53 | 1.2")
    assert [(row.arm, row.spread_kind) for row in one.rows] == [("scratch", None), ("simclr", "se")] * 2
    both = observed("n | scratch | scratch_se | simclr | simclr_std\n100 | 40 | 1.1 | 44 | 3.3")
    assert [row.spread_kind for row in both.rows] == ["se", "sd"]
    by_n = observed("method | 100 | 100_ci | 400 | 400_se | 1600\na | 40 | 1 | 50 | 1 | 60")
    assert [(row.n, row.spread, row.spread_kind) for row in by_n.rows] == [
        (100, "1", "ci"),
        (400, "1", "se"),
        (1600, None, None),
    ]


@pytest.mark.parametrize("cells", [("±1.5", "±1.2"), ("[48, 52]", "[59, 61]"), ("$\\pm$ 1.5", "$\\pm 1.2$")])
def test_columns_of_spreads_as_people_write_them(cells: tuple[str, str]) -> None:
    found = observed(f"method | n | acc | ci\na | 10 | 50 | {cells[0]}\nb | 10 | 60 | {cells[1]}")
    assert tuple(row.spread for row in found.rows) == cells


def test_percent_in_headers() -> None:
    long = observed("method | n | acc (%) | std (%)\na | 10 | 50 | 1.5").rows[0]
    assert (long.percent, long.spread_percent) == (True, True)
    arms = observed("n | scratch (%) | ssl (%) | ssl (%) std\n10 | 50 | 60 | 1").rows
    assert [(row.percent, row.spread_percent) for row in arms] == [(True, False), (True, True)]
    shares = observed("method | 1% | 10%\na | 50 | 60", pools={None: 1000}).rows
    assert not any(row.percent for row in shares)
    rows = observed("method | n | metric | value\na | 10 | err (%) | 0.5\na | 20 | err (%) | 0.4").rows
    assert all(row.percent for row in rows)


@pytest.mark.parametrize("ends", [("low", "high"), ("lower", "upper"), ("lb", "ub")])
def test_ends_of_intervals_beside_their_values(ends: tuple[str, str]) -> None:
    low, high = ends
    long = observed(f"method | n | acc | acc_{low} | acc_{high}\na | 10 | 50 | 48 | 52\na | 20 | 60 | 59 | 61")
    assert [(row.value, row.spread, row.spread_kind) for row in long.rows] == [
        ("50", "[48, 52]", "ci"),
        ("60", "[59, 61]", "ci"),
    ]
    assert f"ends of intervals from 'acc_{low}', 'acc_{high}'" in long.notes
    arms = observed(f"n | a | a_{low} | a_{high} | b | b_{low} | b_{high}\n10 | 50 | 48 | 52 | 60 | 59 | 61")
    assert [(row.arm, row.spread) for row in arms.rows] == [("a", "[48, 52]"), ("b", "[59, 61]")]
    assert f"ends of intervals from 'a_{low}', 'a_{high}', 'b_{low}', 'b_{high}'" in arms.notes
    by_n = observed(f"method | 10 | 10_{low} | 10_{high} | 20\na | 50 | 48 | 52 | 60")
    assert [(row.n, row.spread) for row in by_n.rows] == [(10, "[48, 52]"), (20, None)]
    odd = observed(f"method | n | quality | quality_{low} | quality_{high}\na | 10 | 50.5 | 48.1 | 52.2")
    assert [(row.value, row.spread) for row in odd.rows] == [("50.5", "[48.1, 52.2]")]


def test_arms_that_are_named_low_and_high_are_arms() -> None:
    found = observed("n | aug | aug low | aug high\n10 | 50 | 51 | 52\n20 | 60 | 59 | 61")
    assert {row.arm for row in found.rows} == {"aug", "aug low", "aug high"}
    assert "'aug low' and 'aug high' not as ends of intervals (50 isn't between them in line 2)" in found.notes


def test_ends_that_not_every_arm_has_may_be_arms() -> None:
    text = "n | scratch | ssl | ssl_low | ssl_high\n10 | 40 | 50 | 48 | 52\n20 | 50 | 60 | 59 | 61"
    with pytest.raises(RunsError) as caught:
        observed(text)
    assert str(caught.value) == (
        "t.csv, line 1, column 'ssl_low': found 'ssl_low', 'ssl_high', which may be arms or an interval of 'ssl', "
        "expected one reading, as 'scratch' has no interval; give --shape by-arm for arms; name ends of intervals like "
        "'ssl_ci_low'"
    )
    arms = observed(text, shape="by-arm").rows
    assert [(row.arm, row.spread) for row in arms[:4]] == [
        (arm, None) for arm in ("scratch", "ssl", "ssl_low", "ssl_high")
    ]
    ends = observed(text.replace("ssl_", "ssl_ci_")).rows
    assert [(row.arm, row.spread) for row in ends[:2]] == [("scratch", None), ("ssl", "[48, 52]")]


def test_an_end_may_be_past_its_value_by_rounding() -> None:
    rows = "method | n | acc | acc_low | acc_high\na | 10 | 0.5 | 0.48 | 0.52\na | 20 | 0.6 | {} | 0.63"
    found = observed(rows.format("0.601"))
    assert [row.spread for row in found.rows] == ["[0.48, 0.52]", "[0.601, 0.63]"]
    assert measured(found, Reading(runs=3)).summarised
    past = observed(rows.format("0.66"))
    assert [row.spread for row in past.rows] == [None, None]
    assert any("not as ends of intervals (0.6 isn't between them in line 3)" in note for note in past.notes)


@pytest.mark.parametrize("shape", [None, "by-arm"])
def test_arms_that_end_in_the_same_word_for_what_was_measured(shape: str | None) -> None:
    text = "n | CE loss | Focal loss | Poly loss\n10 | 0.5 | 0.6 | 0.55"
    found = observed(text, shape=shape)
    assert ({row.arm for row in found.rows}, found.value_name) == ({"CE", "Focal", "Poly"}, "loss")
    with pytest.raises(RunsError, match="column 'arm'"):
        observed("n | test acc | knn acc\n10 | 0.5 | 0.6")
    rows = observed("kind | n | balanced acc | knn acc\na | 10 | 0.5 | 0.6").rows
    assert [(row.arm, row.value) for row in rows] == [("a", "0.5")]
    tasks = observed("dataset | n | CE loss | Focal loss\nx | 10 | 0.5 | 0.6\ny | 10 | 0.5 | 0.6").rows
    assert {(row.task, row.arm) for row in tasks} == {(task, arm) for task in "xy" for arm in ("CE", "Focal")}


def test_nothing_is_dropped_from_a_table_that_is_said_to_be_by_arm() -> None:
    found = observed("n | CE | SupCon | MAE | mean\n10 | 0.5 | 0.6 | 0.5 | 0.53", shape="by-arm")
    assert {row.arm for row in found.rows} == {"CE", "SupCon", "MAE"}
    assert "columns not used: mean" in found.notes


def test_given_columns_and_shapes() -> None:
    text = "method | n | val_acc | test_acc\na | 10 | 50 | 51\nb | 10 | 60 | 61"
    found = observed(text, columns={"accuracy": "val_acc"})
    assert [row.value for row in found.rows] == ["50", "60"]
    assert "columns not used: test_acc" in found.notes
    digits = "method | n | 1 | 2\na | 10 | 50 | 51\nb | 10 | 60 | 61"
    assert values(observed(digits, shape="long"))[:2] == [("a", 10, 1, "50"), ("a", 10, 2, "51")]
    arms = "n | a_1 | a_2\n10 | 50 | 51"
    assert [row.arm for row in observed(arms, shape="by-arm").rows] == ["a_1", "a_2"]
    f1 = "method | n | auroc | f1\na | 10 | 50 | 51\nb | 10 | 60 | 61"
    assert observed(f1, metric="f1").value_name == "f1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "method | n | val_acc | test_acc\na | 10 | 50 | 51",
            "column 'accuracy': found the columns 'val_acc', 'test_acc', which may all be it, expected one; give "
            "--column accuracy=val_acc or --column accuracy=test_acc",
        ),
        ("arm | n | accuracy | val_accuracy\na | 10 | 50 | 51", "'accuracy', 'val_accuracy', which may all be it"),
        (
            "method | n | mAP 10 | mAP 75\na | 10 | 5.5 | 6.5",
            "or --column accuracy='mAP 75', or --shape by-n if the numbers in the columns' names are label counts",
        ),
        (
            "method | mAP 50% | mAP 75%\na | 5.5 | 6.5",
            "this one too; give --shape by-n if the numbers in the columns' names are label counts",
        ),
        ("method | model | n | acc\na | x | 10 | 5\nb | y | 10 | 5", "give --column arm=method or --column arm=model"),
        ("method | n | 1 | 2\na | 10 | 50 | 51", "give --shape long where the header numbers runs, or --shape by-n"),
        ("n | a_1 | a_2\n10 | 50 | 51", "may be 2 arms or 2 runs of one"),
        ("method | n | CIFAR | SVHN\na | 10 | 0.5 | 0.6", "give --column accuracy=CIFAR or --column accuracy=SVHN"),
        ("method | n | train_acc\na | 10 | 0.5", "column 'accuracy': found the columns"),
        (
            "scratch | 100 | 0 | 0.4\nb | 100 | 0 | 0.5",
            "column 'arm': found no header (the first row has the number '100')",
        ),
        (
            "method | 1% | 10%\na | 0.5 | 0.6",
            "column '1%': found '1%', a percentage of all labels, expected their number",
        ),
        ("method | 100 | 1000\na |  | ", "found no value, expected one row per run"),
    ],
)
def test_a_header_that_may_be_read_in_two_ways_is_refused(text: str, message: str) -> None:
    with pytest.raises(RunsError) as caught:
        observed(text)
    assert re.match(r"t\.csv, line \d+, column '", str(caught.value))
    assert message in str(caught.value)


def test_one_column_that_varies_is_the_one() -> None:
    text = "method | model | n | acc\na | x | 10 | 5\nb | x | 10 | 5"
    assert [row.arm for row in observed(text).rows] == ["a", "b"]
    shares = "method | fraction | n_train | acc\na | 0.1 | 10 | 5\nb | 0.2 | 20 | 5"
    assert [row.n for row in observed(shares).rows] == [10, 20]


SYNONYMS = {
    "method": ["Method", "arm", "model", "Algorithm", "pretext", "approach"],
    "labels": ["n", "N", "n_labels", "num_labels", "train_size", "num_train_samples", "budget", "# labels"],
    "seed": ["run", "trial", "repeat", "fold", "Seed", "random_seed"],
    "test_acc": ["accuracy", "acc", "top1", "Test Accuracy (%)", "test/acc", "score", "test", "result", "Top-1"],
}


@pytest.mark.parametrize("seed", range(100))
def test_mutated_headers_are_read_right_or_refused(seed: int) -> None:
    source = random.Random(seed)
    lines = [[cell.strip() for cell in line.split("|")] for line in LONG.strip().splitlines()]
    header, *rows = lines
    order = source.sample(range(4), 4)
    names = [source.choice(SYNONYMS[name]) for name in header]
    extra = source.choice(["", "", "comment", "val_acc", "train_acc", "epoch", "lr", "dataset"])
    cells = [[row[at] for at in order] + ([source.choice("ab")] if extra else []) for row in rows]
    table = [[names[at] for at in order] + ([extra] if extra else []), *cells]
    try:
        found = observed("\n".join(" | ".join(row) for row in table))
    except LabeleffError as error:
        said = str(error)
    else:
        assert {(arm, n, run, value) for *_, arm, n, run, value in values(found)} == VALUES
        return
    assert re.match(r"t\.csv, line \d+, column '", said)
    assert extra in ("val_acc", "epoch", "lr", "dataset")


def test_the_report_of_a_published_table() -> None:
    rows = "fullysupervised | 4.6±0.1 | 4.5±0.2\nsupervised | 60±2 | 40±2\nfixmatch | 20±2 | 9±1"
    reading = Reading(lower_is_better=True, runs=3, pools={None: 50_000})
    table = measured(observations([grid("| d_40 | d_250\n" + rows)], reading), reading)
    assert {n: len(rung) for n, rung in table.groups["d", "supervised"].items()} == {50_000: 6, 40: 3, 250: 3}
    again = table.without_names("supervised")
    assert all(isinstance(rung, StandIns) for rung in again.groups["d", "supervised"].values())


def test_a_column_of_means_may_be_named_after_its_spread() -> None:
    found = observed("method | n | acc (95% CI)\na | 40 | 61 [60, 62]\na | 80 | 71 [70, 72]")
    assert [row.value for row in found.rows] == ["61 [60, 62]", "71 [70, 72]"]
    assert found.interval_level == 0.95


def test_intervals_of_two_levels_are_refused() -> None:
    with pytest.raises(
        RunsError, match=r"column 'acc_ci90_high': found intervals of another level than in 'acc_ci95_low'"
    ):
        observed("method | n | acc | acc_ci95_low | acc_ci90_high\na | 40 | 61 | 60 | 62")


def test_two_metrics_in_the_header_ask_for_one() -> None:
    text = "method | Top-1 40 | Top-1 80 | Top-5 40 | Top-5 80\na | 1 | 2 | 3 | 4"
    with pytest.raises(
        RunsError, match=r"found columns of 'Top-1', 'Top-5', expected those of one; give --metric-name"
    ):
        observed(text)
    assert [row.value for row in observed(text, metric="top5").rows] == ["3", "4"]


def test_margin_is_an_arm() -> None:
    assert {row.arm for row in observed("n | random | margin\n40 | 0.1 | 0.2").rows} == {"random", "margin"}


def test_a_row_with_a_cell_too_many_is_refused() -> None:
    with pytest.raises(RunsError, match=r"line 3, column '4': found '0\.2', expected a name above it"):
        observed("method | n | acc | \na | 40 | 0.1 | \na | 80 | 5 | 0.2\na | 90 | 0.1 |")
    assert observed("method | n | acc | \na | 40 | 0.1 | \na | 80 | 0.2 | best\na | 90 | 0.1 |").rows


def test_a_number_beside_names_of_arms_is_refused() -> None:
    with pytest.raises(RunsError, match=r"line 3, column 'method': found '0\.65', expected a name, as in other rows"):
        observed("method | n | acc\nscratch | 40 | 0.1\n0.65 | 80 | 0.5\nscratch | 90 | 0.1")


def test_numbers_of_runs_are_no_arm() -> None:
    assert {row.arm for row in observed("n | trial | a | b\n40 | 0 | 0.1 | 0.2\n40 | 1 | 0.1 | 0.2").rows} == {"a", "b"}


def test_shares_beside_label_counts_are_no_tasks() -> None:
    found = observed("method | svhn_1% (40) | svhn_10% (400)\na | 0.1 | 0.2")
    assert [(row.task, row.n) for row in found.rows] == [("svhn", 40), ("svhn", 400)]
