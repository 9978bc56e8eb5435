"""Pictures to square images of one size, uint8 RGB: fitted, cropped or padded, and scaled to 8 bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.pictures.decoding import BACKGROUNDS, Picture

DEPTHS = (8, 10, 12, 14, 16)
"""Bits a level that cameras, scanners and microscopes write into files of 16."""


@dataclass(frozen=True)
class Fitting:
    """Settings by which a picture becomes a square image."""

    size: int
    """Pixels per side."""
    resize: str = "crop"
    """`crop`: the shorter side fits, the middle square is kept; `fit`: squeezed; `pad`: the longer side fits."""
    background: str = "white"
    """Colour behind transparent pictures and of the margins of `pad`."""
    bits: str = "auto"
    """Bits that mean white in pictures of more than 8: a number, or `auto`, the fewest that hold the data set."""

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> Fitting:
        """The settings in a task's options."""
        return cls(int(options["size"]), *(str(options[key]) for key in ("resize", "background", "bits")))

    def square(self, image: Image.Image, colour: Any) -> Image.Image:
        """One image or band with `size` pixels per side; `colour` is that of margins."""
        size, smooth = (self.size, self.size), Image.Resampling.BILINEAR
        if self.resize == "pad":
            return ImageOps.pad(image, size, smooth, color=colour)
        return image.resize(size, smooth) if self.resize == "fit" else ImageOps.fit(image, size, smooth)


class Squares:
    """The images of a data set, all splits together, which are put in one by one and scaled at the end."""

    def __init__(self, count: int, fitting: Fitting) -> None:
        self._fitting = fitting
        self._images = np.empty((count, fitting.size, fitting.size, 3), dtype=np.uint8)
        self._deep: dict[int, NDArray[np.float32]] = {}
        self.modes = [""] * count
        """Mode of every picture, in order."""
        self.digests = [b""] * count
        """Digest of every encoded picture, in order."""
        self._most = self._transparent = self._turned = 0

    def __len__(self) -> int:
        return len(self._images)

    def put(self, index: int, picture: Picture) -> None:
        """Put in the picture of one example."""
        self.modes[index], self.digests[index] = picture.mode, picture.digest
        self._most = max(self._most, picture.most)
        self._transparent += picture.transparent
        self._turned += picture.turned
        colour = BACKGROUNDS[self._fitting.background]
        if len(picture.bands) == 1 and picture.bands[0].mode == "RGB":
            self._images[index] = np.asarray(self._fitting.square(picture.bands[0], colour))
        elif picture.most == 0:  # floats, whose white is known
            self._images[index] = _levels(self._bands(picture, colour[0]))
        else:  # margins come out as marks below 0, until white is known
            self._deep[index] = self._bands(picture, -1)

    def _bands(self, picture: Picture, margin: float) -> NDArray[np.float32]:
        """Levels (size, size, 1 or 3) of a picture of several bands or of floats."""
        return np.stack([np.asarray(self._fitting.square(band, margin)) for band in picture.bands], axis=2)

    @property
    def bits(self) -> int:
        """Bits a level of the pictures of more than 8: those given, or the fewest that hold the largest level."""
        if self._fitting.bits != "auto":
            return int(self._fitting.bits)
        return next((bits for bits in DEPTHS if self._most < 1 << bits), DEPTHS[-1])

    def images(self) -> NDArray[np.uint8]:
        """All images, uint8 (N, size, size, 3), once every picture is put in; DataError for a level over `bits`."""
        if self._most >> self.bits:
            raise DataError(f"found a level of {self._most:,}, expected under {1 << self.bits:,} as bits = {self.bits}")
        white = BACKGROUNDS[self._fitting.background][0]
        for index, levels in self._deep.items():
            self._images[index] = np.where(levels < 0, white, _levels(levels * (255 / ((1 << self.bits) - 1))))
        self._deep.clear()
        return self._images

    @property
    def facts(self) -> dict[str, Any]:
        """What was done to the pictures, for the records: modes with counts, resize, bits, background."""
        facts: dict[str, Any] = {"modes": dict(sorted(Counter(self.modes).items())), "resize": self._fitting.resize}
        if self._most:
            facts["bits"] = self.bits
        if self._transparent:
            facts["transparent"] = self._transparent
        if self._transparent or self._fitting.resize == "pad":
            facts["background"] = self._fitting.background
        if self._turned:
            facts["turned upright"] = self._turned
        return facts


def _levels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
