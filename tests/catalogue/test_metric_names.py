"""Metrics recognised by the names of columns."""

from __future__ import annotations

import pytest

from labeleff.catalogue.metric_names import recognised, words_of


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
        ("testAUC", "auroc"),
        ("roc_auc", "auroc"),
        ("mAP", "map"),
        ("mIoU", "iou"),
        ("mean_iou", "mean_iou"),
        ("Cohen's kappa", "kappa"),
        ("MCC", "mcc"),
        ("R2", "r2"),
        ("macro_f1", "macro_f1"),
    ],
)
def test_names(name: str, metric: str) -> None:
    found = recognised(name)
    assert found is not None
    assert found.name == metric


@pytest.mark.parametrize("name", ["score", "value", "", "terror", "glossy", "result", "maple"])
def test_names_that_say_nothing(name: str) -> None:
    assert recognised(name) is None


def test_of_which_less_is_better() -> None:
    names = ["error", "wer", "loss", "rmse", "mae", "ppl", "fid", "ece", "brier", "mse", "nll"]
    assert all((found := recognised(name)) and found.lower for name in names)
    assert not any((found := recognised(name)) and found.lower for name in ("acc", "auroc", "kappa", "r2", "map"))
