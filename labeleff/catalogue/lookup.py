"""The one catalogue of plug-ins: names, options with defaults, and where the code lives.

It holds strings only, so that a study can be checked and planned without importing torch. `resolve` imports
the code of one entry when it is needed. Names that aren't built in are looked for among the plug-ins of other packages
(see `installed`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from labeleff.catalogue import entry_points
from labeleff.catalogue.declaration import Kind, OptionValue, Plugin, Spec
from labeleff.catalogue.encoders import ENCODERS
from labeleff.catalogue.pretexts import PRETEXTS
from labeleff.catalogue.protocols import PROTOCOLS
from labeleff.catalogue.tasks import TASKS
from labeleff.errors import LabeleffError, OptionError, StudyError, UnknownNameError


def _by_name(entries: Iterable[Plugin]) -> dict[str, Plugin]:
    return {plugin.name: plugin for plugin in entries}


_ENTRIES: dict[Kind, dict[str, Plugin]] = {
    "task": _by_name(TASKS),
    "encoder": _by_name(ENCODERS),
    "pretext": _by_name(PRETEXTS),
    "protocol": _by_name(PROTOCOLS),
}


def plugins(kind: Kind) -> tuple[Plugin, ...]:
    """All built-in entries of a kind, in the order they are listed to people."""
    return tuple(_ENTRIES[kind].values())


def offered(kind: Kind) -> list[entry_points.Offered]:
    """What other packages give of a kind, loaded; broken ones with their problem."""
    return entry_points.offered(kind, _ENTRIES[kind])


def find(kind: Kind, name: str) -> Plugin:
    """The entry called `name`: a built-in one, else that of another package, by entry point or `module:object`.

    Where neither is there, what records said of it stands in (see `recall`). Raises UnknownNameError with the nearest
    match, PluginError where another package's can't be loaded.
    """
    found = _ENTRIES[kind].get(name) or entry_points.find_or_recall(kind, name)
    if found is None:
        raise UnknownNameError(kind, name, (*_ENTRIES[kind], *entry_points.names(kind)))
    return found


def origin(kind: Kind, name: str) -> str | None:
    """Where a plug-in of another package comes from: distribution, version, digest of its file; None if built in.

    Raises PluginError where another package claims a built-in's name.
    """
    entry_points.check_name(kind, name, _ENTRIES[kind])
    return None if name in _ENTRIES[kind] else entry_points.origin(kind, name, find(kind, name).target)


def complete(kind: Kind, name: str, given: Mapping[str, Any]) -> Spec:
    """A spec with every option at its value: what was given, else the default; without those of `Plugin.later` that
    are at their default.

    Raises StudyError for an option of the wrong type or outside its choices, UnknownNameError for one that the
    plug-in doesn't have.
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
        if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0 and value != default:
            raise StudyError(f"{kind} {name!r}, option {key!r}: found {value!r}, expected a number over 0")
        most = plugin.limits.get(key)
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
    """Every option that a plug-in takes: those of the spec, and defaults that a spec leaves out."""
    return {**find(kind, spec.name).options, **spec.options}


def encoder_seed(pretext: Spec) -> int | None:
    """The seed of all encoders of a pretext whose weights come from outside; None where every run's seed counts."""
    whole = find("pretext", pretext.name).loaded and pretext.options.get("stem") != "random"
    return 0 if whole else None


def images_of(task: Spec) -> Spec:
    """The task whose training images a task has: itself, or another with those of its options that it knows."""
    other = find("task", task.name).images_of
    if not other:
        return task
    known = find("task", other).options
    return complete("task", other, {key: value for key, value in task.options.items() if key in known})


def resolve(kind: Kind, name: str) -> Any:
    """Import and return the function behind an entry; OptionError where an extra is to be installed for it."""
    return _imported(kind, name, find(kind, name).target.partition(":")[2])


def preparation(protocol: str) -> Any:
    """Import and return the function by which cells of a protocol are made ready to be trained together."""
    return _imported("protocol", protocol, str(find("protocol", protocol).prepare))


def _imported(kind: Kind, name: str, attribute: str) -> Any:
    plugin = find(kind, name)
    if plugin.missing is not None:
        assert plugin.needs is not None
        raise OptionError(f"{kind} {name!r} needs {plugin.needs[0]}, which isn't installed; {plugin.missing}")
    try:
        return getattr(importlib.import_module(plugin.target.partition(":")[0]), attribute)
    except (ImportError, AttributeError) as error:
        raise LabeleffError(f"{kind} {name!r}: {plugin.target} can't be loaded: {error}") from error
