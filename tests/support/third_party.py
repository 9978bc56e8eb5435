"""Packages of other people for tests: modules on the search path, with metadata that names their plug-ins."""

import importlib
from pathlib import Path

PRETEXT = '''
from labeleff.api import Plugin
from labeleff.plugins.pretexts import rotation

PLUGIN = Plugin("spun", "rotation by another name", "spinning:pretrain", options={"holdout": 0.1})


def pretrain(*arguments):
    """Tell how an image was turned."""
    return rotation.pretrain(*arguments)


def plain(data, encoder, seed, budget, options, compute, progress):
    """Tell how an image was turned, without options."""
    return rotation.pretrain(data, encoder, seed, budget, {"holdout": 0.1}, compute, progress)
'''


def install(folder: Path, module: str, code: str, points: dict[str, dict[str, str]], version: str = "0.1") -> None:
    """Write `module`.py and the metadata of a distribution of its name; `points` by group, then by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
    lines = []
    for group, named in points.items():
        lines += [f"[labeleff.{group}]", *(f"{name} = {value}" for name, value in named.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    importlib.invalidate_caches()  # a finder that listed the folder within this tick of the clock wouldn't look again
