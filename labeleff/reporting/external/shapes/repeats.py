"""Long tables with a column per run: seed0, seed1 ...; acc_1, acc_2 ...; split0_test_score, split1_test_score ..."""

from __future__ import annotations

import re
from collections import defaultdict

from labeleff.reporting.external.shapes import names
from labeleff.reporting.external.shapes.columns import Columns, quote_argument, quote_list
from labeleff.reporting.external.shapes.layout import ValueColumn, header_error

_WORDS = r"run|seed|trial|rep|repeat|repetition|replicate|fold|split"
RUN = re.compile(rf"(|.*?[^A-Za-z])(?:{_WORDS})[ _#.-]*([0-9]{{1,6}})(|[^A-Za-z0-9].*)", re.IGNORECASE)
"""Name of one run: what stands before the word, the number, and what stands behind it."""
_BY_NUMBER = re.compile(r"(.*?)[ _.-]*([0-9]{1,3})")
_LETTERS = {"s", "r"}
"""What short names such as s1, s2 begin with."""


def repeats(columns: Columns) -> tuple[list[ValueColumn], str]:
    """Columns of values that number the runs themselves, and their name of what was measured; none without them.

    Raises RunsError for runs of several metrics, of which none is chosen.
    """
    fields = columns.grid.fields
    groups: dict[str, list[ValueColumn]] = defaultdict(list)
    for at in columns.free():
        found = _run(fields[at], columns.reading.shape == "long")
        if found is not None and columns.values_in(at) and not names.is_other(fields[at]):
            groups[found[0]].append(ValueColumn(at, run=found[1]))
    several = {name: group for name, group in groups.items() if len(group) > 1 and _are_runs(group, fields)}
    if not several:
        return [], ""
    name = _one(columns, list(several))
    return several[name], "" if name in _LETTERS else name


def named(columns: Columns) -> bool:
    """Whether several columns are named as runs, with no other name beside: `seed0`, `fold 1`."""
    found = [RUN.fullmatch(columns.grid.fields[at]) for at in columns.free() if columns.values_in(at)]
    return sum(match is not None and not match[1] + match[3] for match in found) > 1


def _run(name: str, digits: bool) -> tuple[str, str] | None:
    """What a column's name says was measured (empty for nothing) and the number of the run; None for other names.

    Digits alone number runs only where a table is said to be long.
    """
    if name.isdecimal():
        return ("", name) if digits else None
    if match := RUN.fullmatch(name):
        rest = f"{match[1]} {match[3]}".strip(" _.-/")
        return (rest, match[2]) if not rest or names.metric_rank(rest) is not None else None
    match = _BY_NUMBER.fullmatch(name)
    measured = match is not None and (match[1].casefold() in _LETTERS or _is_measured(match[1]))
    return (match[1], match[2]) if match and measured else None


def _is_measured(name: str) -> bool:
    """Whether a name is one of what was measured whose numbers aren't ranks, as in `top1` and `bleu_4`."""
    return names.metric_words(name) in {"accuracy", "error", "err", "loss", "score", "result", "value"}


def _are_runs(group: list[ValueColumn], fields: tuple[str, ...]) -> bool:
    """Whether columns are numbered by a word, or from 0 or 1 without a gap."""
    numbers = sorted(int(value.run or 0) for value in group)
    counted = numbers in (list(range(len(group))), list(range(1, len(group) + 1)))
    return counted or all(fields[value.at].isdecimal() or RUN.fullmatch(fields[value.at]) for value in group)


def _one(columns: Columns, found: list[str]) -> str:
    wanted = names.metric_words(columns.reading.metric) if columns.reading.metric else None
    chosen = [name for name in found if names.metric_words(name) == wanted] if len(found) > 1 else found
    if len(chosen) != 1:
        error = header_error(columns.grid, "accuracy")
        raise error(
            f"runs of {quote_list(found)}", "runs of one", f"give --metric-name {quote_argument(found[0] or found[-1])}"
        )
    return chosen[0]
