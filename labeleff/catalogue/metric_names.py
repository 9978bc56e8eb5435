"""Metrics of other people's tables, recognised by the names of columns."""

from __future__ import annotations

import re
from dataclasses import replace

from labeleff.catalogue.metrics import METRICS, PUBLISHED, Metric

_ALIASES: dict[str, str] = {
    "accuracy": "accuracy acc top1 top_1 accuracies",
    "balanced_accuracy": "balanced_accuracy balanced_acc bacc mean_class_accuracy",
    "error": "error err errors error_rate error_rates errorrate errorrates errrate top1err top1error top5err top5error "
    "misclassification misclassification_rate misclassified zero_one_loss 0_1_loss",
    "wer": "wer word_error_rate",
    "cer": "cer character_error_rate",
    "eer": "eer equal_error_rate",
    "ece": "ece calibration_error",
    "loss": "loss losses cross_entropy crossentropy xent log_loss logloss ce_loss ce",
    "nll": "nll negative_log_likelihood",
    "bpc": "bpc bpb bits_per_character bits_per_char bits_per_byte",
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
    "map": "map m_ap mean_ap mean_average_precision map50 map_50",
    "average_precision": "average_precision auprc pr_auc",
    "f1": "f1 f1_score macro_f1 micro_f1 f1_macro f1_micro f_score fscore",
    "dice": "dice dice_score dsc",
    "iou": "iou io_u m_io_u jaccard mean_iou miou",
}
_BY_WORDS = sorted(
    {
        (words, name)
        for name, aliases in _ALIASES.items()
        for alias in aliases.split()
        for words in (tuple(alias.split("_")), (alias.replace("_", ""),))
    },
    key=lambda entry: (-len(entry[0]), not PUBLISHED[entry[1]].lower, entry),
)
"""Aliases in words and as one word, the longest first, of equal length those of which less is better."""
PLAIN = frozenset(alias.replace("_", "") for name in _ALIASES if name != "accuracy" for alias in _ALIASES[name].split())
"""What metrics other than the accuracy are called, in letters and digits alone."""
_ONE_MINUS = re.compile(r"\s*1(?:\.0)?\s*[-−–]\s*(.+)", re.DOTALL)
_ACCURACY = {"accuracy", "accuracies", "acc", "top1"}
_TRAINED_BY = {("ce",), ("mse",), ("mae",), ("nll",), ("xent",)}
"""Losses, and masked autoencoders, that beside the word accuracy say what was trained: `acc_ce`."""
_BEFORE = {"test", "testing", "val", "valid", "validation", "dev", "eval", "heldout", "mean", "avg", "average"}
"""Words that a name may have before a metric's."""


def words_of(name: str) -> tuple[str, ...]:
    """Split a column's name into words: `test/top1Err` is (test, top1, err)."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[a-z0-9]+", apart.lower()))


def recognised(name: str) -> Metric | None:
    """The metric that a column's name contains: `val_loss` is a loss; None where it has no known one.

    An entry of METRICS is found by its exact name too; `1 - accuracy` is an error, `acc_ce` an accuracy.
    """
    if name in METRICS:
        return METRICS[name]
    if (rest := one_minus(name)) is not None:
        error = PUBLISHED["error"]
        if rest.of_examples:
            return error
        words = f"1 - {rest.words}"
        return replace(error, name=words, words=words, plural=f"values of {words}", of_examples=False)
    spoken = words_of(name)
    for parts in (spoken, tuple(re.findall(r"[a-z]+|[0-9]+", " ".join(spoken)))):
        aliases = [entry for entry in _BY_WORDS if entry[0] not in _TRAINED_BY] if _ACCURACY & {*parts} else _BY_WORDS
        for alias, metric in aliases:
            if any(parts[start : start + len(alias)] == alias for start in range(len(parts))):
                return PUBLISHED[metric]
    return None


def one_minus(name: str) -> Metric | None:
    """The share that a name such as `1 - accuracy` or `1-test_acc` is taken from 1; None for other names."""
    found = _ONE_MINUS.fullmatch(name)
    words = words_of(found[1]) if found else ()
    while words and words[0] in _BEFORE:
        words = words[1:]
    for alias, metric in _BY_WORDS:
        if words[: len(alias)] == alias:
            return PUBLISHED[metric] if PUBLISHED[metric].share else None
    return None
