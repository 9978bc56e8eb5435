"""Any number of trainings through K places: a new one wherever one has ended, and fewer places at the end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from labeleff.device import Compute
from labeleff.packing.grouped import Packing
from labeleff.packing.lockstep import Lane, Lockstep
from labeleff.packing.packs import packing_of, take
from labeleff.packing.schedule import Ended, Queue, Waiting
from labeleff.slots import DivergedError, Progress
from labeleff.timing import Spent, Stopwatch


def train_packed(
    waiting: Sequence[Waiting], compute: Compute, slots: int, progress: Progress, packing: Packing | None = None
) -> Iterator[Ended]:
    """Train all that waits, at most `slots` at a time as one, and give each as it ends.

    Its slot's model has its weights then and is in train mode. What one training does changes nothing in another; one
    that diverges ends and leaves its place. `packing` is chosen by the model unless given. Raises PackingError, before
    any step, where the models can't be computed as one.
    """
    queue, total = Queue(waiting), sum(one.steps for one in waiting)
    lanes: list[Lane | None] = [*queue.up_to(slots)]
    yield from _failures(queue)
    if not lanes:
        return
    lockstep = _built(lanes, compute, packing)
    done = 0
    while any(lanes):
        done += _advance(lockstep, lanes, compute)
        for place, lane in enumerate(lanes):
            ended = lane and _settle(lockstep, place, lane, compute, functools.partial(progress, done, total))
            if ended:
                lanes[place] = None
                yield ended
        lockstep, lanes = _refilled(lockstep, lanes, queue, compute)
        yield from _failures(queue)


def _failures(queue: Queue) -> Iterator[Ended]:
    yield from queue.failed
    queue.failed.clear()


def _built(lanes: Sequence[Lane | None], compute: Compute, packing: Packing | None) -> Lockstep:
    live = [lane for lane in lanes if lane is not None]
    return Lockstep(live, compute, packing or packing_of(live[0].course.slot.model))


def _advance(lockstep: Lockstep, lanes: Sequence[Lane | None], compute: Compute) -> int:
    """Steps up to the next at which some slot's window or table ends; returns how many all slots did together."""
    live = [lane for lane in lanes if lane is not None]
    count = min(min(lane.left, lane.course.due - lane.course.done) for lane in live)
    watch = Stopwatch(compute.device)
    for _ in range(count):
        lockstep.advance()
    share = watch.stop() / len(live)
    for lane in live:
        lane.course.done += count
        lane.left -= count
        lane.spent += share
        lane.slots = max(lane.slots, lockstep.pack.slots)
    return count * len(live)


def _settle(
    lockstep: Lockstep, place: int, lane: Lane, compute: Compute, progress: Callable[[float, float], None]
) -> Ended | None:
    """Close a window that has ended; gives the training where it was its last."""
    course = lane.course
    if course.done == course.due:
        sums, spent, lane.spent = lockstep.sums(place), lane.spent, Spent()
        take(lockstep.pack, place, course.slot.model)
        try:
            rate = course.close(sums, spent, course.slot.model)
        except DivergedError as error:
            return lane.number, error
        progress(course.slot.history[-1]["loss"], rate)
    if course.over:
        how = {"slots": lane.slots, "packing": lockstep.packing, "backend": lockstep.backend}
        return lane.number, course.training(compute.layout, **how, fallback=lockstep.fallback)
    if lane.left == 0:
        lockstep.refill(place, lane)
    return None


def _refilled(
    lockstep: Lockstep, lanes: list[Lane | None], queue: Queue, compute: Compute
) -> tuple[Lockstep, list[Lane | None]]:
    """New trainings in empty places; another pack where one doesn't fit, or where half of the places would be empty."""
    misfits: list[Lane] = []
    for place, lane in enumerate(lanes):
        if lane is None and (new := queue.next()) is not None:
            if lockstep.fits(new):
                lockstep.load(place, new)
                lanes[place] = new
            else:
                misfits.append(new)
    live = [lane for lane in lanes if lane is not None]
    if not misfits and (2 * len(live) > len(lanes) or not live):
        return lockstep, lanes
    for place, lane in enumerate(lanes):
        if lane is not None:
            lockstep.save(place, lane)
    together: list[Lane | None] = [*live, *misfits]
    return _built(together, compute, lockstep.packing), together
