"""Pictures to squares: fitted, cropped, padded."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from labeleff.plugins.tasks.pictures.decoding import Picture
from labeleff.plugins.tasks.pictures.squares import Fitting, Squares

WIDE = np.zeros((20, 60, 3), np.uint8)
WIDE[:, 20:40] = 200


@pytest.mark.parametrize(
    ("resize", "row"),
    [
        ("crop", [200] * 12),
        ("fit", [0] * 4 + [200] * 4 + [0] * 4),
        ("pad", [0] * 4 + [200] * 4 + [0] * 4),
    ],
)
def test_the_middle_row_of_a_wide_picture(resize, row):
    for bands, most in (((Image.fromarray(WIDE),), 0), ((Image.fromarray(WIDE[..., 0].astype(np.float32)),), 255)):
        squares = Squares(1, Fitting(12, resize, "grey"))
        squares.put(0, Picture(bands, "RGB", most))
        image = squares.images()[0].astype(int)
        assert abs(image[6, :, 0] - row)[[1, 2, 5, 6, 9, 10]].max() <= 1
        assert (image[0] == 128).all() == (resize == "pad")
        assert squares.facts["resize"] == resize
        assert squares.facts.get("background") == ("grey" if resize == "pad" else None)
