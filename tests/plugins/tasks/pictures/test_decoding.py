"""Pictures of every mode: content kept, or one error that names file and mode."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.decoding import decode
from labeleff.plugins.tasks.pictures.squares import Fitting, Squares


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(data, background="white", **settings):
    """The one image (8, 8, 3) that a data set of this picture has, with the picture."""
    picture = decode(data, "here/x.png", background)
    squares = Squares(1, Fitting(8, background=background, **settings))
    squares.put(0, picture)
    return squares.images()[0].astype(int), picture


def ramp(most, dtype=np.uint16):
    return np.linspace(0, most, 64).round().astype(dtype).reshape(8, 8)


def png16(levels):
    """A PNG of 16 bits a channel, (H, W, 2..4), which Pillow can't write."""
    height, width, channels = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_levels_of_more_than_eight_bits_are_scaled_by_their_depth(bits, kind):
    levels = ramp((1 << bits) - 1)
    image, picture = read(encoded(Image.fromarray(levels), kind))
    assert picture.mode in {"I;16", "I"}
    np.testing.assert_allclose(image, np.repeat((levels * 255.0 / ((1 << bits) - 1))[..., None], 3, axis=2), atol=0.51)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_sixteen_bits_keep_twelve(channels):
    levels = np.stack([ramp(4095)] * channels, axis=2)
    if channels in {2, 4}:
        levels[..., -1] = 65_535
    image, picture = read(png16(levels))
    assert picture.most == 4095
    np.testing.assert_allclose(image[..., 0], levels[..., 0] * (255 / 4095), atol=0.51)
    assert image.shape == (8, 8, 3)


def test_given_bits_hold_and_levels_over_them_are_refused():
    image, _ = read(encoded(Image.fromarray(ramp(4095))), bits="16")
    assert image.max() == 16
    with pytest.raises(DataError, match=r"found a level of 4,095, expected under 1,024 as bits = 10"):
        read(encoded(Image.fromarray(ramp(4095))), bits="10")


def test_floats_of_zero_to_one_are_scaled_and_others_are_refused():
    values = ramp(64, np.float32) / 64
    image, picture = read(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_allclose(image[..., 1], values * 255, atol=0.51)
    assert picture.mode == "F"
    with pytest.raises(DataError, match=r"here/x.png: found mode F with values from 0 to 6400, expected 0 to 1"):
        read(encoded(Image.fromarray(values * 6400), "TIFF"))
    with pytest.raises(DataError, match=r"x.png: found mode F with values from nan to nan"):
        read(encoded(Image.fromarray(values * np.nan), "TIFF"))


@pytest.mark.parametrize("level", [-1, 70_000])
def test_whole_numbers_over_sixteen_bits_are_refused(level):
    with pytest.raises(DataError, match=r"here/x.png: found mode I with levels from .* expected 0 to 65,535"):
        read(encoded(Image.fromarray(np.full((8, 8), level, np.int32)), "TIFF"))


@pytest.mark.parametrize(("background", "expected"), [("white", 255), ("grey", 128), ("black", 0)])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparency_is_laid_over_the_background(mode, background, expected):
    if mode == "P":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([0, 0, 0, 200, 10, 10])
        data = encoded(image, transparency=1)
    else:
        data = encoded(Image.new(mode, (8, 8), (0,) * len(mode)))
    image, picture = read(data, background)
    assert (image == expected).all()
    assert picture.transparent


def test_an_opaque_channel_changes_nothing():
    image, picture = read(encoded(Image.new("RGBA", (8, 8), (5, 6, 7, 255))))
    assert (image == [5, 6, 7]).all()
    assert not picture.transparent


def test_ink_becomes_light():
    image, picture = read(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100))
    assert picture.mode == "CMYK"
    assert abs(image - [0, 255, 255]).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize(("orientation", "bright"), [(1, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0))])
def test_pictures_are_turned_upright_once(kind, orientation, bright):
    levels = np.zeros((16, 16, 3), np.uint8)
    levels[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, _ = read(encoded(Image.fromarray(levels), kind, exif=exif))
    quarters = image.reshape(2, 4, 2, 4, 3).mean(axis=(1, 3, 4))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == bright


def test_several_frames_are_refused():
    first, second = (Image.new("L", (8, 8), level) for level in (0, 255))
    with pytest.raises(DataError, match=r"here/x.png: found 2 frames of mode P|L, expected one"):
        read(encoded(first, "GIF", save_all=True, append_images=[second]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM"])
def test_a_picture_that_is_cut_short_is_named(kind):
    rng = np.random.default_rng(0)
    data = encoded(Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)), kind)
    for end in (0, 7, len(data) // 2):
        with pytest.raises(DataError, match=r"here/x.png: not a readable image: .*; replace or remove it"):
            decode(data[:end], "here/x.png", "white")
