"""CMC, lightness against colour (Tian et al. 2020; Newell & Deng 2020, section 4).

One half of a split encoder sees L*, the other a* and b*, and each must find the other's vector of its image. Lightness
comes from one augmentation and colour from another, with nothing but the flip in common: with one for both, as in the
reference code, the place of the padding or of the erased square would give an image away. That code's grayscale makes
both views equal and isn't used; it draws negatives from all images including the image itself, which is left out here.

`negatives = "batch"` compares within the batch. With "memory", as in the paper, there are `k` remembered vectors,
drawn with replacement; the reference code draws them again for every image, here all of a batch share them, which
takes B times less memory. The reference code has no layers between features and loss (`head = "none"`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.errors import PluginError
from labeleff.plugins.encoders.interface import linear_head
from labeleff.plugins.encoders.split import LabSplit, parameters
from labeleff.plugins.pretexts.contrastive import METRICS, Memories, Memory, held_out_scores, info_nce, own_column
from labeleff.plugins.pretexts.interface import PretextRun, Pretrained, pretext
from labeleff.seeding import stream_seed
from labeleff.training.images import Batch, ResidentPairs

WIDTH = 128
"""Numbers in each of the vectors that are compared, where there are layers between them and the features."""


class Views(nn.Module):
    """A split encoder with optional linear heads: images to unit vectors of lightness and colour."""

    def __init__(self, encoder: LabSplit, head: str, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        halves = {"light": encoder.light, "colour": encoder.colour}
        self.heads = nn.ModuleDict(
            {
                name: nn.Identity() if head == "none" else linear_head(half.dim, WIDTH, stream_seed(name, seed))
                for name, half in halves.items()
            }
        )
        self.width = encoder.light.dim if head == "none" else WIDTH
        self.memories: Memories | None = None

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Compute vectors of the `first` images' lightness and the `second` images' colour, (B, width) float32 each."""
        light = self.heads["light"](self.encoder.light(self.encoder.views(first)[0]))
        colour = self.heads["colour"](self.encoder.colour(self.encoder.views(second)[1]))
        return F.normalize(light.float(), dim=1), F.normalize(colour.float(), dim=1)


def within(light: Tensor, colour: Tensor, samples: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Compute loss and number correct of unit vectors (B, width) that find each other in the batch, both ways."""
    with torch.autocast(light.device.type, enabled=False):
        scores = (light @ colour.T) / temperature
    counts, labels = own_column(samples), torch.arange(len(samples), device=samples.device)
    forward, backward = info_nce(scores, counts, labels), info_nce(scores.T, counts, labels)
    return forward[0] + backward[0], (forward[1] + backward[1]) / 2


@pretext("cmc")
def pretrain(run: PretextRun) -> Pretrained:
    """Train a split encoder to give lightness and colour of one image vectors that find each other.

    Options: `temperature`; `negatives` ("batch", or "memory" with `k` draws and `momentum`); `head` ("none" or
    "linear"); `holdout`, the share of the images (at least two, never trained on) that gives `heldout_loss` and
    `heldout_accuracy`, of images as they are, within blocks as large as a batch. Raises PluginError for a plain
    encoder.
    """
    encoder, temperature = run.encoder, float(run.options["temperature"])
    if not isinstance(encoder, LabSplit):
        raise PluginError(f"cmc trains a pair of encoders, found {type(encoder).__name__}")
    training_images, held_images = run.hold_out(least=2)
    images, held_out = run.resident(training_images, run.budget.augment), run.resident(held_images)
    encoder.lab.measure(run.data.images, run.data.normalisation)
    views = Views(encoder, str(run.options["head"]), run.stream("cmc head"))
    if run.options["negatives"] == "memory":
        views.memories = _memories(run, images.count, views.width)

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        light, colour = model(*batch.images.chunk(2))
        if views.memories is not None:
            return views.memories.loss(light, colour, batch)
        return within(light, colour, batch.samples, temperature)

    def plain(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        light, colour = model(batch.images, batch.images)
        return within(light, colour, batch.samples, temperature)

    watch = held_out_scores(plain, held_out, run.budget.batch, run.compute)
    trained = run.train(views, ResidentPairs(images), objective, watch, METRICS)
    return trained.with_metrics(parameters=float(parameters(encoder)), plain_parameters=float(encoder.plain))


def _memories(run: PretextRun, count: int, width: int) -> Memories:
    """Create random memories of `count` images' lightness and colour."""
    light, colour = (Memory(count, width, run.stream(f"cmc memory of {name}")) for name in ("light", "colour"))
    k, momentum, temperature = (float(run.options[name]) for name in ("k", "momentum", "temperature"))
    return Memories(light, colour, int(k), momentum, temperature, run.stream("cmc negatives"))
