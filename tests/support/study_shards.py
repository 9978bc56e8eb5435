"""Shards of a synthetic study, as their runs leave them."""

from labeleff.scheduling.shards import loads
from support import factories

STUDY = factories.study(seeds=2)
CELLS = {record.key: record for record in factories.cell_records(STUDY)}


def shard(folder, index, count=3, name=None, **changes):
    """A part of the study, as its run leaves it."""
    keys = {cell.key for cell in loads(list(STUDY.cells()), count)[index][1]}
    needed = {r.cell.pretraining.key for r in CELLS.values() if r.key in keys}
    run = name or f"r{index}"
    made = [p for p in factories.pretrainings(STUDY, run) if p.key in needed]
    entry = factories.run_entry(STUDY, run, **changes)
    own = [r.model_copy(update={"run": run}) for r in CELLS.values() if r.key in keys]
    return factories.write(folder, [entry, *made, *own])
