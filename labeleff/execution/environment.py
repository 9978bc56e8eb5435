"""Versions, machine and conditions of a run."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from labeleff.catalogue import declaration, lookup
from labeleff.catalogue.distributions import build_of
from labeleff.catalogue.strategies import ACTIVEML
from labeleff.errors import ConditionError
from labeleff.files import VERSION, cpu_info
from labeleff.records.conditions import unlike
from labeleff.records.entries import Conditions, RunEntry
from labeleff.study.schema import Study

OPTIONAL = ("lightly", "timm")
"""Packages of extras that numbers can depend on."""


def timestamp() -> str:
    """The time now in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Machine(NamedTuple):
    """Device of a run, and the torch that computes on it."""

    kind: str
    """`cpu`, `cuda`, `mps` or `xpu`."""
    name: str
    """What the device calls itself."""
    torch: str
    """Version of torch."""
    cuda: str | None
    """Version of CUDA; None on other devices."""
    kernels: str = "torch"
    """What computes layers on maps: `compiled` or `torch`."""


def _cpu_model() -> str:
    for line in cpu_info().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git_state() -> dict[str, Any]:
    """Commit and dirty flag of the git tree that the package is imported from; None where it is in none."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder.parent / ".git").exists():
        return {"commit": None, "dirty": None}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--", str(folder))),
        }
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _package() -> dict[str, str | None]:
    """Version and, as far as it says, commit or hash of the installed package; its commit where it is no git tree."""
    try:
        build = build_of(metadata.distribution("labeleff"))
    except metadata.PackageNotFoundError:
        return {"version": VERSION, "commit": None, "sha256": None}
    return {"version": build.version, "commit": build.commit, "sha256": build.sha256}


def environment(machine: Machine, jobs: int) -> dict[str, Any]:
    """Describe versions, device, processor, load and git state for the run entry; `jobs` is the number of processes."""
    git = _git_state()
    versions = {
        "python": platform.python_version(),
        "labeleff": VERSION,
        "torch": machine.torch,
        "torchvision": metadata.version("torchvision"),  # modules themselves take up to a second to import
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
    } | lookup.versions(OPTIONAL)
    return {
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": machine.name,
        "cuda": machine.cuda,
        "kernels": machine.kernels,
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "jobs": jobs,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # not on Windows
        "git": git,
        **({} if git["commit"] else {"package": _package()}),
    }


def _used(study: Study) -> Iterable[tuple[declaration.Kind, str]]:
    """Kinds and names of all of the study's plug-ins, each once."""
    used: dict[tuple[declaration.Kind, str], None] = {}
    for block in study.blocks:
        used |= {("task", spec.name): None for spec in block.tasks}
        used |= {("encoder", spec.name): None for spec in block.encoders}
        for arm in block.arms:
            used |= {("pretext", arm.pretext.name): None, ("protocol", arm.protocol.name): None}
    return used


def plugins_used(study: Study) -> dict[str, tuple[declaration.Kind, str]]:
    """The study's plug-ins from other packages: (kind, name) by both as words, such as `pretext quadrant`."""
    return {f"{kind} {name}": (kind, name) for kind, name in _used(study) if lookup.origin(kind, name) is not None}


def plugin_origins(study: Study) -> dict[str, str]:
    """Packages and versions that the study's plug-ins from other packages come from, by the same words."""
    origins = {what: lookup.origin(*which) for what, which in plugins_used(study).items()}
    return {what: origin for what, origin in origins.items() if origin is not None}


def library_releases(study: Study) -> dict[str, str]:
    """Versions of optional packages that the study's encoders, pretexts and selections compute with, by package."""
    packages = {lookup.library(kind, name) for kind, name in _used(study) if kind in {"encoder", "pretext"}}
    selected = {arm.selection for block in study.blocks for arm in block.arms}
    return lookup.releases(packages | {ACTIVEML.rstrip(":") for name in selected if name.startswith(ACTIVEML)})


def check_conditions(runs: Sequence[RunEntry], new: Conditions, folder: Path) -> None:
    """Raise ConditionError, naming the first difference, where a folder was measured under other conditions."""
    for run in runs:
        for what, before, after in unlike(run.conditions, new):
            _refuse(folder, what, before, after)


def _refuse(folder: Path, what: str, old: str, new: str) -> None:
    raise ConditionError(
        f"{folder}: its records were measured with {what} = {old}, this run has {new}; numbers of different "
        "conditions are not mixed. Choose another folder with --out, or the same conditions"
    )
