"""Vision transformers (Dosovitskiy et al. 2021; the tiny and small ones of Touvron et al. 2021) for small images.

The network is timm's `VisionTransformer`. `patch` is the side of a patch; `size` is the side of the images that
positions are learned for, and images of other sizes get positions that timm resamples. The final norm comes before
pooling whatever the `pool`, as in timm's networks with a class token, so that weights have the same names for both.

timm's own configuration of these networks, with its resizing to 224 pixels, is never asked: images are taken as they
come. Its initial weights depend on the number of patches; here positions are drawn last, so that all others don't.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from timm.layers import trunc_normal_
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import StudyError
from labeleff.plugins.encoders.interface import Encoder, Upstream
from labeleff.plugins.encoders.transformer_blocks import lean

HEAD = 64
"""Width of an attention head at `width = 1`."""
POSITIONS_STD = 0.02
"""Standard deviation of initial positions, as timm's."""


class ViT(Encoder):
    """Vision transformer: images (N, 3, H, W), H and W multiples of the patch, to features (N, dim).

    Features are the class token, or the mean of the patches' tokens (`pool`), after the final norm. Every map has a
    place per patch; with `pool = "token"` the last one is the class token alone, 1x1.
    """

    net: Any
    upstream = Upstream("head.", "net.")

    def __init__(self, net: VisionTransformer, pool: str) -> None:
        super().__init__()
        self.dim, self.pool, self.net = int(net.embed_dim), pool, lean(net)
        self.stages = ("patches", *(f"block{number + 1}" for number in range(len(net.blocks))))

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return int(self.net.patch_embed.patch_size[0])

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, dim)."""
        tokens = self._tokens(images)
        *blocks, last = self.net.blocks
        for block in blocks:
            tokens = block(tokens)
        if self.pool == "token":
            return self.net.norm(last.first(tokens))[:, 0]  # type: ignore[no-any-return]
        return self.net.norm(last(tokens))[:, 1:].mean(1)  # type: ignore[no-any-return]

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the map of the patches with their positions, and of every block, all with dim channels."""
        tokens = self._tokens(images)
        height, width = (side // self.patch for side in images.shape[-2:])

        def grid(tokens: Tensor) -> Tensor:
            return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, height, width)

        maps = {"patches": grid(tokens)}
        for name, block in zip(self.stages[1:], self.net.blocks, strict=True):
            tokens = block(tokens)
            maps[name] = grid(tokens)
        final = self.net.norm(tokens)
        return maps | {self.stages[-1]: final[:, 0, :, None, None] if self.pool == "token" else grid(final)}

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the patches' layer with class token and positions, and the blocks, the last with the final norm."""
        free = nn.ParameterList([self.net.cls_token, self.net.pos_embed])
        blocks: list[list[nn.Module]] = [[block] for block in self.net.blocks]
        blocks[-1].append(self.net.norm)
        return dict(zip(self.stages, [[self.net.patch_embed, free], *blocks], strict=True))

    def check_size(self, images: Tensor) -> None:
        """Raise StudyError for images (N, C, H, W) whose sides are no multiples of the patch."""
        if images.shape[-1] % self.patch or images.shape[-2] % self.patch:
            raise StudyError(
                f"vision transformer with patches of {self.patch} pixels: found images of {tuple(images.shape[-2:])}, "
                f"expected multiples of {self.patch}"
            )

    def _tokens(self, images: Tensor) -> Tensor:
        """Compute the tokens (N, 1 + patches, dim) that the first block gets."""
        self.check_size(images)
        return self.net._pos_embed(self.net.patch_embed(images))  # type: ignore[no-any-return]


def _build(options: Mapping[str, OptionValue], heads: int, factor: float = 1.0, channels: int = 3) -> Encoder:
    size, patch = int(options["size"]), int(options["patch"])
    if size % patch:
        raise StudyError(f"vision transformer: found size = {size}, expected a multiple of patch = {patch}")
    net = VisionTransformer(
        img_size=patch,
        patch_size=patch,
        in_chans=channels,
        num_classes=0,
        embed_dim=heads * max(1, round(HEAD * factor * float(options["width"]))),
        depth=int(options["depth"]),
        num_heads=heads,
        fc_norm=False,
        dynamic_img_size=True,
    )
    net.set_input_size((size, size))
    trunc_normal_(net.pos_embed, std=POSITIONS_STD)
    return ViT(net, str(options["pool"]))


def tiny(options: Mapping[str, OptionValue]) -> Encoder:
    """Build a ViT with 3 heads, 192 features; options `size`, `patch`, `pool`, `depth`, `width` (factor on features).

    Raises StudyError where the size is no multiple of the patch.
    """
    return _build(options, 3)


def small(options: Mapping[str, OptionValue]) -> Encoder:
    """Build a ViT with 6 heads, 384 features, as `tiny` does."""
    return _build(options, 6)


def _narrow(options: Mapping[str, OptionValue], factor: float, channels: int, heads: int) -> Encoder:
    return _build(options, heads, factor, channels)


narrow_tiny = functools.partial(_narrow, heads=3)
narrow_small = functools.partial(_narrow, heads=6)
