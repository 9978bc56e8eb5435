"""Training steps of a vision transformer on one CPU thread: labeleff's trainer against loops around timm's module.

The network has six narrow blocks, as two cores can train, and timm's usual pooling, the class token.
The plain loop is float32 with AdamW as it comes; the tuned one has the fused optimiser, and bfloat16 where that is
faster. Both take batches of tensors that lie in memory, so that nothing but steps is compared.
"""

import paired
import pytest
import torch
import torch.nn.functional as F
from made_classes import made, objective
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.study.cell import Budget
from labeleff.training.device import choose
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.loop import train
from labeleff.training.slots import Slot

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="ratios of CPU code")
CPU = torch.device("cpu")
BATCH, STEPS, ROUNDS = 64, 3, 7
IMAGES, LABELS = made(BATCH * STEPS)
STATISTICS = Normalisation.of(IMAGES)
OPTIONS = {"patch": 4, "pool": "token", "depth": 6, "width": 0.5}


def loop(precision, **how):
    """Make a function that runs an epoch around timm's module."""
    shape = {"patch_size": 4, "embed_dim": 96, "depth": 6, "num_heads": 3}
    model = VisionTransformer(img_size=32, num_classes=10, **shape).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05, **how)
    images = (IMAGES.permute(0, 3, 1, 2).float() - STATISTICS.mean[:, None, None]) / STATISTICS.std[:, None, None]

    def epoch():
        for samples in torch.randperm(len(images)).split(BATCH):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = F.cross_entropy(model(images[samples]).float(), LABELS[samples])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def tuned():
    """Make the tuned loop, in the precision that is faster here."""
    loops = [loop(precision, fused=True) for precision in ("fp32", "bf16")]
    for one in loops:
        one()
    return min(loops, key=paired.seconds)


def trainer():
    """Make a function that runs the same epoch by labeleff's trainer, optimiser and all."""
    compute = choose("vit_tiny", "auto", CPU)
    budget = Budget(optimizer="adamw", lr=1e-4, weight_decay=0.05, batch=BATCH, epochs=1)
    encoder = build_encoder(lookup.complete("encoder", "vit_tiny", OPTIONS), 0)
    model = nn.Sequential(encoder, linear_head(encoder.dim, 10, 0))
    resident = ResidentImages(IMAGES, STATISTICS, CPU)
    return lambda: train([Slot(model, resident, objective(LABELS), 0)], budget, STEPS, compute)


@pytest.mark.parametrize(
    ("name", "make", "gate"), [("plain", lambda: loop("fp32"), 0.85), ("tuned", tuned, 1.0)], ids=["plain", "tuned"]
)
def test_training_steps_against_loops_around_timms_module(benchmark, name, make, gate):
    paired.gated(benchmark, name, make(), trainer(), gate, ROUNDS)
