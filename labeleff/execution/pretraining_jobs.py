"""A pretrained encoder: trained, filled with weights from outside, or taken from the cache."""

from __future__ import annotations

from collections.abc import Sequence

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError
from labeleff.execution.linear_probe import Probing
from labeleff.execution.workplace import Workplace, explain
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.pretexts.interface import PretextFunction, Pretrained, Unlabelled
from labeleff.records.entries import PretrainingRecord
from labeleff.records.training_log import curves_of_probe, merge_curves
from labeleff.study.cell import Pretraining
from labeleff.training.device import peak_memory, reset_peak_memory
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.slots import Progress


def pretrain(place: Workplace, pretraining: Pretraining, progress: Progress) -> PretrainingRecord:
    """Train or fill an encoder that isn't in the cache, or lacks the curve of a probe, and return its record."""
    key = place.cache_key(pretraining)
    cached = place.cache.record(key)
    unprobed = place.tasks_to_probe(pretraining, cached.probes if cached else ())
    if cached is not None and not unprobed:
        return _from_cache(place, cached)
    try:
        encoder, record = _make(place, pretraining, progress, unprobed)
    except Exception as error:  # noqa: BLE001  a failed pretraining is a record; the rest of the study goes on
        return PretrainingRecord.failed(place.settings.run, pretraining, *explain(error))
    if cached is not None:  # trained again for its curves alone: cells go on with the encoder that they had
        record = cached.model_copy(update={"probes": merge_curves(cached.probes, record.probes)})
        place.cache.note(key, record)
        return _from_cache(place, record)
    place.cache.save(key, encoder, record)
    return record


def _from_cache(place: Workplace, record: PretrainingRecord) -> PretrainingRecord:
    """Copy a cached encoder's record for this run, with the curves that this study requests."""
    plan = place.settings.probes
    curves = curves_of_probe(record.probes, plan.probe, plan.tasks_of(record.pretraining)) if plan else []
    return record.model_copy(update={"run": place.settings.run, "cached": True, "probes": curves})


def _make(
    place: Workplace, pretraining: Pretraining, progress: Progress, unprobed: Sequence[Spec]
) -> tuple[Encoder, PretrainingRecord]:
    """Make a new encoder and its record; while it is trained it is probed on the tasks `unprobed`."""
    own_peak, probing = reset_peak_memory(place.device), None
    if pretraining.budget is None:
        encoder, result = _fill(place, pretraining)
    else:
        encoder = place.new_encoder(pretraining)
        if place.settings.probes is not None and unprobed:
            tasks = [(spec, place.load(spec)) for spec in unprobed]
            probing = Probing(place.settings.probes.probe, tasks, encoder, place.compute(pretraining))
            probing.measure(0)
        result = learn(place, pretraining, encoder, probing.beside(progress) if probing else progress)
    memory = peak_memory(place.device) if result.training else None
    probes = probing.curves(result.training, pretraining.budget) if probing and pretraining.budget else []
    return encoder, PretrainingRecord(
        run=place.settings.run,
        key=pretraining.key,
        pretraining=pretraining,
        status="ok",
        metrics=result.metrics,
        encoder_sha256=state_sha256(encoder),
        training=result.training,
        provenance=result.provenance,
        weights_sha256=result.weights_sha256,
        peak_memory=max(memory, probing.peak) if memory is not None and probing else memory,
        own_peak=own_peak and result.training is not None,
        probes=probes,
    )


def learn(place: Workplace, pretraining: Pretraining, encoder: Encoder, progress: Progress) -> Pretrained:
    """Train an encoder in place on its task's images; raises PluginError for a task of stories."""
    assert pretraining.budget is not None
    loaded = place.load(pretraining.task)
    if loaded.normalisation is None:
        raise PluginError(f"pretext {pretraining.pretext.label} works on images, not on stories")
    pretrain: PretextFunction = lookup.resolve("pretext", pretraining.pretext.name)
    return pretrain(
        Unlabelled(loaded.task.pretext_images, loaded.normalisation),
        encoder,
        pretraining.seed,
        pretraining.budget,
        lookup.options("pretext", pretraining.pretext),
        place.compute(pretraining),
        progress,
    )


def _fill(place: Workplace, pretraining: Pretraining) -> tuple[Encoder, Pretrained]:
    """Build an encoder with weights from outside."""
    encoder, provenance = place.filled_encoder(pretraining.encoder, pretraining.pretext, pretraining.seed)
    return encoder, Pretrained(provenance=provenance, weights_sha256=place.weights(pretraining.pretext).sha256)
