"""One encoded picture to bands of colour, with its content kept: bit depth, transparency, palette, turn.

Pictures of 8 bits become RGB. Deeper ones keep their levels as they are, because files of 16 bits often hold 10 or 12:
what is white is known once all pictures of a data set are (see `squares`).
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from labeleff.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
"""Formats that are read, as Pillow names them."""
BACKGROUNDS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}
"""Colours that transparent pictures can be laid over."""

_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_MOST = 65_535
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by the orientation that a camera notes (Exif 2.3, table 6)."""
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow and torchvision raise for damaged files."""


@dataclass(frozen=True)
class Picture:
    """One picture, upright: an RGB image, or bands of float levels (1 or 3 of mode F) that are still to be scaled."""

    bands: tuple[Image.Image, ...]
    mode: str
    """Mode as stored, in Pillow's names: `RGB`, `LA`, `I;16`, ...; `RGB;16` for 16 bits a channel."""
    most: int = 0
    """Largest level of a picture of more than 8 bits, which tells how many bits are used; 0 for others."""
    transparent: bool = False
    """Whether the background shows."""
    turned: bool = False
    """Whether the orientation that its camera noted turned it."""
    digest: bytes = b""
    """BLAKE2 of the encoded picture, by which equal files are known; empty for pictures that were never encoded."""


def is_picture(path: Path) -> bool:
    """Whether a file begins like a picture of a format that is read, whatever its suffix."""
    try:
        with _quiet(), Image.open(path, formats=FORMATS):
            return True
    except Image.DecompressionBombError:
        return True  # reading it says what is wrong
    except BROKEN:
        return False


def decode(data: bytes, where: str, background: str) -> Picture:
    """Decode one picture; transparency is laid over `background`, a name of `BACKGROUNDS`.

    Raises DataError beginning with `where` for what is no picture, is cut short, has several frames, or holds levels
    that can't be mapped to 0..255 without a guess.
    """
    mode = ""
    try:
        with _quiet(), Image.open(io.BytesIO(data), formats=FORMATS) as file:
            mode = file.mode
            _check_frames(file, where)
            file.load()
            return replace(_picture(file, data, where, background), digest=blake2b(data, digest_size=16).digest())
    except BROKEN as error:
        what = f" (mode {mode})" if mode else ""
        said = str(error).replace(" <_io.BytesIO object>", "").partition(" <_io.BytesIO")[0] or type(error).__name__
        raise DataError(f"{where}: not a readable image: {said}{what}; replace or remove it") from error


def _quiet() -> warnings.catch_warnings[None]:
    """A block without Pillow's warnings, of corrupt metadata among others, which say nothing of the picture."""
    return warnings.catch_warnings(action="ignore")


def _check_frames(file: ImageFile.ImageFile, where: str) -> None:
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":  # a JPEG with a second view, whose first is the picture
        raise DataError(f"{where}: found {frames} frames of mode {file.mode}, expected one; save the one that counts")


def _picture(file: ImageFile.ImageFile, data: bytes, where: str, background: str) -> Picture:
    turn = _TURNS.get(file.getexif().get(_ORIENTATION, 1))
    deep = _deep_levels(file, data, where)
    if deep is not None:
        levels, mode, most = deep
        bands: tuple[Image.Image, ...] = tuple(
            Image.fromarray(np.ascontiguousarray(levels[..., band])) for band in range(levels.shape[2])
        )
        transparent = False
    else:
        image, transparent = _laid_over(file, background)
        bands, mode, most = (image,), file.mode, 0
    if turn is not None:
        bands = tuple(band.transpose(turn) for band in bands)
    return Picture(bands, mode, most, transparent, turn is not None)


def _laid_over(image: Image.Image, background: str) -> tuple[Image.Image, bool]:
    """A picture of 8 bits as RGB, and whether the background shows in it."""
    if "transparency" not in image.info and image.mode not in {"RGBA", "LA", "PA", "La", "RGBa"}:
        return image.convert("RGB"), False
    if image.mode == "La":  # Pillow has no shorter way
        image = image.convert("LA")
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB"), False
    canvas = Image.new("RGBA", image.size, BACKGROUNDS[background])
    canvas.alpha_composite(image)
    return canvas.convert("RGB"), True


def _deep_levels(file: ImageFile.ImageFile, data: bytes, where: str) -> tuple[NDArray[np.float32], str, int] | None:
    """Levels (H, W, 1 or 3) of a picture of more than 8 bits, its mode and largest level; None for one of 8 bits."""
    if file.mode == "F":
        return float_levels(np.asarray(file)[..., None], where), "F", 0
    if file.mode in _DEEP_MODES:
        if "transparency" in file.info:
            raise DataError(f"{where}: found mode {file.mode} with a transparent level, expected none; convert it")
        levels = np.asarray(file)[..., None]
        return integer_levels(levels, where), file.mode, int(levels.max())
    if file.format == "PNG" and data[24:25] == b"\x10":  # bits a channel, of which Pillow keeps the upper 8
        return _deep_png(file, data)
    if file.format == "TIFF" and max(getattr(file, "tag_v2", {}).get(258, (8,))) > 8:
        raise DataError(f"{where}: found mode {file.mode} of 16 bits in a TIFF, expected 8 bits; save it as PNG")
    return None


def _deep_png(file: Image.Image, data: bytes) -> tuple[NDArray[np.float32], str, int] | None:
    """Levels of a PNG of several channels of 16 bits; None where it is transparent, and its upper 8 bits are taken."""
    import torch  # torchvision takes a second to import, and such files are rare
    from torchvision.io import ImageReadMode, decode_png

    tensor = decode_png(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.UNCHANGED)
    levels = tensor.numpy().transpose(1, 2, 0)
    if levels.shape[2] in {2, 4}:
        if int(levels[..., -1].min()) < _MOST:
            return None
        levels = levels[..., :-1]
    if "transparency" in file.info:
        return None
    return levels.astype(np.float32), "RGB;16" if levels.shape[2] == 3 else "L;16", int(levels.max())


def float_levels(values: NDArray[np.floating], where: str) -> NDArray[np.float32]:
    """Floats of 0..1 as levels of 0..255; DataError with the range that was found otherwise."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN as well
        raise DataError(f"{where}: found mode F with values from {low:g} to {high:g}, expected 0 to 1; convert it")
    return values.astype(np.float32) * 255


def integer_levels(values: NDArray[np.integer], where: str) -> NDArray[np.float32]:
    """Integers of 0..65,535 as floats; DataError with the range that was found otherwise."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _MOST:
        raise DataError(
            f"{where}: found mode I with levels from {low:,} to {high:,}, expected 0 to {_MOST:,}; convert it"
        )
    return values.astype(np.float32)


def from_array(levels: NDArray[Any], where: str, background: str) -> Picture:
    """A picture from an array (H, W) or (H, W, C), C being 1 (grey), 3 (RGB) or 4 (RGBA).

    uint8, integers of 0..65,535 and floats of 0..1 are read; raises DataError beginning with `where` for others.
    """
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[..., 0]
    channels = levels.shape[2] if levels.ndim == 3 else 1
    if levels.ndim not in {2, 3} or channels not in {1, 3, 4} or min(levels.shape) == 0:
        raise DataError(
            f"{where}: found an array {levels.shape}, expected (H, W), or (H, W, C) with 1, 3 or 4 channels"
        )
    if levels.dtype == np.uint8:
        image, transparent = _laid_over(Image.fromarray(levels), background)
        return Picture((image,), {1: "L", 3: "RGB", 4: "RGBA"}[channels], transparent=transparent)
    if channels == 4 or levels.dtype.kind not in "uif":
        raise DataError(f"{where}: found {levels.dtype} of {channels} channels, expected uint8, or numbers of 1 or 3")
    bands, name = np.atleast_3d(levels), f"{levels.dtype} of {channels} channel{'s' if channels > 1 else ''}"
    if levels.dtype.kind == "f":
        values, most = float_levels(bands, where), 0
    else:
        values, most = integer_levels(bands, where), int(bands.max())
    return Picture(tuple(Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(channels)), name, most)
