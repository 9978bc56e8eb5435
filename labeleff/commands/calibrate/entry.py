"""`labeleff plan --calibrate`: measured speeds stored for estimates, and printed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from labeleff.commands.calibrate.beside_jobs import time_beside_jobs
from labeleff.commands.calibrate.kinds import Kind, Measurement, kinds
from labeleff.commands.calibrate.workers import measure
from labeleff.errors import LabeleffError
from labeleff.execution.preparation.preflight import check_installed
from labeleff.execution.progress import PreparationBars
from labeleff.files import cache_folder
from labeleff.scheduling.run_options import RunOptions
from labeleff.scheduling.speeds import Speed, peak_name, remember
from labeleff.study.schema import Study
from labeleff.training.device import device_name, pick_device


def calibrate(study: Study, options: RunOptions, processes: int) -> str:
    """Time every kind of work of a study on a device, `processes` at once on a CPU; returns the device's name.

    Beside its jobs these are the start of a process, making data ready, and the report.

    What was measured goes into the cache, where estimates find it, and is printed. Raises LabeleffError where nothing
    could be timed, OptionError for a device that isn't present.
    """
    check_installed(study)
    picked, works = pick_device(options.device), kinds(study)
    count = processes if picked.type == "cpu" else 1
    print(f"calibration: {len(works)} kinds of work, {count} at once", flush=True)
    with PreparationBars() as bars:
        measured = measure(works, options, count, lambda done, total: bars.advance(done, total, "calibrating"))
        beside = time_beside_jobs(study, options)
    name = device_name(picked)
    speeds: dict[str, Speed] = {}
    failures = []
    for kind, results in zip(works, zip(*measured, strict=True), strict=True):
        new = combined_speeds(results, name, count)
        speeds |= _with_peak(kind, new, results)
        failures += [one.reason for one in results if one.reason]
        print(_line(kind, new, results), flush=True)
    if not speeds:
        raise LabeleffError(f"calibration: nothing could be timed: {'; '.join(failures)}")
    speeds |= {what: Speed(rate=rate, source="calibrated", device=name) for what, rate in beside.items()}
    remember(cache_folder(), speeds)
    return name


def _line(kind: Kind, speeds: Mapping[str, Speed], results: Sequence[Measurement]) -> str:
    """Describe the result of a kind in one line."""
    reasons = [one.reason for one in results if one.reason]
    if reasons:
        return f"  {kind.name}: not timed: {reasons[0]}"
    rate = speeds[peak_name(kind.representative)].rate
    unit = "problems/s" if kind.cells and kind.cells[0].budget is None else "examples/s"
    peaks = [one.peak_memory for one in results if one.peak_memory is not None]
    memory = f", {max(peaks) / 2**20:,.0f} MiB" if peaks else ""
    return f"  {kind.name}: {rate:,.0f} {unit} a process{memory}"


def combined_speeds(results: Sequence[Measurement], device: str, processes: int) -> dict[str, Speed]:
    """Combine what processes side by side measured of one kind: the median speed by name."""
    rates: dict[str, list[float]] = {}
    for name, rate in ((name, rate) for one in results for name, rate in one.rates.items()):
        rates.setdefault(name, []).append(rate)
    spread = max((one.spread for one in results if one.spread is not None), default=None)
    slowed = [one.slowed for one in results if one.slowed is not None]
    common = {"source": "calibrated", "device": device, "processes": processes, "spread": spread}
    common |= {"slowed": statistics.median(slowed) if slowed else None}
    return {name: Speed.model_validate({"rate": statistics.median(values), **common}) for name, values in rates.items()}


def _with_peak(kind: Kind, speeds: Mapping[str, Speed], results: Sequence[Measurement]) -> dict[str, Speed]:
    """Add the most memory that a process needed, at the name under which estimates look for it."""
    peaks = [one.peak_memory for one in results if one.peak_memory is not None]
    name = peak_name(kind.representative)
    if name not in speeds or not peaks:
        return dict(speeds)
    return {**speeds, name: speeds[name].model_copy(update={"peak_memory": max(peaks)})}
