"""Contrastive multiview coding of lightness and colour (Tian et al. 2020; Newell & Deng 2020, section 4).

One half of a split encoder sees L*, the other a* and b*, and each must find the other's vector of its image. Lightness
is of one augmentation and colour of another, alike in the flip alone: with one for both, as in the reference code,
the place of the padding or of the erased square would give an image away. That code's grayscale makes both views equal
and isn't there; it draws negatives from all images, the own one included, which is left out here.

`negatives = "batch"` compares within the batch. With "memory", as in the paper, there are `k` remembered vectors,
drawn with replacement; the reference code draws them anew for every image, here all of a batch share them, which
takes B times less memory. The reference code has no layers between features and loss (`head = "none"`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labeleff.cell import Budget, OptionValue
from labeleff.device import Compute
from labeleff.encoders import Encoder, linear_head
from labeleff.encoders.split import LabSplit, parameters
from labeleff.errors import PluginError
from labeleff.holdout import hold_out
from labeleff.pipeline import Batch, ResidentImages, ResidentPairs
from labeleff.pretext import Pretrained, Unlabelled
from labeleff.pretext.contrast import info_nce, own_column, whole_blocks
from labeleff.pretext.memory import Memories, Memory
from labeleff.seeding import stream_seed
from labeleff.train import Progress, Slot, train

WIDTH = 128
"""Of the vectors that are compared, where there are layers between them and the features."""


class Views(nn.Module):
    """A split encoder with a linear layer, or nothing, on each half: images to unit vectors of lightness and colour."""

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

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Lightness of the `first` images and colour of the `second`, (B, width) float32 each."""
        light = self.heads["light"](self.encoder.light(self.encoder.views(first)[0]))
        colour = self.heads["colour"](self.encoder.colour(self.encoder.views(second)[1]))
        return F.normalize(light.float(), dim=1), F.normalize(colour.float(), dim=1)


def within(light: Tensor, colour: Tensor, samples: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Loss and number correct of unit vectors (B, width) that find each other within the batch, in both directions."""
    with torch.autocast(light.device.type, enabled=False):
        scores = (light @ colour.T) / temperature
    counts, labels = own_column(samples), torch.arange(len(samples), device=samples.device)
    there, back = info_nce(scores, counts, labels), info_nce(scores.T, counts, labels)
    return there[0] + back[0], (there[1] + back[1]) / 2


def pretrain(
    data: Unlabelled,
    encoder: Encoder,
    seed: int,
    budget: Budget,
    options: Mapping[str, OptionValue],
    compute: Compute,
    progress: Progress,
) -> Pretrained:
    """Train a split `encoder` in place to tell which lightness and which colour are of one image.

    Options: `temperature`; `negatives` ("batch", or "memory" with `k` draws and `momentum`); `head` ("none" or
    "linear"); `holdout`, the share of the images (at least two, never trained on) that gives `heldout_loss` and
    `heldout_accuracy`, of images as they are, within blocks as large as a batch. Raises PluginError for a plain
    encoder.
    """
    if not isinstance(encoder, LabSplit):
        raise PluginError(f"cmc trains a pair of encoders, found {type(encoder).__name__}")
    what = "cmc: {held} of {count} images would be held out"
    share, temperature = float(options["holdout"]), float(options["temperature"])
    kept, held = hold_out(len(data.images), share, stream_seed("holdout", seed), what, least=2)
    images = ResidentImages(data.images[kept], data.normalisation, compute.device, augment=budget.augment, seed=seed)
    held_out = ResidentImages(data.images[held], data.normalisation, compute.device)
    encoder.lab.measure(data.images, data.normalisation)
    views = Views(encoder, str(options["head"]), stream_seed("cmc head", seed))
    memories = None
    if options["negatives"] == "memory":
        light, colour = (
            Memory(images.count, views.width, stream_seed(f"cmc memory of {name}", seed), compute.device)
            for name in ("light", "colour")
        )
        settings = int(options["k"]), float(options["momentum"]), temperature, stream_seed("cmc negatives", seed)
        memories = Memories(light, colour, *settings)

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        light, colour = model(*batch.images.chunk(2))
        if memories is not None:
            return memories.loss(light, colour, batch)
        return within(light, colour, batch.samples, temperature)

    def watch(model: nn.Module) -> dict[str, float]:
        found = []
        with torch.no_grad(), compute.autocast():
            for batch in whole_blocks(held_out, budget.batch, compute.device):
                light, colour = model(*[compute.arrange(batch.images)] * 2)
                loss, correct = within(light, colour, batch.samples, temperature)
                found.append(torch.stack((loss, correct / len(light))))
        loss, accuracy = torch.stack(found).mean(0).tolist()
        return {"heldout_loss": loss, "heldout_accuracy": accuracy}

    slot = Slot(views, ResidentPairs(images), objective, seed, watch)
    [training] = train([slot], budget, budget.steps_for(images.count), compute, progress)
    names = ("loss", "accuracy", "heldout_loss", "heldout_accuracy")
    sizes = {"parameters": float(parameters(encoder)), "plain_parameters": float(encoder.plain)}
    return Pretrained({**{name: training.history[-1][name] for name in names}, **sizes}, training)
