"""Ratios of processor time within one run, on one CPU thread: what each part of the design saves, as a gate.

A gate is near B/A as measured on a core of an AMD EPYC, and is widened by the noise of A against itself in the same
run. Every comparison first checks that both ways compute the same.
"""

import copy
from dataclasses import replace

import paired
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from labeleff.catalogue import lookup
from labeleff.execution import scoring
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.protocols import linear
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.supervised import Supervised
from labeleff.study.cell import Augment, Budget
from labeleff.training.device import Compute, choose
from labeleff.training.examples import Examples
from labeleff.training.goals.classification import CLASSES
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.kernels.rewrite import rewrite
from labeleff.training.labelled_examples import LabelledExamples
from labeleff.training.loop import _optimizer, train_alone
from labeleff.training.slots import Slot, TrainingState

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="ratios of CPU code")
CPU = torch.device("cpu")
PLAIN = Compute(CPU, "fp32")
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (2048, 32, 32, 3), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.randint(0, 10, (2048,), generator=GENERATOR)
STATISTICS = Normalisation.of(IMAGES)
BATCH = 64


def silent(*_):
    pass


def network(name="mobilenet_v2", seed=0, **options):
    """Build an encoder with a head for ten classes."""
    encoder = build_encoder(lookup.complete("encoder", name, options), seed)
    return nn.Sequential(encoder, linear_head(encoder.dim, 10, seed))


class Pictures(Dataset):
    """A data set of 1,024 images through torchvision's transforms."""

    def __init__(self, *look):
        scale = transforms.Normalize((STATISTICS.mean / 255).tolist(), (STATISTICS.std / 255).tolist())
        self.look = transforms.Compose([*look, transforms.ToTensor(), scale])

    def __len__(self):
        return 1024

    def __getitem__(self, index):
        return self.look(Image.fromarray(IMAGES[index].numpy()))


@pytest.mark.parametrize(
    ("augment", "look", "rotate", "gate"),
    [
        (Augment(), [], False, 0.2),
        (Augment(crop=4, flip=True), [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()], False, 0.22),
        (Augment(crop=4, flip=True), [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()], True, 0.32),
    ],
    ids=["plain", "cropflip", "rot"],
)
def test_batches_by_one_gather(benchmark, augment, look, rotate, gate):
    turn = [transforms.Lambda(lambda image: image.rotate(90 * int(torch.randint(4, ()))))] if rotate else []
    loader = DataLoader(Pictures(*look, *turn), batch_size=BATCH)
    resident = ResidentImages(IMAGES[:1024], STATISTICS, CPU, augment=augment, rotate=rotate)
    order = torch.arange(1024).split(BATCH)
    unchanged = ResidentImages(IMAGES[:BATCH], STATISTICS, CPU).batch(order[0], torch.zeros_like(order[0])).images
    torch.testing.assert_close(unchanged, torch.stack([Pictures()[i] for i in range(BATCH)]), rtol=1e-4, atol=1e-4)

    def loaded():
        for _ in loader:
            pass

    def gathered():
        for samples in order:
            resident.batch(samples, torch.zeros_like(samples))

    paired.gated(benchmark, "gather", loaded, gathered, gate)


def stepping(model, compute, steps=3):
    """Make a function that does `steps` steps of plain SGD on fixed images, and one for loss and gradients."""
    model = compute.place(copy.deepcopy(model)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)
    images = compute.arrange((IMAGES[:BATCH].permute(0, 3, 1, 2).float() - 128) / 64)

    def evaluate():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), LABELS[:BATCH])
        loss.backward()
        return loss.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])

    def step():
        for _ in range(steps):
            evaluate()
            optimizer.step()

    return step, evaluate


def check_equal(one, other):
    """Check that losses and whole gradients agree to rounding, which batch-norm over few values makes large."""
    (loss, gradient), (same, like) = one(), other()
    torch.testing.assert_close(loss, same, rtol=1e-4, atol=1e-4)
    assert float((gradient - like).norm() / gradient.norm()) < 0.05


def test_channels_last(benchmark):
    model = network()
    rows, evaluate = stepping(model, Compute(CPU, "fp32", "contiguous"))
    last, same = stepping(model, PLAIN)
    check_equal(evaluate, same)
    paired.gated(benchmark, "channels last", rows, last, 0.75)


def test_rewritten_layers(benchmark):
    model = network()
    plain, evaluate = stepping(model, PLAIN)
    rewritten, same = stepping(rewrite(copy.deepcopy(model)), PLAIN)
    check_equal(evaluate, same)
    paired.gated(benchmark, "rewritten", plain, rewritten, 0.87)


def budget(**changes):
    usual = {"lr": 1e-3, "batch": BATCH, "epochs": 1, "augment": Augment(crop=4, flip=True), "weight_decay": 5e-4}
    return Budget(**(usual | changes))


def slot(n=1024, seed=0, name="mobilenet_v2", **options):
    examples = Examples(IMAGES[:n], LABELS[:n])
    data = LabelledExamples(examples, CLASSES, STATISTICS, CPU, augment=budget().augment, seed=seed)
    return Slot(network(name, seed, **options), data, Supervised(CLASSES), seed)


def by_hand(one, table, steps):
    """Do the trainer's steps written out, with nothing around them."""
    model = PLAIN.place(rewrite(one.model)).train()
    optimizer, state = _optimizer(table, model), TrainingState(one, table, steps)
    samples, epochs = state.order(0, steps, CPU)
    for at in range(steps):
        places = slice(at * BATCH, (at + 1) * BATCH)
        batch = one.images.batch(samples[places], epochs[places])
        for group in optimizer.param_groups:
            group["lr"] = state.rates[at]
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(PLAIN.arrange(batch.images)), batch.targets).backward()
        optimizer.step()
    return model


def test_the_trainer_costs_what_its_steps_cost(benchmark):
    table, steps = budget(), 12
    trained, expected = slot(), slot()
    train_alone(trained, table, steps, PLAIN, silent)
    by_hand(expected, table, steps)
    for ours, theirs in zip(trained.model.parameters(), expected.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)

    def hand():
        by_hand(expected, table, steps)

    def trainer():
        train_alone(replace(trained, history=[]), table, steps, PLAIN, silent)

    paired.gated(benchmark, "trainer", hand, trainer, 1.03)


def test_a_step_costs_the_same_on_50_labels_and_on_2000(benchmark):
    table, steps = budget(batch=32), 20
    few, many = (slot(n, name="resnet9", width=0.1875) for n in (50, 2000))
    assert sorted(TrainingState(few, table, steps).order(0, steps, CPU)[0][:50].tolist()) == list(range(50))

    def training(one):
        return lambda: train_alone(replace(one, history=[]), table, steps, PLAIN, silent)

    paired.gated(benchmark, "small rung", training(many), training(few), 1.0, rounds=5)


@pytest.mark.parametrize(("dim", "most"), [(64, 0.75), (256, 1.0), (1280, 1.0)])
def test_probes_solved_together(benchmark, dim, most):
    """Problems too large for the caches together are solved in smaller groups."""
    features = torch.randn(400, dim, generator=GENERATOR)
    sets = [torch.randperm(400, generator=GENERATOR)[:80] for _ in range(30 if dim < 1000 else 8)]
    problems = [LabelledFeatures(features[chosen], LABELS[chosen], 10) for chosen in sets]
    options = lookup.complete("protocol", "linear", {}).options

    def apart():
        return [linear.fit([problem], options)[0] for problem in problems]

    def together():
        return linear.fit(problems, options)

    for one, other in zip(apart(), together(), strict=True):
        torch.testing.assert_close(one.predictor(features), other.predictor(features), rtol=1e-2, atol=1e-2)
    paired.gated(benchmark, "probes", apart, together, most, rounds=5)


def scorer(monkeypatch, block, compute, model, examples):
    """Make a function that scores the examples in blocks of the given size."""

    def scores():
        monkeypatch.setattr(scoring, "BLOCK", block)
        return scoring.score(model, examples, compute)

    return scores


def test_evaluation_in_blocks_that_caches_hold(benchmark, monkeypatch):
    monkeypatch.setattr(scoring, "BLOCK_ON_CPU", 500)
    examples, model = slot(1000).images, PLAIN.place(rewrite(network())).eval()
    large, usual = (scorer(monkeypatch, block, PLAIN, model, examples) for block in (500, 128))
    assert large().metrics() == usual().metrics()
    paired.gated(benchmark, "blocks", large, usual, 0.9, rounds=5)


def test_evaluation_in_bf16(benchmark, monkeypatch):
    chosen = choose("resnet9", "auto", CPU)
    if chosen.precision != "bf16":
        benchmark.pedantic(lambda: None, rounds=1)  # a benchmark that isn't used is an error
        pytest.skip("this processor has no instructions for bf16")
    examples, model = slot(1000).images, PLAIN.place(network("resnet9", width=0.25)).eval()
    full, half = (scorer(monkeypatch, 500, compute, model, examples) for compute in (PLAIN, chosen))
    assert abs(full().metrics()["accuracy"] - half().metrics()["accuracy"]) < 0.03
    paired.gated(benchmark, "bf16", full, half, 0.75, rounds=5)
