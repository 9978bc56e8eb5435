"""Objects within objects to grids: which level of keys is the label count, the arm, the task, the run or the column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from labeleff.errors import RunsError
from labeleff.reporting.external.baseline_names import like_baseline
from labeleff.reporting.external.formats.nesting import records_grid
from labeleff.reporting.external.grid import Grid

VALUE = "value"
"""Name of the column of values that have no name in the file."""
_COUNT = re.compile(
    r"(?:n|labels|n_labels)?[ _=-]?(\d[\d.,]*\s*[kKmM%x]?|full|all|fullysupervised)(?:[ _-]?(?:labels|samples))?"
)
_RUN = re.compile(r"(run|seed|draw|trial|repeat|rep|fold|split)[ _=-]?(\d+)", re.IGNORECASE)

Leaf = tuple[tuple[str, ...], Any]
"""Keys on the way to a value, and the value: text, or a list of text."""


def count_of(key: str) -> str:
    """The label count in a key: "50" of "50", "n=50" and "50 labels", "full" of itself; "" of anything else."""
    found = _COUNT.fullmatch(key.strip())
    return found[1].strip() if found else ""


def levels_grid(value: Mapping[str, Any], source: str) -> Grid:
    """Grid of nested objects whose leaves are all equally deep.

    Raises RunsError where leaves aren't equally deep, or where which level is which can't be told.
    """
    leaves = list(_leaves(value, ()))
    depths = {len(keys) for keys, _ in leaves}
    if len(depths) > 1:
        short = next(".".join(keys) for keys, _ in leaves if len(keys) == min(depths))
        long = next(".".join(keys) for keys, _ in leaves if len(keys) == max(depths))
        raise RunsError(f"{source}: found a value at {short} and objects down to {long}, expected values equally deep")
    levels = [list(dict.fromkeys(keys[at] for keys, _ in leaves)) for at in range(depths.pop())]
    if len(levels) == 2 and (numbered := _numbered(levels)) is not None:
        return _frame(leaves, numbered, source)
    names = _names(levels, source)
    alone = "arm" not in names and not any(name == "" for name in names)
    records: dict[str, dict[str, Any]] = {}
    for keys, leaf in leaves:
        named = {name: _cell(name, key) for name, key in zip(names, keys, strict=True) if name}
        column = next((key for name, key in zip(names, keys, strict=True) if not name), VALUE)
        place = "at " + ".".join(key for name, key in zip(names, keys, strict=True) if name)
        records.setdefault(place, named)[column] = leaf
    note = f"keys are, from the outside: {', '.join(name or 'columns' for name in names)}"
    return records_grid(source, list(records.items()), [note], PurePath(source).stem if alone else None)


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, key))
    else:
        yield keys, value


def _numbered(levels: Sequence[Sequence[str]]) -> int | None:
    """The level whose keys number rows from 0, as pandas writes tables; label counts never do."""
    for at in (1, 0):
        if len(levels[at]) > 1 and list(levels[at]) == [str(row) for row in range(len(levels[at]))]:
            return at
    return None


def _frame(leaves: Sequence[Leaf], numbered: int, source: str) -> Grid:
    """Grid of a table that pandas wrote: values by column and number of the row, or the other way round."""
    records: dict[str, dict[str, Any]] = {}
    for keys, leaf in leaves:
        records.setdefault(f"row {keys[numbered]}", {})[keys[1 - numbered]] = leaf
    return records_grid(source, list(records.items()))


def _names(levels: Sequence[Sequence[str]], source: str) -> list[str]:
    """What every level of keys is: n, a kind of run, arm or task, or "" for names of columns."""
    names: list[str | None] = [_run_name(level) for level in levels]
    counts = [at for at, level in enumerate(levels) if names[at] is None and all(map(count_of, level))]
    for at in _repeats(levels, counts, source):
        names[at] = "run"
    if "run" not in names or any(names[at] is None for at in counts):
        names = [name if name or at not in counts else "n" for at, name in enumerate(names)]
    free = [at for at, name in enumerate(names) if name is None]
    if free and free[-1] == len(levels) - 1 and ("n" not in names or len(free) > 1):
        names[free.pop()] = ""
    if len(free) > 2 or ("n" not in names and "" not in names):
        shown = "; ".join(", ".join(map(repr, level[:3])) for level in levels)
        raise RunsError(f"{source}: found keys {shown} by level, expected those of task, arm, label count and run")
    arms_first = len(free) == 2 and like_baseline(levels[free[0]]) and not like_baseline(levels[free[1]])
    above = ("arm", "task") if arms_first else ("task", "arm")
    for at, name in zip(free, above if len(free) == 2 else ("arm",), strict=False):
        names[at] = name
    return [name or "" for name in names]


def _run_name(level: Sequence[str]) -> str | None:
    """Kind of run that all keys of a level number: `seed` of seed0, seed1; None for others."""
    found = [_RUN.fullmatch(key.strip()) for key in level]
    kinds = {match[1].lower() for match in found if match}
    if not all(found) or len(kinds) > 1:
        return None
    kind = kinds.pop()
    return kind if kind in {"draw", "seed"} else "run"


def _repeats(levels: Sequence[Sequence[str]], counts: Sequence[int], source: str) -> list[int]:
    """Find the one of two levels of numbers that numbers runs from 0 or 1. Raises RunsError where neither is clear."""
    if len(counts) < 2:
        return []
    first = [{str(run + begin) for run in range(len(levels[at]))} for at in counts for begin in (0, 1)]
    runs = [at for at in counts if set(levels[at]) in first and len(levels[at]) < 1000]
    if len(counts) == 2 and len(runs) == 1:
        return runs
    shown = " and ".join(", ".join(levels[at][:3]) for at in counts)
    hint = "name the keys of runs run0, run1 ..."
    raise RunsError(
        f"{source}: found {len(counts)} levels of numbers ({shown}), expected label counts and runs; {hint}"
    )


def _cell(name: str, key: str) -> str:
    if name == "n":
        return count_of(key)
    run = _RUN.fullmatch(key.strip())
    return run[2] if run and name in {"run", "draw", "seed"} else key
