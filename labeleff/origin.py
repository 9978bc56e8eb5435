"""Where and when a folder's numbers were measured, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labeleff.likeness import machine_text
from labeleff.record import RunEntry


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
