"""How a process computes that has one core of a CPU to itself: by one thread, keeping the memory that it frees.

Every training step frees what the next one takes again. The C library gives large pieces back to the system at once,
and each page that comes back is a fault, up to a tenth of a step's time on virtual machines. With glibc, freed memory
stays with the process up to a bound; other C libraries are left as they are.
"""

from __future__ import annotations

import ctypes
import functools
import platform

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers of what is set (malloc.h; mallopt(3))."""
KEPT = 512 * 2**20
"""Bytes at the end of the heap that aren't given back."""
LARGE = 32 * 2**20
"""Bytes of a piece that is given back whatever is kept; older versions of glibc take no more."""


def one_core(threads: int = 1) -> None:
    """Compute by so many threads in this process, and keep freed memory."""
    torch.set_num_threads(threads)
    keep_memory()


def keep_memory() -> bool:
    """Let the C library keep what is freed; False where it isn't glibc."""
    library = _glibc()
    return library is not None and bool(
        library.mallopt(MMAP_THRESHOLD, LARGE) and library.mallopt(TRIM_THRESHOLD, KEPT)
    )


def give_back() -> None:
    """Give what is kept back to the system, so that what a process holds is what it uses."""
    if library := _glibc():
        library.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
