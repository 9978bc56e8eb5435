"""VAE, variational autoencoder (Kingma & Welling 2014; Newell & Deng 2020, section 4).

Two linear layers on the encoder's features give the mean and the log-variance of a code, and a decoder of transposed
convolutions reconstructs the augmented, normalised image from a code drawn from that distribution. The decoder is the
reference code's, to the parameter where `width = 1`. The loss is defined per image, half the summed squared error plus
beta times the divergence from a standard normal, and averaged over the batch. The reference code adds a mean over all
numbers of the batch to 1e-5 times a sum over it instead, so that its beta grows with the batch and the image; `rule =
"reference"` has that. It works on L*a*b* images, here on RGB unless `space = "lab"`, where the target (not what the
encoder sees) is L*a*b*.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import Encoder, initial_weights
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, pretext
from labeleff.training.cielab import Lab
from labeleff.training.hashed_random import normal
from labeleff.training.images import Batch

CHANNELS = (256, 256, 256, 128, 64)
"""Channels of the decoder at 4, 8, 16, 32 and 64 pixels per side."""
REFERENCE = 1e-5
"""Weight of the summed divergence in the reference code."""
BLOCK = 500
"""Held-out images evaluated at once."""


class Autoencoder(nn.Module):
    """An encoder, layers from its features to a code, and a decoder to images of `side` pixels."""

    def __init__(self, encoder: Encoder, side: int, width: float, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        with initial_weights(seed):
            self.mean = nn.Linear(encoder.dim, encoder.dim)
            self.log_variance = nn.Linear(encoder.dim, encoder.dim)
            self.decoder = decoder(encoder.dim, side, width)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute decoded images (B, 3, side, side), and means and log-variances (B, dim) of the codes, all float32.

        `noise` (B, dim), standard normal, draws the codes from their distributions.
        """
        features = self.encoder(images)
        mean, log_variance = self.mean(features).float(), self.log_variance(features).float()
        code = mean + torch.exp(0.5 * log_variance) * noise
        return self.decoder(code[:, :, None, None]).float(), mean, log_variance


def decoded_side(side: int) -> int:
    """Choose the largest of 8, 16, 32 and 64 pixels that is at most `side`; raises PluginError below 8."""
    if side < 8:
        raise PluginError(f"vae: found images of {side} pixels a side, expected at least 8")
    return max(size for size in (8, 16, 32, 64) if size <= side)


def decoder(dim: int, side: int, width: float) -> nn.Sequential:
    """Build a decoder of codes (B, dim, 1, 1) to images (B, 3, side, side); `width` scales the channels."""
    layers: list[nn.Module] = []
    inside = dim
    for number, full in enumerate(CHANNELS[: (side // 4).bit_length()]):
        outside = max(4, round(width * full))
        layers += [nn.ConvTranspose2d(inside, outside, 4, 2 if number else 1, 1 if number else 0)]
        layers += [nn.BatchNorm2d(outside), nn.ReLU()]
        inside = outside
    return nn.Sequential(*layers, nn.Conv2d(inside, 3, 1))


def parts(decoded: Tensor, target: Tensor, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Compute half the squared error and the divergence from a standard normal, (B,) each, summed per image."""
    error = 0.5 * (decoded - target).square().sum((1, 2, 3))
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    return error, divergence


def weights(rule: str, beta: float, batch: int, numbers: int) -> tuple[float, float]:
    """Compute the factors of the batch means of `parts`; `numbers` per image, i.e. 3 * side * side."""
    if rule == "image":
        return 1.0, beta
    return 2.0 / numbers, REFERENCE * beta * batch


@pretext("vae")
def pretrain(run: PretextRun) -> Pretrained:
    """Train an encoder to give features from which its images can be reconstructed.

    Options: `beta` weighs the divergence under the `rule` ("image" or "reference"); `space` ("rgb" or "lab") of the
    target; `width` of the decoder; `holdout`, the share of the images (at least one, never trained on) that gives
    `heldout_loss` and its parts `heldout_error` and `heldout_divergence`, all with one drawn code per image.
    """
    trained, evaluated = run.hold_out()
    images, held_out = run.resident(trained, run.budget.augment), run.resident(evaluated)
    side, dim, compute = decoded_side(images.side), run.encoder.dim, run.compute
    model = Autoencoder(run.encoder, side, float(run.options["width"]), run.stream("vae head"))
    colours = _colours(run)
    stream = run.stream("vae code")
    scales = weights(str(run.options["rule"]), float(run.options["beta"]), run.budget.batch, 3 * side**2)

    def both(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        noise = normal(*batch.draws(stream, 2 * dim).chunk(2, 1))
        target = F.interpolate(colours(batch.images), (side, side), mode="nearest")
        decoded, mean, log_variance = model(batch.images, noise)
        return parts(decoded, target, mean, log_variance)

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        error, divergence = both(model, batch)
        loss = scales[0] * error.mean() + scales[1] * divergence.mean()
        return loss, loss.new_zeros(())

    def watch(model: nn.Module) -> dict[str, float]:
        sums = torch.zeros(2, device=compute.device)
        with torch.no_grad(), compute.autocast():
            for batch in held_out.plain_batches(BLOCK):
                seen = replace(batch, images=compute.arrange(batch.images))
                sums += torch.stack([part.sum() for part in both(model, seen)])
        error, divergence = (sums / held_out.count).tolist()
        loss = scales[0] * error + scales[1] * divergence
        return {"heldout_loss": loss, "heldout_error": error, "heldout_divergence": divergence}

    names = ("loss", "heldout_loss", "heldout_error", "heldout_divergence")
    return run.train(model, images, objective, watch, names).with_metrics(beta=scales[1] / scales[0])


def _colours(run: PretextRun) -> nn.Module:
    """Create the layer from normalised RGB images to the decoder's targets."""
    if run.options["space"] != "lab":
        return nn.Identity()
    lab = Lab().to(run.compute.device)
    lab.measure(run.data.images, run.data.normalisation)
    return lab
