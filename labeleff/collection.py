"""A stretch of work without garbage collection, where objects are made that all stay.

The collector would look through them again and again: most of the time of reading ten thousand records.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """What has no cycles is freed all the same, the rest when collection goes on."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
