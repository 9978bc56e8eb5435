"""Forecasts from pilots of real learning curves: `python benchmarks/forecast.py DATA_DIR [--out reports/forecast]`.

DATA_DIR has `development_curves.csv.gz`: accuracies of many runs at many label counts, dense curves by data set and
learner. A pilot is three runs per rung at three to five rungs up to 100 to 900 labels of such a curve (every ladder of
LADDERS that the curve has label counts for); the rest of the curve, 2 to 100 times the pilot's last rung, is what
`labeleff.forecast` has to predict from it. The pilot's own runs are left out of all that is predicted.

Accuracy: the interval of the true accuracy has to hold the mean of the later runs, whose own noise (a few thousandths)
makes it look a little worse than it is. Label counts: a target is the isotonic dense curve's accuracy at the factor;
the label count at which that curve first reaches it is the truth, and where the target is no higher than what is
reached at the pilot's end (a flat curve) there is no truth to ask for. Data sets are split in two by a hash of their
name as in benchmarks/curves.py.

DATA_DIR also has `image_development.json.gz`: ladders of image and text networks with a rung beyond them that was left
out; that rung's mean is the accuracy to predict and the target, its label count the truth. All with accuracies in 0..1
of single runs are used.

What a next rung teaches is checked too: the rung of twice the pilot's labels is added, and what it removes of a label
count's variance is set against what was expected of it.
"""

from __future__ import annotations

import argparse
import collections
import csv
import gzip
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measured_cases import HALVES, half_of

from labeleff.curves.forecast import Forecast, forecast
from labeleff.curves.interpolation import isotonic

LEVEL = 0.90
PILOT_RUNS = 3
LADDERS = ((32, 64, 128), (16, 32, 64, 128, 256), (64, 128, 256, 512), (91, 256, 724), (45, 91, 181, 362, 724))
"""Rungs of pilots; all are label counts of the dense curves, which are powers of the square root of two."""
FACTORS = (2, 4, 8, 16, 32, 64)
NETWORK_FACTORS = (2, 4, 16)
"""Upper ends of the factors by which networks are grouped."""
CLOSE = 2.0
"""Factor within which a label count is right."""
CLEAR = 0.01
"""Least rise, from the pilot's last rung on, of an accuracy that labels are counted for."""
Dense = dict[int, list[float]]
"""Accuracies of one learner on one data set by label count, in the order of their seeds."""


@dataclass(frozen=True)
class Hit:
    """One prediction and what came."""

    dataset: str
    ladder: str
    factor: int
    accuracy_holds: bool
    accuracy_width: float
    accuracy_error: float
    """Predicted less measured accuracy."""
    labels_hold: bool | None
    """None where there is no label count to ask for."""
    labels_log: float | None
    """Natural logarithm of predicted over true label count; inf for never."""
    labels_open: bool | None
    """Whether the interval has no upper end."""


def read(path: Path) -> dict[tuple[str, str], Dense]:
    """Read the dense curves by data set and learner."""
    curves: dict[tuple[str, str], Dense] = collections.defaultdict(lambda: collections.defaultdict(list))
    with gzip.open(path / "development_curves.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["accuracy"]:  # empty where training failed
                curves[row["dataset"], row["learner"]][int(row["n"])].append(float(row["accuracy"]))
    return curves


def pilots(curve: Dense) -> Iterator[tuple[int, ...]]:
    """Ladders that the curve has, with runs to spare, and at least one later label count."""
    for ladder in LADDERS:
        if all(len(curve.get(n, [])) > PILOT_RUNS for n in ladder) and max(curve) >= FACTORS[0] * ladder[-1]:
            yield ladder


def later(curve: Dense, ladder: tuple[int, ...]) -> tuple[list[int], np.ndarray]:
    """Label counts and isotonic means of the runs that the pilot doesn't have."""
    ns = sorted(curve)
    rest = [curve[n][PILOT_RUNS:] if n in ladder else curve[n] for n in ns]
    weights = np.array([len(runs) for runs in rest], dtype=float)
    return ns, isotonic(np.array([[np.mean(runs) for runs in rest]]), weights)[0]


def tested(ns: Sequence[int], last: int) -> dict[int, int]:
    """Label counts by factor: the nearest to FACTORS times the pilot, within 15 %."""
    nearest = {factor: min(ns, key=lambda n: abs(math.log(n / (factor * last)))) for factor in FACTORS}
    return {factor: n for factor, n in nearest.items() if abs(math.log(n / (factor * last))) < 0.15}


def reached(ns: Sequence[int], means: np.ndarray, target: float) -> float:
    """The label count at which the dense curve first reaches the target, by straight pieces in ln n."""
    upper = int(np.argmax(means >= target))
    share = (target - means[upper - 1]) / (means[upper] - means[upper - 1])
    return float(np.exp(np.log(ns[upper - 1]) + share * math.log(ns[upper] / ns[upper - 1])))


def hits(dataset: str, curve: Dense, ladder: tuple[int, ...]) -> Iterator[Hit]:
    """Forecast one pilot, and compare it with the rest of its curve."""
    ns, means = later(curve, ladder)
    places = tested(ns, ladder[-1])
    if not places:
        return
    targets = [float(means[ns.index(n)]) for n in places.values()]
    found = forecast({n: curve[n][:PILOT_RUNS] for n in ladder}, targets=targets, at=places.values(), level=LEVEL)
    name, start = "-".join(map(str, ladder)), float(means[ns.index(ladder[-1])])
    for place, (factor, n) in enumerate(places.items()):
        asked = targets[place] - start >= CLEAR
        truth = reached(ns, means, targets[place]) if asked else None
        yield hit(dataset, name, factor, found, place, float(np.mean(curve[n])), truth)


def hit(
    dataset: str, ladder: str, factor: int, found: Forecast, place: int, measured: float, truth: float | None
) -> Hit:
    """Compare one place of a forecast with the accuracy measured there, and its target with the true label count."""
    point, labels = found.accuracies[place].accuracy, found.labels[place].labels
    return Hit(
        dataset=dataset,
        ladder=ladder,
        factor=factor,
        accuracy_holds=point.low <= measured <= point.high,
        accuracy_width=point.high - point.low,
        accuracy_error=point.value - measured,
        labels_hold=None if truth is None else labels.low <= truth <= labels.high,
        labels_log=None if truth is None else math.log(labels.value / truth),
        labels_open=None if truth is None else math.isinf(labels.high),
    )


def share(values: Sequence[bool], datasets: Sequence[str]) -> str:
    """Share with its 90 % interval, by resampling whole data sets, as the curves of one are alike."""
    names = sorted(set(datasets))
    place = np.array([names.index(name) for name in datasets])
    sums, counts = (np.bincount(place, weights, len(names)) for weights in (np.array(values, dtype=float), None))
    picks = np.random.default_rng(0).integers(0, len(names), (2000, len(names)))
    low, high = np.quantile(sums[picks].sum(axis=1) / counts[picks].sum(axis=1), [0.05, 0.95])
    return f"{np.mean(values):.2f} [{low:.2f}, {high:.2f}]"


def networks(path: Path) -> Iterator[Hit]:
    """Forecasts of image and text networks, compared with the rung that was left out."""
    with gzip.open(path / "image_development.json.gz", "rt", encoding="utf-8") as file:
        cases = [case for case in json.load(file)["cases"] if case["kind"] == "extrapolate"]
    for case in cases:
        if all(rung.get("accs") and min(rung["accs"]) >= 0 for rung in case["rungs"]):
            runs = {int(rung["n"]): rung["accs"] for rung in case["rungs"]}
            found = forecast(runs, targets=[case["target"]], at=[case["n1"]], level=LEVEL)
            factor = next(most for most in NETWORK_FACTORS if found.accuracies[0].factor <= most)
            yield hit(case["cluster"], case["modality"], factor, found, 0, case["target"], case["n1"])


@dataclass(frozen=True)
class Lesson:
    """The uncertainty of a label count, in ln n, before and after a rung of twice the labels was added."""

    before: float
    expected: float
    """Standard deviation that was expected after it."""
    after: float


def lessons(curve: Dense, ladder: tuple[int, ...]) -> Iterator[Lesson]:
    """Add the rung of twice the pilot's labels, and compare what it teaches of a target with what was expected."""
    ns, means = later(curve, ladder)
    places = tested(ns, ladder[-1])
    following = 2 * ladder[-1]
    if 8 not in places or following not in curve or means[ns.index(places[8])] - means[ns.index(ladder[-1])] < CLEAR:
        return
    target = [float(means[ns.index(places[8])])]
    runs = {n: curve[n][:PILOT_RUNS] for n in (*ladder, following)}
    [before] = forecast({n: runs[n] for n in ladder}, targets=target, level=LEVEL).learning
    [after] = forecast(runs, targets=target, level=LEVEL).learning
    [promise] = [rung for rung in before.rungs if rung.n == following]
    yield Lesson(before.sd, promise.sd, after.sd)


def lesson_document(found: Sequence[Lesson]) -> Iterator[str]:
    """Write what the next rung taught, by how much was expected, in Markdown."""
    yield (
        "\nA rung of twice the labels added: standard deviation of ln n (root mean square) for the accuracy at 8 times "
        "the pilot, and share of its variance removed; the third with the lowest expectation first.\n"
    )
    yield "| pilots | before | expected after | after | removed, expected | removed |\n|---:|---:|---:|---:|---:|---:|"
    ranked = sorted(found, key=lambda each: each.expected / each.before)
    for part in (*np.array_split(np.arange(len(ranked)), 3)[::-1], np.arange(len(ranked))):
        before, expected, after = (
            float(np.mean([getattr(ranked[place], name) ** 2 for place in part]))
            for name in ("before", "expected", "after")
        )
        sds = " | ".join(f"{math.sqrt(value):.2f}" for value in (before, expected, after))
        yield f"| {len(part)} | {sds} | {1 - expected / before:.2f} | {1 - after / before:.2f} |"


HEADER = (
    "times the pilot",
    "pilots",
    "accuracy intervals hold",
    "mean error (points)",
    "mean width (points)",
    "targets",
    "label intervals hold",
    "open above",
    "answered never",
    "median factor off",
    "median n-hat / n",
    "within a factor 2",
)


def row(name: str, group: Sequence[Hit]) -> str:
    """Summarise the predictions at one factor."""
    asked = [hit for hit in group if hit.labels_hold is not None]
    logs = np.array([hit.labels_log for hit in asked], dtype=float)
    cells = [
        name,
        len(group),
        share([hit.accuracy_holds for hit in group], [hit.dataset for hit in group]),
        f"{100 * np.mean([hit.accuracy_error for hit in group]):+.2f}",
        f"{100 * np.mean([hit.accuracy_width for hit in group]):.1f}",
        len(asked),
        share([bool(hit.labels_hold) for hit in asked], [hit.dataset for hit in asked]),
        f"{np.mean([bool(hit.labels_open) for hit in asked]):.2f}",
        f"{np.isinf(logs).mean():.2f}",
        f"{math.exp(np.median(np.abs(logs))):.2f}",
        f"{math.exp(np.median(logs)):.2f}",
        f"{(np.abs(logs) <= math.log(CLOSE)).mean():.2f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def document(name: str, found: Sequence[Hit], seconds: float) -> Iterator[str]:
    """Write the tables in Markdown."""
    yield (
        f"Half `{name}`: {len({hit.dataset for hit in found})} data sets, {PILOT_RUNS} runs per rung, nominal "
        f"{LEVEL:.0%}; median processor time of a forecast {1000 * seconds:.0f} ms.\n"
    )
    rule = "|" + "---:|" * len(HEADER)
    yield f"| {' | '.join(HEADER)} |\n{rule}"
    for factor in FACTORS:
        yield row(str(factor), [hit for hit in found if hit.factor == factor])
    yield row("all", found)
    yield "\nAt 8 times the pilot, by its rungs:\n"
    yield f"| {' | '.join(('rungs', *HEADER[1:]))} |\n{rule}"
    for ladder in dict.fromkeys(hit.ladder for hit in found):
        yield row(ladder, [hit for hit in found if hit.factor == 8 and hit.ladder == ladder])


def network_document(found: Sequence[Hit]) -> Iterator[str]:
    """Write the table of image and text networks in Markdown."""
    yield f"\nImage and text networks: {len(found)} ladders of {len({hit.dataset for hit in found})} data sets.\n"
    yield f"| {' | '.join(('times the ladder, up to', *HEADER[1:]))} |\n|{'---:|' * len(HEADER)}"
    for factor in NETWORK_FACTORS:
        yield row(str(factor), [hit for hit in found if hit.factor == factor])


def main() -> None:
    """Print the tables of one half, and write them where a folder is given."""
    parser = argparse.ArgumentParser(description="Forecasts from pilots of real learning curves, as Markdown tables.")
    parser.add_argument("data", type=Path, help="folder with development_curves.csv.gz")
    parser.add_argument("--half", choices=(*HALVES, "all"), default="report", help="which half of the data sets")
    parser.add_argument("--out", type=Path, help="folder for real.md")
    arguments = parser.parse_args()
    found, times, taught = [], [], []
    for (dataset, _), curve in sorted(read(arguments.data).items()):
        if arguments.half in ("all", half_of(dataset)):
            for ladder in pilots(curve):
                start = time.process_time()
                found += hits(dataset, curve, ladder)
                times.append(time.process_time() - start)
                taught += lessons(curve, ladder)
    others = list(networks(arguments.data))
    text = "\n".join(
        [*document(arguments.half, found, float(np.median(times))), *network_document(others), *lesson_document(taught)]
    )
    print(text)
    if arguments.out:
        (arguments.out / "real.md").write_text(f"# Forecasts from real pilots\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
