"""Plug-ins of other packages, by entry point or by the path `module:object`, loaded on demand.

A package declares its plug-ins in its metadata, for example

    [project.entry-points."labeleff.pretexts"]
    quadrant = "quadrant:PLUGIN"

The object is a `Plugin`, or a function, from which `plugin_of` makes one. A path has a colon, and no other name has.
Its module is one that Python can import, or a file beside the study's (see `look_in`).
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from labeleff.catalogue.declaration import Kind, Plugin
from labeleff.catalogue.distributions import build_of
from labeleff.errors import PluginError, UnknownNameError

GROUPS: dict[Kind, str] = {
    "task": "labeleff.tasks",
    "encoder": "labeleff.encoders",
    "pretext": "labeleff.pretexts",
    "protocol": "labeleff.protocols",
}
"""Entry-point group of every kind."""


_RECALLED: dict[tuple[str, str], Plugin] = {}
"""Plug-ins by kind and name as records have them, for packages that aren't installed."""
_FOLDERS: list[Path] = []
"""Folders of studies, the newest last, where modules are looked for that Python has nowhere else."""


@dataclass(frozen=True)
class InstalledPlugin:
    """A name that an installed package registers: the plug-in, or why it can't be used."""

    name: str
    package: str
    """Distribution and version, e.g. `quadrants 0.1`."""
    plugin: Plugin | None
    problem: str = ""


@functools.cache
def _points(kind: Kind) -> tuple[metadata.EntryPoint, ...]:
    """Entry points of a kind, not loaded."""
    return tuple(metadata.entry_points(group=GROUPS[kind]))


def kind_called(name: str | None) -> Kind | None:
    """The kind called `name`; None gives None. Raises UnknownNameError with the list."""
    if name is None:
        return None
    for kind in GROUPS:
        if kind == name:
            return kind
    raise UnknownNameError("kind", name, GROUPS)


def names(kind: Kind) -> list[str]:
    """Names of all entry points of a kind, which aren't loaded."""
    return sorted({point.name for point in _points(kind)})


def _package(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unnamed package"


def check_name(kind: Kind, name: str, built_in: Iterable[str]) -> None:
    """Raise PluginError where a name has two meanings: built in and installed, or installed twice."""
    packages = sorted(_package(point) for point in _points(kind) if point.name == name)
    if packages and name in built_in:
        raise PluginError(f"{kind} {name!r} is built in, but {packages[0]} gives one of that name; rename that one")
    if len(packages) > 1:
        raise PluginError(f"{kind} {name!r} comes from {' and '.join(packages)}; uninstall all but one")


@functools.cache
def find(kind: Kind, name: str) -> Plugin | None:
    """The plug-in that a package registers under this name, or the one at this path; None where there is none.

    Raises PluginError naming the package where it can't be loaded or isn't a plug-in.
    """
    if ":" in name:
        return _load(kind, name, f"{kind} {name!r}", functools.partial(_at, name), name)
    check_name(kind, name, ())
    for point in _points(kind):
        if point.name == name:
            plugin = _load(kind, name, f"{kind} {name!r} of {_package(point)}", point.load, point.value)
            if "/" in name and kind in {"pretext", "protocol"}:
                raise PluginError(f"{kind} {name!r} of {_package(point)}: arms are written PRETEXT/PROTOCOL; take '-'")
            return plugin
    return None


def recall(plugins: Mapping[str, Plugin]) -> None:
    """Remember declarations from records, by `kind name`, in place of plug-ins that can't be loaded.

    They are enough to read results; where code is needed, its absence is still an error.
    """
    for what, plugin in plugins.items():
        kind, _, name = what.partition(" ")
        _RECALLED[kind, name] = plugin


def find_or_recall(kind: Kind, name: str) -> Plugin | None:
    """The plug-in that `find` gives, else the one in records; raises PluginError where neither can be used."""
    recalled = _RECALLED.get((kind, name))
    try:
        return find(kind, name) or recalled
    except PluginError:
        if recalled is None:
            raise
        return recalled


def look_in(folder: Path) -> None:
    """Look in a study's folder for modules of plug-ins that Python has nowhere else, from now on.

    Only the first of them puts the folder on Python's path, and at its end, so that nothing there hides what is
    installed; processes that start later have that path too.
    """
    folder = folder.resolve()
    if folder not in _FOLDERS[-1:]:
        _FOLDERS[:] = [*(one for one in _FOLDERS if one != folder), folder]
        find.cache_clear()


def _at(path: str) -> object:
    """The object at `module:object`; raises PluginError where a study's folder has another module of that name."""
    module, _, attribute = path.partition(":")
    top = module.partition(".")[0]
    for folder, file in ((one, _file_of(one, top)) for one in _FOLDERS[-1:]):
        if file is None:
            continue
        if importlib.util.find_spec(top) is None:
            sys.path.append(str(folder))
            importlib.invalidate_caches()
        spec = importlib.util.find_spec(top)
        taken = Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None
        if taken is None or (taken.resolve() != file.resolve() and taken.read_bytes() != file.read_bytes()):
            other = taken or "built into Python"
            raise PluginError(f"{file}: Python takes another module of the name {top!r}, {other}; rename the file")
    return getattr(importlib.import_module(module), attribute)


def _file_of(folder: Path, module: str) -> Path | None:
    """The file of a module or package in a folder; None where it has none."""
    files = folder / f"{module}.py", folder / module / "__init__.py"
    return next((file for file in files if file.is_file()), None)


def _searched(path: str, error: Exception) -> str:
    """Say where a module of a study was looked for, where it wasn't found."""
    module = path.partition(":")[0]
    if not isinstance(error, ModuleNotFoundError) or not error.name or not f"{module}.".startswith(f"{error.name}."):
        return ""
    beside = f"{_FOLDERS[-1]}, where the study is, and in " if _FOLDERS else ""
    file = f"{module.partition('.')[0]}.py"
    return f"; looked for {file} in {beside}Python's path; put it there, or its folder in PYTHONPATH"


def _load(kind: Kind, name: str, what: str, load: Callable[[], object], target: str) -> Plugin:
    try:
        loaded = load()
    except PluginError:
        raise
    except Exception as error:  # anything may go wrong in code of other people
        where = _searched(name, error) if ":" in name else ""
        raise PluginError(f"{what} can't be loaded: {type(error).__name__}: {error}{where}") from error
    if isinstance(loaded, Plugin):
        if ":" not in name and loaded.name != name:
            raise PluginError(f"{what}: the plug-in calls itself {loaded.name!r}; both names must be the same")
        return replace(loaded, name=name)
    if callable(loaded):
        return plugin_of(kind, name, loaded, target)
    raise PluginError(f"{what}: found {loaded!r}, expected a labeleff.api.Plugin or a function")


def plugin_of(kind: Kind, name: str, function: Callable[..., object], target: str) -> Plugin:
    """Make a plug-in from a function: no options, its docstring's first line as clause, for images.

    A protocol with two parameters is frozen, one with more is trained; an encoder with two (options, text) reads
    stories. All other fields have their defaults.
    """
    two = len(inspect.signature(function).parameters) == 2
    return Plugin(
        name,
        (inspect.getdoc(function) or "no docstring").splitlines()[0],
        target,
        trained=not (kind == "protocol" and two),
        examples="stories" if kind == "encoder" and two else "images",
    )


def installed_plugins(kind: Kind, built_in: Iterable[str]) -> list[InstalledPlugin]:
    """Load everything that packages register; what is broken or has a built-in's name comes with its problem."""
    names, plugins = set(built_in), []
    for point in sorted(_points(kind), key=lambda one: (one.name, _package(one))):
        try:
            check_name(kind, point.name, names)
            plugins.append(InstalledPlugin(point.name, _package(point), find(kind, point.name)))
        except PluginError as error:
            plugins.append(InstalledPlugin(point.name, _package(point), None, str(error)))
    return plugins


@functools.cache
def origin(kind: Kind, name: str, target: str) -> str:
    """Distribution, version and SHA-256 (12 digits) of the file that a plug-in's function is in.

    It is that of all its own files where it imports some (see `_own_files`). The digest matters because a package under
    development keeps its version while its numbers change.
    """
    module = target.partition(":")[0]
    spec = importlib.util.find_spec(module)
    file = Path(spec.origin) if spec is not None and spec.origin else None
    files = _own_files(module, file) if file is not None and file.is_file() else []
    digests = [hashlib.sha256(one.read_bytes()).hexdigest() for one in files]
    code = hashlib.sha256("".join(digests).encode()).hexdigest() if len(files) > 1 else "".join(digests) or "unknown"
    more = len(files) - 1
    others = f" with {more} imported file{'s' if more > 1 else ''}" if more > 0 else ""
    return f"{_distribution(kind, name, module)}, {module.rpartition('.')[2]}.py{others} {code[:12]}"


def _own_files(module: str, file: Path) -> list[Path]:
    """The file of a module, then those of its package, or beside it, that it imports, and that those import.

    Beside modules that were installed lie those of other packages, which don't count; nor do empty files.
    """
    top = module.partition(".")[0]
    root = file.parents[module.count(".") + (file.name == "__init__.py")]
    installed = any(root.glob("*.dist-info"))
    files, waiting = {module: file}, [module]
    while waiting:
        importer = waiting.pop()
        for name in _imported(importer, files[importer]):
            first = name.partition(".")[0]
            if name in files or first == "labeleff" or (installed and first != top):
                continue
            place = root.joinpath(*name.split("."))
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path.is_file() and path.stat().st_size:
                    files[name] = path
                    waiting.append(name)
    return [file, *(files[name] for name in sorted(files) if name != module)]


def _imported(module: str, file: Path) -> Iterator[str]:
    """Names of modules that a file's import statements may mean, with the packages that they are in."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names = [package]
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # compiled, or never imported
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            kept = package.split(".")[: 1 - node.level or None] if node.level else []
            source = ".".join([*kept, *([node.module] if node.module else [])])
            names += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1) if name)


def _distribution(kind: Kind, name: str, module: str) -> str:
    for point in _points(kind):
        if point.name == name:
            return _package(point)
    for package in metadata.packages_distributions().get(module.partition(".")[0], ()):
        return f"{package} {metadata.version(package)}"
    return "no package"


def build(kind: Kind, name: str, target: str) -> str:
    """The package that a plug-in is of, with its version and the commit or hash of its build; or `no package`."""
    for point in _points(kind):
        if point.name == name and point.dist is not None:
            return str(build_of(point.dist))
    module = target.partition(":")[0].partition(".")[0]
    for package in metadata.packages_distributions().get(module, ()):
        return str(build_of(metadata.distribution(package)))
    return "no package"
