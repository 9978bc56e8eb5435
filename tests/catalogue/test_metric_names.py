"""Metrics recognised by the names of columns."""

from __future__ import annotations

import pytest

from labeleff.catalogue.metric_names import PLAIN, one_minus, recognised, words_of
from labeleff.catalogue.metrics import PUBLISHED


def test_words() -> None:
    assert words_of("test/top1Err") == ("test", "top1", "err")
    assert words_of("Word_Error-Rate (%)") == ("word", "error", "rate")


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("test_error", "error"),
        ("top1Err", "error"),
        ("accuracy_error", "error"),
        ("val_loss", "loss"),
        ("cross-entropy", "loss"),
        ("WER", "wer"),
        ("word error rate", "wer"),
        ("RMSE [cm]", "rmse"),
        ("MAE", "mean_absolute_error"),
        ("test/ppl", "perplexity"),
        ("nll", "nll"),
        ("fid", "fid"),
        ("acc@1", "accuracy"),
        ("acc_ce", "accuracy"),
        ("MAE accuracy", "accuracy"),
        ("val_ce", "loss"),
        ("testAUC", "auroc"),
        ("roc_auc", "auroc"),
        ("mAP", "map"),
        ("mIoU", "iou"),
        ("mean_iou", "mean_iou"),
        ("Cohen's kappa", "kappa"),
        ("MCC", "mcc"),
        ("R2", "r2"),
        ("macro_f1", "macro_f1"),
        ("top1err", "error"),
        ("err5", "error"),
        ("val/misclassification", "error"),
        ("0-1 loss", "error"),
        ("bpc", "bpc"),
        ("1-acc", "error"),
        ("1 − test accuracy", "error"),
        ("1 - AUC", "1 - AUROC"),
        ("1-shot accuracy", "accuracy"),
    ],
)
def test_names(name: str, metric: str) -> None:
    found = recognised(name)
    assert found is not None
    assert found.name == metric


@pytest.mark.parametrize("name", ["score", "value", "", "terror", "glossy", "result", "maple"])
def test_names_that_say_nothing(name: str) -> None:
    assert recognised(name) is None


def test_every_plain_name_is_recognised() -> None:
    assert not [name for name in PLAIN if recognised(name) is None]
    lower = {name for name in PLAIN if (found := recognised(name)) and found.lower}
    assert {name for name in PLAIN if "err" in name or "loss" in name} <= lower
    assert {"misclassification", "bpc", "brier", "ece", "fid", "mae", "nll", "ppl", "wer", "xent", "ce"} <= lower


def test_one_minus() -> None:
    assert one_minus("1-acc") == PUBLISHED["accuracy"]
    assert all(one_minus(name) is None for name in ("1-shot acc", "1-10", "acc", "1 - loss", "1-"))


def test_of_which_less_is_better() -> None:
    names = ["error", "wer", "loss", "rmse", "mae", "ppl", "fid", "ece", "brier", "mse", "nll"]
    assert all((found := recognised(name)) and found.lower for name in names)
    assert not any((found := recognised(name)) and found.lower for name in ("acc", "auroc", "kappa", "r2", "map"))
