"""Results of pretraining: losses and metrics of the pretexts."""

from __future__ import annotations

from collections.abc import Iterator

from labeleff.catalogue import lookup
from labeleff.records.entries import PretrainingRecord
from labeleff.reporting.markdown import percent, table
from labeleff.reporting.measurements import Place
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.reporting.sections.untrained import FEW_HELD_OUT, held_out


def section(results: Results, place: Place) -> Section:
    """Section with a table of one row per pretraining of a place; empty where none finished."""
    return Section([*_pretexts(results, place)])


def _pretexts(results: Results, place: Place) -> Iterator[str]:
    pretrainings = [item for item in results.pretrainings_at(place) if item.status == "ok"]
    if not pretrainings:
        return
    keys = list(dict.fromkeys(key for item in pretrainings for key in sorted(item.metrics)))
    yield "### Pretexts"
    rows = []
    for item in pretrainings:
        held = held_out(results, item)
        values = [_metric(key, item.metrics.get(key), held) for key in keys]
        pretext, seed = item.pretraining.pretext, str(item.pretraining.seed)
        rows.append([pretext.label, seed if lookup.encoder_seed(pretext) is None else "–", *values])
    names = [
        key.replace("heldout_", "held-out ").replace("_", " ") + (" (%)" if "accuracy" in key else "") for key in keys
    ]
    yield table(["pretext", "seed", *names], rows)
    outside = dict.fromkeys(_provenance(item) for item in pretrainings if item.provenance is not None)
    if outside:
        yield "\n".join(f"- {text}" for text in outside)


def _provenance(item: PretrainingRecord) -> str:
    return f"{item.pretraining.pretext.label}: {item.provenance}. SHA-256 of its tensors: `{item.weights_sha256}`."


def _metric(name: str, value: float | None, held: int | None) -> str:
    """A metric as text; the accuracy of a few held-out images as their number."""
    if value is None:
        return "–"
    if name == "heldout_accuracy" and held is not None and held < FEW_HELD_OUT:
        return f"{round(value * held)} of {held}"
    if "parameters" in name:
        return f"{value:,.0f}"
    return percent(value) if "accuracy" in name else f"{value:.4g}"
