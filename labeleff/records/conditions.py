"""Whether numbers were measured under the same conditions, and speeds on the same machine. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labeleff.catalogue.declaration import Spec
from labeleff.records.entries import Conditions, RunEntry

Unlike = tuple[str, str, str]
"""What differs, and its two values."""
MOST = 20
"""Changes of a study that are listed."""


def unlike(old: Conditions, new: Conditions) -> Iterator[Unlike]:
    """Conditions that both have and that differ."""
    yield from _differing({"device": old.device, "torch": old.torch}, {"device": new.device, "torch": new.torch})
    yield from _differing(_named("precision", old.precision), _named("precision", new.precision))
    yield from _differing(_named("data", old.data), _named("data", new.data))
    yield from _differing(_named("plugins", old.plugins), _named("plugins", new.plugins))


def _named(what: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{what} of {key}": value for key, value in values.items()}


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Unlike]:
    for key in [key for key in sorted(old) if key in new]:
        if old[key] != new[key]:
            yield key, old[key], new[key]


def conditions_of(conditions: Conditions, task: Spec, encoder: Spec) -> Conditions:
    """Those conditions that bear on the numbers of one task and encoder."""
    read = (task.label, str(encoder.options.get("vectors", "")))
    return Conditions(
        device=conditions.device,
        precision={encoder.name: precision_of(conditions, encoder.label)},
        torch=conditions.torch,
        data={key: value for key, value in conditions.data.items() if key in read},
        plugins=conditions.plugins,
    )


def precision_of(conditions: Conditions, encoder: str) -> str:
    """What `auto` stood for with an encoder, looked up by its label or bare name."""
    known = conditions.precision
    return known.get(encoder, known.get(encoder.partition("(")[0], "unknown"))


def machine(run: RunEntry) -> dict[str, str]:
    """Facts of the machine that speeds belong to: device, processor, cores, worker processes."""
    facts = {"device": run.conditions.device}
    return facts | {key: str(run.environment.get(key, "unknown")) for key in ("cpu", "cores", "jobs")}


def load(run: RunEntry) -> tuple[float | None, int | None]:
    """Processes that waited for the machine when the run began, a minute's average, and its cores; None if unknown."""
    waiting, cores = (run.environment.get(key) for key in ("load_average", "cores"))
    return waiting if isinstance(waiting, float) else None, cores if isinstance(cores, int) else None


def machine_text(run: RunEntry) -> str:
    """The machine in a few words: `AMD EPYC, 2 cores`, with an accelerator's name before it."""
    facts = machine(run)
    accelerator = "" if facts["device"] == "cpu" else f"{facts['device']}, "
    return f"{accelerator}{facts['cpu']}, {facts['cores']} cores"


def table_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two studies as nested tables, key by key, but for what bears on no number."""
    before, after = (dict(leaves(table)) for table in (old, new))
    keys = [key for key in dict.fromkeys((*after, *before)) if not key.startswith(("title", "gate"))]
    found = [f"{key} {before.get(key)} -> {after.get(key)}" for key in keys if before.get(key) != after.get(key)]
    return found[:MOST] + ([f"and {len(found) - MOST} more"] if len(found) > MOST else [])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Values of nested tables by dotted name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


@dataclass(frozen=True)
class Origin:
    """The newest run entry of a folder, or what another tool's file says."""

    name: str
    """The folder or file."""
    commit: str | None
    """Git commit of the code, in full; None where it is unknown."""
    dirty: bool
    """The code had changes that weren't committed."""
    started: str
    """Date and time as recorded, ISO 8601."""
    machine: str

    @property
    def short(self) -> str:
        """The commit's first seven digits, with `+` where there was more; a dash where it is unknown."""
        return "–" if self.commit is None else f"{self.commit[:7]}{'+' if self.dirty else ''}"

    @property
    def date(self) -> str:
        """Day and minute: `2026-01-02 03:04`."""
        return self.started[:16].replace("T", " ")

    @property
    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "commit": self.commit,
            "dirty": self.dirty,
            "started": self.started,
            "machine": self.machine,
        }


def origin(run: RunEntry, name: str) -> Origin:
    """Of a folder whose newest run entry is `run`."""
    git: Mapping[str, Any] = run.environment.get("git") or {}
    return Origin(name, git.get("commit"), bool(git.get("dirty")), run.started, machine_text(run))
