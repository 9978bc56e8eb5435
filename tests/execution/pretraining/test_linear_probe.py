"""Probes of an encoder in training: they change nothing, and give what a separate probe gives."""

import copy

import pytest
import torch
from support.small_pretexts import CPU, NAMES, options

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.errors import StudyError
from labeleff.execution.pretraining.linear_probe import Probing, split
from labeleff.execution.scoring import predict
from labeleff.execution.workplace import LoadedTask
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.pretexts.interface import Unlabelled
from labeleff.plugins.protocols.interface import LabelledFeatures
from labeleff.plugins.protocols.linear import fit
from labeleff.seeding import stream_seed
from labeleff.study.cell import Augment, Budget
from labeleff.study.probe_settings import Probe
from labeleff.training.encoder_cache import state_sha256
from labeleff.training.examples import Source, load_task
from labeleff.training.images import ResidentImages

SPEC = Spec(name="toy/classify", options={"train": 240, "test": 40, "size": 16})
ENCODER = Spec(name="resnet9", options={"width": 0.0625, "dim": 16})
PROBE = Probe(labels=60, held_out=100)
OWN = ["rotation", "vae", "cmc", "amdim"]


@pytest.fixture(scope="module")
def toy():
    return LoadedTask(load_task(SPEC, Source(None, offline=True)), CPU.device)


def pretrained(name, loaded, probe=None, budget=None, seed=0, spec=ENCODER):
    """Pretrain an encoder; returns it with the pretext's result, and the probe's curve if there is a probe."""
    plugin = lookup.find("pretext", name)
    if plugin.own_views:
        pytest.importorskip("lightly", reason="lightly (an extra) isn't there")
    augment = Augment() if plugin.own_views else Augment(crop=2)
    budget = budget or Budget(optimizer="adam", lr=0.003, batch=12, steps={"min": 40, "max": 40}, augment=augment)
    encoder = build_encoder(spec, stream_seed("init", seed), split=plugin.split)
    probing = Probing(probe, [(SPEC, loaded)], encoder, CPU) if probe else None
    if probing:
        probing.measure(0)
    progress = probing.beside(lambda *_: None) if probing else lambda *_: None
    data = Unlabelled(loaded.task.train.images, loaded.normalisation)
    given = options(name, holdout=0.1) if plugin.own_views else lookup.complete("pretext", name, {}).options
    result = lookup.resolve("pretext", name)(data, encoder, seed, budget, given, CPU, progress)
    return encoder, result, probing.curves(result.training, budget)[0] if probing else None


@pytest.mark.parametrize("name", [*OWN, *NAMES])
def test_a_probe_changes_no_bit_of_any_pretext(name, toy):
    torch.manual_seed(0)
    plain, without, _ = pretrained(name, toy)
    before = torch.random.get_rng_state()
    probed, result, curve = pretrained(name, toy, PROBE)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert state_sha256(probed) == state_sha256(plain) == curve.encoder_sha256
    assert result.metrics == without.metrics
    assert result.training.history == without.training.history
    assert [point.step for point in curve.points] == [0, 20, 40]
    assert [point.epoch for point in curve.points[1:]] == pytest.approx([e["epoch"] for e in result.training.history])
    assert all(0 <= point.value <= 1 for point in curve.points)
    assert probed.training == plain.training, "the mode, not the history"


def test_examples_are_of_the_training_split_and_apart(toy):
    fitted_on, held_out = split(toy.task, SPEC, PROBE)
    assert (len(fitted_on), len(held_out)) == (60, 100)
    assert len({*fitted_on.tolist(), *held_out.tolist()}) == 160
    assert torch.bincount(toy.task.train.labels[torch.from_numpy(fitted_on)]).tolist() == [6] * 10
    everything = split(toy.task, SPEC, Probe(labels=140, held_out=100))
    assert sorted([*everything[0], *everything[1]]) == list(range(240))
    with pytest.raises(StudyError, match=r"141 labels and 100 held-out .* toy/classify\(.*\) has 240"):
        split(toy.task, SPEC, Probe(labels=141, held_out=100))


def test_a_value_is_that_of_a_probe_done_by_hand(toy):
    encoder, _, curve = pretrained("rotation", toy, PROBE)
    features = predict(encoder.eval(), ResidentImages(toy.task.train.images, toy.normalisation, CPU.device), CPU)
    fitted_on, held_out = map(torch.from_numpy, split(toy.task, SPEC, PROBE))
    labels = toy.task.train.labels
    [fitted] = fit([LabelledFeatures(features[fitted_on], labels[fitted_on], 10)], {"prior": 10.0})
    correct = fitted.predictor(features[held_out]).argmax(1) == labels[held_out]
    assert curve.points[-1].value == pytest.approx(float(correct.double().mean()), abs=0.011)
    assert curve.metric == "accuracy"
    assert curve.chance == int(torch.bincount(labels[held_out]).max()) / 100


def test_the_end_is_probed_whatever_the_interval(toy):
    _, _, curve = pretrained("rotation", toy, PROBE.model_copy(update={"every": 3}))
    assert [point.step for point in curve.points] == [0, 40]


def test_what_is_no_number_is_left_open(toy):
    encoder = build_encoder(ENCODER, 0)
    with torch.no_grad():
        next(encoder.parameters()).fill_(float("nan"))
    probing = Probing(PROBE, [(SPEC, toy)], encoder, CPU)
    probing.measure(0)
    [curve] = probing.curves(None, Budget(lr=0.1, batch=24, steps={"min": 10, "max": 10}))
    assert [(point.step, point.epoch, point.value) for point in curve.points] == [(0, 0.0, None), (10, 1.0, None)]


def test_a_probe_that_is_not_solved_is_left_open(toy, monkeypatch):
    monkeypatch.setattr("labeleff.plugins.protocols.logistic.MAX_SHARED_STEPS", 1)
    monkeypatch.setattr("labeleff.plugins.protocols.logistic.MAX_STEPS", 1)
    probing = Probing(PROBE, [(SPEC, toy)], build_encoder(ENCODER, 0), CPU)
    probing.measure(0)
    [curve] = probing.curves(None, Budget(lr=0.1, batch=24, steps={"min": 10, "max": 10}))
    assert [point.value for point in curve.points] == [None, None]


def test_an_untrained_pair_sees_colours_as_cmc_will(toy):
    pair = build_encoder(ENCODER, 0, split=True)
    ready = copy.deepcopy(pair)
    ready.lab.measure(toy.task.train.images, toy.normalisation)
    values = []
    for encoder in (pair, ready):
        probing = Probing(PROBE, [(SPEC, toy)], encoder, CPU)
        probing.measure(0)
        values.append(probing._tasks[0].values[0])
    assert values[0] == values[1]
    assert state_sha256(pair) != state_sha256(ready), "a copy alone has measured"


@pytest.mark.usefixtures("squares")
@pytest.mark.parametrize(("name", "metric"), [("squares/segment", "pixel_accuracy"), ("squares/depth", "within_1.25")])
def test_labels_of_pixels_are_probed_by_their_first_metric(name, metric):
    spec = lookup.complete("task", name, {})
    loaded = LoadedTask(load_task(spec, Source(None, offline=True)), CPU.device)
    probing = Probing(Probe(labels=10, held_out=20), [(spec, loaded)], build_encoder(ENCODER, 0), CPU)
    probing.measure(0)
    [curve] = probing.curves(None, Budget(lr=0.1, batch=8, steps={"min": 1, "max": 1}))
    assert curve.metric == metric
    assert curve.points[0].value == curve.points[1].value > 0


def test_rotation_raises_the_probe_on_the_toy_task():
    task = Spec(name="toy/classify", options={"train": 2000, "test": 10, "size": 16})
    loaded = LoadedTask(load_task(task, Source(None, offline=True)), CPU.device)
    budget, probe = Budget(lr=0.05, batch=64, epochs=5), Probe(labels=200, held_out=1000)
    encoder = Spec(name="resnet9", options={"width": 0.125, "dim": 64})
    _, _, curve = pretrained("rotation", loaded, probe, budget, spec=encoder)
    untrained, first, *_, last = (point.value for point in curve.points)
    assert last > max(untrained, first) + 0.05
    assert min(untrained, first) > curve.chance
