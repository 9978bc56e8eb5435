"""A pretrained encoder: trained, filled with weights from outside, or taken from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError
from labeleff.execution.pretraining.linear_probe import Probing
from labeleff.execution.pretraining.saved_points import SavedPoints
from labeleff.execution.tuning import tuned_budget
from labeleff.execution.workplace import Workplace, explain
from labeleff.plugins.encoders.interface import Encoder
from labeleff.plugins.pretexts.interface import PretextFunction, Pretrained, Unlabelled
from labeleff.records.entries import PretrainingRecord, Trial
from labeleff.records.training_log import curves_of_probe, merge_curves
from labeleff.study.cell import Pretraining
from labeleff.study.tuning import Choice
from labeleff.training.checkpoints import Checkpoint, keeping
from labeleff.training.device import peak_memory, reset_peak_memory
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.slots import Progress


def pretrain(place: Workplace, pretraining: Pretraining, progress: Progress) -> Iterator[PretrainingRecord]:
    """Train or fill an encoder, and yield the records of its points that the study wants, then its own.

    Nothing is trained where all are in the cache with the curves of the probes.
    """
    *points, _ = place.settings.encoders_of(pretraining)
    key = place.cache_key(pretraining)
    cached = place.cache.record(key)
    unprobed = place.tasks_to_probe(pretraining, cached.probes if cached else ())
    known = {point.key: place.cache.record(place.cache_key(point)) for point in points}
    if cached is None or unprobed or None in known.values():
        wanted = [point for point in points if cached is None or known[point.key] is None]
        saved = SavedPoints(wanted)
        try:
            encoder, record = _make(place, pretraining, progress, unprobed, saved)
        except Exception as error:  # noqa: BLE001  a failed pretraining is a record; the rest of the study goes on
            yield PretrainingRecord.failed(place.settings.run, pretraining, *explain(error))
            return
        if cached is None and place.cache.record(key) is not None:
            # another run that shares the cache was faster: cells of both start from one encoder
            yield from pretrain(place, pretraining, progress)
            return
        if cached is None:
            place.cache.save(key, encoder, record)
        try:
            made = saved.records(record)
        except PluginError as error:  # the points are lost, the whole encoder isn't
            yield from (PretrainingRecord.failed(place.settings.run, point, *explain(error)) for point in wanted)
            made = []
        for weights, point in made:
            place.cache.save_weights(place.cache_key(point.pretraining), weights, point)
            yield point
        if cached is None:
            yield record
            return
        # trained again for its curves or points alone: cells go on with the encoder that they had
        known = {name: point for name, point in known.items() if point is not None}
        cached = cached.model_copy(update={"probes": merge_curves(cached.probes, record.probes)})
        place.cache.note(key, cached)
    yield from (_from_cache(place, item) for item in (*known.values(), cached) if item is not None)


def _from_cache(place: Workplace, record: PretrainingRecord) -> PretrainingRecord:
    """Copy a cached encoder's record for this run, with the curves that this study requests."""
    plan = place.settings.probes
    curves = curves_of_probe(record.probes, plan.probe, plan.tasks_of(record.pretraining)) if plan else []
    return record.model_copy(update={"run": place.settings.run, "cached": True, "probes": curves})


def _make(
    place: Workplace,
    pretraining: Pretraining,
    progress: Progress,
    unprobed: Sequence[Spec],
    saved: SavedPoints,
) -> tuple[Encoder, PretrainingRecord]:
    """Make a new encoder and its record; while it is trained it is probed on the tasks `unprobed`, and saved."""
    own_peak, probing = reset_peak_memory(place.device), None
    choice, trials = Choice(), list[Trial]()
    if pretraining.budget is None:
        encoder, result = _fill(place, pretraining)
    else:
        encoder = place.new_encoder(pretraining)
        if place.settings.probes is not None and unprobed:
            tasks = [(spec, place.load(spec)) for spec in unprobed]
            probing = Probing(place.settings.probes.probe, tasks, encoder, place.compute(pretraining))
            probing.measure(0)
        choice, trials, told = _tuned(place, pretraining, progress)
        last = pretraining.model_copy(update={"budget": pretraining.budget.chosen(choice)})
        with keeping(None if probing or saved.wanted else _checkpoint(place, pretraining)):
            result = learn(place, last, encoder, saved.beside(encoder, probing.beside(told) if probing else told))
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
        trials=trials,
        tuned=choice._asdict() if trials else {},
    )


def _checkpoint(place: Workplace, pretraining: Pretraining) -> Checkpoint | None:
    """The checkpoint of a pretraining whose pretext can go on from one; None for others."""
    if not lookup.find("pretext", pretraining.pretext.name).resumes:
        return None
    return Checkpoint(place.cache.unfinished(place.cache_key(pretraining)))


def _tuned(place: Workplace, pretraining: Pretraining, progress: Progress) -> tuple[Choice, list[Trial], Progress]:
    """Choose the rate of a pretraining that is tuned; returns it, the trials, and the progress of what comes next."""
    if pretraining.tune is None:
        return Choice(), [], progress

    def attempt(changed: Pretraining, told: Progress) -> Pretrained:
        return learn(place, changed, place.new_encoder(pretraining), told)

    return tuned_budget(pretraining, attempt, place.device, _steps(place, pretraining), progress)


def _steps(place: Workplace, pretraining: Pretraining) -> int:
    """Steps of a pretraining, of which an epoch is all images that its pretext sees."""
    assert pretraining.budget is not None
    return pretraining.budget.steps_for(place.load(pretraining.task).pretext_count(pretraining))


def learn(place: Workplace, pretraining: Pretraining, encoder: Encoder, progress: Progress) -> Pretrained:
    """Train an encoder in place on its task's images; raises PluginError for a task of stories."""
    assert pretraining.budget is not None
    loaded = place.load(pretraining.task)
    if loaded.normalisation is None:
        raise PluginError(f"pretext {pretraining.pretext.label} works on images, not on stories")
    pretrain: PretextFunction = lookup.resolve("pretext", pretraining.pretext.name)
    return pretrain(
        Unlabelled(loaded.pretext_images(pretraining), loaded.normalisation),
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
