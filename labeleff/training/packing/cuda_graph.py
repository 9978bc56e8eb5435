"""Capture of a training step as one CUDA graph, which runs without the host.

A graph can't hold anything that the host would have to decide: numbers of Python that change, reading a value back,
shapes that depend on values. `lockstep` is written so; a step is tried under torch's detector of synchronisations
before it is captured, and where that or the capture fails it goes on uncaptured and the record says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from labeleff.training.device import is_out_of_memory

WARM_UP = 3
"""Steps on a side stream before the capture, in which libraries choose their algorithms and memory is allocated."""

Step = Callable[[], None]


def capture(step: Step, state: Sequence[Tensor], device: torch.device) -> tuple[Step, str | None]:
    """Capture `step`; returns a function that replays it and None, or `step` itself and why the capture failed.

    `state` is everything that a step changes: it is restored afterwards, so that steps done during the capture don't
    count. Addresses stay: to change what a captured step reads, write into the same tensors.
    """
    if device.type != "cuda":
        return step, None
    before = [tensor.clone() for tensor in state]
    try:
        with torch.cuda.device(device):
            _warm_up(step)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        return step, f"a step couldn't be captured: {(str(error).splitlines() or [''])[0]}"
    finally:
        torch.cuda.synchronize(device)
        with torch.no_grad():
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)
    return graph.replay, None


def _warm_up(step: Step) -> None:
    """Run some steps on a side stream, the last of them with synchronisation forbidden."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP - 1):
            step()
        usual = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode(usual)
    torch.cuda.current_stream().wait_stream(side)
