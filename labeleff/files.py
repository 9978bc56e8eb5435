"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in its place at once, making its folder where needed; readers see the old one or the new one.

    Raises OSError, naming `path` where the file itself couldn't be written; nothing half-written stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        error.filename = str(path)
        raise
