"""From a name to its declaration, its completed options and its code.

The catalogue holds strings only, so that a study can be checked and planned without importing torch. `resolve` imports
the code of one entry when it is needed. Names that aren't built in are searched among the plug-ins of other packages
(see `entry_points`).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from typing import Any

from labeleff.catalogue import entry_points
from labeleff.catalogue.declaration import Kind, OptionValue, Plugin, Spec
from labeleff.catalogue.encoders import ENCODERS
from labeleff.catalogue.pretexts import PRETEXTS
from labeleff.catalogue.protocols import PROTOCOLS
from labeleff.catalogue.tasks import TASKS
from labeleff.errors import LabeleffError, MissingPackageError, StudyError, UnknownNameError


def _by_name(entries: Iterable[Plugin]) -> dict[str, Plugin]:
    return {plugin.name: plugin for plugin in entries}


_ENTRIES: dict[Kind, dict[str, Plugin]] = {
    "task": _by_name(TASKS),
    "encoder": _by_name(ENCODERS),
    "pretext": _by_name(PRETEXTS),
    "protocol": _by_name(PROTOCOLS),
}


LIMITS = {"holdout": 0.9}
"""Largest values of options that mean the same in every plug-in; a share held out leaves something to train on."""


def plugins(kind: Kind) -> tuple[Plugin, ...]:
    """All built-in entries of a kind, in the order they are listed to people."""
    return tuple(_ENTRIES[kind].values())


def installed_plugins(kind: Kind) -> list[entry_points.InstalledPlugin]:
    """Plug-ins of one kind from other packages, loaded; broken ones with their problem."""
    return entry_points.installed_plugins(kind, _ENTRIES[kind])


def find(kind: Kind, name: str) -> Plugin:
    """The plug-in called `name`: a built-in one, else that of another package, by entry point or `module:object`.

    Where neither exists, its declaration in records is used (see `entry_points.recall`). Raises UnknownNameError with
    the nearest match, PluginError where another package's can't be loaded.
    """
    plugin = _ENTRIES[kind].get(name) or entry_points.find_or_recall(kind, name)
    if plugin is None:
        raise UnknownNameError(kind, name, (*_ENTRIES[kind], *entry_points.names(kind)))
    return plugin


def origin(kind: Kind, name: str) -> str | None:
    """Distribution, version and file digest of a plug-in of another package; None if built in.

    Raises PluginError where another package claims a built-in's name.
    """
    entry_points.check_name(kind, name, _ENTRIES[kind])
    return None if name in _ENTRIES[kind] else entry_points.origin(kind, name, find(kind, name).target)


def library(kind: Kind, name: str) -> str | None:
    """The optional package that a built-in plug-in computes with; None for weights, which are known by their bytes."""
    plugin = _ENTRIES[kind].get(name)
    return plugin.needs[0] if plugin is not None and plugin.needs is not None and not plugin.loaded else None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those of the packages that are installed, by name."""
    found = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def releases(packages: Iterable[str | None]) -> dict[str, str]:
    """Major and minor versions of those of the packages that are installed, by name."""
    found = versions(sorted({package for package in packages if package is not None}))
    return {package: ".".join(version.split(".")[:2]) for package, version in found.items()}


def build(kind: Kind, name: str) -> str:
    """The package that a plug-in of another package is of: name, version, and the commit or hash of its build."""
    return entry_points.build(kind, name, find(kind, name).target)


def complete(kind: Kind, name: str, given: Mapping[str, Any]) -> Spec:
    """Check options and complete them with defaults; returns the spec.

    Options of `Plugin.later` are left out where they have their default. Raises StudyError for an option of the wrong
    type or outside its choices, UnknownNameError for one that the plug-in doesn't have.
    """
    plugin = find(kind, name)
    options = dict(plugin.options)
    for key, value in given.items():
        if key not in options:
            raise UnknownNameError(f"option of {kind} {name!r}", key, plugin.options)
        default = plugin.options[key]
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            raise StudyError(
                f"{kind} {name!r}, option {key!r}: found {value!r}, expected {type(default).__name__} like {default!r}"
            )
        off = value == default or (value == 0 and key in plugin.zero)
        if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0 and not off:
            allowed = "0, or a number over it" if key in plugin.zero else "a number over 0"
            raise StudyError(f"{kind} {name!r}, option {key!r}: found {value!r}, expected {allowed}")
        most = plugin.limits.get(key, LIMITS.get(key))
        if most is not None and isinstance(value, int | float) and value > most:
            raise StudyError(f"{kind} {name!r}, option {key!r}: found {value!r}, expected at most {most:g}")
        if key in plugin.choices and value not in plugin.choices[key]:
            raise UnknownNameError(f"{key} of {kind} {name!r}", str(value), map(str, plugin.choices[key]))
        options[key] = value
    for key in plugin.required:
        if not options[key]:
            raise StudyError(f"{kind} {name!r} needs the option {key!r}: {plugin.clause}")
    usual = {key for key in plugin.later if options[key] == plugin.options[key]}
    return Spec(name=name, options={key: value for key, value in options.items() if key not in usual})


def options(kind: Kind, spec: Spec) -> dict[str, OptionValue]:
    """All options of a plug-in: those of the spec, and defaults that a spec leaves out."""
    return {**find(kind, spec.name).options, **spec.options}


def encoder_seed(pretext: Spec) -> int | None:
    """The one seed of all encoders of a pretext whose weights come from outside; None where every run's seed counts."""
    plugin = find("pretext", pretext.name)
    from_outside = plugin.loaded and pretext.options.get("stem") != "random"
    return 0 if from_outside or plugin.examples == "items" else None


def images_of(task: Spec) -> Spec:
    """The task whose training images a task has: itself, or another one with the options that both take."""
    other = find("task", task.name).images_of
    if not other:
        return task
    accepted = find("task", other).options
    return complete("task", other, {key: value for key, value in task.options.items() if key in accepted})


def holds_out_stories(task: Spec, protocol: Spec) -> bool:
    """Whether a protocol, with these options, sets labelled stories aside to choose by."""
    wanted = find("protocol", protocol.name).holds_out
    if wanted is None or find("task", task.name).examples != "stories":
        return False
    given = options("protocol", protocol)
    return all(given[name] == value for name, value in wanted.items())


def resolve(kind: Kind, name: str) -> Any:
    """Import and return the function behind an entry; OptionError where an extra is to be installed for it."""
    return _import(kind, name, find(kind, name).target.partition(":")[2])


def preparation(protocol: str) -> Any:
    """Import and return the function that prepares cells of a protocol to be trained together."""
    return _import("protocol", protocol, str(find("protocol", protocol).prepare))


def pretext_check(pretext: str) -> Any:
    """Import and return the function that checks what a pretext is given; None where there is none."""
    check = find("pretext", pretext).check
    return _import("pretext", pretext, check) if check else None


def check_installed(kind: Kind, name: str) -> None:
    """Raise OptionError naming the extra where a plug-in's package is missing; nothing is imported."""
    plugin = find(kind, name)
    if plugin.missing is not None:
        assert plugin.needs is not None
        package, extra = plugin.needs
        raise MissingPackageError(f"{kind} {name!r} needs", extra, package)


def _import(kind: Kind, name: str, attribute: str) -> Any:
    check_installed(kind, name)
    plugin = find(kind, name)
    try:
        return getattr(importlib.import_module(plugin.target.partition(":")[0]), attribute)
    except (ImportError, AttributeError) as error:
        raise LabeleffError(f"{kind} {name!r}: {plugin.target} can't be loaded: {error}") from error
