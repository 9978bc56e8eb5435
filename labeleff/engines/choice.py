"""Which engine runs the jobs, as options say it; checked before anything is loaded."""

from __future__ import annotations

import importlib.util

from labeleff.errors import OptionError, UnknownNameError

ENGINES = ("local", "ray")


def check_engine(name: str, address: str | None = None, gpu_share: float | None = None) -> None:
    """Raise UnknownNameError for a name of no engine, OptionError where an option belongs to another engine, isn't in
    its range, or Ray isn't installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine (in --engine)", name, ENGINES)
    if name != "ray":
        for option, given in (("--ray-address", address), ("--gpu-share", gpu_share)):
            if given is not None:
                raise OptionError(f"{option} {given}: found --engine {name}, expected --engine ray")
        return
    if gpu_share is not None and not 0 < gpu_share <= 1:
        raise OptionError(f"--gpu-share {gpu_share}: expected a part of a GPU, over 0 and up to 1")
    if importlib.util.find_spec("ray") is None:
        raise OptionError("--engine ray needs ray, which isn't installed; pip install 'labeleff[ray]'")
