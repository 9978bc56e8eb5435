"""The engines by name, with their options and what must be installed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from labeleff.errors import MissingPackageError, OptionError, UnknownNameError, install

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from labeleff.execution.engines.assignments import Display, Sink
    from labeleff.execution.engines.desk import Desk
    from labeleff.scheduling.jobs import Job
    from labeleff.scheduling.queue import Limit


class Engine(Protocol):
    """A way to do jobs, in this process or elsewhere; this process alone writes their records."""

    @property
    def places(self) -> int:
        """Number of jobs that are done side by side."""

    @property
    def processes(self) -> int:
        """Number of processes that may be put to work, for the environment of a run's entry."""

    def run(self, jobs: Sequence[Job], sink: Sink, display: Display, limit: Limit | None) -> None:
        """Do the jobs that `limit` has time for; `sink` gets their records as they come.

        Raises LabeleffError where a worker can't work at all; what goes wrong inside a job is a failed record.
        """


EngineFor = Callable[[float], Engine]
"""The engine for the given seconds of work."""


class Choice(NamedTuple):
    """An engine as it is described before it is imported."""

    target: str
    """MODULE:FUNCTION, which makes the context manager that `open_engine` returns."""
    extra: str | None = None
    """The package that it needs, which is also the extra's name."""
    options: tuple[str, ...] = ()
    """Options of the command line that belong to this engine alone."""

    def described(self, name: str) -> str:
        """Give its name with what must be installed, for help."""
        return f"{name} ({install(self.extra)})" if self.extra else name


ENGINES = {
    "local": Choice("labeleff.execution.engines.local:open_engine"),
    "ray": Choice(
        "labeleff.execution.engines.ray_cluster:open_engine", extra="ray", options=("--ray-address", "--gpu-share")
    ),
}
HELP = ", or ".join(choice.described(name) for name, choice in ENGINES.items()) + "."


def check_engine(name: str, address: str | None = None, gpu_share: float | None = None) -> None:
    """Check the options that choose an engine.

    Raises UnknownNameError for a name of no engine, OptionError where an option belongs to another engine, isn't in
    its range, or the engine isn't installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine (in --engine)", name, ENGINES)
    for option, value in (("--ray-address", address), ("--gpu-share", gpu_share)):
        if value is not None and option not in ENGINES[name].options:
            owner = next(other for other, choice in ENGINES.items() if option in choice.options)
            raise OptionError(f"{option} {value}: found --engine {name}, expected --engine {owner}")
    if gpu_share is not None and not 0 < gpu_share <= 1:
        raise OptionError(f"--gpu-share {gpu_share}: expected a part of a GPU, over 0 and up to 1")
    from importlib.util import find_spec

    extra = ENGINES[name].extra
    if extra is not None and find_spec(extra) is None:
        raise MissingPackageError(f"--engine {name} needs", extra, extra)


def open_engine(desk: Desk) -> AbstractContextManager[EngineFor]:
    """Open the engine that a run's options name; it is ready until the block ends."""
    import pkgutil

    target = ENGINES[desk.settings.options.engine].target
    manager: AbstractContextManager[EngineFor] = pkgutil.resolve_name(target)(desk)
    return manager


WHOLE = 10_000
"""Parts of a resource that Ray counts in."""


class JobResources(NamedTuple):
    """Resources of one job: always one processor, and none, a part or the whole of one GPU."""

    gpus: float = 0.0

    def places(self, total: Mapping[str, float]) -> int:
        """Count the jobs that a cluster with these resources (`CPU`, `GPU`, as Ray names them) does side by side.

        A job's part of a GPU lies on one GPU: with 0.4 two jobs go on each, and 0.2 of it stays unused.
        """
        processors = math.floor(total.get("CPU", 0.0))
        if not self.gpus:
            return processors
        on_each = WHOLE // max(1, round(self.gpus * WHOLE))
        return min(processors, math.floor(total.get("GPU", 0.0)) * on_each)


def job_resources(device: str, gpu_share: float | None) -> JobResources:
    """Resources of a job on a kind of device (`cpu`, `cuda`): on a GPU all of it, unless a share is given."""
    return JobResources(gpus=(gpu_share or 1.0)) if device == "cuda" else JobResources()
