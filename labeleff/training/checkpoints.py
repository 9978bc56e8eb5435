"""Checkpoints of a training: after an interruption it goes on from the last one, to the same bits.

A checkpoint has the model's weights and buffers, the optimiser's state, the learning curve and the state of torch's
random numbers; batches are hashes of seed, epoch and sample, so nothing else is needed. It is written at the end of a
timed window, outside the time that counts. One that was written by other code of trainer and plug-ins, or by another
torch, isn't gone on from.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import time
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labeleff.errors import LabeleffWarning
from labeleff.files import write_whole
from labeleff.training.slots import TrainingState

SECONDS = 60.0
"""Time from one checkpoint to the next, at least; windows are longer in long trainings."""
CODE = ("plugins", "training")
"""Folders of the package whose code decides how a training goes on."""


@dataclass
class Checkpoint:
    """The file of one training's checkpoint."""

    path: Path
    since: float = field(default_factory=time.monotonic)
    """Time of the last one, on the monotonic clock."""

    def save(self, state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the state at the end of a window, where the last one is SECONDS old; warns where that fails."""
        if time.monotonic() - self.since < SECONDS:
            return
        self.since, content = time.monotonic(), io.BytesIO()
        torch.save(_kept(state, model, optimizer), content)
        try:
            write_whole(self.path, content.getvalue())
        except OSError as error:
            text = f"{self.path}: no checkpoint can be written: {error.strerror}; after an interruption it begins anew"
            warnings.warn(text, LabeleffWarning, stacklevel=2)

    def restore(self, state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Go on from the checkpoint, where there is one that this code wrote; a damaged one is passed over."""
        try:
            kept = torch.load(self.path, map_location=next(model.parameters()).device, weights_only=True)
        except Exception:  # noqa: BLE001  there is none, or torch raises what it happens to meet in a damaged file
            return
        if kept["made_by"] != _made_by():
            return
        model.load_state_dict(kept["model"])
        with torch.no_grad():
            for name, buffer in _unsaved(model):
                buffer.copy_(kept["unsaved"][name])
        optimizer.load_state_dict(kept["optimizer"])
        torch.set_rng_state(kept["random"].cpu())
        state.go_on(kept["progress"])


_CURRENT: ContextVar[Checkpoint | None] = ContextVar("checkpoint", default=None)


@contextlib.contextmanager
def keeping(checkpoint: Checkpoint | None) -> Iterator[None]:
    """Let the first training that begins inside be kept in a checkpoint, and go on from it; None keeps nothing."""
    token = _CURRENT.set(checkpoint)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def take() -> Checkpoint | None:
    """The checkpoint of the training that begins now; trainings after it in the same `keeping` have none."""
    checkpoint = _CURRENT.get()
    _CURRENT.set(None)
    return checkpoint


def _kept(state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {
        "made_by": _made_by(),
        "model": model.state_dict(),
        "unsaved": dict(_unsaved(model)),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "progress": state.progress(),
    }


def _unsaved(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that a state dictionary leaves out, such as the passes of a dropout layer."""
    saved = model.state_dict().keys()
    return ((name, buffer) for name, buffer in model.named_buffers() if name not in saved)


@functools.cache
def _made_by() -> str:
    """SHA-256 of the version of torch and of the code of trainer and built-in plug-ins."""
    digest, package = hashlib.sha256(str(torch.__version__).encode()), Path(__file__).parents[1]
    for path in sorted(path for folder in CODE for path in (package / folder).rglob("*.[pc]*")):
        if path.suffix in {".py", ".c"}:
            digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
