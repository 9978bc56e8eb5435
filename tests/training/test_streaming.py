"""Where images are kept changes no number."""

import functools

import pytest
import torch
from support import packed_trainings, toy_study

from labeleff.errors import OptionError, PluginError
from labeleff.execution.draws import LabelRule
from labeleff.execution.job_runner import JobRunner
from labeleff.execution.run_facts import Settings
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.cell import Augment
from labeleff.study.loading import load_study
from labeleff.training.goals.interface import LabelMaps
from labeleff.training.images import Normalisation, ResidentImages, ResidentPairs
from labeleff.training.loop import train_queue
from labeleff.training.packing.refilling import PendingTraining
from labeleff.training.streaming import VARIABLE, limit, rows
from labeleff.training.views import Recipe, ResidentViews

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (30, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SAMPLES, EPOCHS = torch.tensor([3, 29, 0, 3]), torch.tensor([0, 1, 2, 3])


@pytest.fixture
def both(monkeypatch):
    """What a function gives with images on the device, and with images streamed."""

    def given(make):
        monkeypatch.delenv(VARIABLE, raising=False)
        resident = make()
        monkeypatch.setenv(VARIABLE, "0")
        return resident, make()

    return given


def fields(batch):
    return [tensor for tensor in vars(batch).values() if tensor is not None]


def assert_same(one, other):
    for ours, theirs in zip(fields(one), fields(other), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()


@pytest.mark.parametrize("maps", [None, LabelMaps(torch.arange(30 * 256).view(30, 16, 16) % 5, 4, -1)])
@pytest.mark.parametrize("crop", [0, 3])
def test_batches_are_the_same(both, maps, crop):
    make = functools.partial(
        ResidentImages,
        IMAGES,
        Normalisation.of(IMAGES),
        CPU,
        labels=maps,
        augment=Augment(crop=crop, flip=True, jitter=0.1, cutout=4),
        rotate=True,
        seed=5,
    )
    resident, streamed = both(make)
    assert (resident.streamed, streamed.streamed) == (False, True)
    assert_same(resident.batch(SAMPLES, EPOCHS), streamed.batch(SAMPLES, EPOCHS))
    assert_same(*(ResidentPairs(images).batch(SAMPLES, EPOCHS) for images in (resident, streamed)))
    for one, other in zip(resident.plain_batches(7), streamed.plain_batches(7), strict=True):
        assert_same(one, other)


def test_views_are_the_same(both):
    recipes = (Recipe(area=0.2, flip=0.5, jitter=0.8, strengths=(0.4, 0.4, 0.2, 0.1), grey=0.2), Recipe())
    resident, streamed = both(lambda: ResidentViews(IMAGES, Normalisation.of(IMAGES), CPU, recipes, seed=2))
    assert (resident.streamed, streamed.streamed) == (False, True)
    assert_same(resident.batch(SAMPLES, EPOCHS), streamed.batch(SAMPLES, EPOCHS))


STUDY = (
    toy_study.TEXT.replace("[budget.rotation]", "[budget.rotation]\naugment = { crop = 2, flip = true }")
    .replace('"rotation/knn"', '"rotation/knn", "rotation/joint", "vae/finetune", "scratch/validated"')
    .replace("rungs = [20, 40]\ndraws = 2", "rungs = [20, 40]\ndraws = 1")
)
OTHERS = """
[budget.vae]
optimizer = "adam"
lr = 0.001
batch = 32
epochs = 1

[budget.joint]
lr = 0.05
batch = 16
steps = { min = 4, max = 4 }

[budget.validated]
lr = 0.05
batch = 16
steps = { min = 4, max = 4 }
"""


def numbers(record):
    """All of a record that isn't time or memory."""
    timed = {"seconds", "processor_seconds", "windows", "finished", "peak_memory", "own_peak", "test_seconds", "run"}
    found = record.model_dump()
    if found["training"]:
        found["training"] = {key: value for key, value in found["training"].items() if key not in timed}
    return {key: value for key, value in found.items() if key not in timed}


def test_a_study_gives_the_same_numbers(both, tmp_path):
    """Pretraining, training, frozen protocols and scores, bit by bit."""
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY + OTHERS)
    study, folders = load_study(str(path)), iter(("resident", "streamed"))

    def measured():
        folder = tmp_path / next(folders)
        options = RunOptions(folder, device="cpu", data=tmp_path / "data", cache=folder, offline=True)
        bench = JobRunner(Settings(options, "run", LabelRule(study.subset)))
        jobs = jobs_for(study.cells(), lambda _: False)
        return [numbers(record) for job in jobs for record in bench.perform(job, lambda *_: None)]

    resident, streamed = both(measured)
    assert len(resident) > 14
    assert [record["reason"] for record in resident if record["status"] != "ok"] == []
    assert resident == streamed


def test_packs_leave_streamed_images_to_the_loop(both):
    def trained():
        several = [packed_trainings.ready("resnet9", seed, 3) for seed in (0, 1)]
        waiting = [PendingTraining(3, functools.partial(lambda one: one, one)) for one in several]
        ended = dict(train_queue(waiting, packed_trainings.EXACT, 2))
        return several, [ended[number] for number in (0, 1)]

    (resident, together), (streamed, apart) = both(trained)
    assert [training.slots for training in together] == [2, 2]
    assert all("streamed" in training.fallback for training in apart)
    for one, other in zip(resident, streamed, strict=True):
        assert packed_trainings.difference(one.slot.model, other.slot.model) < 1e-10


def test_what_is_streamed_is_not_banked(both):
    resident, streamed = both(lambda: ResidentImages(IMAGES, Normalisation.of(IMAGES), CPU))
    with pytest.raises(PluginError, match="streamed"):
        resident.put(0, streamed)


def test_rows_are_picked_by_place():
    assert torch.equal(rows(IMAGES, SAMPLES, CPU), IMAGES[SAMPLES])


@pytest.mark.parametrize("text", ["much", "-1", "nan"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(OptionError, match=f"{VARIABLE}: found '{text}', expected a number of megabytes"):
        limit(CPU)


def test_limits(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1.5")
    assert limit(CPU) == 1.5 * 2**20
    monkeypatch.delenv(VARIABLE)
    assert limit(CPU) == float("inf")
