"""The pieces of work of `labeleff bench`, timed one by one and written at once."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.commands.bench import document, roofline
from labeleff.commands.bench.outcome import Cold, Machine, Outcome, Timings
from labeleff.commands.bench.request import ON_GPU, QUICK, USUAL_LENGTH, Length, Request, Work
from labeleff.commands.bench.workloads import compute_for, time_work
from labeleff.errors import InterruptedRunError, LabeleffError, Terminated, TerminatedRunError
from labeleff.execution.environment import environment
from labeleff.execution.interrupts import Interrupts
from labeleff.execution.progress import PreparationBars
from labeleff.execution.workplace import explain, machine_of
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.records.folders import BENCH
from labeleff.reporting.output_files import write
from labeleff.training.device import Compute, one_core, pick_device

COLD_LIMIT = 600.0
"""Seconds that a new process has to do one step."""
JOINT_PASSES = 1.5
"""Images that joint training encodes per image of a batch: its labelled half goes through twice."""


def measure(request: Request, out: Path, command: Sequence[str], *, quiet: bool) -> Timings:
    """Time everything that is requested; after each piece the files in `out` have all timings so far.

    Raises LabeleffError for what is wrong beforehand; a piece that fails is an outcome with its reason.
    """
    device = pick_device(request.device)
    if device.type == "cpu":
        one_core(request.threads)
    _check(request)
    length = QUICK if request.quick else ON_GPU if device.type == "cuda" else USUAL_LENGTH
    interrupts, works = Interrupts(), list(request.works())
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    start = timings = Timings(list(command), started, torch.get_num_threads(), environment(machine_of(device), 1))
    with interrupts.watch(), PreparationBars(quiet=quiet) as bars:
        try:
            for timings in _pieces(start, works, request, device, length):
                with interrupts.put_off():
                    write(out, files(timings))
                bars.advance(len(timings.outcomes) + len(timings.cold), len(works) + len(request.encoders), "timing")
        except KeyboardInterrupt as error:
            kind = TerminatedRunError if isinstance(error, Terminated) else InterruptedRunError
            raise kind(f"interrupted; {len(timings.outcomes)} of {len(works)} timings are in {out}") from error
    return timings


def files(timings: Timings) -> dict[str, bytes]:
    """Contents of the files to write, by name."""
    texts = {"bench.md": document.markdown(timings).encode(), "bench.csv": document.csv(timings)}
    return texts | {BENCH: document.as_json(timings)}


def _check(request: Request) -> None:
    """Build every encoder of images once, so that a mistake in its options is a mistake in the call."""
    for spec in request.encoders:
        if lookup.find("encoder", spec.name).examples == "images":
            build_encoder(spec, 0)


def _pieces(
    timings: Timings, works: Sequence[Work], request: Request, device: torch.device, length: Length
) -> Iterator[Timings]:
    """Yield all timings so far after each piece: cold starts, then the works."""
    for spec in request.encoders:
        cold = [cold_start(spec, str(device), request) for _ in range(length.cold_starts)]
        starts = (list(times) for times in zip(*cold, strict=True))
        timings = dataclasses.replace(timings, cold=[*timings.cold, Cold(spec.label, *starts)])
        yield timings
    for work in works:
        outcome = outcome_of(work, compute_for(work.encoder, request, device), length)
        peaks = [_product(outcome), outcome.convolution]
        new = [peak for peak in peaks if peak is not None and peak not in timings.machine]
        timings = dataclasses.replace(timings, outcomes=[*timings.outcomes, outcome], machine=[*timings.machine, *new])
        yield timings


def cold_start(encoder: Spec, device: str, request: Request) -> tuple[float, float, float]:
    """Measure seconds from the start of a new process until torch is imported, the model made, the first step done."""
    words = ["-m", "labeleff.commands.bench.cold_start", encoder.model_dump_json(), device, request.precision]
    start = time.time()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=COLD_LIMIT, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise LabeleffError(f"a new process couldn't do one step of {encoder.label}: {last}")
    at = json.loads(done.stdout.splitlines()[-1])
    return at["imported"] - start, at["built"] - start, at["stepped"] - start


def outcome_of(work: Work, compute: Compute, length: Length) -> Outcome:
    """Time one piece, and the machine's peaks beside it."""
    outcome = Outcome(work, compute.precision, compute.layout)
    try:
        peaks = {} if work.part == "reading" else _peaks(work, compute)
        return dataclasses.replace(outcome, **vars(time_work(work, compute, length)), **peaks)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  one piece that doesn't fit into memory must not hide the others
        return dataclasses.replace(outcome, reason=explain(error)[0])


@functools.cache
def _convolution(encoder: str, batch: int, compute: Compute) -> Machine | None:
    spec = Spec.model_validate_json(encoder)
    largest = roofline.largest_convolution(spec, batch, compute)
    if largest is None:
        return None
    return Machine(f"{spec.label}: convolution {largest.shape}", compute.precision, largest.rate)


def _peaks(work: Work, compute: Compute) -> dict[str, object]:
    training, forward = roofline.example_operations(work.encoder, 2)
    count = forward if work.part == "evaluation" else training
    return {
        "example_operations": count * JOINT_PASSES if work.part == "joint" else count,
        "product": roofline.product_rate(compute),
        "convolution": _convolution(work.encoder.model_dump_json(), work.batch, compute),
    }


def _product(outcome: Outcome) -> Machine | None:
    if outcome.product is None:
        return None
    return Machine("matrix product", outcome.precision, outcome.product)
