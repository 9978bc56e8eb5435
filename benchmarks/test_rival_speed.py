"""Training of convolutional networks on one CPU thread: labeleff's trainer against loops that are tuned, too.

The tuned loop has everything that a page on the subject tells: tensors in memory, crops and flips of whole batches,
channels last, bfloat16 where that is faster, a fused optimiser, one thread. With LABELEFF_COMPILE=1 it is also measured
under torch.compile, compilation left out, which takes minutes. SimCLR is lightly's: its transform, its loss and head,
and torch's loader. All times are processor time.
"""

import os

import paired
import pytest
import torch
import torch.nn.functional as F
from made_classes import made, objective
from torch import nn

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import choose
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.kernels import bf16, maps
from labeleff.training.loop import train
from labeleff.training.slots import Slot

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="ratios of CPU code")
CPU = torch.device("cpu")
BATCH, STEPS, ROUNDS = 64, 4, 9
IMAGES, LABELS = made(BATCH * STEPS)
STATISTICS = Normalisation.of(IMAGES)
NETWORKS = {"resnet9": {"width": 0.1875}, "mobilenet_v2": {}}
GATES = {"resnet9": 0.77, "mobilenet_v2": 0.6, "simclr": 0.33}
"""Of a processor with tiles (AMX)."""
if not bf16.has_tiles():
    GATES |= {"resnet9": 0.92, "simclr": 0.5}


def network(name):
    """The network as its classes have it, with nothing rewritten."""
    encoder = build_encoder(lookup.complete("encoder", name, NETWORKS[name]), 0)
    return nn.Sequential(encoder, linear_head(encoder.dim, 10, 0)).train()


def loop(name, precision, compiled=False):
    """Make the tuned loop, a function that runs an epoch."""
    model = network(name).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    images = (IMAGES.permute(0, 3, 1, 2).float() - STATISTICS.mean[:, None, None]) / STATISTICS.std[:, None, None]
    crops = F.pad(images, (4, 4, 4, 4)).unfold(2, 32, 1).unfold(3, 32, 1)
    forward = torch.compile(model) if compiled else model

    def epoch():
        for samples in torch.randperm(len(images)).split(BATCH):
            top, left = torch.randint(0, 9, (2, len(samples)))
            batch = crops[samples, :, top, left]
            batch = torch.where(torch.rand(len(samples), 1, 1, 1) < 0.5, batch.flip(3), batch)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                scores = forward(batch.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(scores.float(), LABELS[samples])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def tuned(name):
    """Make the tuned loop, in the precision that is faster here."""
    loops = [loop(name, precision) for precision in ("fp32", "bf16")]
    for one in loops:
        one()
    return min(loops, key=paired.seconds)


def trainer(name, precision="auto"):
    """Make a function that runs the same epoch by labeleff's trainer, optimiser and all."""
    compute = choose(name, precision, CPU)
    budget = Budget(lr=0.01, weight_decay=5e-4, batch=BATCH, epochs=1, augment=Augment(crop=4, flip=True))
    model, resident = network(name), ResidentImages(IMAGES, STATISTICS, CPU, augment=budget.augment)
    return lambda: train([Slot(model, resident, objective(LABELS), 0)], budget, STEPS, compute)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_trainer_against_a_tuned_loop(benchmark, name):
    paired.gated(benchmark, f"{name}, tuned loop", tuned(name), trainer(name), GATES[name], ROUNDS)


@pytest.mark.skipif(not os.environ.get("LABELEFF_COMPILE"), reason="compiles for minutes: set LABELEFF_COMPILE=1")
@pytest.mark.parametrize(("name", "gate"), [("resnet9", 1.0), ("mobilenet_v2", 1.0)])
def test_the_trainer_against_a_compiled_loop(benchmark, name, gate):
    compiled = loop(name, "fp32", compiled=True)
    paired.gated(benchmark, f"{name}, compiled loop", compiled, trainer(name, "fp32"), gate, ROUNDS)


@pytest.mark.skipif(maps._kernels() is None, reason="no compiler")
@pytest.mark.parametrize(
    ("name", "precision", "gate"),
    [("resnet9", "fp32", 0.92), ("resnet9", "bf16", 0.92), ("mobilenet_v2", "fp32", 0.82)],
)
def test_compiled_layers_against_torchs(benchmark, monkeypatch, name, precision, gate):
    usable, turns = maps.usable, {}
    for on in (False, True):
        epoch = trainer(name, precision)

        def turn(epoch=epoch, on=on):
            monkeypatch.setattr(maps, "usable", usable if on else lambda _: False)
            epoch()

        turns[on] = turn
    paired.gated(benchmark, f"{name} {precision}, layers by torch", turns[False], turns[True], gate, ROUNDS)


def lightly_simclr():
    """Make a function that runs an epoch of lightly's SimCLR, written as its examples are."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    class Pictures(Dataset):
        look = SimCLRTransform(input_size=32, gaussian_blur=0.0)

        def __len__(self):
            return len(IMAGES)

        def __getitem__(self, index):
            return self.look(Image.fromarray(IMAGES[index].numpy()))

    encoder = build_encoder(lookup.complete("encoder", "resnet9", NETWORKS["resnet9"]), 0)
    model = nn.Sequential(encoder, SimCLRProjectionHead(encoder.dim, 512, 128))
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.06, momentum=0.9), NTXentLoss(0.5)
    loader = DataLoader(Pictures(), batch_size=BATCH, shuffle=True, drop_last=True)

    def epoch():
        for first, second in loader:
            loss = criterion(model(first), model(second))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def simclr():
    """Make a function that runs as many steps of labeleff's SimCLR."""
    spec = lookup.complete("pretext", "simclr", {"holdout": 1 / len(IMAGES)})
    budget = Budget(lr=0.06, batch=BATCH, steps={"min": STEPS, "max": STEPS})
    data, compute = Unlabelled(IMAGES, STATISTICS), choose("resnet9", "auto", CPU)
    pretrain = lookup.resolve("pretext", "simclr")

    def epoch():
        encoder = build_encoder(lookup.complete("encoder", "resnet9", NETWORKS["resnet9"]), 0)
        pretrain(data, encoder, 0, budget, spec.options, compute, lambda *_: None)

    return epoch


def test_simclr_against_lightlys_with_its_loader(benchmark):
    pytest.importorskip("lightly")
    paired.gated(benchmark, "lightly's SimCLR", lightly_simclr(), simclr(), GATES["simclr"], ROUNDS)
