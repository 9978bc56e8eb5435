"""The plug-in that a name means, checked, with its findings printed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from labeleff.catalogue import entry_points, lookup
from labeleff.catalogue.declaration import Kind, OptionValue, Plugin
from labeleff.commands.check import encoders, pretexts, protocols, tasks
from labeleff.commands.check.contract import Check, Subject, findings
from labeleff.errors import OptionError, PluginError, UnknownNameError
from labeleff.training.examples import Source

KINDS: tuple[Kind, ...] = ("task", "encoder", "pretext", "protocol")
USUAL: dict[str, Kind] = {"load": "task", "build": "encoder", "pretrain": "pretext", "fit": "protocol"}
"""Kind of plug-in by the usual name of its function."""


def identify(name: str, kind: Kind | None) -> tuple[Kind, str]:
    """Find kind and catalogue name of a plug-in by its name, a `module:object`, or a module or file with one plug-in.

    A file `rotation.py` means what is in it, also where a plug-in is called rotation. Raises OptionError where it
    isn't clear, UnknownNameError where there is nothing of that name.
    """
    file, name = name.endswith(".py"), _importable(name)
    if ":" in name:
        return kind or _kind_of(name), name
    kinds = [] if file else [one for one in KINDS if name in _names(one) and kind in {None, one}]
    if len(kinds) == 1:
        lookup.origin(kinds[0], name)
        return kinds[0], name
    if kinds:
        raise OptionError(f"{name!r} is {' and '.join(kinds)}; say which with --kind")
    module = _module(name)
    if module is None:
        names = [one for each in KINDS if kind in {None, each} for one in _names(each)]
        raise UnknownNameError(kind or "plug-in", name, names)
    path = f"{name}:{_plugin_in(module)}"
    return kind or _kind_of(path), path


def _importable(name: str) -> str:
    """Turn `folder/quadrant.py` into the module `quadrant`, with its folder in Python's path; others stay as they are.

    Raises OptionError where there is no such file, or another module has its name.
    """
    file, colon, attribute = name.partition(":")
    if not file.endswith(".py"):
        return name
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise OptionError(f"{path}: no such file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.find_spec(path.stem)
    if spec is None or spec.origin is None or Path(spec.origin) != path:
        raise OptionError(f"{path}: another module has the name {path.stem!r}; rename the file")
    return f"{path.stem}{colon}{attribute}"


def _names(kind: Kind) -> list[str]:
    return [*(plugin.name for plugin in lookup.plugins(kind)), *entry_points.names(kind)]


def _module(name: str) -> ModuleType | None:
    """Import the module of that name; None where there is none. Raises PluginError where its import fails."""
    try:
        return importlib.import_module(name) if importlib.util.find_spec(name) is not None else None
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name):
            return None
        raise PluginError(f"module {name!r} can't be imported: {type(error).__name__}: {error}") from error


def _plugin_in(module: ModuleType) -> str:
    """Name a module's only plug-in: a `Plugin`, else a function with a usual name."""
    keys = [key for key, value in vars(module).items() if isinstance(value, Plugin)]
    keys = keys or [key for key in USUAL if callable(getattr(module, key, None))]
    if len(keys) != 1:
        listed = f": {', '.join(keys)}" if keys else ""
        raise OptionError(
            f"{module.__name__}: found {len(keys)} plug-ins{listed}, expected one labeleff.api.Plugin or one of "
            f"{', '.join(USUAL)}; name it as {module.__name__}:NAME"
        )
    return keys[0]


def _kind_of(path: str) -> Kind:
    """Tell the kind of a `module:object` by the usual name of its function."""
    plugin = entry_points.find("pretext", path)
    function = plugin.target.rpartition(":")[2] if plugin is not None else ""
    if function not in USUAL:
        raise OptionError(f"{path!r}: {function!r} is none of {', '.join(USUAL)}; say what it is with --kind")
    return USUAL[function]


def subject(name: str, kind: Kind | None, values: Mapping[str, OptionValue], source: Source) -> Subject:
    """Find the plug-in with its options; a task that makes its examples makes few. Raises as `identify` does."""
    kind, name = identify(name, kind)
    plugin = lookup.find(kind, name)
    if plugin.examples == "items" and kind != "task":
        raise OptionError(f"{kind} {name!r} only looks stored features up; there is nothing to check")
    few = {key: value for key, value in tasks.FEW.items() if kind == "task" and key in plugin.options}
    weights = {} if kind != "pretext" or not plugin.loaded else dict.fromkeys(plugin.required, "none")
    options = lookup.options(kind, lookup.complete(kind, name, {**few, **weights, **values}))
    options |= {key: "" for key in weights if key not in values}
    return Subject(kind, plugin, lookup.resolve(kind, name), options, source)


def checks_of(subject: Subject) -> Sequence[Check]:
    """Choose the checks of the subject's kind."""
    if subject.kind == "pretext":
        return pretexts.checks(subject)
    return {"task": tasks.CHECKS, "encoder": encoders.CHECKS, "protocol": protocols.CHECKS}[subject.kind]


def run_checks(name: str, kind: Kind | None, values: Mapping[str, OptionValue], source: Source) -> bool:
    """Print every finding as it comes, then the counts; returns whether no check failed."""
    one = subject(name, kind, values, source)
    where = lookup.origin(one.kind, one.plugin.name) or "built in"
    print(f"{one.kind} {one.plugin.name}: {one.plugin.clause} ({where})")
    failed = warned = count = 0
    checks = checks_of(one)
    for finding in findings(checks, one):
        count += 1
        failed += finding.status == "FAILED"
        warned += finding.status == "warning"
        print(f"  {finding.status:<7} {finding.check}: {finding.text}", flush=True)
    left = f", {len(checks) - count} not tried" if count < len(checks) else ""
    print(f"{count} checks: {failed} failed, {warned} {'warning' if warned == 1 else 'warnings'}{left}")
    return not failed
