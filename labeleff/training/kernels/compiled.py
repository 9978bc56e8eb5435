"""Kernels in C, compiled for this processor when first needed.

A compiler is looked for when the package runs rather than when it is installed, so that one wheel serves every machine
and the code fits the processor it runs on. Without one, and on Windows, torch's operators compute the same to rounding.
`LABELEFF_KERNELS` names another folder for compiled kernels than that in the cache folder; `off` does without them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from labeleff.files import cache_folder, cpu_info

SOURCE = Path(__file__).with_name("maps.c")
COMPILERS = ("cc", "gcc", "clang")
"""Names under which a compiler is looked for, after that in the variable CC."""
FLAGS = ("-O3", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
NATIVE = (("-march=native", "-mprefer-vector-width=512"), ("-march=native",), ("-mcpu=native",))
"""Flags for the processor at hand, the first that a compiler takes; without any, nothing would be gained."""
VARIABLE = "LABELEFF_KERNELS"
SECONDS = 120.0
"""Time after which a compiler is given up."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load the kernels, compiled before or now; None where that can't be done or isn't wanted."""
    folder = os.environ.get(VARIABLE)
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "cc", *COMPILERS))), None)
    if sys.platform == "win32" or folder == "off" or compiler is None:
        return None
    path = Path(folder) if folder else cache_folder() / "kernels"
    try:
        path = path.expanduser() / f"maps-{_digest(compiler)}.so"
        return ctypes.CDLL(str(path)) if path.exists() or _compile(compiler, path) else None
    except (OSError, subprocess.SubprocessError):
        return None


def _digest(compiler: str) -> str:
    """Digest of all that decides on the compiled code: source, flags, compiler, and the processor's instructions."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False, timeout=SECONDS).stdout
    names = ("model name", "flags", "Features", "CPU part")
    told = {line for line in cpu_info().splitlines() if line.startswith(names)}
    processor = sorted(told) or [platform.processor(), platform.release()]
    parts = [SOURCE.read_bytes(), repr((FLAGS, NATIVE, platform.machine(), processor)).encode(), version]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _compile(compiler: str, path: Path) -> bool:
    """Compile to a file of its own, then move it into place, as several processes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(descriptor)
    try:
        for native in NATIVE:
            call = [compiler, *FLAGS, *native, "-o", name, str(SOURCE), "-lm"]
            if subprocess.run(call, capture_output=True, check=False, timeout=SECONDS).returncode == 0:
                Path(name).replace(path)
                return True
        return False
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()
