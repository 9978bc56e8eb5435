"""Counts of torch operations by name, without views, as the device gets them."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode

HOST = {
    "aten::_local_scalar_dense",
    "aten::item",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::is_nonzero",
    "aten::lift_fresh",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::repeat_interleave",
    "aten::bincount",
}
"""Operations that wait for the device, whose shapes depend on values, or that bring numbers of the host's."""


def _is_view(operation) -> bool:
    return any(one.alias_info is not None and not one.alias_info.is_write for one in operation._schema.returns)


class Dispatched(TorchDispatchMode):
    """Notes every operation while it is active."""

    def __init__(self):
        super().__init__()
        self.names = []
        self.waits = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not _is_view(func):
            self.names.append(func._schema.name)
        masked = func._schema.name.startswith("aten::index") and any(
            isinstance(one, torch.Tensor) and one.dtype in {torch.bool, torch.uint8}
            for arg in args
            if isinstance(arg, list | tuple)
            for one in arg
        )
        if func._schema.name in HOST or masked:
            self.waits.append(str(func))
        return func(*args, **(kwargs or {}))
