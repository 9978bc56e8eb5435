"""All that `labeleff bench` was asked for, piece by piece; what is measured is written at once."""

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
from labeleff.commands.bench.outcome import Cold, Found, Machine, Outcome
from labeleff.commands.bench.request import ON_GPU, QUICK, USUAL_LENGTH, Length, Request, Work
from labeleff.commands.bench.workloads import compute_for, timed
from labeleff.errors import InterruptedRunError, LabeleffError, Terminated, TerminatedRunError
from labeleff.execution.environment import environment
from labeleff.execution.interrupts import Interrupts
from labeleff.execution.progress import PreparationBars
from labeleff.execution.workplace import explain
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.reporting.output_files import write
from labeleff.training.device import Compute, one_core, pick_device

COLD_LIMIT = 600.0
"""Seconds after which a process that should do one step is given up."""
JOINT_PASSES = 1.5
"""Images that joint training encodes for each of a batch: its labelled half goes through twice."""


def measure(request: Request, out: Path, command: Sequence[str], *, quiet: bool) -> Found:
    """Time everything; after each piece the files in `out` hold what is known so far.

    Raises LabeleffError for what is wrong beforehand; a piece that fails is an outcome with its reason.
    """
    device = pick_device(request.device)
    if device.type == "cpu":
        one_core(request.threads)
    _check(request)
    length = QUICK if request.quick else ON_GPU if device.type == "cuda" else USUAL_LENGTH
    interrupts, works = Interrupts(), list(request.works())
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    found = Found(list(command), started, torch.get_num_threads(), environment(device, 1))
    with interrupts.watch(), PreparationBars(quiet=quiet) as bars:
        try:
            for known in _pieces(found, works, request, device, length):
                found = known
                with interrupts.put_off():
                    write(out, files(found))
                bars.advance(len(found.outcomes) + len(found.cold), len(works) + len(request.encoders), "timing")
        except KeyboardInterrupt as error:
            kind = TerminatedRunError if isinstance(error, Terminated) else InterruptedRunError
            raise kind(f"interrupted; {len(found.outcomes)} of {len(works)} timings are in {out}") from error
    return found


def files(found: Found) -> dict[str, bytes]:
    """What is written, by name."""
    texts = {"bench.md": document.markdown(found).encode(), "bench.csv": document.csv(found)}
    return texts | {"bench.json": document.as_json(found)}


def _check(request: Request) -> None:
    """Build every encoder of images once: an option that can't be is a mistake of the call."""
    for spec in request.encoders:
        if lookup.find("encoder", spec.name).examples == "images":
            build_encoder(spec, 0)


def _pieces(
    found: Found, works: Sequence[Work], request: Request, device: torch.device, length: Length
) -> Iterator[Found]:
    """What is known after each piece: cold starts, then the works."""
    for spec in request.encoders:
        cold = [cold_start(spec, str(device), request) for _ in range(length.cold_starts)]
        starts = (list(times) for times in zip(*cold, strict=True))
        found = dataclasses.replace(found, cold=[*found.cold, Cold(spec.label, *starts)])
        yield found
    for work in works:
        outcome = outcome_of(work, compute_for(work.encoder, request, device), length)
        peaks = [_product(outcome), outcome.convolution]
        new = [peak for peak in peaks if peak is not None and peak not in found.machine]
        found = dataclasses.replace(found, outcomes=[*found.outcomes, outcome], machine=[*found.machine, *new])
        yield found


def cold_start(encoder: Spec, device: str, request: Request) -> tuple[float, float, float]:
    """Seconds from the start of a new process to: torch imported, model made, first step done."""
    words = ["-m", "labeleff.commands.bench.cold_start", encoder.model_dump_json(), device, request.precision]
    began = time.time()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=COLD_LIMIT, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise LabeleffError(f"a new process couldn't do one step of {encoder.label}: {last}")
    at = json.loads(done.stdout.splitlines()[-1])
    return at["imported"] - began, at["built"] - began, at["stepped"] - began


def outcome_of(work: Work, compute: Compute, length: Length) -> Outcome:
    """Time one piece, and the machine's peaks beside it."""
    known = Outcome(work, compute.precision, compute.layout)
    try:
        peaks = {} if work.part == "reading" else _peaks(work, compute)
        return dataclasses.replace(known, **vars(timed(work, compute, length)), **peaks)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  one piece that doesn't fit into memory must not hide the others
        return dataclasses.replace(known, reason=explain(error)[0])


@functools.cache
def _convolution(encoder: str, batch: int, compute: Compute) -> Machine | None:
    spec = Spec.model_validate_json(encoder)
    found = roofline.largest_convolution(spec, batch, compute)
    if found is None:
        return None
    return Machine(f"{spec.label}: convolution {found.shape}", compute.precision, found.rate)


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
