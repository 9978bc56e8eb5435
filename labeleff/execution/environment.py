"""Versions, machine and conditions of a run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from labeleff.catalogue import declaration, lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import ConditionError
from labeleff.execution.job_runner import JobRunner
from labeleff.files import VERSION
from labeleff.records.conditions import unlike
from labeleff.records.entries import Conditions, RunEntry
from labeleff.study.schema import Study
from labeleff.training.device import choose, device_name, torch_release

OPTIONAL = ("lightly", "timm")
"""Packages of extras that numbers can depend on."""


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
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


def _extras() -> dict[str, str]:
    """Versions of the optional packages that are installed."""
    versions = {}
    for name in OPTIONAL:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def environment(device: torch.device, jobs: int) -> dict[str, Any]:
    """Describe versions, device, processor, load and git state for the run entry; `jobs` is the number of processes."""
    import numpy
    import scipy

    versions = {
        "python": platform.python_version(),
        "labeleff": VERSION,
        "torch": torch.__version__,
        "torchvision": metadata.version("torchvision"),  # the module itself takes a second to import
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    } | _extras()
    return {
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(device),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "jobs": jobs,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # not on Windows
        "git": _git_state(),
    }


def conditions(study: Study, runner: JobRunner) -> Conditions:
    """The conditions that this runner would measure the study under."""
    return Conditions(
        device=device_name(runner.device),
        precision={
            e.name: choose(e.name, block.precision, runner.device).precision
            for block in study.blocks
            for e in block.encoders
        },
        torch=torch_release(),
        data={t.label: runner.load(t).fingerprint for block in study.blocks for t in block.tasks}
        | {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in _vector_files(study)}
        | {spec.label: runner.weights(spec).sha256 for spec in _loaded_pretexts(study)},
        plugins=plugin_origins(study),
    )


def plugins_used(study: Study) -> dict[str, tuple[declaration.Kind, str]]:
    """The study's plug-ins from other packages: (kind, name) by both as words, such as `pretext quadrant`."""
    used: dict[tuple[declaration.Kind, str], None] = {}
    for block in study.blocks:
        used |= {("task", spec.name): None for spec in block.tasks}
        used |= {("encoder", spec.name): None for spec in block.encoders}
        for arm in block.arms:
            used |= {("pretext", arm.pretext.name): None, ("protocol", arm.protocol.name): None}
    return {f"{kind} {name}": (kind, name) for kind, name in used if lookup.origin(kind, name) is not None}


def plugin_origins(study: Study) -> dict[str, str]:
    """Packages and versions that the study's plug-ins from other packages come from, by the same words."""
    origins = {what: lookup.origin(*which) for what, which in plugins_used(study).items()}
    return {what: origin for what, origin in origins.items() if origin is not None}


def _vector_files(study: Study) -> set[str]:
    """Files of word vectors that encoders of the study start from."""
    return {str(e.options["vectors"]) for block in study.blocks for e in block.encoders if e.options.get("vectors")}


def _loaded_pretexts(study: Study) -> list[Spec]:
    """Pretexts of the study whose weights come from outside."""
    return [arm.pretext for block in study.blocks for arm in block.arms if arm.pretext_plugin.loaded]


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
