"""Images as uint8 on the device, and the gather that composes crop, flip and rotation.

A batch is built by looking pixels up: for every output pixel the source position follows from the image, the
crop window, the flip and the turn. Maps of labels are looked up at the same positions, so they follow their image
exactly. Normalisation, jitter and cutout follow on the floats and leave labels alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from labeleff.errors import PluginError
from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment
from labeleff.training.goals.interface import LabelMaps
from labeleff.training.hashed_random import below, hash32, normal
from labeleff.training.streaming import limit, rows

_BLOCK = 4096
USUAL_SIDE = 32
"""Pixels per side of the images that block sizes are meant for."""
_CROP_Y, _CROP_X, _FLIP, _TURN, _CUT_Y, _CUT_X, _JITTER = range(7)


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation, each (3,), in units of uint8 levels."""

    mean: Tensor
    std: Tensor

    @staticmethod
    def of(images: Tensor) -> Normalisation:
        """Measure the statistics of uint8 images (N, H, W, 3), in blocks to save memory; labels play no part."""
        total = torch.zeros(3, dtype=torch.float64)
        square = torch.zeros(3, dtype=torch.float64)
        for start in range(0, len(images), _BLOCK):
            values = images[start : start + _BLOCK].reshape(-1, 3).to(torch.float64)
            total += values.sum(0)
            square += values.square().sum(0)
        count = images.shape[0] * images.shape[1] * images.shape[2]
        mean = total / count
        std = (square / count - mean.square()).clamp(min=1.0).sqrt()
        return Normalisation(mean.float(), std.float())


@dataclass(frozen=True)
class Batch:
    """Float images (B, 3, H, W) in channels-last order, their positions `samples` (B,), and their `turns`.

    For stories, `images` are the word numbers, int64 (B, sentences + 1, length).
    `turns` (B,) counts quarter turns (counter-clockwise, 0..3), all 0 unless the resident images rotate; `flips` (B,)
    is 1 for a mirrored image, None where nothing can be mirrored. `targets` are the labels (B, grid, grid) that go with
    the augmented images, in the type of their maps; None without maps. `epochs` (B,) are those of the samples,
    for random choices that a loss makes; None where no loss makes any.
    """

    images: Tensor
    samples: Tensor
    turns: Tensor
    flips: Tensor | None = None
    targets: Tensor | None = None
    epochs: Tensor | None = None

    def draws(self, seed: int, count: int, rows: int | None = None) -> Tensor:
        """Draw hashes (B, count), or (rows, count) for the first samples alone, by stream `seed`, epoch and sample."""
        if self.epochs is None:
            raise PluginError("a batch without epochs allows no random choices")
        which = torch.arange(count, device=self.samples.device)
        return hash32(seed, self.epochs[:rows, None], self.samples[:rows, None], which)


def _offsets(side: int, stride: int) -> Tensor:
    """Compute the source offset of every output pixel for the 8 variants turn + 4 * flip: int64 (8, side * side).

    The output is the window, mirrored where flip = 1, then turned counter-clockwise `turn` times.
    """
    window = (torch.arange(side)[:, None] * stride + torch.arange(side)[None, :]).to(torch.int64)
    views = [torch.rot90(w, turn) for w in (window, window.flip(1)) for turn in range(4)]
    return torch.stack([view.reshape(-1) for view in views])


class PixelStore:
    """Square images (N, S, S, 3), and maps of labels where there are `labels`, laid out pixel by pixel with a margin.

    The margin, for crops, has the mean colour and no label. Images that are too large for the device's memory are
    `streamed` from the host's (see `streaming`).
    """

    def __init__(
        self, images: Tensor, mean: Tensor, labels: LabelMaps | None, margin: int, device: torch.device
    ) -> None:
        self.count, self._margin, self._device = int(images.shape[0]), margin, device
        self.width = int(images.shape[1]) + 2 * margin
        """Pixels per side of an image with its margin."""
        arrays, self._edges = [images], [mean.round().to(device, torch.uint8)]
        if labels is not None:
            if labels.maps.shape[:3] != images.shape[:3]:
                raise PluginError(f"maps {tuple(labels.maps.shape)} don't go with images {tuple(images.shape)}")
            arrays.append(labels.maps)
            self._edges.append(torch.tensor(labels.empty, dtype=labels.maps.dtype, device=device))
        size = self.count * self.width**2 * sum(edge.nbytes for edge in self._edges)
        self._streamed = arrays if size > limit(device) else None
        self._pixels, self._labels = self._lay([array[: 0 if self.streamed else None].to(device) for array in arrays])

    @property
    def streamed(self) -> bool:
        """Whether the images are in the host's memory."""
        return self._streamed is not None

    def _lay(self, arrays: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Lay images and maps on the device out with margins: pixels (N * W * W, 3) and labels (N * W * W,)."""
        pixels, *maps = (self._pad(*both) for both in zip(arrays, self._edges, strict=True))
        return pixels.reshape(-1, 3), maps[0].reshape(-1) if maps else None

    def _pad(self, arrays: Tensor, edge: Tensor) -> Tensor:
        """Add a margin of `edge` (...) to arrays (N, S, S, ...) where images are cropped."""
        if not self._margin:
            return arrays
        padded = edge.repeat(len(arrays), self.width, self.width, *[1] * edge.ndim)
        padded[:, self._margin : -self._margin, self._margin : -self._margin] = arrays
        return padded

    def room(self, count: int) -> PixelStore:
        """Create a store of `count` black images of this size, to be filled by `put`."""
        roomy = copy.copy(self)
        roomy.count = count
        roomy._pixels = self._pixels.new_zeros(count * self.width**2, 3)
        if self._labels is not None:
            roomy._labels = self._labels.new_zeros(count * self.width**2)
        return roomy

    def put(self, position: int, other: PixelStore) -> None:
        """Copy the images of `other`, and their maps, over those from `position` on."""
        start, size = position * self.width**2, len(other._pixels)
        self._pixels[start : start + size] = other._pixels
        if self._labels is not None and other._labels is not None:
            self._labels[start : start + size] = other._labels

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return pixels and labels that hold the images at `positions` (B,), and the first row (B,) of each in them."""
        if self._streamed is None:
            return self._pixels, self._labels, positions.to(self._device, non_blocking=True) * self.width**2
        arrays = [rows(array, positions, self._device) for array in self._streamed]
        return *self._lay(arrays), torch.arange(len(positions), device=self._device) * self.width**2


class ResidentImages:
    """A set of square images that are gathered into augmented batches on the device.

    `images`: uint8 (N, S, S, 3), with `labels` a map of labels each. `seed` names the augmentation's stream; with
    `rotate` each sample also gets a drawn quarter turn.
    """

    def __init__(
        self,
        images: Tensor,
        normalisation: Normalisation,
        device: torch.device,
        *,
        labels: LabelMaps | None = None,
        augment: Augment | None = None,
        rotate: bool = False,
        seed: int = 0,
    ) -> None:
        self.augment = augment or Augment()
        self.rotate = rotate
        self.count, self.side = int(images.shape[0]), int(images.shape[1])
        self.seed = stream_seed("augment", seed)
        self.device = device
        """Device on which batches are made."""
        self._mean = normalisation.mean.to(device)
        self._scale = 1 / normalisation.std.to(device)
        self._store = PixelStore(images, normalisation.mean, labels, self.augment.crop, device)
        offsets = _offsets(self.side, self._store.width)
        self._offsets = offsets.to(device)
        if labels is not None:
            used = offsets.view(8, self.side, self.side)[:, labels.centres][:, :, labels.centres]
            self._label_offsets = used.reshape(8, -1).to(device)
            self._grid = labels.grid

    @property
    def streamed(self) -> bool:
        """Whether the images are in the host's memory."""
        return self._store.streamed

    @property
    def drawn_on(self) -> torch.device:
        """Device on which `samples` should be drawn, so that no copy is waited for."""
        return torch.device("cpu") if self.streamed else self.device

    def room(self, count: int) -> ResidentImages:
        """Create room for `count` black images of the same size, statistics and augmentation, for `put`."""
        roomy = copy.copy(self)
        roomy.count, roomy._store = count, self._store.room(count)
        return roomy

    def put(self, position: int, other: ResidentImages) -> None:
        """Copy the images of `other`, and their maps, over those from `position` on."""
        if self.streamed or other.streamed:
            raise PluginError("images that are streamed can't be kept with others")
        if (other.augment, other.rotate, other.side) != (self.augment, self.rotate, self.side):
            raise PluginError("images that are augmented differently can't be kept together")
        self._store.put(position, other._store)

    def levels(self) -> ResidentImages:
        """Return the same images cropped and mirrored alike, as levels 0..255: no statistics, jitter or cutout."""
        raw = copy.copy(self)
        raw.augment = Augment(crop=self.augment.crop, flip=self.augment.flip)
        raw._mean, raw._scale = torch.zeros_like(self._mean), torch.ones_like(self._scale)
        return raw

    def batch(self, samples: Tensor, epochs: Tensor, view: int = 0) -> Batch:
        """Make the batch of augmented images at positions `samples` (B,) in their `epochs` (B,).

        `view` numbers several views, which differ in everything but the flip.
        """
        return self.gather(samples, samples, epochs, self.seed, view)

    def gather(self, positions: Tensor, samples: Tensor, epochs: Tensor, seed: int | Tensor, view: int = 0) -> Batch:
        """Make the batch of images at `positions` (B,), augmented by stream `seed` as its samples `samples` (B,).

        Seeds may be a tensor (B, 1), one per image.
        """
        pixels, labels, starts = self._store.at(positions)
        samples, epochs = (numbers.to(self.device, non_blocking=True) for numbers in (samples, epochs))

        def draw(which: Tensor, view: int) -> Tensor:
            return hash32(seed, epochs[:, None], samples[:, None], which[None, :] + 64 * view)

        draws = draw(torch.arange(_JITTER, device=samples.device), view)
        span = 2 * self.augment.crop + 1
        corner = below(draws[:, _CROP_Y], span) * self._store.width + below(draws[:, _CROP_X], span)
        turns = below(draws[:, _TURN], 4) if self.rotate else torch.zeros_like(samples)
        flips = torch.zeros_like(samples)
        if self.augment.flip:  # one per sample, the same in all of its views
            flips = below(
                draws[:, _FLIP] if view == 0 else draw(torch.full((1,), _FLIP, device=samples.device), 0)[:, 0], 2
            )
        first, variant = (starts + corner)[:, None], turns + 4 * flips
        source, line = first + self._offsets[variant], self.side * self.side
        levels = pixels.index_select(0, source.reshape(-1)).to(torch.float32).view(len(samples), 3 * line)
        values = levels.sub_(self._mean.repeat(line)).mul_(self._scale.repeat(line)).view(len(samples), line, 3)
        if self.augment.jitter:
            noise = draw(torch.arange(_JITTER, _JITTER + 12, device=samples.device), view)
            values = _jitter(values, noise, self.augment.jitter)
        images = values.view(len(samples), self.side, self.side, 3)
        if self.augment.cutout:
            images = images * _outside_cutout(draws, self.side, self.augment.cutout)
        return Batch(images.permute(0, 3, 1, 2), samples, turns, flips, self._targets(labels, first, variant), epochs)

    def _targets(self, labels: Tensor | None, first: Tensor, variant: Tensor) -> Tensor | None:
        if labels is None:
            return None
        source = first + self._label_offsets[variant]
        return labels.index_select(0, source.reshape(-1)).view(len(first), self._grid, self._grid)

    def plain_batches(self, size: int) -> Iterator[Batch]:
        """Yield all images once, in order, as in epoch 0: in blocks of `size`, fewer where images are large."""
        size = max(1, min(size, size * USUAL_SIDE**2 // self.side**2))
        for start in range(0, self.count, size):
            block = torch.arange(start, min(start + size, self.count), device=self.drawn_on)
            yield self.batch(block, torch.zeros_like(block))


def _jitter(values: Tensor, noise: Tensor, strength: float) -> Tensor:
    """Scale values (B, pixels, 3) by 2**N(0, s) and add N(0, s), per image and channel; `noise`: hashes (B, 12)."""
    drawn = strength * normal(noise[:, :6], noise[:, 6:])
    return values * torch.exp2(drawn[:, None, :3]) + drawn[:, None, 3:]


def _outside_cutout(draws: Tensor, side: int, cutout: int) -> Tensor:
    """Build masks (B, S, S, 1): 0 in a square of side `cutout` wholly inside the image, 1 outside."""
    size = min(cutout, side)
    line = torch.arange(side, device=draws.device)[None, :]
    span = side - size + 1
    top, left = below(draws[:, _CUT_Y], span)[:, None], below(draws[:, _CUT_X], span)[:, None]
    rows = (line >= top) & (line < top + size)
    columns = (line >= left) & (line < left + size)
    return (~(rows[:, :, None] & columns[:, None, :])).to(torch.float32)[..., None]


class ResidentPairs:
    """A set of images that gives two views of each, with the same flip and otherwise independent augmentation."""

    def __init__(self, images: ResidentImages) -> None:
        self.count = images.count
        self._images = images

    @property
    def streamed(self) -> bool:
        """Whether the images are in the host's memory."""
        return self._images.streamed

    @property
    def drawn_on(self) -> torch.device:
        """Device on which `samples` should be drawn."""
        return self._images.drawn_on

    def batch(self, samples: Tensor, epochs: Tensor) -> Batch:
        """Make a batch with images (2 B, 3, S, S): all first views, then all second ones."""
        first, second = (self._images.batch(samples, epochs, view) for view in (0, 1))
        return replace(first, images=torch.cat((first.images, second.images)))
