"""Which engine runs the jobs, as options say it; checked before anything is loaded."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from labeleff.errors import OptionError, UnknownNameError

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Engine:
    """An engine's name and, of Ray, which cluster and how much of a GPU a job takes."""

    name: str = "local"
    address: str | None = None
    """HOST:PORT of a running cluster, or `auto` for the one on this machine; None starts one."""
    gpu_share: float | None = None
    """Part of a GPU that a job takes, over 0 and up to 1; None is all of it."""


LOCAL = Engine()


def engine(name: str, address: str | None = None, gpu_share: float | None = None) -> Engine:
    """The engine that options ask for.

    Raises UnknownNameError, and OptionError where an option belongs to another engine, isn't in its range, or Ray
    isn't installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine (in --engine)", name, ENGINES)
    if name != "ray":
        for option, given in (("--ray-address", address), ("--gpu-share", gpu_share)):
            if given is not None:
                raise OptionError(f"{option} {given}: found --engine {name}, expected --engine ray")
        return Engine(name)
    if gpu_share is not None and not 0 < gpu_share <= 1:
        raise OptionError(f"--gpu-share {gpu_share}: expected a part of a GPU, over 0 and up to 1")
    if importlib.util.find_spec("ray") is None:
        raise OptionError("--engine ray needs ray, which isn't installed; pip install 'labeleff[ray]'")
    return Engine(name, address, gpu_share)
