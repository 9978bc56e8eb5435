"""One walk over the whole catalogue: every entry resolves, and every plug-in works on a toy task."""

import math

import pytest
import torch
from PIL import Image
from support import selfstudy_files, shapenet_models, story_tasks

from labeleff.catalogue import lookup
from labeleff.execution.scoring import predict
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.plugins.protocols.interface import Labelled, LabelledFeatures
from labeleff.study.cell import Augment, Budget
from labeleff.training import checkpoints
from labeleff.training.device import Compute
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Examples, Source, load_task
from labeleff.training.images import Normalisation, ResidentImages
from labeleff.training.stories import resident

CPU = Compute(torch.device("cpu"), "fp32")
SMALL = {
    "resnet9": {"width": 0.0625, "dim": 16},
    "vit_tiny": {"width": 0.125, "depth": 2},
    "vit_small": {"width": 0.0625, "depth": 2, "pool": "token"},
}
FETCHED = ("cifar10", "cifar100", "stl10", "svhn", "eurosat", "hf", "npz", "parquet")
"""Data sets whose own tests make their files up."""
FROZEN = {"resnet9": "layer1", "vit_tiny": "block1", "vit_small": "patches"}
BUDGET = Budget(lr=0.01, batch=8, steps={"min": 2, "max": 2})


def names(kind):
    return [plugin.name for plugin in lookup.plugins(kind)]


@pytest.fixture(scope="module")
def task():
    options = {"train": 40, "test": 20, "size": 16}
    return load_task(lookup.complete("task", "toy/classify", options), Source(None, offline=True))


@pytest.fixture
def folder_of_images(tmp_path):
    for split in ("train", "test"):
        for shade, name in enumerate(("dark", "light")):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(3):
                Image.new("RGB", (20 + i, 30), (shade * 200,) * 3).save(tmp_path / split / name / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("kind", ["task", "encoder", "pretext", "protocol"])
def test_every_entry_resolves(kind):
    for plugin in lookup.plugins(kind):
        if plugin.missing is None:
            assert callable(lookup.resolve(kind, plugin.name))


def small_spec(name):
    return lookup.complete("encoder", name, SMALL.get(name, {}))


def usual_encoder(plugin):
    """The encoder that a pretext is walked with."""
    return small_spec("vit_tiny" if plugin.tokens else "resnet9")


def works_on(kind, examples):
    return [plugin.name for plugin in lookup.plugins(kind) if plugin.examples in {examples, "either"}]


def small(name, folder_of_images, tmp_path):
    """Options of a task of images, with the files that it reads."""
    source, _, kind = name.partition("/")
    few = dict.fromkeys(("train", "test"), 50 if kind == "classify" else 20) | {"size": 32}
    if source == "selfstudy":
        pytest.importorskip("h5py")
        path = tmp_path / "data_32_lab.h5"
        if kind in {"segment", "depth"}:
            selfstudy_files.scenes(path)
        else:
            selfstudy_files.single(path, 600)
        return {"path": str(path)}
    if source == "shapenet":
        pytest.importorskip("trimesh")
        return few | {"path": str(shapenet_models.folder(tmp_path / "models"))}
    return {"toy": {"train": 40, "test": 20}, "folder": {"path": str(folder_of_images), "size": 16}}.get(source, few)


@pytest.mark.parametrize("name", [n for n in works_on("task", "images") if n.partition("/")[0] not in FETCHED])
def test_every_task_is_what_it_says(name, folder_of_images, tmp_path):
    given = small(name, folder_of_images, tmp_path)
    loaded = load_task(lookup.complete("task", name, given), Source(tmp_path, offline=True))
    plugin = lookup.find("task", name)
    assert loaded.goal.name == plugin.goal
    for part in (loaded.train, loaded.test):
        assert part.images.dtype == torch.uint8
        assert part.images.ndim == 4
        assert part.images.shape[1] == part.images.shape[2]
        assert part.images.shape[3] == 3
        if loaded.goal.dense:
            assert part.labels.dtype == loaded.goal.kind
            assert part.labels.shape == part.images.shape[:3]
            assert loaded.goal.maps(part.labels).used.shape[1:] == (loaded.goal.grid, loaded.goal.grid)
        else:
            assert part.labels.dtype == torch.int64
            assert set(part.labels.tolist()) == set(range(len(loaded.classes)))
    assert 0 < loaded.chance <= 1
    assert len(loaded.fingerprint) == 64
    if plugin.images_of:
        other = load_task(lookup.complete("task", plugin.images_of, given), Source(tmp_path, offline=True))
        assert torch.equal(loaded.train.images, other.train.images)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_task_of_stories_is_what_it_says(number):
    loaded = story_tasks.task(number)
    for part in (loaded.train, loaded.test):
        assert part.inputs.dtype == torch.int16
        assert part.inputs.shape == (1000, loaded.text.sentences + 1, loaded.text.length)
        assert part.labels.dtype == torch.int64
        assert set(part.labels.tolist()) == set(range(len(loaded.classes)))
    assert 0 < loaded.chance <= 1
    assert loaded.provenance == "generated, 1k"


@pytest.mark.parametrize("name", works_on("encoder", "stories"))
def test_every_reader_gives_features_gradients_and_attention(name):
    task = story_tasks.task()
    reader = build_encoder(lookup.complete("encoder", name, story_tasks.SMALL.get(name, {})), 0, task.text)
    tokens = task.train.inputs[:8].to(torch.int64)
    features = reader(tokens)
    assert features.shape == (8, reader.dim)
    features.square().mean().backward()
    assert all(p.grad is not None for p in reader.parameters())
    weights = reader.eval().attention(tokens)
    assert weights.shape == (8, task.text.sentences)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(8))


@pytest.mark.parametrize("name", works_on("protocol", "stories"))
@pytest.mark.parametrize("encoder", works_on("encoder", "stories"))
def test_every_protocol_of_stories_gives_scores_an_answer(name, encoder):
    task, plugin = story_tasks.task(), lookup.find("protocol", name)
    options = lookup.complete("protocol", name, {}).options
    reader = build_encoder(lookup.complete("encoder", encoder, story_tasks.SMALL.get(encoder, {})), 0, task.text)
    fit = lookup.resolve("protocol", name)
    some = resident(task.test.inputs[:20], None, CPU.device)
    if plugin.trained:
        examples = Examples(task.train.inputs[:50], task.train.labels[:50])
        fitted = fit(Labelled(examples, 6, None), reader, 0, BUDGET, options, CPU, lambda *_: None)
        scores = predict(fitted.predictor, some, CPU)
    else:
        labelled = predict(reader, resident(task.train.inputs[:50], None, CPU.device), CPU)
        [fitted] = fit([LabelledFeatures(labelled, task.train.labels[:50], 6)], options)
        scores = fitted.predictor(predict(reader, some, CPU))
    assert scores.shape[0] == 20
    assert scores.shape[1] >= 6
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("name", works_on("encoder", "images"))
def test_every_encoder_gives_features_and_gradients(name):
    encoder = build_encoder(small_spec(name), 0)
    features = encoder(torch.randn(4, 3, 32, 32))
    assert features.shape == (4, encoder.dim)
    features.square().mean().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    maps = encoder.eval().maps(torch.randn(4, 3, 32, 32))
    assert tuple(maps) == encoder.stages
    assert [m.shape[2] for m in maps.values()] == sorted((m.shape[2] for m in maps.values()), reverse=True)
    assert maps[encoder.stages[-1]].shape[:2] == (4, encoder.dim)


@pytest.mark.parametrize("name", [p.name for p in lookup.plugins("pretext") if not p.loaded and p.examples != "items"])
def test_every_pretext_trains_the_encoder_it_is_given(name, task):
    if missing := lookup.find("pretext", name).missing:
        pytest.skip(missing)
    plugin = lookup.find("pretext", name)
    encoder, untouched = (build_encoder(usual_encoder(plugin), 0, split=plugin.split) for _ in range(2))
    options = lookup.complete("pretext", name, {}).options
    data = Unlabelled(task.train.images, Normalisation.of(task.train.images))
    budget = BUDGET.model_copy(update={"augment": Augment(crop=2)}) if plugin.augmented else BUDGET
    result = lookup.resolve("pretext", name)(data, encoder, 0, budget, options, CPU, lambda *_: None)
    changed = any(not torch.equal(a, b) for a, b in zip(encoder.parameters(), untouched.parameters(), strict=True))
    assert changed == plugin.trained
    assert (result.training is not None) == changed
    assert encoder(torch.randn(2, 3, 16, 16)).shape == (2, encoder.dim)


RESUMED = [(plugin.name, {}) for plugin in lookup.plugins("pretext") if plugin.trained]


@pytest.mark.parametrize(("name", "options"), [*RESUMED, ("cmc", {"negatives": "memory", "k": 8})])
def test_every_pretext_goes_on_after_an_interruption_to_the_same_bits(name, options, task, tmp_path, monkeypatch):
    if missing := lookup.find("pretext", name).missing:
        pytest.skip(missing)
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    plugin, data = lookup.find("pretext", name), Unlabelled(task.train.images, Normalisation.of(task.train.images))
    assert plugin.resumes
    augment = Augment(crop=2) if plugin.augmented else Augment()
    budget = Budget(lr=1e-4, batch=8, steps={"min": 62, "max": 62}, warmup=0.1, augment=augment)
    spec = lookup.complete("pretext", name, options)
    checkpoint, reported = checkpoints.Checkpoint(tmp_path / "unfinished" / "key.pt"), []

    def train(kept, last):
        encoder = build_encoder(usual_encoder(plugin), 0, split=plugin.split)

        def progress(done, *_):
            reported.append(done)
            if done == last:
                raise KeyboardInterrupt

        with checkpoints.keeping(kept):
            result = lookup.resolve("pretext", name)(data, encoder, 0, budget, spec.options, CPU, progress)
        return state_sha256(encoder), result.metrics, result.training.history

    whole = train(None, None)
    for last in (40, 62):
        with pytest.raises(KeyboardInterrupt):
            train(checkpoint, last)
    torch.manual_seed(99)
    assert train(checkpoint, None) == whole
    assert reported == [20, 40, 62, 20, 40, 40, 62, 62]


@pytest.mark.parametrize("name", [plugin.name for plugin in lookup.plugins("pretext") if plugin.trained])
def test_every_pretext_takes_grey_images(name, task):
    if missing := lookup.find("pretext", name).missing:
        pytest.skip(missing)
    images = task.train.images[..., :1].expand(-1, -1, -1, 3).contiguous()
    plugin, data = lookup.find("pretext", name), Unlabelled(images, Normalisation.of(images))
    encoder = build_encoder(usual_encoder(plugin), 0, split=plugin.split)
    budget, options = (
        BUDGET.model_copy(update={"augment": Augment(crop=2)}),
        lookup.complete("pretext", name, {}).options,
    )
    budget = budget if plugin.augmented or not plugin.own_views else BUDGET
    result = lookup.resolve("pretext", name)(data, encoder, 0, budget, options, CPU, lambda *_: None)
    assert all(value is None or math.isfinite(value) for value in result.metrics.values())
    assert all(torch.isfinite(parameter).all() for parameter in encoder.parameters())


@pytest.mark.parametrize("encoder", works_on("encoder", "images"))
@pytest.mark.parametrize("name", ["vae", "cmc", "amdim"])
def test_pretexts_train_every_encoder(name, encoder, task):
    small_training(name, encoder, task.train.images[:12])


@pytest.mark.parametrize("encoder", ["vit_tiny", "vit_small"])
@pytest.mark.parametrize("name", [plugin.name for plugin in lookup.plugins("pretext") if plugin.own_views])
def test_pretexts_of_two_views_train_transformers(name, encoder, task):
    if missing := lookup.find("pretext", name).missing:
        pytest.skip(missing)
    small_training(name, encoder, task.train.images[:12])


@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("name", ["vae", "cmc", "amdim", "mae"])
def test_pretexts_take_images_of_every_size(name, side):
    if missing := lookup.find("pretext", name).missing:
        pytest.skip(missing)
    generator = torch.Generator().manual_seed(0)
    encoder = usual_encoder(lookup.find("pretext", name)).name
    small_training(name, encoder, torch.randint(0, 256, (12, side, side, 3), dtype=torch.uint8, generator=generator))


def small_training(name, encoder, images):
    plugin = lookup.find("pretext", name)
    if encoder.endswith("_imagenet") and name != "vae":
        pytest.skip("its maps are too small for amdim at 32 pixels, and it has no narrow form for cmc")
    if lookup.find("encoder", encoder).tokens and name == "amdim":
        pytest.skip("its maps are all of one size, and amdim compares two")
    built = build_encoder(small_spec(encoder), 0, split=plugin.split)
    data = Unlabelled(images, Normalisation.of(images))
    augment = Augment() if plugin.own_views else Augment(crop=2)
    batch = 8 if name == "moco" else 4  # it shuffles four groups of a batch
    budget = Budget(optimizer="adam", lr=1e-3, batch=batch, steps={"min": 2, "max": 2}, augment=augment)
    options = lookup.complete("pretext", name, {}).options
    before = [parameter.detach().clone() for parameter in built.parameters()]
    result = lookup.resolve("pretext", name)(data, built, 0, budget, options, CPU, lambda *_: None)
    assert math.isfinite(result.metrics["heldout_loss"])
    assert any(not torch.equal(old, new) for old, new in zip(before, built.parameters(), strict=True))


@pytest.mark.parametrize("network", FROZEN)
@pytest.mark.parametrize("name", names("protocol"))
def test_every_protocol_gives_scores_a_class(name, network, task):
    plugin = lookup.find("protocol", name)
    spec = lookup.complete("protocol", name, {"frozen": FROZEN[network]} if name == "partial" else {})
    normalisation = Normalisation.of(task.train.images)
    encoder = build_encoder(small_spec(network), 0)
    images = ResidentImages(task.test.images, normalisation, CPU.device)
    fit = lookup.resolve("protocol", name)
    if plugin.trained:
        others = task.train.images[20:] if plugin.unlabelled else None
        labelled = Examples(task.train.images[:20], task.train.labels[:20]) if plugin.unlabelled else task.train
        data = Labelled(labelled, 10, normalisation, unlabelled=others)
        fitted = fit(data, encoder, 0, BUDGET, spec.options, CPU, lambda *_: None)
        scores = predict(fitted.predictor, images, CPU)
    else:
        labelled = ResidentImages(task.train.images, normalisation, CPU.device)
        problem = LabelledFeatures(predict(encoder, labelled, CPU), task.train.labels, 10)
        [fitted] = fit([problem], spec.options)
        scores = fitted.predictor(predict(encoder, images, CPU))
    assert scores.shape == (20, 10)
    assert torch.isfinite(scores).all()
