"""Strategies that select which examples are labelled next: names and code, no torch.

`random` is no strategy of its own: labels come in the order of the draw.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from labeleff.catalogue.declaration import Plugin
from labeleff.errors import MissingPackageError, UnknownNameError

RANDOM = "random"
ACTIVEML = "scikit-activeml:"
"""Beginning of the names of another library's strategies, behind which a class of its module `pool` is named."""

STRATEGIES: tuple[Plugin, ...] = (
    Plugin(
        "margin",
        "examples whose two most probable classes are closest (Scheffer et al. 2001)",
        "labeleff.plugins.strategies.margin:choose",
    ),
    Plugin(
        "coreset",
        "examples farthest from all that are labelled, greedy k-centres (Sener & Savarese 2018)",
        "labeleff.plugins.strategies.coreset:choose",
    ),
    Plugin(
        "typiclust",
        "the most typical example of each cluster without a label (Hacohen et al. 2022)",
        "labeleff.plugins.strategies.typiclust:choose",
    ),
)


def find_strategy(name: str) -> Plugin:
    """The strategy called `name`; raises UnknownNameError for another name, and for `random`, which is none."""
    for one in STRATEGIES:
        if one.name == name:
            return one
    inner = name.removeprefix(ACTIVEML)
    if inner == name or not inner.isidentifier():
        known = (RANDOM, *(one.name for one in STRATEGIES), f"{ACTIVEML}NAME")
        raise UnknownNameError("strategy (in 'selection')", name, known)
    target = "labeleff.plugins.strategies.activeml:choose"
    return Plugin(name, f"the strategy {inner} of scikit-activeml", target, needs=("skactiveml", "active"))


def check_strategy(name: str) -> None:
    """Raise OptionError naming the extra where a strategy's package is missing; nothing is imported."""
    plugin = find_strategy(name)
    if plugin.missing is not None:
        assert plugin.needs is not None
        package, extra = plugin.needs
        raise MissingPackageError(f"selection {name!r} needs", extra, package)


def resolve_strategy(name: str) -> Callable[..., Any]:
    """Import and return a strategy's function, from a pool and a count to positions.

    Raises OptionError where an extra is to be installed for it, and where another library has no such strategy.
    """
    check_strategy(name)
    module, _, attribute = find_strategy(name).target.partition(":")
    code = importlib.import_module(module)
    if not name.startswith(ACTIVEML):
        return getattr(code, attribute)  # type: ignore[no-any-return]
    inner = name.removeprefix(ACTIVEML)
    code.check(inner)
    return functools.partial(getattr(code, attribute), strategy=inner)
