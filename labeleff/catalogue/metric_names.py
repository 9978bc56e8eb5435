"""Metrics of other people's tables, recognised by the names of columns."""

from __future__ import annotations

import re

from labeleff.catalogue.metrics import METRICS, PUBLISHED, Metric

_ALIASES: dict[str, str] = {
    "accuracy": "accuracy acc top1 top_1 accuracies",
    "balanced_accuracy": "balanced_accuracy balanced_acc bacc mean_class_accuracy",
    "error": "error err errors error_rate",
    "wer": "wer word_error_rate",
    "cer": "cer character_error_rate",
    "eer": "eer equal_error_rate",
    "ece": "ece calibration_error",
    "loss": "loss losses cross_entropy crossentropy xent log_loss logloss ce_loss",
    "nll": "nll negative_log_likelihood",
    "brier": "brier brier_score",
    "perplexity": "perplexity ppl",
    "mse": "mse mean_squared_error mean_square_error squared_error",
    "mape": "mape",
    "fid": "fid",
    "rmse": "rmse rmsd root_mean_squared_error root_mean_square_error",
    "mean_absolute_error": "mae mean_absolute_error absolute_error l1_error mpjpe",
    "kappa": "kappa cohen_kappa cohens_kappa cohen_s_kappa qwk quadratic_kappa",
    "mcc": "mcc matthews matthews_correlation matthews_corrcoef phi_coefficient",
    "spearman": "spearman spearmanr spearman_correlation",
    "pearson": "pearson pearsonr pearson_correlation",
    "r2": "r2 r_squared r2_score",
    "auroc": "auroc auc roc_auc rocauc auc_roc",
    "map": "map m_ap mean_average_precision map50 map_50",
    "average_precision": "average_precision auprc pr_auc",
    "f1": "f1 f1_score macro_f1 micro_f1 f1_macro f1_micro f_score fscore",
    "dice": "dice dice_score dsc",
    "iou": "iou io_u m_io_u jaccard mean_iou miou",
}
_BY_WORDS = sorted(
    ((tuple(alias.split("_")), name) for name, aliases in _ALIASES.items() for alias in aliases.split()),
    key=lambda entry: (-len(entry[0]), not PUBLISHED[entry[1]].lower),
)
"""Aliases in words, the longest first, of equal length those of which less is better."""


def words_of(name: str) -> tuple[str, ...]:
    """Split a column's name into words: `test/top1Err` is (test, top1, err)."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[a-z0-9]+", apart.lower()))


def recognised(name: str) -> Metric | None:
    """The metric that a column's name contains: `val_loss` is a loss; None where it has no known one.

    An entry of METRICS is found by its exact name too.
    """
    if name in METRICS:
        return METRICS[name]
    words = words_of(name)
    for alias, metric in _BY_WORDS:
        if any(words[start : start + len(alias)] == alias for start in range(len(words))):
            return PUBLISHED[metric]
    return None
