"""Two folders' records side by side: which cells can be compared, which are refused, missing, new or failed.

Cells are matched by task, encoder, arm, label count, draw and seed, not by key: a study whose budget changed is
compared too, and the change is named.
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
    """One arm at one place, as far as both sides may be compared."""

    base: Cells
    new: Cells
    same_labels: bool
    """False where a draw of the same number has other labels: then draws are not shared."""


@dataclass(frozen=True)
class Refusal:
    """Cells of one arm that both sides have, under unlike conditions."""

    key: Key
    unlike: Unlike
    cells: int


@dataclass(frozen=True)
class Absence:
    """Cells of one arm and rung that can't be compared because one side lacks them."""

    key: Key
    n: int
    kind: Literal["missing", "new", "failed"]
    """In BASE alone; in NEW alone; finished in BASE and failed in NEW."""
    cells: int
    reason: str | None = None
    """Why the first one failed."""


@dataclass(frozen=True)
class Match:
    """Two folders side by side."""

    base: Results
    new: Results
    pairs: Mapping[Key, Pair]
    """In NEW's order; without what was refused."""
    refusals: list[Refusal]
    absences: list[Absence]

    def lacking(self, key: Key, n: int | None) -> str | None:
        """Why the numbers of an arm at a rung (None: at any) aren't all there; None where they are."""
        refused = next((item for item in self.refusals if item.key == key), None)
        if refused is not None:
            return f"{cells_text(refused.cells)} refused: {refusal_text(refused.unlike)}"
        here = [a for a in self.absences if a.key == key and n in (None, a.n)]
        counts = {kind: sum(a.cells for a in here if a.kind == kind) for kind in ("failed", "missing")}
        return ", ".join(f"{cells_text(count)} {kind} in NEW" for kind, count in counts.items() if count) or None


def cells_text(count: int) -> str:
    """`1 cell`, `18 cells`."""
    return f"{count:,} cell{'s' if count != 1 else ''}"


def refusal_text(found: Unlike) -> str:
    """`torch is 2.14 in BASE and 2.15 in NEW`."""
    what, old, new = found
    return f"{what} is {old[:40]} in BASE and {new[:40]} in NEW"


def match(base: Results, new: Results) -> Match:
    """Put two folders' cells side by side."""
    pairs: dict[Key, Pair] = {}
    refusals: list[Refusal] = []
    absences: list[Absence] = []
    for key in dict.fromkeys((*new.groups, *base.groups)):
        old, fresh = _finished(base, key), _finished(new, key)
        absences += _absences(key, old, fresh, new)
        differing = _unlike(base, new, key)
        if differing is not None:
            refusals.append(Refusal(key, differing, len(old.keys() & fresh.keys()) or min(len(old), len(fresh))))
        elif old and fresh:
            pairs[key] = Pair(_by_rung(old), _by_rung(fresh), _same_labels(old, fresh))
    return Match(base, new, pairs, refusals, absences)


def _finished(results: Results, key: Key) -> dict[tuple[int, Run], Record]:
    return {_cell(item): item for item in results.at(*key) if results.value(item) is not None}


def _cell(record: Record) -> tuple[int, Run]:
    cell = record.cell
    return cell.n, (cell.draw, cell.seed)


def _by_rung(cells: Mapping[tuple[int, Run], Record]) -> dict[int, dict[Run, Record]]:
    found: dict[int, dict[Run, Record]] = {}
    for n, run in sorted(cells):
        found.setdefault(n, {})[run] = cells[n, run]
    return found


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
            for found in unlike(old, fresh):
                return found
    return None


def _conditions(results: Results, key: Key) -> list[Conditions]:
    """Different conditions that an arm's cells were measured under; a folder has one, as runs refuse others."""
    records = results.at(*key)
    if not records:
        return []
    used, cell = {record.run for record in records}, records[0].cell
    found = [conditions_of(run.conditions, cell.task, cell.encoder) for run in results.runs if run.run in used]
    return [item for place, item in enumerate(found) if item not in found[:place]]


def _same_labels(old: Mapping[tuple[int, Run], Record], fresh: Mapping[tuple[int, Run], Record]) -> bool:
    hashes = [{(n, run[0]): item.indices_sha256 for (n, run), item in side.items()} for side in (old, fresh)]
    shared = hashes[0].keys() & hashes[1].keys()
    return all(None in (hashes[0][k], hashes[1][k]) or hashes[0][k] == hashes[1][k] for k in shared)


def study_changes(base: Results, new: Results) -> list[str]:
    """What differs between the two studies as they were run, key by key: `budget.finetune.lr 0.1 -> 0.03`."""
    return table_changes(*(results.study.model_dump(mode="json") for results in (base, new)))
