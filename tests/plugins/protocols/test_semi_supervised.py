"""What the semi-supervised protocols share: equality with finetune, streams, averages, what labels they see."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from support import dense_tasks, packed_trainings, semi_runs
from torch import nn

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import PluginError, StudyError
from labeleff.execution.workplace import LoadedTask
from labeleff.plugins.protocols.interface import Labelled
from labeleff.plugins.protocols.semi_supervised import Averaged
from labeleff.scheduling.jobs import drawn, steps
from labeleff.study.cell import Cell
from labeleff.training.device import Compute
from labeleff.training.examples import Examples
from labeleff.training.images import Normalisation
from labeleff.training.loop import train_alone
from labeleff.training.slots import TrainingState

NAMES, B, N = semi_runs.NAMES, semi_runs.B, semi_runs.N
ALL = [*((name, {}) for name in NAMES), ("fixmatch", {"thresholds": "flexible"}), ("mean_teacher", {"decay": 0.0})]

TOY = Spec(name="any")


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("length", ["steps", "epochs"])
@pytest.mark.parametrize("name", NAMES)
def test_without_weight_and_average_it_is_finetune_to_the_digit(name, length):
    table = semi_runs.budget(25) if length == "steps" else semi_runs.budget(epochs=3)
    usual, found = semi_runs.fitted("finetune", table=table), semi_runs.fitted(name, table=table, **semi_runs.OFF)
    assert found.metrics == usual.metrics
    assert found.training.history == usual.training.history
    assert (found.training.steps, found.training.images) == (usual.training.steps, usual.training.images)
    spec = lookup.complete("protocol", name, semi_runs.OFF)
    cell = Cell(task=TOY, encoder=TOY, pretext=TOY, protocol=spec, n=N, draw=0, seed=0, budget=table)
    assert steps(cell, table, lambda: 80) == usual.training.steps, "as plans and packs count them"
    assert same(found.predictor, usual.predictor)
    assert not same(semi_runs.fitted(name, table=table).predictor, usual.predictor)


@pytest.mark.parametrize("name", NAMES)
def test_the_labelled_part_of_every_batch_is_finetunes(name):
    """With unlabelled images beside it, packed or not, from any step on."""
    table = semi_runs.budget(9)
    usual, one = semi_runs.prepared("finetune", table=table).slot, semi_runs.prepared(name, table=table).slot
    states = [TrainingState(slot, table, 9) for slot in (usual, one)]
    orders = [state.order(0, 9, torch.device("cpu")) for state in states]
    for step in range(9):
        batches = []
        for slot, state, (samples, epochs) in zip((usual, one), states, orders, strict=True):
            part = slice(step * state.batch, (step + 1) * state.batch)
            batches.append(slot.images.batch(samples[part], epochs[part]))
        assert torch.equal(batches[0].images, batches[1].images[:B])
        assert torch.equal(batches[0].targets, batches[1].targets)
        assert batches[1].samples[B:].max() < 80
    late = states[1].order(4, 3, torch.device("cpu"))
    batch = states[1].batch
    assert all(torch.equal(a, b[4 * batch : 7 * batch]) for a, b in zip(late, orders[1], strict=True))


@pytest.mark.parametrize(("name", "given"), ALL)
def test_every_image_is_drawn_equally_often_and_counted(name, given):
    table = semi_runs.budget(20)
    slot = semi_runs.prepared(name, table=table, **given).slot
    state = TrainingState(slot, table, 20)
    samples, epochs = state.order(0, 20, torch.device("cpu"))
    others = samples.view(20, -1)[:, B:].flatten() - N
    counts = others.bincount(minlength=80)
    assert int(counts.max() - counts.min()) <= 1
    assert len(set(zip(samples.tolist(), epochs.tolist(), strict=True))) == len(samples)
    found = semi_runs.fitted(name, table=table, **given).training
    ratio = float(semi_runs.options(name, **given)["ratio"])
    assert (found.labelled, found.images - found.labelled) == (20 * B, round(20 * B * ratio))
    assert drawn(lookup.complete("protocol", name, given), B) * 20 == found.images
    assert found.images == sum(window.images for window in found.windows)


@pytest.mark.parametrize(("name", "given"), ALL)
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(name, given):
    runs = [semi_runs.fitted(name, seed, **given) for seed in (0, 0, 1)]
    assert runs[0].metrics == runs[1].metrics != runs[2].metrics
    assert same(runs[0].predictor, runs[1].predictor)


@pytest.mark.parametrize(("name", "given"), ALL)
def test_labels_of_other_images_change_no_bit(name, given):
    """The runner's own way from a task to a protocol, with all labels but the n drawn ones exchanged."""
    whole, chosen = semi_runs.task(), np.array([3, 9, 14, 22, 40, 41, 55, 60, 70, 71, 72, 77])
    others = np.setdiff1d(np.arange(80), chosen)
    labels = whole.train.labels.clone()
    labels[others] = (labels[others] + torch.from_numpy(others) % 9 + 1) % 10
    assert (labels != whole.train.labels).sum() == len(others)
    wrong = dataclasses.replace(whole, train=Examples(whole.train.images, labels))
    table, results = semi_runs.budget(5), []
    for one in (whole, wrong):
        data = LoadedTask(one, semi_runs.CPU.device).labelled(chosen, True)
        prepared = lookup.preparation(name)(
            data, semi_runs.encoder(), 0, table, semi_runs.options(name, **given), semi_runs.CPU
        )
        results.append(prepared.fit(table, semi_runs.CPU, lambda *_: None))
    assert results[0].training.history == results[1].training.history
    assert same(results[0].predictor, results[1].predictor)


@pytest.mark.parametrize(("name", "given"), [one for one in ALL if one[1] != {"thresholds": "flexible"}])
def test_packed_trainings_give_what_the_loop_gives(name, given):
    """Ragged lengths and label counts through two slots, in float64: averages, ramps, statistics and all."""
    cells = ((1, 7, 20), (2, 3, 12), (3, 25, 9))
    alone, together = ([semi_runs.ready(name, *cell, **given) for cell in cells] for _ in range(2))
    trained, _ = packed_trainings.packed(together, 2)
    for number, (one, other) in enumerate(zip(alone, together, strict=True)):
        training = train_alone(one.slot, one.budget, one.steps, semi_runs.EXACT, lambda *_: None)
        assert packed_trainings.difference(one.slot.model, other.slot.model) < 1e-9
        found = trained[number]
        assert (found.packing, found.slots) == ("vmap", 2)
        assert (training.steps, training.images, training.labelled) == (found.steps, found.images, found.labelled)
        for a, b in zip(training.history, found.history, strict=True):
            assert a == pytest.approx(b, rel=1e-7, abs=1e-9)


def averaged_by_hand(weights, decay):
    """The average after every step in float64, from the weights after each step (the first before any)."""
    mean = weights[0].double()
    for step, now in enumerate(weights[1:], start=1):
        kept = min(1 - 1 / (step + 1), decay)
        mean = kept * mean + (1 - kept) * now.double()
    return mean


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_the_average_is_the_papers_in_any_precision(precision, decay):
    """In bfloat16 an average with decay 0.999 would stand still."""
    torch.manual_seed(0)
    model = Averaged(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), decay, 0)
    compute, seen = Compute(torch.device("cpu"), precision), []
    seen.append(copy.deepcopy(model.network.state_dict()))
    for step in range(60):
        with compute.autocast():
            model(torch.randn(6, 3) + 1)
        with torch.no_grad():
            for parameter in model.network.parameters():
                parameter.add_(1e-3 * (1 + step % 3))
        seen.append(copy.deepcopy(model.network.state_dict()))
    result = model.result(own_statistics=False)
    for name, parameter in result.named_parameters():
        assert parameter.dtype == torch.float32
        expected = averaged_by_hand([state[name] for state in seen], decay)
        torch.testing.assert_close(parameter.double(), expected, rtol=1e-5, atol=1e-6)
    assert float((parameter - seen[0][name]).abs().min()) > 0.01
    for name, buffer in result.named_buffers():
        assert torch.equal(buffer, seen[-1][name]), "batch-norm's statistics are the network's last ones"
    assert int(model.steps) == 60


def test_the_average_keeps_statistics_of_its_own_where_it_computes_them():
    model = Averaged(nn.BatchNorm1d(4), 0.9, 0)
    model(torch.randn(6, 4) + 3)
    assert torch.equal(model.result(own_statistics=True).running_mean, torch.zeros(4))


def test_evaluating_counts_no_step_and_moves_nothing():
    model = Averaged(nn.Linear(3, 2), 0.9, 10)
    model(torch.ones(2, 3))
    before = copy.deepcopy(model.state_dict())
    model.eval()(torch.ones(2, 3))
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))


def test_the_ramp_reaches_one_after_its_steps_and_is_one_without_any():
    model, flat = Averaged(nn.Identity(), 0, 4), Averaged(nn.Identity(), 0, 0)
    assert [float(model(torch.ones(1))[1]) for _ in range(6)] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert [float(flat(torch.ones(1))[1]) for _ in range(2)] == [1.0, 1.0]


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_is_all_images_that_a_step_draws(name):
    table = semi_runs.budget(epochs=2)
    found = semi_runs.fitted(name, table=table).training
    per_step = B * (1 + int(semi_runs.options(name)["ratio"]))
    assert found.steps == -(-2 * 80 // per_step)
    assert found.history[-1]["epoch"] == pytest.approx(found.images / 80)
    spec = lookup.complete("protocol", name, {})
    cell = Cell(task=TOY, encoder=TOY, pretext=TOY, protocol=spec, n=N, draw=0, seed=0, budget=table)
    assert steps(cell, table, lambda: 80) == found.steps, "as plans and packs count them"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("goal", ["squares/segment", "squares/depth"])
def test_labels_that_are_no_classes_are_refused(name, goal):
    task = dense_tasks.task(goal)
    examples = Examples(task.train.images[:N], task.train.labels[:N])
    data = Labelled(examples, task.outputs, Normalisation.of(task.train.images), task.goal, task.train.images[N:])
    with pytest.raises(PluginError, match=f"{name} works on classes of images; found labels of the kind"):
        lookup.preparation(name)(
            data, semi_runs.encoder(), 0, semi_runs.budget(), semi_runs.options(name), semi_runs.CPU
        )


@pytest.mark.parametrize("name", NAMES)
def test_without_other_images_it_is_refused_and_with_none_left_it_works(name):
    data = semi_runs.data()
    bare = Labelled(data.examples, data.outputs, data.normalisation, data.goal)
    with pytest.raises(PluginError, match=f"{name} needs the other training images"):
        lookup.preparation(name)(
            bare, semi_runs.encoder(), 0, semi_runs.budget(), semi_runs.options(name), semi_runs.CPU
        )
    assert semi_runs.fitted(name, n=80).training.images > semi_runs.fitted(name, n=80).training.labelled


@pytest.mark.parametrize("name", NAMES)
def test_options_are_checked(name):
    with pytest.raises(StudyError, match=r"option 'weight': found -1.0, expected 0, or a number over it"):
        lookup.complete("protocol", name, {"weight": -1.0})
    with pytest.raises(StudyError, match=r"option 'ratio': found 0.0, expected a number over 0"):
        lookup.complete("protocol", name, {"ratio": 0.0})
    with pytest.raises(StudyError, match=r"expected at most 0\.99999"):
        lookup.complete("protocol", name, {"decay": 1.0})
    with pytest.raises(StudyError, match=r"ratio: found 0.01, which is no image for a batch of 8"):
        semi_runs.prepared(name, ratio=0.01)
    for key in ("weight", "decay"):
        assert lookup.complete("protocol", name, {key: 0}).options[key] == 0


@pytest.mark.parametrize("name", NAMES)
def test_poses_keep_their_flip(name):
    """A mirrored image has another pose, so both views of one image must be mirrored alike."""
    task = dense_tasks.task("squares/pose")
    examples = Examples(task.train.images[:N], task.train.labels[:N])
    data = Labelled(examples, task.outputs, Normalisation.of(task.train.images), task.goal, task.train.images[N:])
    table = semi_runs.budget(augment={"flip": True})
    slot = lookup.preparation(name)(data, semi_runs.encoder(), 0, table, semi_runs.options(name), semi_runs.CPU).slot
    everything = slot.images.everything
    samples, epochs = torch.arange(48), torch.full((48,), 2)
    flips = [everything.batch(samples, epochs, view=view).flips for view in (0, 1)]
    assert torch.equal(*flips)
    assert set(flips[0].tolist()) == {0, 1}
