"""Facts of the machine, and the choice of arithmetic and memory layout for an encoder on a device."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import labeleff
from labeleff.cell import Layout
from labeleff.errors import OptionError
from labeleff.one_core import give_back

FP32_ON_CPU = frozenset({"mobilenet_v2"})
"""Encoders whose depthwise convolutions train slower in bf16 on CPUs (0.3-0.6 of fp32's speed, measured)."""
FP32 = frozenset({"memnet", "qrn"})
"""Encoders of stories: their products are too small to gain from bf16 anywhere."""


OPTIONAL = ("lightly", "timm")
"""Packages of extras that numbers can depend on."""


@dataclass(frozen=True)
class Compute:
    """Where and how one encoder is computed."""

    device: torch.device
    precision: Literal["fp32", "bf16", "fp64"]
    """fp64 is for tests of equality."""
    layout: Layout = "channels_last"
    """`channels_last` measured fastest on CPU and GPU."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights, images and sums; bf16 keeps them in float32."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        """A context in which matrix products and convolutions run in this precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        """Move a module to the device, its kernels in this layout."""
        if self.precision == "fp64":
            module = module.double()
        return module.to(device=self.device, memory_format=self._format)  # type: ignore[call-overload,no-any-return]

    def arrange(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in this layout; no copy where they are in it already. Stories stay as they are."""
        if self.precision == "fp64":
            images = images.double()
        return images.contiguous(memory_format=self._format) if images.ndim == 4 else images

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format


def pick_device(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:1`; raises OptionError where it isn't there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(f"--device {name!r}: expected auto, cpu, cuda or cuda:NUMBER") from error
    if device.type not in {"cpu", "cuda"}:
        raise OptionError(f"--device {name!r}: expected auto, cpu, cuda or cuda:NUMBER")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise OptionError(f"--device {name!r}: torch sees {torch.cuda.device_count()} CUDA devices")
    return device


def _fast_bf16(device: torch.device) -> bool:
    """Whether bf16 products have instructions of their own here."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = Path("/proc/cpuinfo")
    text = flags.read_text(errors="replace") if flags.exists() else ""
    return "avx512_bf16" in text or "amx_bf16" in text


def choose(encoder: str, precision: str, device: torch.device, layout: Layout | None = None) -> Compute:
    """The precision that `auto` stands for with this encoder on this device, or the one asked for; so the layout."""
    if precision == "auto":
        slow = encoder in FP32 or (device.type == "cpu" and encoder in FP32_ON_CPU)
        precision = "bf16" if _fast_bf16(device) and not slow else "fp32"
    usual: Layout = "contiguous" if encoder in FP32 else "channels_last"
    return Compute(device, "bf16" if precision == "bf16" else "fp32", layout or usual)


def device_name(device: torch.device) -> str:
    """`cpu`, or the accelerator's own name."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)


def torch_release() -> str:
    """Major and minor version of torch."""
    return ".".join(torch.__version__.split(".")[:2])


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ended, the host's or a GPU's."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def reset_peak_memory(device: torch.device) -> bool:
    """Begin a new measurement of peak memory; False where the system can't: then the peak is the process's so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        give_back()  # else what earlier work left would count
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak becomes what is resident now
    except OSError:  # not Linux, or not allowed
        return False
    return True


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that was allocated on the accelerator, or the process's largest resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):  # Linux: rusage would also know what a parent held when it started this process
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_state() -> dict[str, Any]:
    """Commit and dirty flag of the source tree that the package is imported from, if it is one."""
    folder = Path(labeleff.__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return {"commit": None, "dirty": None}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--", str(folder))),
        }
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _extras() -> dict[str, str]:
    """Versions of the optional packages that are there."""
    found = {}
    for name in OPTIONAL:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def environment(device: torch.device, jobs: int) -> dict[str, Any]:
    """Versions, device, processor, load and git state, for the run entry."""
    import numpy
    import scipy

    versions = {
        "python": platform.python_version(),
        "labeleff": labeleff.__version__,
        "torch": torch.__version__,
        "torchvision": metadata.version("torchvision"),  # which takes a second to import
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    } | _extras()
    return {
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(device),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "jobs": jobs,
        "load_average": os.getloadavg()[0],
        "git": _git_state(),
    }
