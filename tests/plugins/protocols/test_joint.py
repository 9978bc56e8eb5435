"""Joint training against a slow loop, on every goal; what unlabelled images may and may not do."""

import copy
import functools

import pytest
import torch
from support import dense_tasks, toy_study

from labeleff.catalogue import lookup
from labeleff.errors import LabeleffError, PluginError
from labeleff.execution.launch import measure
from labeleff.execution.scoring import predict, score
from labeleff.plugins.encoders.interface import build_encoder, linear_head
from labeleff.plugins.protocols import finetune, joint
from labeleff.plugins.protocols.interface import Labelled
from labeleff.plugins.protocols.supervised import model_for
from labeleff.records.jsonl import read_records
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.cell import Augment, Budget
from labeleff.study.loading import load_study
from labeleff.training.device import Compute
from labeleff.training.examples import Examples, Source, load_task
from labeleff.training.goals.depth import UNIT
from labeleff.training.images import Normalisation, ResidentImages

CPU = Compute(torch.device("cpu"), "fp32")
NAMES = list(dense_tasks.GOALS)
OPTIONS = lookup.options("protocol", lookup.complete("protocol", "joint", {}))
N, B = 12, 8


def data_of(task, n=N):
    examples = Examples(task.train.images[:n], task.train.labels[:n])
    normalisation = Normalisation.of(task.train.images)
    return Labelled(examples, task.outputs, normalisation, task.goal, task.train.images[n:])


def encoder(width=0.125):
    return build_encoder(lookup.complete("encoder", "resnet9", {"width": width, "dim": 16}), 0)


def budget(steps=4, **augment):
    return Budget(lr=0.05, batch=B, steps={"min": steps, "max": steps}, augment=Augment(**augment))


def built(task, places, **augment):
    """Heads in eval mode, where images don't meet in batch-norm, and the batches they learn from."""
    data, some = data_of(task), Augment(**augment)
    heads = joint.TwoHeads(*model_for(data, encoder(), 0), linear_head(16, 4, 5), B, places).eval()
    images = torch.cat((data.examples.images, data.unlabelled))
    turned = ResidentImages(images, data.normalisation, CPU.device, augment=some, rotate=True, seed=3)
    return heads, joint.Mixed(turned, data.on(CPU.device, augment=some, seed=3), places)


def one_by_one(task, heads, batch, places, weights):
    """The loss of a batch, one image and one grid cell at a time."""
    rotation, losses = 0.0, []
    for i in range(B):
        features = heads.body(batch.images[i : i + 1])[0]
        logits = heads.turns(features.flatten(1).mean(1) if task.goal.dense else features)
        rotation = rotation + torch.logsumexp(logits, 0) - logits[batch.turns[i]]
    for i in range(places):
        scores = heads.head(heads.body(batch.images[B + i : B + i + 1]))[0]
        label = task.train.labels[batch.samples[i]]
        if not task.goal.dense:
            mirror = task.goal.mirror if batch.flips[i] and task.goal.mirror else range(3)
            losses.append(torch.logsumexp(scores, 0) - scores[mirror[int(label)]])
            continue
        label = label.flip(1) if batch.flips[i] else label
        for r in range(dense_tasks.GRID):
            for c in range(dense_tasks.GRID):
                truth = int(
                    label[
                        dense_tasks.STRIDE * r + dense_tasks.STRIDE // 2,
                        dense_tasks.STRIDE * c + dense_tasks.STRIDE // 2,
                    ]
                )
                if task.name == "squares/depth":
                    losses += [(scores[0, r, c] - truth * UNIT).abs()] if truth > 0 else []
                elif truth != 255:
                    losses.append(torch.logsumexp(scores[:, r, c], 0) - scores[truth, r, c])
    return weights[0] * sum(losses) / len(losses) + weights[1] * rotation / B


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_and_its_gradients_are_those_of_a_loop_over_images(name):
    task, weights = dense_tasks.task(name), (2.0, 0.5)
    heads, mixed = built(task, 3, flip=True)
    samples = torch.tensor([4, 0, 9, 30, 41, 22, 59, 17])
    batch = mixed.batch(samples, torch.full((B,), 1))
    assert batch.images.shape[0] == B + 3
    assert batch.samples.tolist() == [4, 0, 9]
    loss, correct, *_ = joint.Loss(task.goal, *weights)(heads, batch)
    expected = one_by_one(task, heads, batch, 3, weights)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    found, wanted = (torch.autograd.grad(x, list(heads.parameters())) for x in (loss, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert 0 <= float(correct) <= B


@pytest.mark.parametrize("name", NAMES)
def test_images_without_a_label_have_no_gradient_through_the_tasks_head(name):
    task = dense_tasks.task(name)
    heads, mixed = built(task, 3)
    batch = mixed.batch(torch.tensor([4, 0, 9, 30, 41, 22, 59, 17]), torch.zeros(B, dtype=torch.int64))
    batch.images.requires_grad_()
    scores = heads.head(heads.body(batch.images)[-3:])
    task.goal.loss(scores, mixed.examples.target(batch)).backward()
    assert batch.images.grad[:B].abs().max() == 0
    assert (batch.images.grad[B:].flatten(1).abs().amax(1) > 0).all()
    batch.images.grad = None
    heads.zero_grad()
    joint.Loss(task.goal, 1e-30, 1.0)(heads, batch)[0].backward()
    assert (batch.images.grad[:B].flatten(1).abs().amax(1) > 0).all()
    assert max(float(p.grad.abs().max()) for p in heads.head.parameters()) < 1e-25


def test_turned_and_upright_images_are_what_they_should_be():
    task = dense_tasks.task("squares/classify")
    _, mixed = built(task, 3)
    samples = torch.tensor([4, 0, 9, 30, 41, 22, 59, 17])
    batch = mixed.batch(samples, torch.zeros(B, dtype=torch.int64))
    plain = ResidentImages(task.train.images, Normalisation.of(task.train.images), CPU.device)
    images = plain.batch(samples, torch.zeros(B, dtype=torch.int64)).images
    assert torch.equal(batch.images[B:], images[:3])
    assert len(set(batch.turns.tolist())) > 1
    for found, image, turn in zip(batch.images, images, batch.turns.tolist(), strict=False):
        assert torch.equal(found, torch.rot90(image, turn, (1, 2)))


@pytest.mark.parametrize(
    ("share", "n", "others", "places"),
    [(0.5, 4, 96, 4), (0.25, 4, 96, 2), (0.01, 4, 96, 1), (0.5, 75, 25, 6), (0.5, 100, 0, 8), (1.0, 4, 96, 8)],
)
def test_a_batch_holds_its_share_of_labelled_images_or_their_own(share, n, others, places):
    assert joint.labelled_per_batch(share, B, n, others) == places
    order = joint.mixed_order(places, B, n, others)
    whole = order(1, 0, 60 * B, CPU.device)
    parts = [order(1, start * B, 20 * B, CPU.device) for start in (0, 20, 40)]
    assert all(torch.equal(w, torch.cat(p)) for w, p in zip(whole, zip(*parts, strict=True), strict=True))
    samples = whole[0].view(60, B)
    assert int(samples[:, :places].max()) < n
    assert places == B or int(samples[:, places:].min()) >= n
    seen = samples[:, :places].flatten().bincount(minlength=n)
    assert int(seen.max() - seen.min()) <= 1
    pairs = torch.stack(whole).view(2, -1)
    assert len(set(map(tuple, pairs.T.tolist()))) == 60 * B


@pytest.mark.parametrize("mask", [True, False])
def test_the_same_seed_gives_the_same_numbers(mask):
    task = dense_tasks.task("squares/classify")
    runs = []
    for seed in (0, 0, 1):
        fitted = joint.fit(
            data_of(task), encoder(), seed, budget(flip=True), {**OPTIONS, "mask": mask}, CPU, lambda *_: None
        )
        runs.append((fitted.metrics, copy.deepcopy(fitted.predictor.state_dict())))
    assert runs[0][0] == runs[1][0] != runs[2][0]
    assert all(torch.equal(a, b) for a, b in zip(runs[0][1].values(), runs[1][1].values(), strict=True))
    assert set(runs[0][0]) == {"loss", "accuracy", "task_loss", "rotation_loss", "rotation_accuracy"}


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_every_goal(name):
    task = dense_tasks.task(name)
    some = Budget(lr=0.05, batch=30, steps={"min": 60, "max": 60}, augment=Augment(flip=True))
    fitted = joint.fit(data_of(task, 40), encoder(), 0, some, OPTIONS, CPU, lambda *_: None)
    test = Labelled(task.test, task.outputs, Normalisation.of(task.train.images), task.goal).on(CPU.device)
    found = score(fitted.predictor, test, CPU).metrics()
    assert found[task.goal.headline] > task.chance + 0.25 * (1 - task.chance)
    assert fitted.metrics["accuracy"] > task.chance


def test_it_learns_turns_and_classes_of_the_toy():
    task = load_task(
        lookup.complete("task", "toy/classify", {"train": 400, "test": 20, "size": 16}), Source(None, offline=True)
    )
    some = Budget(lr=0.05, batch=32, steps={"min": 150, "max": 150})
    fitted = joint.fit(data_of(task, 50), encoder(0.125), 0, some, OPTIONS, CPU, lambda *_: None)
    assert fitted.metrics["rotation_accuracy"] > 0.4
    assert fitted.metrics["accuracy"] > 0.5
    history = fitted.training.history
    assert history[-1]["rotation_loss"] < history[0]["rotation_loss"]
    assert history[-1]["loss"] == pytest.approx(history[-1]["task_loss"] + history[-1]["rotation_loss"], rel=1e-4)


def test_without_the_mask_it_learns_that_everything_is_class_0():
    task = dense_tasks.task("squares/classify")
    some = Budget(lr=0.02, batch=20, epochs=20)
    fitted = joint.fit(data_of(task, 6), encoder(), 0, some, {**OPTIONS, "mask": False}, CPU, lambda *_: None)
    images = ResidentImages(task.test.images, Normalisation.of(task.train.images), CPU.device)
    assert fitted.training.steps == 60
    told = predict(fitted.predictor, images, CPU).argmax(1)
    assert float((told == 0).float().mean()) > 0.9
    assert fitted.metrics["accuracy"] > 0.85


def test_what_it_cannot_be_used_on_is_refused(squares):
    pose, bare = (
        dense_tasks.task("squares/pose"),
        Labelled(*vars(data_of(dense_tasks.task("squares/classify"))).values()),
    )
    with pytest.raises(PluginError, match="mask = false repeats a report on classes"):
        joint.fit(data_of(pose), encoder(), 0, budget(), {**OPTIONS, "mask": False}, CPU, lambda *_: None)
    object.__setattr__(bare, "unlabelled", None)
    with pytest.raises(PluginError, match="needs the other training images"):
        joint.fit(bare, encoder(), 0, budget(), OPTIONS, CPU, lambda *_: None)


ARMS = "arms=['scratch/finetune', 'scratch/joint']"
BUDGET = "budget={finetune={lr=0.05, batch=16, steps={min=4, max=4}}, joint={lr=0.05, batch=16, epochs=0.5}}"


@pytest.fixture
def study(tmp_path):
    return functools.partial(load_study, str(toy_study.write(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([ARMS], "budget.joint is missing"),
        (["arms=['scratch/finetune', {pretext='scratch', protocol={name='joint', labelled_share=2.0}}]"], "at most 1"),
        (["arms=['scratch/finetune', {pretext='scratch', protocol={name='joint', class_weight=0}}]"], "over 0"),
        (
            ["tasks=['babi/qa1']", "encoders=['qrn']", ARMS, BUDGET],
            "protocol 'joint' works on images, but babi/qa1 has stories",
        ),
        (
            [
                "tasks=['squares/depth']",
                "arms=['scratch/finetune', {pretext='scratch', protocol={name='joint', mask=false}}]",
                BUDGET,
            ],
            "can't be used on squares/depth: mask = false repeats a report on classes",
        ),
    ],
)
def test_studies_are_checked(study, squares, changes, message):
    with pytest.raises(LabeleffError, match=message):
        study(changes)


def test_the_runner_gives_it_the_other_training_images_and_nothing_else(study, tmp_path, monkeypatch):
    seen, others, original, usual = [], [], joint.fit, finetune.fit
    monkeypatch.setattr(joint, "fit", lambda data, *rest: seen.append(data) or original(data, *rest))
    monkeypatch.setattr(finetune, "fit", lambda data, *rest: others.append(data.unlabelled) or usual(data, *rest))
    folder = tmp_path / "out"
    options = {"folder": folder, "command": ["x"], "jobs": 1, "cores": 1, "device": "cpu", "quiet": True}
    failed = measure(study([ARMS, BUDGET]), RunOptions(**options, data=tmp_path / "data", cache=tmp_path / "cache"))
    assert not failed
    assert others == [None] * 4
    task = load_task(study().tasks[0], Source(None, offline=True))
    whole = sorted(image.numpy().tobytes() for image in task.train.images)
    for data in seen:
        assert set(vars(data)) == {"examples", "outputs", "normalisation", "goal", "unlabelled"}
        assert data.unlabelled.dtype == torch.uint8
        together = torch.cat((data.examples.images, data.unlabelled))
        assert sorted(image.numpy().tobytes() for image in together) == whole
    assert sorted(len(data.examples) for data in seen) == [20, 20, 40, 40]
    cells = [r for r in read_records(folder).cells.values() if r.cell.protocol.name == "joint"]
    assert {r.training.steps for r in cells} == {7}, "an epoch is all training images: 0.5 * 200 / 16"
    assert all(0 <= r.train_metrics["rotation_accuracy"] <= 1 for r in cells)


@pytest.mark.parametrize("mask", [True, False])
def test_images_held_out_are_looked_at_and_never_trained_on(mask, monkeypatch):
    task = dense_tasks.task("squares/classify")
    trained, original = [], ResidentImages.batch

    def batch(self, samples, epochs, view=0):
        if self.rotate and self.count == N + kept:
            trained.extend(samples.tolist())
        return original(self, samples, epochs, view)

    others = len(task.train.images) - N
    kept = others - round(0.25 * others)
    monkeypatch.setattr(ResidentImages, "batch", batch)
    some = Budget(lr=0.05, batch=B, epochs=1)
    given = {**OPTIONS, "mask": mask, "holdout": 0.25}
    fitted = joint.fit(data_of(task), encoder(), 0, some, given, CPU, lambda *_: None)
    assert fitted.training.steps == -(-(N + kept) // B), "an epoch is the images to train on"
    assert max(trained) < N + kept
    last = fitted.training.history[-1]
    assert fitted.metrics["heldout_rotation_accuracy"] == last["heldout_rotation_accuracy"]
    assert 0 <= last["heldout_rotation_accuracy"] <= 1
    assert last["heldout_rotation_loss"] > 0


@pytest.mark.parametrize("count", [0, 1])
def test_of_no_other_images_none_are_held_out(count):
    images, held = joint.set_aside(torch.zeros(count, 8, 8, 3, dtype=torch.uint8), 0.25, 3)
    assert (len(images), len(held)) == (count, 0)


def test_what_is_said_of_images_held_out_is_that_of_a_loop():
    task = dense_tasks.task("squares/classify")
    images, held = joint.set_aside(task.train.images[N:], 0.25, 3)
    assert len(images) + len(held) == len(task.train.images) - N
    whole = sorted(image.numpy().tobytes() for image in task.train.images[N:])
    assert sorted(image.numpy().tobytes() for image in torch.cat((images, held))) == whole
    heads, _ = built(task, 3)
    turned = ResidentImages(held, Normalisation.of(task.train.images), CPU.device, rotate=True, seed=3)
    found = joint.HeldOut(turned, CPU).read(heads)
    losses, correct = [], []
    for place in range(len(held)):
        one = turned.batch(torch.tensor([place]), torch.tensor([0]))
        scores = heads.turns(heads.body(one.images))[0].detach()
        losses.append(float(torch.logsumexp(scores, 0) - scores[int(one.turns)]))
        correct.append(int(scores.argmax()) == int(one.turns))
    assert found["heldout_rotation_loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert found["heldout_rotation_accuracy"] == pytest.approx(sum(correct) / len(correct))
    assert joint.HeldOut(None, CPU).read(heads) == {}


def test_holding_none_out_changes_nothing():
    task = dense_tasks.task("squares/classify")
    runs = [
        joint.fit(data_of(task), encoder(), 0, budget(), given, CPU, lambda *_: None).metrics
        for given in (OPTIONS, {key: value for key, value in OPTIONS.items() if key != "holdout"})
    ]
    assert runs[0] == runs[1]
    assert not [name for name in runs[0] if "heldout" in name]
