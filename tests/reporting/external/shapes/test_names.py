"""Names of columns as people write them."""

from __future__ import annotations

import pytest

from labeleff.catalogue.metric_names import recognised
from labeleff.errors import OptionError, UnknownNameError
from labeleff.reporting.external.shapes import names

COUNTS = """n N labels n_labels num_labels numLabels #labels Labels(%) budget label_budget train_size n_train percent
num_train_samples training_set_size k-shot label_fraction labels_per_class n_per_class labelled_examples shots"""


@pytest.mark.parametrize("name", COUNTS.split())
def test_names_of_label_counts(name: str) -> None:
    assert names.is_label_count(name)


@pytest.mark.parametrize(
    "name", ["test_size", "batch_size", "model_size", "dataset", "num_classes", "label", "lr", "k"]
)
def test_names_of_other_things(name: str) -> None:
    assert not names.is_label_count(name)


def test_names_of_what_was_measured() -> None:
    ranks = {"accuracy": 0, "test/acc": 0, "Top-1 (%)": 0, "acc@1": 0, "val_acc": 0, "test_error": 1, "macro F1": 1}
    ranks |= {"mAP": 1, "top5": 1, "score": 2, "test": 2, "mean": 2, "knn_acc": 3}
    assert {name: names.metric_rank(name) for name in ranks} == ranks
    for other in ("train_acc", "acc_std", "std", "epoch", "time", "simclr"):
        assert names.metric_rank(other) is None
    assert names.metric_words("test_acc") == names.metric_words("Accuracy (%)") == "accuracy"
    assert names.metric_words("val_loss") == "loss"


def test_every_name_of_which_less_is_better_asks_for_the_direction() -> None:
    """None of them may be taken for an accuracy, which other names are where nothing else is known."""
    lower = {name for name in names._METRICS if (found := recognised(name)) and found.lower}
    spoken = ("err", "loss", "misclass", "perplexity", "brier", "entropy", "bits", "likelihood")
    assert {name for name in names._METRICS if any(part in name for part in spoken)} <= lower
    assert {"wer", "cer", "ece", "ce", "mae", "mse", "rmse", "mape", "nll", "ppl", "bpc", "fid"} <= lower
    for name in names._METRICS - lower:
        assert recognised(name) is None or names.metric_rank(name) == 1


def test_names_of_spreads_and_numbers() -> None:
    assert names.spread_kind("std") == ("sd", frozenset())
    assert names.spread_kind("test/acc_std") == ("sd", frozenset({"test", "acc"}))
    assert names.spread_kind("acc sem") == ("se", frozenset({"acc"}))
    assert names.spread_kind("ci_low") == ("low", frozenset())
    assert names.spread_kind("95% CI") == ("ci", frozenset())
    assert names.spread_kind("accuracy") is None
    assert all(map(names.is_tally, ["k", "count", "runs", "n_seeds"]))
    assert all(map(names.is_step, ["epoch", "trainer/global_step", "Iteration", "_step"]))
    assert not any(map(names.is_step, ["best_epoch", "num_epochs", "n"]))


def test_names_that_a_user_gives() -> None:
    assert names.column_names({"n": " labels ", "run": "seed", "seed": "seed"}) == {
        "n": "labels", "run": "seed", "seed": "seed"
    }  # fmt: skip
    with pytest.raises(UnknownNameError, match="did you mean 'accuracy'"):
        names.column_names({"acuracy": "x"})
    for columns, message in (
        ({"n": " "}, "an empty name"),
        ({"n": "x", "arm": "x"}, "arm and n are both in 'x'"),
        ({"accuracy": "n"}, "n and accuracy are both in 'n'"),
    ):
        with pytest.raises(OptionError, match=message):
            names.column_names(columns)


@pytest.mark.parametrize("name", ["config.n_labels", "config/n_labels", "params.n_labels", "hparams/n_labels"])
def test_what_trackers_put_before_names_is_no_part_of_them(name: str) -> None:
    assert names.words(name) == ("n", "labels")
    assert names.is_label_count(name)


@pytest.mark.parametrize(
    ("name", "level"),
    [("ci95", 0.95), ("acc (95% CI)", 0.95), ("CI 90 low", 0.9), ("ci", None), ("top95", None), ("ci_95_99", None)],
)
def test_level_of_intervals(name: str, level: float | None) -> None:
    assert names.interval_level(name) == level


def test_names_that_say_percent() -> None:
    percent = ["error (%)", "acc_pct", "Accuracy [%]", "percent correct", "test/acc (%)", "% acc", "acc %"]
    assert all(map(names.in_percent, [*percent, "Top-1 (%)", "F1 (%)", "Err@1 (%)", "acc@5[%]", "F1 ( % )"]))
    other = ["acc", "acc (95% CI)", "acc (95 % CI)", "top 10%", "10% (5k)", "mean absolute percentage error"]
    assert not any(map(names.in_percent, other))


@pytest.mark.parametrize("name", ["acc (mean ± std)", "acc (95% CI)", "mean acc ± sd", "acc"])
def test_without_spread(name: str) -> None:
    assert names.without_spread(name) == "acc"
