"""Device of a training: arithmetic, memory layout, clocks and peak memory.

Every training step frees what the next one takes again. The C library gives large pieces back to the system at once,
and each page that comes back is a fault, up to a tenth of a step's time on virtual machines. With glibc, freed memory
stays with the process up to a bound; other C libraries are left as they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import platform
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.errors import OptionError
from labeleff.study.cell import Layout
from labeleff.training.kernels import bf16

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's two parameters that are set (malloc.h; mallopt(3))."""
FREE_HEAP = 512 * 2**20
"""Free bytes at the end of the heap that aren't given back to the system."""
LARGE_PIECE = 32 * 2**20
"""Bytes from which a freed piece is always given back; older versions of glibc accept no larger value."""


def one_core(threads: int = 1) -> None:
    """Compute with the given number of threads in this process, and keep freed memory."""
    torch.set_num_threads(threads)
    keep_memory()


def keep_memory() -> bool:
    """Let the C library keep freed memory; returns False where it isn't glibc."""
    library = _glibc()
    return library is not None and bool(
        library.mallopt(MMAP_THRESHOLD, LARGE_PIECE) and library.mallopt(TRIM_THRESHOLD, FREE_HEAP)
    )


def give_back() -> None:
    """Return kept memory to the system, so that a process holds no more than it uses."""
    if library := _glibc():
        library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


FP32_ON_CPU = frozenset({"mobilenet_v2"})
"""Encoders that train slower in bf16 on CPUs: depthwise convolutions at 0.3-0.6 of fp32's speed with AVX-512."""


@dataclass(frozen=True)
class Compute:
    """Device, precision and memory layout of an encoder's computation."""

    device: torch.device
    precision: Literal["fp32", "bf16", "fp64"]
    """Arithmetic of products and convolutions; fp64 is for tests of equality."""
    layout: Layout = "channels_last"
    """Memory layout of images and kernels; `channels_last` measured fastest on CPU and GPU."""

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
        """Bring images (N, 3, H, W) into this layout, without a copy where they are in it. Stories stay as they are."""
        if self.precision == "fp64":
            images = images.double()
        return images.contiguous(memory_format=self._format) if images.ndim == 4 else images

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format


DEVICES = "auto, cpu, cuda, cuda:NUMBER, mps or xpu"
"""Devices that can be named; mps and xpu are accepted where torch has them, and reports say that they are untested."""


def pick_device(name: str) -> torch.device:
    """Choose the device for `auto` or one of DEVICES; raises OptionError where torch has no such device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(f"--device {name!r}: expected {DEVICES}") from error
    if device.type not in {"cpu", "cuda", "mps", "xpu"}:
        raise OptionError(f"--device {name!r}: expected {DEVICES}")
    if (device.index or 0) >= (count := _count(device.type)):
        raise OptionError(f"--device {name!r}: torch sees {count} {device.type.upper()} devices")
    return device


def _count(kind: str) -> int:
    """Number of devices of a kind; the processor is one, whatever its index."""
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return sys.maxsize if kind == "cpu" else int(getattr(torch, kind).device_count())


def summing_type(device: torch.device) -> torch.dtype:
    """Type of exact sums on a device: float64, but for mps, which has none."""
    return torch.float32 if device.type == "mps" else torch.float64


def _fast_bf16(device: torch.device, encoder: str) -> bool:
    """Whether an encoder is faster in bf16: on a GPU that has it, on a processor whose layers of its kind gain."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or encoder in FP32_ON_CPU:  # untested devices compute as they surely can
        return False
    transformer = lookup.find("encoder", encoder).tokens  # with tiles (AMX) 1.7 times as fast in bf16, else 0.53 times
    return bf16.transformers_gain() if transformer else bf16.convolutions_gain()


def choose(encoder: str, precision: str, device: torch.device, layout: Layout | None = None) -> Compute:
    """Choose how an encoder is computed on a device; a requested precision or layout is taken as it is.

    Readers of stories, and rows that are looked up, have no products large enough to gain from bf16 anywhere.
    """
    images = lookup.find("encoder", encoder).examples == "images"
    if precision == "auto":
        precision = "bf16" if images and _fast_bf16(device, encoder) else "fp32"
    usual: Layout = "channels_last" if images else "contiguous"
    return Compute(device, "bf16" if precision == "bf16" else "fp32", layout or usual)


def device_name(device: torch.device) -> str:
    """Name of the device: `cpu`, `mps`, or what the accelerator calls itself, after `xpu` where it is one."""
    if device.type == "xpu":
        return f"xpu {torch.xpu.get_device_name(device)}"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def torch_release() -> str:
    """Major and minor version of torch."""
    return ".".join(torch.__version__.split(".")[:2])


NO_MEMORY = ("not enough memory", "can't allocate memory")
"""Words of torch's allocator of the CPU, by system and version."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error means that the host or a GPU is out of memory."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def reset_peak_memory(device: torch.device) -> bool:
    """Restart the measurement of peak memory; False where the system can't, so that the process's whole past counts.

    Of mps and xpu, the process's memory is measured.
    """
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
    """Peak bytes allocated on a CUDA device, or the process's largest resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):  # Linux: rusage would also know what a parent held when it started this process
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil  # a dependency on Windows alone

        return int(psutil.Process().memory_info().peak_wset)
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def now(device: torch.device) -> float:
    """Read the monotonic clock in seconds, after all work queued on the device is done."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize(*([] if device.type == "mps" else [device]))
    return time.perf_counter()


@dataclass(frozen=True)
class Durations:
    """Durations in seconds, on the wall clock and on the processor."""

    seconds: float = 0.0
    """Wall-clock time."""
    processor_seconds: float = 0.0
    """Processor time of all threads of the process."""

    def __add__(self, other: Durations) -> Durations:
        return Durations(self.seconds + other.seconds, self.processor_seconds + other.processor_seconds)

    def __truediv__(self, shares: int) -> Durations:
        return Durations(self.seconds / shares, self.processor_seconds / shares)


class Stopwatch:
    """A stopwatch on both clocks, running from its construction or the last `start`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.start()

    def start(self) -> None:
        """Restart at 0; time between `stop` and `start` isn't counted."""
        self._since, self._processor_since = now(self._device), time.process_time()

    def stop(self) -> Durations:
        """Return the durations since the start; the stopwatch runs on."""
        seconds = now(self._device) - self._since
        return Durations(seconds, time.process_time() - self._processor_since)
