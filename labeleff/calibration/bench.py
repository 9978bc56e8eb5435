"""The runner's workplace with made data in the place of every task's, and untrained encoders for pretrained ones."""

from __future__ import annotations

import time

from torch import nn

from labeleff.calibration.stand_ins import stand_in
from labeleff.cell import Cell, Spec
from labeleff.encoders import Encoder
from labeleff.heads import LastMap
from labeleff.loaded import LoadedTask
from labeleff.record import Training
from labeleff.run import Bench
from labeleff.speeds import CPU, clocked
from labeleff.timing import now


class CalibrationBench(Bench):
    """A `Bench` that needs no data and no pretrained encoder."""

    def load(self, spec: Spec) -> LoadedTask:
        """The stand-in of a task, made once a process."""
        if spec.label not in self._tasks:
            self._tasks[spec.label] = LoadedTask(stand_in(spec), self.device)
        return self._tasks[spec.label]

    def encoder(self, cell: Cell) -> Encoder:
        """An untrained one."""
        return self.new_encoder(cell.pretraining)

    def clock(self) -> float:
        """Seconds by the clock that counts: on a CPU the process's own, which other programs don't slow."""
        return time.process_time() if self.device.type == CPU else now(self.device)

    def spent(self, training: Training) -> float:
        """Seconds by that clock that a training's steps took."""
        return sum(clocked(window.seconds, window.processor_seconds, self.device.type) for window in training.windows)

    def features(self, cell: Cell) -> nn.Module:
        """What a frozen protocol sees of an encoder: features (B, dim), or maps (B, dim, h, w) of them."""
        encoder, dense = self.encoder(cell), self.load(cell.task).task.goal.dense
        return self.compute(cell).place(LastMap(encoder) if dense else encoder).eval()
