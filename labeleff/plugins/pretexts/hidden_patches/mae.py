"""Masked autoencoder (He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", arXiv 2111.06377).

Most patches of an image are hidden, the encoder computes the others alone, and a small decoder, which gets a shared
token in place of every hidden one, makes the hidden patches' pixels again (section 3). The decoder, with fixed
positions, and what masks, gathers and normalises are lightly's; which patches are hidden is drawn by hashes. The
encoder keeps its own initial weights and learned positions, where the paper's code has fixed ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from lightly.models.modules import MaskedVisionTransformerDecoderTIMM, MaskedVisionTransformerTIMM
from lightly.models.utils import get_at_index, normalize_mean_var, patchify, repeat_token, set_at_index
from torch import Tensor, nn

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder, initial_weights
from labeleff.plugins.encoders.transformer_blocks import lean
from labeleff.plugins.encoders.vision_transformer import ViT
from labeleff.plugins.pretexts.hidden_patches.masked_training import of_patches, train
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, pretext
from labeleff.training.images import Batch


def split_patches(patches: int, ratio: float) -> tuple[int, int]:
    """Split a number of patches into visible and hidden ones; raises PluginError where one kind would be missing."""
    hidden = round(ratio * patches)
    if not 0 < hidden < patches:
        raise PluginError(
            f"mae: at ratio = {ratio:g}, {patches} patches an image leave {patches - hidden} visible and {hidden} "
            "hidden, expected at least one of each"
        )
    return patches - hidden, hidden


class MaskedAutoencoder(nn.Module):
    """A vision transformer and a decoder of `width`, `depth` and `heads` for images of `side` pixels."""

    def __init__(self, encoder: ViT, side: int, width: int, depth: int, heads: int, seed: int) -> None:
        super().__init__()
        self.patches = (side // encoder.patch) ** 2
        unused = nn.Parameter(torch.zeros(1, 1, encoder.dim), requires_grad=False)
        self.visible = MaskedVisionTransformerTIMM(encoder.net, unused, "skip", pos_embed_initialization="skip")
        with initial_weights(seed):
            self.inlet = nn.Linear(encoder.dim, width)
            self.decoder = lean(MaskedVisionTransformerDecoderTIMM(self.patches, width, depth, heads))
            self.outlet = nn.Linear(width, 3 * encoder.patch**2)

    def forward(self, images: Tensor, kept: Tensor, hidden: Tensor) -> Tensor:
        """Predict the pixels (B, H, 3 * patch**2) of hidden patches from images (B, 3, S, S), in float32.

        `kept` (B, K) and `hidden` (B, H) are places of tokens, the class token's 0 among those that are kept.
        """
        seen = self.inlet(self.visible.encode(images, idx_keep=kept))
        tokens = repeat_token(self.decoder.mask_token, (len(images), 1 + self.patches))
        decoded = self.decoder(set_at_index(tokens.to(seen.dtype), kept, seen))
        return self.outlet(get_at_index(decoded, hidden)).float()  # type: ignore[no-any-return]


def error(predicted: Tensor, images: Tensor, hidden: Tensor, patch: int, *, normalise: bool) -> Tensor:
    """Compute the mean squared error (B,) of hidden patches, with `normalise` against normalised pixels (section 3)."""
    pixels = get_at_index(patchify(images, patch).float(), hidden - 1)
    target: Tensor = normalize_mean_var(pixels) if normalise else pixels
    return (predicted - target).square().mean((1, 2))


def check(encoder: Encoder, side: int, options: Mapping[str, OptionValue]) -> tuple[ViT, int]:
    """Check encoder, images of `side` pixels and options; returns the encoder and the number of visible patches."""
    found = of_patches("mae", encoder, side, options)
    return found, split_patches((side // found.patch) ** 2, float(options["ratio"]))[0]


@pretext("mae")
def pretrain(run: PretextRun) -> Pretrained:
    """Train an encoder to know hidden patches of an image from a few visible ones.

    Options: `ratio` of hidden patches; `width`, `depth` and `heads` of the decoder; `normalise`, whether each patch's
    pixels are normalised before they are predicted; `holdout`, the share of the images (at least one, never trained on)
    that gives `heldout_loss`, with the same patches hidden each time, and `spread` and `effective_rank` of their
    features. Raises PluginError where no patch would be visible or hidden.
    """
    side, options = int(run.data.images.shape[1]), run.options
    encoder, visible = check(run.encoder, side, options)
    width, depth, heads = (int(options[name]) for name in ("width", "depth", "heads"))
    model = MaskedAutoencoder(encoder, side, width, depth, heads, run.stream("mae decoder"))
    stream, normalise, patches, patch = run.stream("mae mask"), bool(options["normalise"]), model.patches, encoder.patch

    def errors(model: nn.Module, batch: Batch) -> Tensor:
        order = 1 + batch.draws(stream, patches).argsort(1)
        kept = torch.cat((torch.zeros_like(order[:, :1]), order[:, :visible]), 1)
        hidden = order[:, visible:]
        return error(model(batch.images, kept, hidden), batch.images, hidden, patch, normalise=normalise)

    return train(run, model, encoder, run.hold_out(), errors)
