"""Matching of two folders' cells: comparable, refused, missing, new, failed.

Cells are matched by task, encoder, arm, label count, draw and seed, not by key: studies with different budgets can be
compared, and the change is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from labeleff.records.conditions import Unlike, conditions_of, table_changes, unlike
from labeleff.records.entries import Conditions, Record
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import Results
from labeleff.stats.resampling import Run

Key = tuple[Place, str]
"""Place and arm."""
Cells = Mapping[int, Mapping[Run, Record]]
"""Finished cells by label count and (draw, seed)."""


@dataclass(frozen=True)
class Pair:
    """Comparable cells of one arm at one place."""

    base: Cells
    new: Cells
    same_labels: bool
    """False where a draw has other labels on the two sides: then draws aren't shared."""


@dataclass(frozen=True)
class Refusal:
    """Refusal of one arm's cells, which the two sides measured under unlike conditions."""

    key: Key
    unlike: Unlike
    cells: int


@dataclass(frozen=True)
class Absence:
    """Cells of one arm and rung that only one side has."""

    key: Key
    n: int
    kind: Literal["missing", "new", "failed"]
    """`missing`: only in BASE; `new`: only in NEW; `failed`: finished in BASE and failed in NEW."""
    cells: int
    reason: str | None = None
    """Reason of the first failure."""


@dataclass(frozen=True)
class Match:
    """Two folders side by side: comparable, refused and absent cells."""

    base: Results
    new: Results
    pairs: Mapping[Key, Pair]
    """Comparable cells by arm, in NEW's order."""
    refusals: list[Refusal]
    absences: list[Absence]

    def lacking(self, key: Key, n: int | None) -> str | None:
        """Reason why numbers of an arm at a rung (None: at any rung) are missing; None where none is."""
        refusal = next((item for item in self.refusals if item.key == key), None)
        if refusal is not None:
            return f"{cells_text(refusal.cells)} refused: {refusal_text(refusal.unlike)}"
        absences = [a for a in self.absences if a.key == key and n in (None, a.n)]
        counts = {kind: sum(a.cells for a in absences if a.kind == kind) for kind in ("failed", "missing")}
        return ", ".join(f"{cells_text(count)} {kind} in NEW" for kind, count in counts.items() if count) or None


def cells_text(count: int) -> str:
    """Number of cells in words: `1 cell`, `18 cells`."""
    return f"{count:,} cell{'s' if count != 1 else ''}"


def refusal_text(difference: Unlike) -> str:
    """Difference of conditions in words: `torch is 2.14 in BASE and 2.15 in NEW`."""
    what, old, new = difference
    pin = "" if not what.startswith("precision") else " ('auto' goes by the processor; pin precision = \"fp32\")"
    return f"{what} is {old[:40]} in BASE and {new[:40]} in NEW{pin}"


def match(base: Results, new: Results) -> Match:
    """Match the cells of two folders."""
    pairs: dict[Key, Pair] = {}
    refusals: list[Refusal] = []
    absences: list[Absence] = []
    for key in dict.fromkeys((*new.groups, *base.groups)):
        old, fresh = _finished(base, key), _finished(new, key)
        absences += _absences(key, old, fresh, new)
        difference = _unlike(base, new, key)
        if difference is not None:
            refusals.append(Refusal(key, difference, len(old.keys() & fresh.keys()) or min(len(old), len(fresh))))
        elif old and fresh:
            pairs[key] = Pair(_by_rung(old), _by_rung(fresh), _same_labels(old, fresh))
    return Match(base, new, pairs, refusals, absences)


def _finished(results: Results, key: Key) -> dict[tuple[int, Run], Record]:
    return {_cell(item): item for item in results.at(*key) if results.value(item) is not None}


def _cell(record: Record) -> tuple[int, Run]:
    cell = record.cell
    return cell.n, (cell.draw, cell.seed)


def _by_rung(cells: Mapping[tuple[int, Run], Record]) -> dict[int, dict[Run, Record]]:
    by_rung: dict[int, dict[Run, Record]] = {}
    for n, run in sorted(cells):
        by_rung.setdefault(n, {})[run] = cells[n, run]
    return by_rung


def _absences(
    key: Key, old: Mapping[tuple[int, Run], Record], fresh: Mapping[tuple[int, Run], Record], new: Results
) -> Iterator[Absence]:
    failed = {_cell(item): item for item in new.at(*key) if new.value(item) is None}
    for n in sorted({n for n, _ in (*old, *fresh)}):
        lost = [cell for cell in old if cell[0] == n and cell not in fresh]
        broken = [failed[cell] for cell in lost if cell in failed]
        added = sum(cell[0] == n and cell not in old for cell in fresh)
        if broken:
            yield Absence(key, n, "failed", len(broken), broken[0].reason or "finished without a value")
        if len(lost) > len(broken):
            yield Absence(key, n, "missing", len(lost) - len(broken))
        if added:
            yield Absence(key, n, "new", added)


def _unlike(base: Results, new: Results, key: Key) -> Unlike | None:
    """The first condition of an arm's cells that differs between the sides; None where all are alike."""
    for old in _conditions(base, key):
        for fresh in _conditions(new, key):
            for difference in unlike(old, fresh):
                return difference
    return None


def _conditions(results: Results, key: Key) -> list[Conditions]:
    """Distinct conditions of an arm's cells; usually one, as runs refuse others."""
    records = results.at(*key)
    if not records:
        return []
    run_ids, cell = {record.run for record in records}, records[0].cell
    items = [conditions_of(run.conditions, cell.task, cell.encoder) for run in results.runs if run.run in run_ids]
    return [item for index, item in enumerate(items) if item not in items[:index]]


def _same_labels(old: Mapping[tuple[int, Run], Record], fresh: Mapping[tuple[int, Run], Record]) -> bool:
    hashes = [{(n, run[0]): item.indices_sha256 for (n, run), item in side.items()} for side in (old, fresh)]
    shared = hashes[0].keys() & hashes[1].keys()
    return all(None in (hashes[0][k], hashes[1][k]) or hashes[0][k] == hashes[1][k] for k in shared)


def study_changes(base: Results, new: Results) -> list[str]:
    """Differences between two studies as they were run, key by key: `budget.finetune.lr 0.1 -> 0.03`."""
    changes = table_changes(*(results.study.model_dump(mode="json") for results in (base, new)))
    if base.former != new.former and all(any(c.held_out for c in side.study.cells()) for side in (base, new)):
        old, fresh = ("with" if side.former else "without" for side in (base, new))
        changes.append(f"stories held out {old} equal ones in training -> {fresh}")
    return changes
