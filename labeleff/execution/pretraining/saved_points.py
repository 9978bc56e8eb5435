"""Encoders saved during a pretraining, at shares of its steps.

A pretext has no part in it: its encoder is copied from outside, as a linear probe does, when the trainer reports the
end of a timed window and outside the time that counts. The last step's encoder is the pretext's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder
from labeleff.records.entries import PretrainingRecord
from labeleff.records.training_log import until
from labeleff.study.cell import Pretraining
from labeleff.training.encoder_cache import sha256_of
from labeleff.training.slots import Progress


@dataclass(frozen=True)
class _Copy:
    """An encoder's weights and buffers after the given number of steps and windows."""

    step: int
    windows: int
    weights: Mapping[str, Tensor]


class SavedPoints:
    """Copies of an encoder that a pretext trains in place, at the ends of windows nearest to shares of the steps."""

    def __init__(self, points: Sequence[Pretraining]) -> None:
        self._points, self._windows = points, 0
        self._copies: dict[str, _Copy] = {}
        self._last: _Copy | None = None

    @property
    def wanted(self) -> bool:
        """Whether there are shares at which the encoder is to be copied."""
        return bool(self._points)

    def beside(self, encoder: Encoder, progress: Progress) -> Progress:
        """Wrap `progress` so that the encoder is copied; the trainer must report the end of every window."""

        def copy_and_report(done: int, total: int, loss: float, rate: float) -> None:
            self._note(encoder, done, total)
            progress(done, total, loss, rate)

        return copy_and_report if self.wanted else progress

    def _note(self, encoder: Encoder, done: int, total: int) -> None:
        """Note the end of a window: points that it passes get this copy or the one before, whichever is nearer."""
        self._windows += 1
        missing = [point for point in self._points if point.key not in self._copies]
        if not missing:
            return
        weights = {name: tensor.detach().cpu().clone() for name, tensor in encoder.state_dict().items()}
        copy = _Copy(done, self._windows, weights)
        for point in missing:
            assert point.share is not None
            wanted, before = point.share * total, self._last
            if done >= wanted:
                nearer = before is not None and wanted - before.step <= done - wanted
                self._copies[point.key] = before if before is not None and nearer else copy
        self._last = copy

    def records(self, whole: PretrainingRecord) -> list[tuple[Mapping[str, Tensor], PretrainingRecord]]:
        """Weights and record of every point of a finished pretraining, whose time is counted up to the point.

        Raises PluginError where the pretext reported no windows, so that nothing is known of its course.
        """
        return [self._record(point, whole) for point in self._points]

    def _record(self, point: Pretraining, whole: PretrainingRecord) -> tuple[Mapping[str, Tensor], PretrainingRecord]:
        copy, training = self._copies.get(point.key), whole.training
        if copy is None or training is None or len(training.windows) != self._windows:
            raise PluginError(
                f"pretext {point.pretext.label} doesn't report the windows of its training, so that no encoder can be "
                "saved at a share of it; leave pretraining.at out"
            )
        part = until(training, copy.windows)
        entry = part.history[-1] if part.history else {}
        changes = {
            "key": point.key,
            "pretraining": point,
            "encoder_sha256": sha256_of(copy.weights),
            "training": part,
            "metrics": {name: entry[name] for name in whole.metrics if name in entry},
            "peak_memory": None,
            "own_peak": False,
            "probes": [],
        }
        return copy.weights, whole.model_copy(update=changes)
