"""Conditions of a measurement compared: like and unlike, and the machine (no torch)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labeleff.catalogue.declaration import COUNTED, PLACE, Spec, as_toml
from labeleff.records.entries import Conditions, RunEntry

Unlike = tuple[str, str, str]
"""A condition that differs: its name and its two values."""
UNTESTED = ("mps", "xpu")
"""Beginnings of the names of devices that are accepted and untested."""
MOST = 20
"""Most changes of a study that are listed."""
UNCOUNTED = ("title", "gate")
"""Beginnings of the keys of a study that affect no number."""


def unlike(old: Conditions, new: Conditions) -> Iterator[Unlike]:
    """Conditions that both have and that differ."""
    before, after = named(old), named(new)
    for what in before:
        if what in after and before[what] != after[what]:
            yield what, before[what], after[what]


def named(conditions: Conditions) -> dict[str, str]:
    """All conditions by the names that they have in texts."""
    texts = {"device": conditions.device, "torch": conditions.torch}
    for what, values in (
        ("precision", conditions.precision),
        ("data", conditions.data),
        ("plugins", conditions.plugins),
    ):
        texts |= {f"{what} of {key}": values[key] for key in sorted(values)}
    return texts | {package: conditions.libraries[package] for package in sorted(conditions.libraries)}


def conditions_of(conditions: Conditions, task: Spec, encoder: Spec) -> Conditions:
    """The conditions that can affect the numbers of one task and encoder."""
    read = (task.label, str(encoder.options.get("vectors", "")))
    return Conditions(
        device=conditions.device,
        precision={encoder.name: precision_of(conditions, encoder.label)},
        torch=conditions.torch,
        data={key: value for key, value in conditions.data.items() if key in read},
        plugins=conditions.plugins,
        libraries=conditions.libraries,
    )


def precision_of(conditions: Conditions, encoder: str) -> str:
    """The precision that `auto` meant for an encoder, looked up by its label or plain name."""
    precisions = conditions.precision
    return precisions.get(encoder, precisions.get(encoder.partition("(")[0], "unknown"))


def machine(run: RunEntry) -> dict[str, str]:
    """Facts of the machine that speeds belong to: device, processor, cores, worker processes."""
    facts = {"device": run.conditions.device}
    return facts | {key: str(run.environment.get(key, "unknown")) for key in ("cpu", "cores", "jobs")}


def load(run: RunEntry) -> tuple[float | None, int | None]:
    """The machine's load average over one minute when the run began, and its cores; None if unknown."""
    waiting, cores = (run.environment.get(key) for key in ("load_average", "cores"))
    return waiting if isinstance(waiting, float) else None, cores if isinstance(cores, int) else None


def machine_text(run: RunEntry) -> str:
    """The machine in a few words: `AMD EPYC, 2 cores`, with an accelerator's name before it."""
    facts = machine(run)
    accelerator = "" if facts["device"] == "cpu" else f"{facts['device']}, "
    return f"{accelerator}{facts['cpu']}, {facts['cores']} cores"


def table_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Differences between two studies as nested tables, key by key, without keys that affect no number.

    A table that one of them lacks is named without its content, and lists are told apart by what isn't in both.
    """
    before, after = (
        {key: value for key, value in _portable(table).items() if not key.startswith(UNCOUNTED)} for table in (old, new)
    )
    changes = list(_changes(before, after, ""))
    return changes[:MOST] + ([f"and {len(changes) - MOST} more"] if len(changes) > MOST else [])


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    for key in dict.fromkeys((*new, *old)):
        name, before, after = f"{path}{key}", old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _changes(before, after, f"{name}.")
        elif None in (before, after) and isinstance(before if after is None else after, Mapping):
            if any(value is not None for _, value in leaves(before or after)):
                yield f"{name} is {'gone' if after is None else 'new'}"
        elif isinstance(before, list) and isinstance(after, list) and before != after:
            yield f"{name} {_exchange(before, after)}"
        elif before != after:
            yield f"{name} {_text(before)} -> {_text(after)}"


def _exchange(before: list[Any], after: list[Any]) -> str:
    """What one list has in place of what the other has; both in full where they differ in order alone."""
    left, come = ([item for item in one if item not in other] for one, other in ((before, after), (after, before)))
    if not left and not come:
        return f"{_text(before)} -> {_text(after)}"
    return " and ".join(f"{what} {_text(items)}" for what, items in (("without", left), ("with", come)) if items)


def _portable(study: Mapping[str, Any]) -> dict[str, Any]:
    """A study without what changes no number, and without places, in place of which contents are compared."""
    table = dict(study)
    if isinstance(tasks := table.get("tasks"), list):
        table["tasks"] = [_without_place(task) for task in tasks]
    if isinstance(noises := table.get("noise"), list):
        table["noise"] = [{key: value for key, value in noise.items() if key != "file"} for noise in noises]
    if isinstance(table.get("draws_from"), str):
        table["draws_from"] = "a folder of lists"
    if isinstance(stories := table.get("stories"), Mapping):
        table["stories"] = {name: _portable(block) for name, block in stories.items()}
    return table


def _without_place(task: object) -> object:
    if not isinstance(task, Mapping) or not isinstance(task.get("options"), Mapping):
        return task
    options = task["options"].items()
    return {**task, "options": {key: value for key, value in options if key != PLACE and (key, value) != COUNTED}}


def _text(value: object) -> str:
    """A value of a study in words: tables and lists as TOML."""
    return as_toml(value) if isinstance(value, list | Mapping) else str(value)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Values of nested tables with their dotted names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


@dataclass(frozen=True)
class Origin:
    """Provenance of a folder, from its newest run entry, or of another tool's file."""

    name: str
    """Name of the folder or file."""
    commit: str | None
    """Git commit of the code, in full; None where it is unknown."""
    dirty: bool
    """Whether the code had uncommitted changes."""
    started: str
    """Date and time as recorded, ISO 8601."""
    machine: str
    package: str | None = None
    """Version and hash of the installed package, where no commit is known."""
    plugins: str = ""
    """Plug-ins of other packages with version and commit or hash, in words; empty where there were none."""

    @property
    def short(self) -> str:
        """The commit's first seven digits, with `+` for uncommitted changes; else the package, or a dash."""
        if self.commit is None:
            return self.package or "–"
        return f"{self.commit[:7]}{'+' if self.dirty else ''}"

    @property
    def date(self) -> str:
        """The start to the minute: `2026-01-02 03:04`."""
        return self.started[:16].replace("T", " ")

    @property
    def facts(self) -> dict[str, Any]:
        """The fields as a dict, for JSON."""
        return {
            "name": self.name,
            "commit": self.commit,
            "dirty": self.dirty,
            "started": self.started,
            "machine": self.machine,
            **({"package": self.package} if self.package else {}),
            **({"plugins": self.plugins} if self.plugins else {}),
        }


def origin(run: RunEntry, name: str) -> Origin:
    """The provenance of a folder whose newest run entry is `run`."""
    git: Mapping[str, Any] = run.environment.get("git") or {}
    package: Mapping[str, Any] = run.environment.get("package") or {}
    commit = git.get("commit") or package.get("commit")
    return Origin(
        name,
        commit,
        bool(git.get("dirty")),
        run.started,
        machine_text(run),
        None if commit is not None or not package else _package_text(package),
        _plugins_text(run),
    )


def _package_text(package: Mapping[str, Any]) -> str:
    digest = package.get("sha256")
    return f"{package.get('version')}{f' sha256 {digest}' if digest else ''}"


def _plugins_text(run: RunEntry) -> str:
    """Plug-ins of other packages: the build of their package where it was recorded, else what the conditions have."""
    builds: Mapping[str, str] = run.environment.get("plugins") or {}
    code = {what: origin.rpartition(", ")[2] for what, origin in run.conditions.plugins.items()}
    return "; ".join(
        f"{what}: {builds[what]}, {code[what]}" if what in builds else f"{what}: {origin}"
        for what, origin in run.conditions.plugins.items()
    )
