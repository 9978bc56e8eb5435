"""Linear probes over pretraining: figure, table and `probes.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labeleff.arms import told_apart
from labeleff.metrics import metric
from labeleff.probe import ProbeCurve, mean_curve
from labeleff.record import PretrainingRecord
from labeleff.reporting import figures
from labeleff.reporting.markdown import listed, percent, table
from labeleff.reporting.measured import Place
from labeleff.reporting.outputs import Section
from labeleff.reporting.results import Results
from labeleff.reporting.tables import columns, frame, to_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBES = columns("task encoder pretext seed step epoch metric value chance")
"""One row a probe; `value` and `chance` in 0..1."""


def _trained(results: Results, place: Place) -> list[PretrainingRecord]:
    """Finished pretrainings of a place that a probe goes with."""
    here = results.pretrainings_at(place) if results.study.probe is not None else []
    return [item for item in here if item.status == "ok" and item.pretraining.budget is not None]


def _curve(results: Results, place: Place, item: PretrainingRecord) -> ProbeCurve | None:
    """The curve that the study asks for, at this place; None where it isn't measured."""
    probe = results.study.probe
    return next((curve for curve in item.probes if curve.task == place.task and curve.probe == probe), None)


def curves(results: Results, place: Place) -> dict[str, list[ProbeCurve]]:
    """The curves of all seeds by pretext, in order."""
    wanted = _trained(results, place)
    names = told_apart(item.pretraining.pretext for item in wanted)
    found: dict[str, list[ProbeCurve]] = {}
    for item in wanted:
        curve = _curve(results, place, item)
        if curve is not None:
            found.setdefault(names[item.pretraining.pretext.label], []).append(curve)
    return found


def figure(groups: Mapping[str, Sequence[ProbeCurve]], heading: str) -> Figure:
    """The probe's metric in % against epochs, untrained encoders at 0: thin per seed, thick the mean over seeds.

    `groups` are curves of all seeds by pretext, at least one.
    """
    drawn, legend_columns = figures.beside_legend(len(groups) + 1)
    axes = drawn.add_subplot()
    for number, (name, seeds) in enumerate(groups.items()):
        lap, colour = divmod(number, len(figures.COLOURS))
        style: dict[str, Any] = {"color": figures.COLOURS[colour], "linestyle": ("-", "--", ":", "-.")[lap % 4]}
        for curve in seeds:
            known = [(point.epoch, 100 * point.value) for point in curve.points if point.value is not None]
            axes.plot(*_columns(known), linewidth=0.7, alpha=0.5, label="_seed", **style)
        middle = [(epoch, 100 * value) for epoch, value in mean_curve(seeds)]
        axes.plot(
            *_columns(middle),
            linewidth=2,
            marker=figures.MARKERS[number % 8],
            markersize=4,
            label=figures.label(name),
            **style,
        )
    first = next(iter(groups.values()))[0]
    axes.axhline(100 * first.chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    axes.set_xlabel("epochs of pretraining (0: untrained)")
    axes.set_ylabel(f"{metric(first.metric).words} of a linear probe (%)")
    axes.set_title(heading, fontsize=10, loc="left")
    axes.grid(color="0.92", linewidth=0.6)
    figures.legend(axes, legend_columns)
    return drawn


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def section(results: Results, place: Place) -> Section:
    """A row per pretext: untrained, first, last and highest value, means over seeds; and what is missing."""
    return Section([*_paragraphs(results, place)])


def _paragraphs(results: Results, place: Place) -> Iterator[str]:
    probe, wanted = results.study.probe, _trained(results, place)
    if probe is None or not wanted:
        return
    yield "### Linear probe over pretraining"
    groups = curves(results, place)
    if groups:
        first = next(iter(groups.values()))[0]
        header = ["pretext", "seeds", "untrained", "first", "last", "highest"]
        yield table(header, [[name, f"{len(seeds)}", *_row(mean_curve(seeds))] for name, seeds in groups.items()])
        yield (
            f"{metric(first.metric).words.capitalize()} (%) of a linear probe on the frozen features, mean over seeds: "
            f"fitted on {probe.labels:,} labels of the training split and scored on {probe.held_out:,} other examples "
            f"of it, the same for all; chance {percent(first.chance)} %. Pretexts see those images, without labels, so "
            "values may be higher than on test images. Nothing is chosen by it: cells start from the last encoder, "
            "and the highest value is one of several looks at the same examples."
        )
    lost = [f"{i.pretraining.pretext.name}, seed {i.pretraining.seed}" for i in wanted if not _curve(results, place, i)]
    if lost:
        yield f"Not measured yet, `labeleff run` does it: {listed(lost)}."
    other = [
        f"{item.pretraining.pretext.name}, seed {item.pretraining.seed}"
        for item in wanted
        if (curve := _curve(results, place, item)) and curve.encoder_sha256 != item.encoder_sha256
    ]
    if other:
        yield (
            f"The curves of these are of a second training, which didn't give the same encoder bit for bit as the one "
            f"that cells start from: {listed(other)}."
        )


def _row(points: Sequence[tuple[float, float]]) -> list[str]:
    """Untrained, first, last and highest value with their epochs; dashes where the seeds have none in common."""
    untrained = [value for epoch, value in points if epoch == 0]
    later = [point for point in points if point[0] > 0]
    if not later:
        return [percent(untrained[0]) if untrained else "–", "–", "–", "–"]
    highest = max(points, key=lambda point: point[1])
    return [
        percent(untrained[0]) if untrained else "–",
        *(f"{percent(value)} (epoch {epoch:.3g})" for epoch, value in (later[0], later[-1], highest)),
    ]


def to_files(results: Results) -> dict[str, bytes]:
    """`probes.csv`, where there is anything in it."""
    rows = [
        {
            "task": place.task,
            "encoder": place.encoder,
            "pretext": item.pretraining.pretext.label,
            "seed": item.pretraining.seed,
            "step": point.step,
            "epoch": point.epoch,
            "metric": curve.metric,
            "value": point.value,
            "chance": curve.chance,
        }
        for place in results.places
        for item in _trained(results, place)
        if (curve := _curve(results, place, item))
        for point in curve.points
    ]
    return {"probes.csv": to_csv(frame(rows, PROBES))} if rows else {}
