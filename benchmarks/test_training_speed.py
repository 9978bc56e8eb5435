"""MobileNetV2 training on one CPU thread: labeleff's trainer against a loop as it is usually written."""

import statistics
import time

import pytest
import torch
import torch.nn.functional as F
from made_classes import made, objective
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models import mobilenet_v2

from labeleff.catalogue.declaration import Spec
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import choose, one_core
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.kernels.rewrite import rewrite
from labeleff.training.loop import train
from labeleff.training.slots import Slot

BATCH, STEPS, ROUNDS = 64, 6, 9
IMAGES, LABELS = made(BATCH * STEPS)


class Pictures(Dataset):
    """A data set as torchvision serves CIFAR-10: PIL images through random crop, flip, tensor and normalisation."""

    def __init__(self):
        self.look = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26)),
            ]
        )

    def __len__(self):
        return len(LABELS)

    def __getitem__(self, index):
        return self.look(Image.fromarray(IMAGES[index].numpy())), int(LABELS[index])


def plain_loop():
    """Make a function that runs one epoch, written as in the tutorials, and returns its seconds."""
    model = mobilenet_v2(num_classes=10).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loader = DataLoader(Pictures(), batch_size=BATCH, shuffle=True)

    def epoch():
        began = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        return time.perf_counter() - began

    return epoch


def trainer():
    """Make a function that runs the same epoch by labeleff's trainer and returns the seconds of the whole call."""
    compute = choose("mobilenet_v2", "auto", torch.device("cpu"))
    budget = Budget(lr=0.01, weight_decay=5e-4, batch=BATCH, epochs=1, augment=Augment(crop=4, flip=True))
    encoder = build_encoder(Spec(name="mobilenet_v2", options={"stem": "imagenet"}), 0)
    model = nn.Sequential(encoder, linear_head(1280, 10, 0))
    resident = ResidentImages(IMAGES, Normalisation.of(IMAGES), compute.device, augment=budget.augment)

    def epoch():
        began = time.perf_counter()
        train([Slot(model, resident, objective(LABELS), 0)], budget, STEPS, compute)
        return time.perf_counter() - began

    return epoch


def test_the_rewritten_network_computes_the_same():
    encoder = build_encoder(Spec(name="mobilenet_v2", options={"stem": "imagenet"}), 0).double().eval()
    images = torch.randn(4, 3, 32, 32, dtype=torch.double)
    expected = encoder(images)
    torch.testing.assert_close(rewrite(encoder)(images), expected)


def test_mobilenet_training_against_a_plain_loop(benchmark):
    if torch.cuda.is_available():
        pytest.skip("a comparison of CPU loops")
    one_core()
    plain, ours = plain_loop(), trainer()
    plain(), ours()
    pairs = [(plain(), ours()) for _ in range(ROUNDS)]
    ratio = statistics.median(a / b for a, b in pairs)
    images = len(LABELS)
    benchmark.extra_info |= {
        "speed ratio, median of rounds": ratio,
        "plain loop, images/s": images / statistics.median(a for a, _ in pairs),
        "trainer, images/s": images / statistics.median(b for _, b in pairs),
    }
    benchmark.pedantic(ours, rounds=1)
    print({k: round(v, 2) for k, v in benchmark.extra_info.items()})
    assert ratio >= 2.5
