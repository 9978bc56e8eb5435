"""Ladders with selected labels: each rung is measured, then its model asks for the labels of the next.

A choice rests on labels that are bought already, on training images without labels, and on nothing else; what was
asked is in the record of the cell that asked, so that an interrupted ladder goes on where it stopped.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from labeleff.catalogue.strategies import ACTIVEML, resolve_strategy
from labeleff.errors import ConditionError, PluginError, UnwritableError
from labeleff.execution.draws import ChosenLabels, Indices, as_chosen
from labeleff.execution.selection.views import Frozen, Measurer, Trained, View
from labeleff.execution.workplace import Workplace, explain
from labeleff.plugins.strategies.interface import ROWS, Pool
from labeleff.records.entries import Asked, Record
from labeleff.scheduling.jobs import Climb, ladder, path_to
from labeleff.seeding import stream_seed
from labeleff.study.cell import Cell
from labeleff.training.device import Stopwatch, give_back
from labeleff.training.examples import Task
from labeleff.training.slots import DivergedError, Progress


def climb(place: Workplace, job: Climb, progress: Progress) -> Iterator[Record]:
    """Measure a job's ladders, yielding each record as it comes; what fails becomes failed records with the reason."""
    try:
        measurer: Measurer = Trained(place, progress) if job.in_order else Frozen(place, job.cells)
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  as in `guarded`: the cells fail together
        yield from _failed(place, job.cells, *explain(error))
        return
    known = {record.key: record for record in job.below if record.status == "ok"}
    for _, cells in itertools.groupby(sorted(job.cells, key=ladder), key=ladder):
        yield from _ascend(place, measurer, list(cells), known)
        give_back()


def _ascend(
    place: Workplace, measurer: Measurer, cells: Sequence[Cell], known: Mapping[str, Record]
) -> Iterator[Record]:
    """Measure the cells of one ladder, from the lowest; a rung that is known but didn't ask is fitted again."""
    pending = {cell.key: cell for cell in cells}
    path = path_to(max(cells, key=lambda cell: cell.n))
    chosen: ChosenLabels | None = None
    for cell, above in itertools.zip_longest(path, path[1:]):
        old, asked = known.get(cell.key), None
        try:
            labels = chosen or place.labels(cell)
            if old and old.indices_sha256 != labels.sha256:
                raise ConditionError(f"the record of n={cell.n} has other labels than were asked for it now")
            if old and above and old.asked and old.asked.n == above.n:
                asked = old.asked
            if cell.key in pending or (above and asked is None):
                new, view = measurer.measure(cell, labels)
                record = new if old is None else old
                pending.pop(cell.key, None)
                outcome = _outcome(place, cell, labels, above.n, view) if above else None
                asked = outcome if isinstance(outcome, Asked) else None
                # the number stands, whatever becomes of the choice
                yield record.model_copy(update={"asked": asked or record.asked})
                if isinstance(outcome, Exception):
                    raise outcome
            if asked is not None:
                chosen = _with(place.load(cell.task).task, labels, asked)
        except UnwritableError:
            raise
        except Exception as error:  # noqa: BLE001  as in `guarded`; without this rung's model nothing is chosen above
            reason, detail = explain(error)
            if cell.key in pending:
                yield Record.failed(place.settings.run, pending.pop(cell.key), reason, detail)
            yield from _failed(place, pending.values(), f"nothing was selected at n={cell.n}: {reason}", detail)
            return


def _outcome(place: Workplace, cell: Cell, labels: ChosenLabels, n: int, view: Callable[[], View]) -> Asked | Exception:
    """Ask for the labels of rung n; an error is returned, as the rung that asks is measured already."""
    try:
        return ask(place, cell, labels, n, view)
    except UnwritableError:
        raise
    except Exception as error:  # noqa: BLE001  raised again once the cell is recorded
        return error


def ask(place: Workplace, cell: Cell, labels: ChosenLabels, n: int, view: Callable[[], View]) -> Asked:
    """Choose the examples that are labelled next, up to rung n, as a cell's model sees them beside its own labels.

    Raises DivergedError where the model's view isn't finite, PluginError where a strategy breaks its contract.
    """
    watch, strategy = Stopwatch(place.device), resolve_strategy(cell.strategy)
    with torch.inference_mode():
        seen = view()
        probabilities = torch.cat([seen.head(block) for block in torch.split(seen.features, ROWS)])
        if not bool(torch.isfinite(seen.features).all() and torch.isfinite(probabilities).all()):
            raise DivergedError("the model's features and predictions on the pool are not all finite numbers")
        classes = place.labelled(cell, labels).examples.labels
        seed = stream_seed("selection", cell.strategy, cell.draw, cell.seed, n)
        labelled = torch.from_numpy(labels.indices)
        pool = Pool(seen.features, probabilities, labelled, classes, seen.head, seed)
        chosen: list[int] = strategy(pool, n - cell.n).tolist()
    _check(cell, chosen, labels.indices, n - cell.n, len(seen.features))
    spent = watch.stop() + seen.spent
    return Asked(
        n=n,
        indices=chosen,
        pool=len(seen.features) - len(labels.indices),
        seconds=spent.seconds,
        processor_seconds=spent.processor_seconds,
        library=_library(cell.strategy),
    )


def _library(strategy: str) -> str | None:
    if not strategy.startswith(ACTIVEML):
        return None
    from labeleff.plugins.strategies.activeml import library

    return library()


def _check(cell: Cell, chosen: Sequence[int], indices: Indices, count: int, size: int) -> None:
    """Raise PluginError unless a strategy chose as many different unlabelled examples as it was asked for."""
    bought = set(indices.tolist())
    fresh = {place for place in chosen if 0 <= place < size and place not in bought}
    if len(chosen) != count or len(fresh) != count:
        raise PluginError(
            f"selection {cell.strategy!r}: found {len(chosen)} positions, {len(fresh)} of them new and different, "
            f"expected {count}"
        )


def _with(task: Task, labels: ChosenLabels, asked: Asked) -> ChosenLabels:
    """The labels of a rung and those that its model asked for; classes may be missing."""
    union = np.sort(np.concatenate([labels.indices, np.array(asked.indices, dtype=np.int64)]))
    return as_chosen(task, union, allow_missing_classes=True)


def _failed(place: Workplace, cells: Iterable[Cell], reason: str, detail: str | None) -> Iterator[Record]:
    for cell in cells:
        yield Record.failed(place.settings.run, cell, reason, detail)
