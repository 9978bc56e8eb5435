"""Label counts, tasks and runs in the names of columns: 1k, n=100, cifar10_40, CIFAR-10 (40), scratch_seed0."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from labeleff.reporting.external.label_counts import parse
from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns

FEWEST = 10
"""Bare numbers up to this in names such as `acc@5`, `exp_2` and `cifar10_1` are no label counts."""
_MODELS = {"resnet", "resnext", "wrn", "vgg", "vit", "densenet", "efficientnet", "bert", "gpt", "swin", "deit", "v"}
_AT_RANKS = {"map", "ap", "recall", "precision", "p", "r", "hits", "hit", "ndcg", "top", "f1", "iou"}
"""Names whose number is a rank, a threshold or a percentage."""
_DATA_SETS = {"cifar10", "cifar100", "stl10", "imagenet100", "imagenet1k", "imagenet21k", "tinyimagenet200"} | {
    "cub200", "caltech101", "caltech256", "food101", "ucf101", "sun397", "places365", "flowers102", "20newsgroups"
}  # fmt: skip
"""Names of data sets whose number is no label count."""
_THRESHOLDS = {"map", "ap", "iou"}
"""Names of these whose percentage, a threshold of overlap, is LEAST_OVERLAP or more."""
LEAST_OVERLAP = Fraction(1, 2)
_SHARE = re.compile(r"[^@]*[ _(\[][^@]*%[)\]]?")
"""A name that may end in a share of labels: `mAP 1%`; not `mAP@50%`."""
_SEPARATOR = re.compile(r"\s*[_@:/\s-]\s*|\s*[(\[]\s*")
_RUN = re.compile(r"(.*?)[ _-]*(?:run|seed|trial|rep|repeat|repetition|fold)[ _#-]*([0-9]{1,6})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HeaderCount:
    """A label count in the name of a column."""

    at: int
    task: str
    """What the name says beside the count; empty for nothing, and for names of label counts and metrics."""
    n: str
    metric: str = ""
    """Name of what was measured, where the name says it."""


def counts(columns: Columns, *, in_rows: bool = False) -> list[HeaderCount]:
    """Columns of values with label counts in their names, from left to right; `in_rows`: a column has them as well.

    `acc_1` and `acc@5`, which are names of metrics too, have some where others such as `acc_10` do and no column has.
    """
    fields, how = columns.grid.fields, columns.reading
    values = [at for at in columns.free() if columns.values_in(at, named=_count(at, fields[at]) is not None)]
    every = [_count(at, fields[at]) for at in values]
    tasks = {each.task for each in every if each is not None and names.plain(fields[each.at]) not in _DATA_SETS}
    found = [each for each in every if each and (each.task in tasks or names.plain(fields[each.at]) not in _DATA_SETS)]
    sure = how.shape or how.per_class or how.label_unit or any(_is_many(each.n) for each in found)
    found = [each for each in found if sure or each.n == fields[each.at]]
    said = how.shape in ("by-n", "by-task-and-n")
    metrics = {each.metric for each in found}
    places = {each.at for each in found}
    ranks = [] if in_rows else [_count(at, fields[at], ranks=True) for at in values if at not in places]
    found += [each for each in ranks if each and each.metric and (said or each.metric in metrics)]
    if not found and not in_rows:
        found = _shares([(at, fields[at]) for at in values], pools=bool(how.pools), said=said)
    return sorted(found, key=lambda each: each.at)


def _shares(named: list[tuple[int, str]], *, pools: bool, said: bool) -> list[HeaderCount]:
    """Columns of names such as `mAP 1%`, whose number may be a threshold, where it is a share of labels.

    It is where a pool is given, one of several is 100 %, or a threshold would be under LEAST_OVERLAP; `said`: whatever
    the number, as the table is said to have label counts in its header.
    """
    found = [each for at, name in named if (said or _SHARE.fullmatch(name)) and (each := _count(at, name, ranked=True))]
    found = [each for each in found if names.plain(each.metric) in _AT_RANKS]
    shares = [count.number for each in found if (count := parse(each.n)) is not None]
    small = all(names.plain(each.metric) in _THRESHOLDS for each in found) and min(shares, default=1) < LEAST_OVERLAP
    return found if said or pools or small or (len(shares) > 1 and max(shares) == 1) else []


def _is_many(text: str) -> bool:
    """Whether a number is marked as a label count, or too large for a rank or a number of an experiment."""
    count = parse(text)
    return count is not None and (count.unit is not None or count.number > FEWEST or count.number < 1)


def _count(at: int, name: str, *, ranks: bool = False, ranked: bool = False) -> HeaderCount | None:
    """The label count in a name; `ranks`: also where the whole name is that of a metric, as `acc@5` is.

    `ranked`: after one of _AT_RANKS too.
    """
    if parse(name) is not None:
        return HeaderCount(at, "", name)
    if names.spread_kind(name):
        return None
    marked_alone = names.metric_rank(name) in (0, 1) and not ranks
    splits = sorted(_SEPARATOR.finditer(name), key=lambda split: ("(" in split[0] or "[" in split[0], split.end()))
    for split in reversed(splits):
        before, after = name[: split.start()].strip(), name[split.end() :].strip().removesuffix(")").removesuffix("]")
        if ranked and names.plain(before) in _AT_RANKS and parse(after) is not None:
            return HeaderCount(at, "", after, before)
        if names.plain(before) in _MODELS | _AT_RANKS or _RUN.fullmatch(name):
            return None
        count = parse(after)
        if count is not None and count.unit is None and marked_alone:
            return None
        if before and count is not None:
            return _in_two_units(_count(at, before), after) or _of_parts(at, before, after)
    return None


def _of_parts(at: int, before: str, count: str) -> HeaderCount:
    """The label count after a name of parts, as rows of a header are joined: task, metric and words for labels."""
    spoken, rest = _taken(before, names.is_label_count)
    n = f"{count} shots" if "shot" in spoken.casefold() else count
    if not rest or names.metric_rank(rest) is not None:
        return HeaderCount(at, "", n, rest)
    metric, task = _taken(rest, lambda part: names.metric_rank(part) in (0, 1))
    return HeaderCount(at, task, n, metric)


def _taken(name: str, wanted: Callable[[str], bool]) -> tuple[str, str]:
    """The longest part `a_b` at the beginning or end of a name that is wanted, and the rest; "" for none."""
    parts = name.split("_")
    for length in range(len(parts), 0, -1):
        for taken, rest in ((parts[:length], parts[length:]), (parts[-length:], parts[:-length])):
            if wanted("_".join(taken)):
                return "_".join(taken), "_".join(rest)
    return "", name


def _in_two_units(share: HeaderCount | None, labels: str) -> HeaderCount | None:
    """The count of `svhn_0.1% (40)` from those of svhn_0.1% and 40; None where the first is none of a share."""
    count = parse(share.n) if share else None
    if share is None or count is None or count.unit not in ("percent", "share", "per class"):
        return None
    both = f"{share.n} ({labels})"
    return HeaderCount(share.at, share.task, both, share.metric) if parse(both) else None


def run_of(name: str) -> tuple[str, str] | None:
    """Arm (empty for none) and number of the run of a name such as `scratch_seed0`; None for other names."""
    match = _RUN.fullmatch(name)
    return (match[1].strip(" _-"), match[2]) if match else None
