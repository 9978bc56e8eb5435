"""OBJ files as meshes, read by trimesh; rays by embree where it is installed."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError, optional
from labeleff.plugins.tasks.scenes.meshes import Floats, Mesh
from labeleff.plugins.tasks.scenes.polygons import concave_triangles

SMALLEST, LARGEST = 1e-6, 1e6
"""Least longest side of a model, and bound of its coordinates."""
_MANY_CORNERS = re.compile(r"^\s*f(?:\s+\S+){4}", re.MULTILINE)
FLAT = 1e-12
"""Area up to which a triangle is left out, for an object with a longest side of 1."""


def engine() -> str:
    """Name the engine that finds the triangles that rays meet; OptionError where none is installed."""
    trimesh = _trimesh("rendered models need")
    if trimesh.ray.has_embree:
        return "embree"
    optional("rtree", "without embreex rays need", "shapenet")
    return "trimesh's own slow tracer, without embree"


def read(path: Path) -> Mesh:
    """Read the mesh of an OBJ file, its box centred with a longest side of 1; materials and textures are not read.

    Raises OptionError without trimesh; DataError where the file isn't a whole OBJ file with triangles or polygons.
    """
    trimesh = _trimesh(f"{path}: OBJ files need")
    corners = _corners(trimesh, path)
    wrong = ~(np.abs(corners) < LARGEST)
    if wrong.any():
        raise DataError(f"{path}: found a coordinate of {corners[wrong][0]}, expected numbers under {LARGEST:g}")
    low, high = corners.min((0, 1)), corners.max((0, 1))
    corners = (corners - (low + high) / 2) / max(float((high - low).max()), SMALLEST)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    if not (area > FLAT).any():
        raise DataError(f"{path}: found {len(area)} triangles, expected some with an area")
    corners = corners[area > FLAT]
    return Mesh(corners, _first(trimesh, corners))


def _corners(trimesh: Any, path: Path) -> Floats:
    """Read the triangles' corners (F, 3, 3)."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "string or file could not be read to its end")
            mesh = trimesh.load_mesh(
                io.StringIO(_without_concave_faces(text)), file_type="obj", process=False, skip_materials=True
            )
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, Warning) as error:
        raise DataError(f"{path}: not a readable OBJ file: {error}; replace or remove it") from error
    last = text.rpartition("\n")[2].split()
    if last and last[0] in {"v", "f"} and len(last) < 4:
        raise DataError(f"{path}: found {' '.join(last)!r} at its end; is the file cut short?")
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    if faces.size == 0 or vertices.shape[1:] != (3,):
        raise DataError(f"{path}: found no triangle, expected an OBJ file with lines 'v x y z' and 'f 1 2 3'")
    return vertices[faces]


def _without_concave_faces(text: str) -> str:
    """Replace concave faces of an OBJ file by triangles, as trimesh fills faces by a fan; others stay as they are."""
    if not _MANY_CORNERS.search(text):
        return text
    vertices: list[list[float]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        kind, *fields = line.split("#")[0].split() or [""]
        if kind == "v":
            vertices.append([float(field) for field in fields[:3]])
        elif kind == "f" and len(fields) > 3:
            lines[number] = _face(line, fields, vertices)
    return "\n".join(lines) + "\n"


def _face(line: str, fields: list[str], vertices: list[list[float]]) -> str:
    """Lines of a face's triangles where it is concave; else its own line."""
    places = [int(field.partition("/")[0]) for field in fields]
    corners = [vertices[place - 1 if place > 0 else place] for place in places]
    triangles = concave_triangles(np.array(corners, np.float64))
    if triangles is None:
        return line
    return "\n".join(f"f {fields[a]} {fields[b]} {fields[c]}" for a, b, c in triangles)


def _first(trimesh: Any, corners: Floats) -> Any:
    """Build a mesh's `first` by embree, or by trimesh's own tracer."""
    mesh = trimesh.Trimesh(corners.reshape(-1, 3), np.arange(3 * len(corners)).reshape(-1, 3), process=False)

    def first(places: Floats, directions: Floats) -> NDArray[np.int64]:
        return np.asarray(mesh.ray.intersects_first(places, directions), np.int64)

    return first


def _trimesh(what: str) -> Any:
    return optional("trimesh", what, "shapenet")
