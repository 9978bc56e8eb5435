"""Linear probes over pretraining: table and `probes.csv`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labeleff.catalogue.metrics import metric
from labeleff.records.entries import PretrainingRecord
from labeleff.records.training_log import ProbeCurve, mean_curve
from labeleff.reporting.csv_tables import columns, frame, to_csv
from labeleff.reporting.markdown import join_texts, percent, table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.study.names import short_names

PROBES = columns("task encoder pretext seed step epoch metric value chance")
"""One row per probe; `value` and `chance` in 0..1."""


def _pretrainings(results: Results, place: Place) -> list[PretrainingRecord]:
    """Finished pretrainings of a place that the study probes."""
    pretrainings = results.pretrainings_at(place) if results.study.probe is not None else []
    return [item for item in pretrainings if item.status == "ok" and item.pretraining.budget is not None]


def _curve(results: Results, place: Place, item: PretrainingRecord) -> ProbeCurve | None:
    """The curve of the study's probe at this place; None where it isn't measured."""
    probe, task = results.study.probe, results.data_of(place.task)
    return next((curve for curve in item.probes if curve.task == task and curve.probe == probe), None)


def curves(results: Results, place: Place) -> dict[str, list[ProbeCurve]]:
    """The curves of all seeds by pretext, in order."""
    pretrainings = _pretrainings(results, place)
    names = short_names(item.pretraining.pretext for item in pretrainings)
    groups: dict[str, list[ProbeCurve]] = {}
    for item in pretrainings:
        curve = _curve(results, place, item)
        if curve is not None:
            groups.setdefault(names[item.pretraining.pretext.label], []).append(curve)
    return groups


def section(results: Results, place: Place) -> Section:
    """Section with a table of one row per pretext, means over seeds, and what is missing; empty without probes."""
    return Section([*_paragraphs(results, place)])


def _paragraphs(results: Results, place: Place) -> Iterator[str]:
    probe, pretrainings = results.study.probe, _pretrainings(results, place)
    if probe is None or not pretrainings:
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
    missing = [
        f"{item.pretraining.pretext.name}, seed {item.pretraining.seed}"
        for item in pretrainings
        if not _curve(results, place, item)
    ]
    if missing:
        yield f"Not measured yet, `labeleff run` does it: {join_texts(missing)}."
    other = [
        f"{item.pretraining.pretext.name}, seed {item.pretraining.seed}"
        for item in pretrainings
        if (curve := _curve(results, place, item)) and curve.encoder_sha256 != item.encoder_sha256
    ]
    if other:
        yield (
            f"The curves of these are of a second training, which didn't give the same encoder bit for bit as the one "
            f"that cells start from: {join_texts(other)}."
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
    """Content of `probes.csv` by file name; empty where it has no rows."""
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
        for item in _pretrainings(results, place)
        if (curve := _curve(results, place, item))
        for point in curve.points
    ]
    return {"probes.csv": to_csv(frame(rows, PROBES))} if rows else {}
