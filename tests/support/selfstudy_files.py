"""Small files in the format of the reference project's rendering code, with independent colour formulas."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

LAB = ((38.44, 3.03, 4.77), (17.42, 9.41, 11.37))
RGB = ((98.12, 89.92, 84.36), (43.95, 42.66, 44.05))
PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(levels):
    """L, a, b (..., 3) of sRGB levels (..., 3), by CIE's exact fractions and a matrix from the primaries."""
    value = np.asarray(levels, float) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in PRIMARIES]).T
    matrix = columns * np.linalg.solve(columns, WHITE)
    ratio = linear @ matrix.T / WHITE
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def normalised(channels, constants):
    """Channels (N, R, R, 3) as the files have them: float16 (N, 3, R, R)."""
    mean, deviation = np.array(constants)
    return ((channels.astype(np.float32) - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float16)


def images(count, side, seed=0):
    """Levels (N, R, R, 3) uint8: any colour at all."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def single(path, count=24, side=8, colours="lab", viewpoint=0.5, **changes):
    """Write a file of single objects; `changes` replace datasets, None leaves one out. Returns its levels."""
    dice, levels = np.random.default_rng(1), images(count, side)
    angles = np.array([np.pi / 2, 0, -np.pi / 6]) + viewpoint * dice.normal(size=(count, 3))
    datasets = {
        "data": normalised(lab(levels), LAB) if colours == "lab" else normalised(levels, RGB),
        "targets": np.arange(count, dtype=np.int64) % 10,
        "rot_mat": Rotation.from_euler("xyz", angles).as_matrix(),
    }
    write(path, {**datasets, **changes})
    return levels


def scenes(path, count=24, side=32, **changes):
    """Write a file of scenes, each with objects in rectangles, as `single`. Returns levels and targets."""
    dice, levels = np.random.default_rng(2), images(count, side)
    targets = np.zeros((count, 3, side, side), np.uint8)
    targets[:, 2] = 255
    for scene in range(count):
        for thing in range(4):
            row, column = (half * side // 2 + dice.integers(0, side // 4) for half in divmod(thing, 2))
            inside = np.s_[scene, :, row : row + side // 4, column : column + side // 4]
            targets[inside] = np.array([thing + 1, dice.integers(1, 11), dice.integers(60, 200)])[:, None, None]
    rotations = np.tile(np.eye(3), (count, 4, 1, 1))
    write(path, {"data": normalised(lab(levels), LAB), "targets": targets, "rot_mat": rotations, **changes})
    return levels, targets


def write(path, datasets):
    """An HDF5 file of these datasets, without those that are None."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in datasets.items():
            if array is not None:
                file[name] = array
