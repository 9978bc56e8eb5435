"""Names of columns as people write them, and the names that a user gives."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from labeleff.catalogue import metric_names
from labeleff.errors import OptionError, UnknownNameError
from labeleff.reporting.external.grid import composed

REQUIRED = ("arm", "n", "run", "accuracy")
OPTIONAL = ("draw", "seed", "task", "sd", "se", "ci", "runs")
_MAY_SHARE = {"run", "draw", "seed"}
"""Columns that may be one and the same column of the file."""

_ARMS = (
    {"method", "methods", "model", "models", "algorithm", "algorithms", "algo", "alg", "pretext", "pretraining"}
    | {"pretrain", "pretrained", "approach", "init", "initialization", "initialisation", "arms", "pretexttask"},
    {"variant", "system", "strategy", "learner", "technique", "classifier", "estimator", "encoder", "name", "group"}
    | {"setting", "condition", "config", "configuration", "experiment", "backbone"},
)
RUNS = {"trial", "repeat", "repetition", "rep", "replicate", "replication", "fold", "runid", "runindex", "runnumber"}
"""Columns that number runs, beside `run`."""
_SEEDS = ({"randomseed", "rngseed", "initseed", "trainseed", "modelseed", "seeds"},)
_TASKS = ({"dataset", "datasets", "tasks", "taskname", "datasetname"}, {"data", "benchmark", "domain", "corpus"})
_NO_MEANING = {"n", "num", "number", "numbers", "of", "the", "no", "nr", "count", "amount", "total", "#", "k", "used"}
_COUNTED = (
    {
        "labels",
        "labeled",
        "labelled",
        "samples",
        "examples",
        "images",
        "size",
        "sizes",
        "budget",
        "shots",
        "shot",
        "fraction",
    }
    | {"frac", "percent", "percentage", "pct", "proportion", "ratio", "share", "instances", "annotations", "points"}
    | {"annotated", "lpc", "spc", "ipc"}
)
_BESIDE_COUNTED = {"label", "sample", "example", "train", "training", "set", "data", "dataset", "subset"} | {
    "per", "class", "available", "annotation", "labeling", "labelling", "supervised", "%", "in"
}  # fmt: skip
_NUMBERS_OF_LABELS = {"ntrain", "nlabel", "nlabels", "numlabels", "trainsize", "nsamples", "numtrain", "ntraining"} | {
    "labelcount", "labelcounts", "nlabeled", "nlabelled", "samplesize", "numsamples", "trainingsize", "nexamples"
}  # fmt: skip

_ACCURACIES = {"accuracy", "accuracies", "acc", "accs", "top1", "top1accuracy", "top1acc", "acc1", "accuracy1"} | {
    "accuracytop1", "acctop1", "prec1", "classificationaccuracy"
}  # fmt: skip
_METRICS = (
    metric_names.PLAIN
    | {"ap", "ap50", "weightedf1", "bleu", "rouge", "rougel", "precision", "recall", "sensitivity", "specificity"}
    | {"top5", "top5acc", "top5accuracy", "acc5", "em", "exactmatch", "ndcg", "mrr", "reward", "return"}
)
"""Names of metrics that labeleff knows, and of others of which more is better."""
_GENERAL = {"score", "scores", "result", "results", "value", "values", "performance", "metric", "measure", "median"}
_SPLITS = {"test", "testing", "tests", "eval", "evaluation", "val", "valid", "validation", "dev", "heldout", "holdout"}
_AROUND = {"mean", "avg", "average", "final", "best", "in", "%", "percent", "pct", "the", "overall", "max", "score"}
_SPREADS = {
    "sd": {"sd", "std", "stdev", "stddev", "standarddeviation", "sigma"},
    "se": {"se", "sem", "stderr", "standarderror"},
    "ci": {"ci", "conf", "interval", "confidenceinterval", "halfwidth", "marginoferror"},
}
_OF_SPREADS = set().union(*_SPREADS.values(), {"confidence", "mean", "avg", "average"})
_LOGGED = re.compile(r"(?:config|params?|hparams|metrics?|summary|tags?|args)[./](?=.)", re.IGNORECASE)
"""What MLflow, Weights & Biases and nested records put before the names of settings and results."""
_OF_VALUES = re.compile(r"(?<![0-9\s\\])[\s\\]*%")
"""A percent sign that is no number's."""
_LEVEL = re.compile(r"[5-9][0-9]")
_TALLIES = {"runs", "count", "counts", "k", "nruns", "numruns", "nseeds", "numseeds", "numberofruns"} | {
    "numberofseeds", "nrepeats", "numrepeats", "ntrials", "numtrials", "trials", "repeats", "repetitions", "nfolds"
}  # fmt: skip
_LOWER_ENDS = {"low", "lower", "lo", "lb", "min"}
_UPPER_ENDS = {"high", "upper", "hi", "ub", "max"}
ENDS = {"low": _LOWER_ENDS - {"min"}, "high": _UPPER_ENDS - {"max"}}
"""Words for the ends of an interval beside a value's own name: `acc_low`, `acc_high`."""
_STEPS = {"epoch", "step", "iteration", "iter", "it", "epochs", "steps", "iterations", "globalstep"}
_OF_A_RUN = {"best", "num", "n", "max", "total", "final", "last", "stopped", "number", "of", "early", "selected"}


_OTHERS = {"train", "training", "lr", "wd", "time", "seconds", "minutes", "hours", "epoch", "epochs", "step"} | {
    "params", "parameters", "flops", "batch", "gpu", "gpus", "id", "index", "unnamed", "date", "width", "depth",
    "learning", "decay", "gain", "delta", "diff", "difference", "improvement", "pvalue", "rank", "size", "steps",
    "version", "versions", "year", "note", "notes", "comment", "comments", "remark", "remarks", "reference",
}  # fmt: skip
"""Words of columns that hold neither arms' values nor what was measured."""


_SETTINGS = {"lr", "rate", "wd", "decay", "batch", "width", "depth", "dropout", "momentum", "temperature", "layers"} | {
    "optimizer", "optimiser", "augmentation", "resolution", "init", "architecture", "arch", "backbone", "encoder",
}  # fmt: skip
_CHOSEN = {"best", "final", "last", "selected", "chosen", "tuned", "found"}
"""Words of settings that a run came out with."""
ROW = "row"
"""What `--column run=row` names where no column has this name: every row is a run."""


def column_names(columns: Mapping[str, str]) -> dict[str, str]:
    """Names of the file's columns by labeleff's names, as the user gave them, without spaces around them.

    Raises UnknownNameError or OptionError for a mapping that makes no sense.
    """
    for name in columns:
        if name not in (*REQUIRED, *OPTIONAL):
            raise UnknownNameError("column", name, (*REQUIRED, *OPTIONAL))
    names = {name: composed(of.strip()) for name, of in columns.items()}
    if "" in names.values():
        raise OptionError("columns: found an empty name, expected the name of a column in the file")
    sure = {**{name: name for name in REQUIRED}, **names}
    ordered = [name for name in (*REQUIRED, *OPTIONAL) if name in sure]
    for first, second in itertools.combinations(ordered, 2):
        if sure[first] == sure[second] and not {first, second} <= _MAY_SHARE and {first, second} & set(names):
            raise OptionError(f"columns: {first} and {second} are both in {sure[first]!r}, expected two columns")
    return names


@functools.cache
def words(name: str) -> tuple[str, ...]:
    """Words of a column's name in lower case: `numTrain_samples (%)` is num, train, samples, %."""
    own = name[logged.end() :] if (logged := _LOGGED.match(name)) else name
    parts = re.findall(r"[A-Z]+(?![a-z])s?|[A-Z]?[a-z]+|[^\W\d_]+|[0-9]+|[%#]", own)
    return tuple(part.casefold() for part in parts)


@functools.cache
def plain(name: str) -> str:
    """Letters and digits of a name in lower case."""
    return "".join(word for word in words(name) if word not in "%#")


def tiers(name: str) -> Sequence[set[str]]:
    """Names that stand for labeleff's, the surest first, for the columns that are known by whole names."""
    known: Mapping[str, Sequence[set[str]]] = {"arm": _ARMS, "seed": _SEEDS, "task": _TASKS}
    return [{name}, *known.get(name, ())]


def is_label_count(name: str) -> bool:
    """Whether a column of this name holds label counts or shares of labels."""
    spoken = set(words(name))
    core = spoken - _NO_MEANING
    if plain(name) in _NUMBERS_OF_LABELS | {"n"} or (core and core <= {"train", "training"} and core != spoken):
        return True
    return (bool(core & _COUNTED) and core <= _COUNTED | _BESIDE_COUNTED) or {"per", "class"} <= core <= _BESIDE_COUNTED


def metric_rank(name: str) -> int | None:
    """How surely a column of this name holds what was measured, 0 for accuracies; None where it doesn't."""
    spoken = words(name)
    if {"train", "training"} & set(spoken) or spread_kind(name) or is_step(name):
        return None
    bare = "".join(word for word in spoken if word not in _SPLITS | _AROUND and word not in "%#")
    if bare in _ACCURACIES:
        return 0
    if bare in _METRICS or plain(name) in _METRICS or metric_names.one_minus(name):
        return 1
    if bare in _GENERAL or (not bare and set(spoken) & (_SPLITS | {"mean", "avg", "average", "score"})):
        return 2
    return 3 if set(spoken) & (_ACCURACIES | _METRICS) else None


def metric_words(name: str) -> str:
    """Name of what was measured, without the split it was measured on and words around it."""
    kept = "".join(word for word in words(name) if word not in _SPLITS | _AROUND and word not in "%#")
    return "accuracy" if kept in _ACCURACIES else kept


def is_validation(name: str) -> bool:
    """Whether the name speaks of validation, by which runs are often chosen."""
    return bool(set(words(name)) & {"val", "valid", "validation", "dev"})


def names_a_split(name: str) -> bool:
    """Whether the name says which split of the data was measured."""
    return bool(set(words(name)) & _SPLITS)


def is_known(name: str) -> bool:
    """Whether a column's name is one that stands for one of labeleff's."""
    known = {*REQUIRED, *OPTIONAL, *RUNS}.union(*_ARMS, *_TASKS, *_SEEDS)
    return plain(name) in known or is_label_count(name) or metric_rank(name) is not None


def spread_kind(name: str) -> tuple[str, frozenset[str]] | None:
    """Kind of spread (sd, se, ci, or low and high for an interval's ends) and the name's other words."""
    spoken = words(name)
    joined = plain(name)
    for kind, known in _SPREADS.items():
        if joined in known:
            return kind, frozenset()
        if set(spoken) & known:
            rest = frozenset(_beside(spoken, known))
            ends = {"low": _LOWER_ENDS, "high": _UPPER_ENDS}
            end = next((end for end, names in ends.items() if kind == "ci" and rest & names), None)
            return (end, rest - ends[end]) if end else (kind, rest)
    if joined in _LOWER_ENDS - {"min"} or joined in _UPPER_ENDS - {"max"}:
        return ("low" if joined in _LOWER_ENDS else "high"), frozenset()
    return None


def _beside(spoken: Sequence[str], known: set[str]) -> Iterator[str]:
    """The words that neither are known nor say how sure an interval is."""
    return (word for word in spoken if word not in known and word != "%" and not _LEVEL.fullmatch(word))


def interval_level(name: str) -> float | None:
    """Probability of the intervals of a column such as `ci95` or `accuracy (95% CI)`; None where it isn't named."""
    spoken = words(name)
    levels = [int(word) / 100 for word in spoken if _LEVEL.fullmatch(word)]
    return levels[0] if len(levels) == 1 and {"ci", "conf", "confidence", "interval"} & set(spoken) else None


def without_spread(name: str) -> str:
    """The name of a column of means without the words for their spread: `acc` of `acc (mean ± std)`."""
    return " ".join(_beside(words(name), _OF_SPREADS)) or "mean"


def is_average(name: str) -> bool:
    """Whether a column's name says that it holds means over runs."""
    return bool({"mean", "avg", "average"} & set(words(name)))


def is_other(name: str) -> bool:
    """Whether a column of numbers holds settings, times or differences rather than values."""
    return bool(set(words(name)) & _OTHERS)


def in_percent(name: str) -> bool:
    """Whether a column's name says that its values are in percent: `Top-1 (%)`, `acc_pct`; not `95% CI`, `top 10%`."""
    return bool({"percent", "pct"} & set(words(name))) or bool(_OF_VALUES.search(name))


def is_setting(name: str) -> bool:
    """Whether a column's name is one of what is set before a training: `lr`, `weight_decay`, `model`; not `best_lr`."""
    spoken = set(words(name))
    return (bool(spoken & _SETTINGS) or plain(name) in set().union(*_ARMS, *_TASKS)) and not spoken & _CHOSEN


def is_tally(name: str) -> bool:
    """Whether a column of this name says how many runs a mean is over."""
    return plain(name) in _TALLIES


def is_step(name: str) -> bool:
    """Whether a column of this name numbers epochs or steps of a run."""
    spoken = words(name)
    return bool(spoken) and spoken[-1] in _STEPS and not set(spoken) & _OF_A_RUN
