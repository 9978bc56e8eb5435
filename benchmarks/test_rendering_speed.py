"""Rendering against training: the share of a study's time on one core, and images/s on a GPU."""

import statistics
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.tasks.scenes.factors import Factors
from labeleff.plugins.tasks.scenes.render import render
from labeleff.scheduling.job_seconds import job_seconds
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.speeds import Speed, Speeds, general_name
from labeleff.study.cell import Augment, Budget
from labeleff.study.loading import load_study
from labeleff.training.device import choose
from labeleff.training.examples import Source, load_task
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.loop import train
from labeleff.training.slots import Slot

ROUNDS, STEPS, BATCH, IMAGES = 5, 4, 32, 60
LIMIT = 0.2
"""Largest share of a study's time."""
ON_GPU = 20_000
"""Images/s of 64 pixels that a data-centre GPU has to render."""


def rendering(task):
    """Make a function that renders images of a task and returns seconds per image."""
    options = task.options
    objects = int(options.get("objects", 1))
    numbers = torch.arange(IMAGES)

    def once():
        began = time.process_time()
        render(
            "train",
            numbers,
            int(options["size"]),
            objects,
            Factors.parse(str(options["factors"])),
            maps="objects" in options,
        )
        return (time.process_time() - began) / IMAGES

    return once


def training(study, task, tmp_path):
    """Make a function that trains the study's encoder at the task's size and returns seconds per image."""
    small = task.model_copy(update={"options": task.options | {"train": 100, "test": 10}})
    images = load_task(small, Source(tmp_path, offline=True)).train.images
    compute = choose(study.encoders[0].name, "auto", torch.device("cpu"))
    encoder = build_encoder(study.encoders[0], 0)
    model = nn.Sequential(encoder, linear_head(encoder.dim, 10, 0))
    resident = ResidentImages(images, Normalisation.of(images), compute.device, augment=Augment(crop=3, flip=True))
    budget = Budget(lr=0.01, batch=BATCH, epochs=1)

    def objective(net, batch):
        logits = net(batch.images).float()
        return F.cross_entropy(logits, batch.samples % 10), logits.sum()

    def once():
        began = time.process_time()
        train([Slot(model, resident, objective, 0)], budget, STEPS, compute)
        return (time.process_time() - began) / (STEPS * BATCH)

    return once


def images_of_work(study, task):
    """Count the images that the study trains and scores on this task, in units of a training image."""
    speeds = Speeds({general_name(study.encoders[0], task): Speed(rate=1.0)})
    cells = [cell for cell in study.cells() if cell.task == task]
    return sum(job_seconds(job, speeds) for job in jobs_for(cells, lambda _: False))


@pytest.mark.parametrize("name", ["quick", "shapes-small", "scenes-small"])
def test_rendering_is_a_small_share_of_a_study(name, benchmark, tmp_path):
    study = load_study(name)
    rendered = {(t.options["factors"], t.options.get("objects", 1)): t for t in study.tasks}.values()
    draw = {task.label: rendering(task) for task in rendered}
    learn = {task.label: training(study, task, tmp_path) for task in rendered}
    work = {task.label: sum(images_of_work(study, t) for t in study.tasks if same(t, task)) for task in rendered}

    def round_():
        cost = sum(draw[t.label]() * (t.options["train"] + t.options["test"]) for t in rendered)
        return cost / (cost + sum(learn[t.label]() * work[t.label] for t in rendered))

    round_()
    shares = [round_() for _ in range(ROUNDS)]
    benchmark.extra_info["share of the study's time"] = shares
    benchmark.pedantic(lambda: draw[next(iter(draw))](), rounds=1, iterations=1)
    print(f"{name}: rendering takes {statistics.median(shares):.1%} of its time")
    assert statistics.median(shares) < LIMIT


def same(one, other):
    """Decide whether two tasks have the same images."""
    keys = ("factors", "size", "train")
    alike = all(one.options[key] == other.options[key] for key in keys)
    return alike and one.options.get("objects", 1) == other.options.get("objects", 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_renders_enough(benchmark):
    numbers, device = torch.arange(20_000), torch.device("cuda")
    settings = (64, 1, Factors.parse("TCVL"))
    render("train", numbers[:2000], *settings, device=device)

    def once():
        torch.cuda.synchronize()
        began = time.perf_counter()
        render("train", numbers, *settings, device=device)
        torch.cuda.synchronize()
        return len(numbers) / (time.perf_counter() - began)

    rates = [once() for _ in range(3)]
    benchmark.extra_info["images a second"] = rates
    benchmark.pedantic(once, rounds=1, iterations=1)
    assert statistics.median(rates) >= ON_GPU
