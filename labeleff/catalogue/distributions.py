"""Installed packages as states of code: version, and the commit or the hash that says which build of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata

DIGITS = 12
"""Number of hash digits that are kept."""


@dataclass(frozen=True)
class Build:
    """What an installed package says of its origin."""

    name: str
    version: str
    commit: str | None = None
    """Commit of the repository that it was installed from (PEP 610, `vcs_info`)."""
    sha256: str | None = None
    """Hash of the archive that it was installed from (PEP 610, `archive_info`), else of its `RECORD` of files."""

    def __str__(self) -> str:
        build = f", commit {self.commit[:DIGITS]}" if self.commit else f", sha256 {self.sha256}" if self.sha256 else ""
        return f"{self.name} {self.version}{build}"


def build_of(distribution: metadata.Distribution) -> Build:
    """Read a package's build; an editable one has neither hash, as its files change without a word."""
    name, version = distribution.metadata["Name"], distribution.version
    origin = _direct_url(distribution)
    if commit := origin.get("vcs_info", {}).get("commit_id"):
        return Build(name, version, commit=str(commit))
    if origin.get("dir_info", {}).get("editable"):
        return Build(name, version)
    archive = origin.get("archive_info", {})
    hashes = archive.get("hashes")
    given = hashes.get("sha256") if isinstance(hashes, dict) else str(archive.get("hash", "")).removeprefix("sha256=")
    if given:
        return Build(name, version, sha256=str(given)[:DIGITS])
    files = distribution.read_text("RECORD")
    return Build(name, version, sha256=hashlib.sha256(files.encode()).hexdigest()[:DIGITS] if files else None)


def _direct_url(distribution: metadata.Distribution) -> dict[str, dict[str, object]]:
    """The content of `direct_url.json`; empty for packages of an index, and for what isn't its form."""
    text = distribution.read_text("direct_url.json")
    try:
        content = json.loads(text) if text else {}
    except ValueError:
        return {}
    known = content if isinstance(content, dict) else {}
    return {key: value for key, value in known.items() if isinstance(value, dict)}
