"""ShapeNet models in the scenes of `shapes`.

Camera, places, poses, colours, patterns and lights are the same. PATH is a ShapeNetCore.v2 folder that its user has a
licence for; nothing is downloaded. As in the rendering code of Newell & Deng (CVPR 2020) the models of a class are
divided into twelve equal parts: ten for training, one for validation, one for testing, here in the order of a hash of
their names. The models' own materials aren't used.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks import paper_tasks, shapes
from labeleff.plugins.tasks.scenes import meshes
from labeleff.plugins.tasks.scenes.classes import CLASSES
from labeleff.plugins.tasks.scenes.hits import Tracer
from labeleff.plugins.tasks.sources import obj_meshes
from labeleff.training.examples import Source

FOLDER = "shapenet"
FILE = "models/model_normalized.obj"
SYNSETS = {
    "airplane": "02691156",
    "bench": "02828884",
    "cabinet": "02933112",
    "car": "02958343",
    "chair": "03001627",
    "lamp": "03636649",
    "sofa": "04256520",
    "table": "04379243",
    "watercraft": "04530566",
    "motorcycle": "03790512",
}
"""WordNet offsets, the folders of the classes."""
TWELFTHS = 12
SPLITS = {"train": (0, 10), "validation": (10, 11), "test": (11, 12)}
"""First twelfth of a class's models and the one after the last."""

log = logging.getLogger(__name__)


def _images(
    labels: str,  # noqa: ARG001  all that is known of an image is rendered with it
    options: Mapping[str, OptionValue],
    source: Source,
) -> tuple[Callable[[str], paper_tasks.Columns], str]:
    root, engine = source.place(str(options["path"])), obj_meshes.engine()
    if missing := [f"{SYNSETS[name]} ({name})" for name in CLASSES if not (root / SYNSETS[name]).is_dir()]:
        raise DataError(f"{root}: found no folder {', '.join(missing)}; expected ShapeNetCore.v2: SYNSET/MODEL/{FILE}")
    models_by_class = [_models(root, name) for name in CLASSES]

    def columns(split: str) -> paper_tasks.Columns:
        models = [split_of(paths, split) for paths in models_by_class]
        known = f" {engine} {_digest(models)}"
        return shapes.columns(source.folder / FOLDER, split, options, source, _tracer(models), known)

    return columns, f"rendered from models in {root} by {engine}"


classify, pose, segment, depth = paper_tasks.tasks(FOLDER, _images)


def _models(root: Path, name: str) -> list[Path]:
    """List the models of a class, in the order of a hash of their names; DataError for too few to divide."""
    folder = root / SYNSETS[name]
    expected = f"expected {folder}/MODEL/{FILE} of at least {TWELFTHS} models ({name})"
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: can't be listed: {error.strerror or error}; {expected}") from error
    paths = [path for path in (folder / model / FILE for model in names) if path.is_file()]
    if len(paths) < TWELFTHS:
        raise DataError(f"{folder}: found {len(paths)} models in {len(names)} folders, {expected}")
    if len(paths) < len(names):
        log.warning(
            "%s: %d of %d folders have no %s and are passed over", folder, len(names) - len(paths), len(names), FILE
        )
    return sorted(paths, key=lambda path: hashlib.sha256(path.parts[-3].encode()).digest())


def split_of(paths: Sequence[Path], split: str) -> list[Path]:
    """Select the models of a split: ten, one and one of twelve equal parts."""
    first, last = (len(paths) * twelfth // TWELFTHS for twelfth in SPLITS[split])
    return list(paths[first:last])


def _tracer(models: Sequence[Sequence[Path]]) -> Tracer:
    """Build the tracer that shows the models in turn: shape number i of a class is its model i, modulo their number."""
    return meshes.tracer(lambda label, number: obj_meshes.read(models[label][number % len(models[label])]))


def _digest(models: Sequence[Sequence[Path]]) -> str:
    """Compute SHA-256 over the models' names, sizes and times: other models are rendered again."""
    digest = hashlib.sha256()
    for path in (path for paths in models for path in paths):
        status = path.stat()
        digest.update(f"{path.parts[-4:-2]} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
