"""Measured speeds as Markdown, CSV, and JSON in the form of pytest-benchmark."""

from __future__ import annotations

import dataclasses
import json
import platform
import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from labeleff.commands.bench.outcome import EPOCH, Cold, Outcome, Timings, printed_number
from labeleff.reporting.csv_tables import Row, columns, frame, to_csv
from labeleff.reporting.markdown import percent, table

COLUMNS = columns(
    "part encoder batch models examples_per_second lower_quartile upper_quartile windows warm_up_examples_per_second "
    "examples_per_second_a_model step_seconds epoch_examples epoch_seconds report_2021_step_ms report_2021_step_ms_to "
    "report_2021_epoch_seconds operations_an_example product_operations_per_second product_share "
    "convolution_operations_per_second convolution_share peak_memory_bytes own_peak precision layout packing backend "
    "fallback reason"
)
HEADER = (
    *("what", "encoder", "batch", "as one", "examples/s", "quartiles", "each model", "ms a step", "s an epoch"),
    *("MB at most", "% of product", "% of conv."),
)
EXPLANATION = """\
Examples/s are the median over windows of the library's own trainings and scorings, the first window left out; with
several models trained as one they are of all together, and `each model` has its part. An epoch has as many examples as
in the report of 2021: {epochs}.
Data are made: noise of CIFAR-10's shape, and simulated stories of bAbI task 1. Joint training looks at its labelled
half twice, so an image of it costs 1.5. Memory on a CPU is all that the process holds, torch included.

`% of product` is (operations an example, counted by torch, times examples/s) over the operations/s of the matrix
product below in the same precision; `% of conv.` over those of the encoder's largest convolution by itself. Both peaks
are the fastest of five readings in this process, computed as a training computes them. Normalisation, activations and
depthwise convolutions take time and have hardly any operations, so a small network is far from 100 % by nature; where
the largest convolution is slower than the rest of the network the second share can be over 100 %. Networks of stories
have no share: torch doesn't count their operations.
"""


def _numbers(one: Outcome) -> list[str]:
    if one.reason is not None:
        return [f"failed: {one.reason}", *[""] * 7]
    low, middle, high = one.quartiles
    memory = "" if one.peak_memory is None else f"{one.peak_memory / 1e6:,.0f}"
    shares = [percent(one.product_share), percent(one.convolution_share)]
    speeds = [f"{middle:,.0f}", f"{low:,.0f} to {high:,.0f}", f"{one.cell_rate:,.0f}"]
    return [*speeds, f"{1000 * one.step:,.1f}", f"{one.epoch:,.2f}", memory, *shares]


def rows(timings: Timings) -> list[list[str]]:
    """Fill the columns of `HEADER`, one row per piece of work."""
    works = [(one, one.work) for one in timings.outcomes]
    return [[w.part, w.encoder.label, str(w.batch), str(w.pack), *_numbers(one)] for one, w in works]


def _beside_2021(timings: Timings) -> list[list[str]]:
    """Set times beside those that the report of 2021 printed, one row per number."""
    lines = []
    for one in (one for one in timings.outcomes if one.rates):
        for unit, ours, show in (("ms", 1000 * one.step, "ms a step"), ("s", one.epoch, "s an epoch")):
            theirs = printed_number(one.work, unit)
            if theirs is not None:
                low, high = theirs.ends
                text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
                times = (low + high) / 2 / ours
                lines.append([one.work.part, one.work.encoder.label, show, text, f"{ours:,.3g}", f"{times:,.3g}"])
    return lines


def cold_rows(cold: Sequence[Cold]) -> list[list[str]]:
    """List encoder, number of starts, and median seconds to each point."""
    return [
        [
            one.encoder,
            str(len(one.stepped)),
            *(f"{statistics.median(seconds):.2f}" for seconds in (one.imported, one.built, one.stepped)),
        ]
        for one in cold
    ]


def markdown(timings: Timings) -> str:
    """Write the report for people."""
    at, versions = timings.environment, timings.environment["versions"]
    where = (
        f"{at['device']} ({at['cpu']}, {at['cores']} cores, load {at['load_average']:.2f}), {timings.threads} thread(s)"
    )
    epochs = ", ".join(f"{count:,} ({part})" for part, count in EPOCH.items())
    text = [
        "# Speed",
        f"Measured {timings.started} on {where}, torch {versions['torch']}, labeleff {versions['labeleff']}, by "
        f"`{' '.join(timings.command)}`.",
        table(HEADER, rows(timings), 2),
        EXPLANATION.format(epochs=epochs).rstrip(),
    ]
    if lines := _beside_2021(timings):
        text += [
            "## Beside the report of 2021",
            "That was Keras on a free Colab GPU that it doesn't name: other hardware and other software, so this "
            "compares what somebody waited for, not code.",
            table(("what", "encoder", "unit", "2021", "here", "times as fast"), lines, 3),
        ]
    if timings.cold:
        header = ("encoder", "starts", "torch imported, s", "data and model made, s", "first step done, s")
        text += ["## From the start of a process", table(header, cold_rows(timings.cold))]
    if timings.machine:
        peaks = [[one.what, one.precision, f"{one.rate / 1e9:,.1f}"] for one in timings.machine]
        text += ["## What the machine does at best", table(("what", "precision", "10^9 operations/s"), peaks, 2)]
    if several := [one for one in timings.outcomes if one.fallback]:
        text += ["\n".join(f"- {one.work.name}: {one.fallback}" for one in several)]
    return "\n\n".join(text) + "\n"


def _row(one: Outcome) -> Row:
    work, conv = one.work, one.convolution
    row: Row = {"part": work.part, "encoder": work.encoder.label, "batch": work.batch, "models": work.pack}
    row |= {"precision": one.precision, "layout": one.layout, "reason": one.reason}
    if not one.rates:
        return row
    low, middle, high = one.quartiles
    step, epoch = printed_number(work, "ms"), printed_number(work, "s")
    low_step, high_step = (None, None) if step is None else step.ends
    return row | {
        "examples_per_second": middle,
        "lower_quartile": low,
        "upper_quartile": high,
        "windows": len(one.rates),
        "warm_up_examples_per_second": one.warm_up,
        "examples_per_second_a_model": one.cell_rate,
        "step_seconds": one.step,
        "epoch_examples": EPOCH[work.part],
        "epoch_seconds": one.epoch,
        "report_2021_step_ms": low_step,
        "report_2021_step_ms_to": high_step,
        "report_2021_epoch_seconds": None if epoch is None else epoch.value,
        "operations_an_example": one.example_operations,
        "product_operations_per_second": one.product,
        "product_share": one.product_share,
        "convolution_operations_per_second": None if conv is None else conv.rate,
        "convolution_share": one.convolution_share,
        "peak_memory_bytes": one.peak_memory,
        "own_peak": one.own_peak,
        "packing": one.packing,
        "backend": one.backend,
        "fallback": one.fallback,
    }


def csv(timings: Timings) -> bytes:
    """Write one row per piece of work; missing values are empty."""
    return to_csv(frame([_row(one) for one in timings.outcomes], COLUMNS))


def as_json(timings: Timings) -> bytes:
    """Write all raw values in the form of `pytest --benchmark-json`, where a call is one example.

    `labeleff history` reads it.
    """
    at = timings.environment
    benchmarks = []
    for one in timings.outcomes:
        if one.rates:
            low, middle, high = (1 / rate for rate in reversed(one.quartiles))
            stats = {"median": middle, "q1": low, "q3": high, "data": [1 / rate for rate in one.rates]}
            benchmarks.append(
                {"fullname": one.work.name, "name": one.work.name, "stats": stats, "extra_info": _row(one)}
            )
    table: dict[str, Any] = {
        "machine_info": {
            "system": platform.system(),
            "machine": platform.machine(),
            "python_version": at["versions"]["python"],
            "cpu": {"brand_raw": at["cpu"] if at["device"] == "cpu" else at["device"], "count": at["cores"]},
        },
        "commit_info": {"id": at["git"]["commit"], "dirty": at["git"]["dirty"]},
        "benchmarks": benchmarks,
        "datetime": timings.started,
        "labeleff": dataclasses.asdict(dataclasses.replace(timings, outcomes=()))
        | {"outcomes": [dataclasses.asdict(one) | {"work": _work(one)} for one in timings.outcomes]},
    }
    return (json.dumps(table, indent=1, allow_nan=False) + "\n").encode()


def _work(one: Outcome) -> dict[str, Any]:
    return dataclasses.asdict(one.work) | {"encoder": one.work.encoder.model_dump(mode="json")}


PLAIN_WIDTH = 160
"""Columns where the output isn't a terminal."""


def show(timings: Timings) -> None:
    """Print what was timed, and the cold starts."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    speeds = Table(*HEADER, title=f"on {timings.environment['device']}, {timings.threads} thread(s)")
    for column in speeds.columns[2:]:
        column.justify = "right"
    for row in rows(timings):
        speeds.add_row(*row)
    console.print(speeds)
    for encoder, starts, *_, stepped in cold_rows(timings.cold):
        console.print(f"{encoder}: first step {stepped} s after the start of a process ({starts} starts)", markup=False)
