"""How to run a study: options that every measuring process gets unchanged."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from labeleff.files import cache_folder, data_folder
from labeleff.scheduling.job_seconds import available_cores
from labeleff.scheduling.shards import Shard


def _command() -> list[str]:
    return ["labeleff", *sys.argv[1:]]


@dataclass(frozen=True)
class RunOptions:
    """How to run a study; nothing here changes a number."""

    folder: Path
    """Folder of the records."""
    command: list[str] = field(default_factory=_command)
    jobs: int | None = None
    """Worker processes requested; None leaves the number to the amount of work."""
    cores: int = field(default_factory=available_cores)
    device: str = "auto"
    data: Path = field(default_factory=data_folder)
    cache: Path = field(default_factory=cache_folder)
    offline: bool = False
    retry_failed: bool = False
    quiet: bool = False
    pack: int | None = None
    """Cells that are trained side by side as one; None is one on a CPU, and as many as make it faster on a GPU."""
    shard: Shard | None = None
    """The part of the study that is measured; None for all of it."""
    engine: str = "local"
    """Name of the engine that runs the jobs."""
    ray_address: str | None = None
    """HOST:PORT of a running Ray cluster, or `auto` for the one on this machine; None starts one."""
    gpu_share: float | None = None
    """Part of a GPU that a job on Ray takes, over 0 and up to 1; None is all of it."""
    time_limit: float | None = None
    """Seconds after which no cell is measured any more; None is no limit."""
    base: Path = Path()
    """Folder of the study's file, below which relative paths in the study are."""
