"""Results of pretraining: losses and metrics of the pretexts."""

from __future__ import annotations

from collections.abc import Iterator

from labeleff.catalogue import lookup
from labeleff.records.entries import PretrainingRecord
from labeleff.reporting.markdown import percent, table
from labeleff.reporting.output_files import Section
from labeleff.reporting.results import Results
from labeleff.reporting.sections.untrained import FEW_HELD_OUT, held_out


def section(results: Results) -> Section:
    """Section with a table of one row per pretraining; empty where none finished."""
    return Section([*_pretexts(results)])


def _pretexts(results: Results) -> Iterator[str]:
    pretrainings = [item for item in results.pretrainings if item.status == "ok"]
    if not pretrainings:
        return
    keys = list(dict.fromkeys(key for item in pretrainings for key in sorted(item.metrics)))
    places = [_places(results, item) for item in pretrainings]
    several = len(set(places)) > 1
    yield "## Pretexts"
    rows = []
    for item, place in zip(pretrainings, places, strict=True):
        held = held_out(results, item)
        values = [_metric(key, item.metrics.get(key), held) for key in keys]
        pretext, seed = item.pretraining.pretext, str(item.pretraining.seed)
        seeds = seed if lookup.encoder_seed(pretext) is None else "–"
        rows.append([*([place or "all"] if several else []), pretext.label, seeds, *values])
    names = [
        key.replace("heldout_", "held-out ").replace("_", " ") + (" (%)" if "accuracy" in key else "") for key in keys
    ]
    yield table([*(["places"] if several else []), "pretext", "seed", *names], rows, left=2 if several else 1)
    outside = dict.fromkeys(_provenance(item) for item in pretrainings if item.provenance is not None)
    if outside:
        yield "\n".join(f"- {text}" for text in outside)


def _places(results: Results, item: PretrainingRecord) -> str:
    """Places whose cells start from a pretraining; empty for all of them."""
    starts = [place for place in results.places if place in results.starts[item.key]]
    return "; ".join(map(results.title, starts)) if len(starts) < len(results.places) else ""


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
