"""OBJ files: what is read of them, what is refused."""

import sys

import numpy as np
import pytest
from support import triangles

from labeleff.errors import DataError, OptionError
from labeleff.plugins.tasks.sources import obj_meshes

SQUARE = "v 0 0 0\nv 2 0 0\nv 2 4 0\nv 0 4 0\n"


@pytest.fixture
def path(tmp_path):
    pytest.importorskip("trimesh")
    return tmp_path / "models" / "model_normalized.obj"


def read(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return obj_meshes.read(path)


def area(mesh):
    edges = mesh.corners[:, 1:] - mesh.corners[:, :1]
    return np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2


GOOD = {
    "triangles": SQUARE + "f 1 2 3\nf 1 3 4\n",
    "no line break at the end": SQUARE + "f 1 2 3\nf 1 3 4",
    "a polygon": SQUARE + "f 1 2 3 4\n",
    "textures and normals": SQUARE + "vt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\nf 1/1/1 3/1/1 4/1/1\n",
    "normals": SQUARE + "vn 0 0 1\nf 1//1 2//1 3//1\nf 1//1 3//1 4//1\n",
    "materials that aren't there": f"mtllib none.mtl\nusemtl a\n{SQUARE}f 1 2 3\nusemtl b\nf 1 3 4\n",
    "groups, lines, comments": f"# caf\xe9\no thing\n{SQUARE}g one\nf 1 2 3\ng two\nf 1 3 4\nl 1 2\n".encode("latin-1"),
    "windows": (SQUARE + "f 1 2 3\nf 1 3 4\n").replace("\n", "\r\n"),
    "counted from the end": SQUARE + "f -4 -3 -2\nf -4 -2 -1\n",
    "a triangle without area": SQUARE + "f 1 2 3\nf 1 3 4\nf 1 1 3\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_the_box_is_centred_with_a_longest_side_of_one(path, name):
    mesh = read(path, GOOD[name])
    assert mesh.corners.shape == (2, 3, 3)
    np.testing.assert_allclose(mesh.corners.min((0, 1)), [-0.25, -0.5, 0])
    np.testing.assert_allclose(mesh.corners.max((0, 1)), [0.25, 0.5, 0])
    assert area(mesh) == pytest.approx(0.5)


BAD = {
    "empty": ("", "no triangle"),
    "text": ("hello\nworld\n", "no triangle"),
    "a web page": ("<html>404</html>", "no triangle"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "no triangle"),
    "zeros": (bytes(1000), "no triangle"),
    "no faces": (SQUARE, "no triangle"),
    "no vertices": ("f 1 2 3\n", "no triangle|not a readable OBJ file"),
    "a corner that isn't there": (SQUARE + "f 1 2 9\n", "not a readable OBJ file: .*9|not a readable OBJ file: .*8"),
    "a word for a number": (SQUARE.replace("4", "x") + "f 1 2 3\n", "not a readable OBJ file"),
    "a word for a corner": (SQUARE + "f 1 two 3\n", "not a readable OBJ file"),
    "a fraction of a corner": (SQUARE + "f 1.5 2 3\n", "not a readable OBJ file"),
    "a corner number without end": (SQUARE + "f 1 2 99999999999999999999\n", "not a readable OBJ file"),
    "flat vertices": ("v 0 0\nv 1 0\nv 1 1\nf 1 2 3\n", "no triangle"),
    "not a number": (SQUARE.replace("4", "nan") + "f 1 2 3\n", "found a coordinate of nan"),
    "infinite": (SQUARE.replace("4", "-inf") + "f 1 2 3\n", "found a coordinate of -inf"),
    "enormous": (SQUARE.replace("4", "1e300") + "f 1 2 3\n", r"found a coordinate of 1e\+300"),
    "a line": ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "found 1 triangles, expected some with an area"),
    "a point": ("v 1 1 1\n" * 3 + "f 1 2 3\n", "found 1 triangles, expected some with an area"),
    "cut in a face": (SQUARE + "f 1 2 3\nf 1 3", "found 'f 1 3' at its end; is the file cut short"),
    "cut in a vertex": (SQUARE + "f 1 2 3\nv 1", "found 'v 1' at its end; is the file cut short"),
}


@pytest.mark.parametrize("name", BAD)
def test_broken_files_are_named(path, name):
    content, said = BAD[name]
    with pytest.raises(DataError, match=said) as caught:
        read(path, content)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_named(path):
    with pytest.raises(DataError, match="No such file"):
        obj_meshes.read(path)


def test_rays_meet_what_a_slow_tracer_says(path):
    dice = np.random.default_rng(0)
    vertices = dice.normal(size=(60, 3))
    text = "".join(f"v {x} {y} {z}\n" for x, y, z in vertices)
    mesh = read(path, text + "".join(f"f {i} {i + 1} {i + 2}\n" for i in range(1, 60, 3)))
    places, directions = 0.3 * dice.normal(size=(2, 3000, 3))
    found, expected = mesh.first(places, directions), triangles.first(mesh.corners)(places, directions)
    assert (found != expected).sum() <= 2  # on an edge
    assert (expected >= 0).sum() > 300


def test_without_trimesh_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    for call in (obj_meshes.engine, lambda: obj_meshes.read(tmp_path / "x.obj")):
        with pytest.raises(OptionError, match=r"pip install 'labeleff\[shapenet\]'"):
            call()


def test_without_embree_the_slow_tracer_needs_rtree(monkeypatch):
    trimesh = pytest.importorskip("trimesh")
    monkeypatch.setattr(trimesh.ray, "has_embree", False)
    monkeypatch.setitem(sys.modules, "rtree", None)
    with pytest.raises(OptionError, match="without embreex rays need rtree, which isn't installed"):
        obj_meshes.engine()


NOTCHED = "v 0 0 0\nv 2 0 0\nv 2 1 0\nv 0.2 1 0\nv 0.2 2 0\nv 0 2 0\n"


@pytest.mark.parametrize(
    "face", ["f 1 2 3 4 5 6", "f -6 -5 -4 -3 -2 -1", "f 3 4 5 6 1 2", "f 3/1/1 4/1/1 5/1/1 6/1/1 1/1/1 2/1/1"]
)
def test_concave_faces_have_their_own_area(path, face):
    mesh = read(path, f"{NOTCHED}vt 0 0\nvn 0 0 1\n{face}\n")
    assert area(mesh) == pytest.approx((2 * 1 + 0.2 * 1) / 2**2)


def test_a_concave_quad_and_convex_faces_beside_it(path):
    mesh = read(path, "v 0 0 0\nv 4 2 0\nv 0 4 0\nv 1 2 0\nv 0 0 1\nf 1 2 3 4\nf 1 2 5\n")
    edges = np.cross([4, 2, 0], [0, 0, 1])
    assert area(mesh) == pytest.approx((6 + np.linalg.norm(edges) / 2) / 4**2)
