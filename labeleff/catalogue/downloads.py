"""Data sets that a run downloads: whether they are there, and how much is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Download, Spec


@dataclass(frozen=True)
class Missing:
    """A task whose data aren't in the data folder yet."""

    task: Spec
    download: Download

    @property
    def note(self) -> str:
        """What a plan says of it, as a sentence without its full stop."""
        size = "a number of MB that its host alone knows" if self.download.megabytes is None else self._size
        return f"{self.task.label}: not there yet, would be downloaded ({size}); its sizes are as declared"

    @property
    def _size(self) -> str:
        return f"about {self.download.megabytes:,} MB"


def missing(task: Spec, data: Path) -> Missing | None:
    """What a run would download for a task first; None where its data are in the folder `data`, or none are fetched."""
    download = lookup.find("task", task.name).download
    options = lookup.options("task", task)
    if download is None or options.get("source") == "generated":
        return None
    places = [place.format(repo=str(options.get("repo", "")).replace("/", "--")) for place in download.places]
    return None if any((data / place).exists() for place in places) else Missing(task, download)
