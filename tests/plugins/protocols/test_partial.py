"""What is frozen stays bit-identical, statistics included; everything above it moves."""

import copy
import functools

import pytest
import torch
from support import dense_tasks, toy_study
from torch import nn

from labeleff.catalogue import lookup
from labeleff.errors import LabeleffError, PluginError, UnknownNameError
from labeleff.execution.launch import measure
from labeleff.execution.scoring import score
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.protocols import finetune, partial
from labeleff.plugins.protocols.interface import Labelled
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.cell import Augment, Budget
from labeleff.study.loading import load_study
from labeleff.training.device import Compute
from labeleff.training.images import Normalisation
from labeleff.training.kernels.normalising import UncountedBatchNorm2d

CPU = Compute(torch.device("cpu"), "fp32")
NETWORKS = {
    "resnet9": {"width": 0.0625, "dim": 16},
    "resnet18": {},
    "mobilenet_v2": {"stem": "cifar"},
    "vit_tiny": {"width": 0.125, "depth": 4},
}


def data_of(task):
    return Labelled(task.train, task.outputs, Normalisation.of(task.train.images), task.goal)


def encoder(name="resnet9", **options):
    return build_encoder(lookup.complete("encoder", name, options or NETWORKS[name]), 0)


def budget(steps=3, batch=8):
    return Budget(
        lr=0.05, weight_decay=0.1, batch=batch, steps={"min": steps, "max": steps}, augment=Augment(flip=True)
    )


def fitted(network, stage, task="squares/classify", steps=3, batch=8):
    return partial.fit(
        data_of(dense_tasks.task(task)), network, 0, budget(steps, batch), {"frozen": stage}, CPU, lambda *_: None
    )


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("place", [0, 2, 4])
def test_weights_and_statistics_up_to_a_stage_stay_and_all_others_move(name, place):
    network = encoder(name)
    before = copy.deepcopy(network)
    fitted(network, network.stages[place])
    for at, stage in enumerate(network.stages):
        for now, then in zip(network.parts()[stage], before.parts()[stage], strict=True):
            new, old = now.state_dict(), then.state_dict()
            same = [torch.equal(new[key], old[key]) for key in new if not key.endswith("num_batches_tracked")]
            assert all(same) if at <= place else not any(same)
    faster = [isinstance(m, UncountedBatchNorm2d) or getattr(m, "alone", False) for m in network.modules()]
    assert any(faster), "the trainer rewrote the model"


@pytest.mark.parametrize("task", ["squares/segment", "squares/depth"])
def test_dense_goals_freeze_alike(task):
    network = encoder()
    before = copy.deepcopy(network.state_dict())
    fitted(network, "layer2", task)
    after = network.state_dict()
    moved = {key for key in after if not torch.equal(after[key], before[key])}
    assert {key.split(".")[1] for key in moved if key.startswith("layers")} == {"3"}


def test_training_mode_never_reaches_what_is_frozen():
    network = encoder()
    model = partial.PartlyFrozen(nn.Sequential(network, nn.Linear(16, 3)), network.until("layer1"))
    for mode in (True, False, True):
        model.train(mode)
        assert not any(m.training for part in network.layers[:2] for m in part.modules())
        assert all(m.training == mode for part in network.layers[2:] for m in part.modules())
    assert model.training
    assert set(model.state_dict()) == set(nn.Sequential(network, nn.Linear(16, 3)).state_dict())


def test_the_frozen_part_works_as_at_test_time():
    network, seen = encoder(), []
    reference = copy.deepcopy(network).eval()
    network.layers[0].register_forward_hook(lambda _, given, out: seen.append((given[0].detach(), out.detach())))
    fitted(network, "stem")
    for images, maps in seen:
        torch.testing.assert_close(maps, reference.layers[0](images), rtol=1e-5, atol=1e-6)
    assert len(seen) == 3


def test_a_part_that_moved_is_told(monkeypatch):
    monkeypatch.setattr(partial.PartlyFrozen, "train", nn.Sequential.train)
    with pytest.raises(PluginError, match="up to layer1 changed although they are frozen"):
        fitted(encoder(), "layer1")


def test_an_unknown_stage_is_refused_with_those_there_are():
    with pytest.raises(UnknownNameError, match=r"'layer9'.*known: layer1, layer2, layer3, prepool, stem"):
        fitted(encoder(), "layer9")


def test_it_learns_and_repeats():
    task = dense_tasks.task("squares/classify")
    runs = [fitted(encoder(width=0.125, dim=32), "stem", steps=60, batch=20) for _ in range(2)]
    assert runs[0].metrics == runs[1].metrics
    test = Labelled(task.test, task.outputs, Normalisation.of(task.train.images), task.goal).on(CPU.device)
    assert score(runs[0].predictor, test, CPU).metrics()["accuracy"] > 0.6
    plain = finetune.fit(data_of(task), encoder(), 0, budget(), {}, CPU, lambda *_: None)
    assert set(plain.metrics) == set(runs[0].metrics)


def _study(tmp_path, stage):
    rows = "finetune={lr=0.05, batch=16, steps={min=2, max=2}}, partial={lr=0.05, batch=16, steps={min=2, max=2}}"
    arm = f"{{pretext='scratch', protocol={{name='partial'{stage}}}}}"
    return load_study(
        str(toy_study.write(tmp_path)),
        [f"arms=['scratch/finetune', {arm}]", f"budget={{{rows}}}", "rungs=[20, 40]", "draws=1"],
    )


def test_a_study_names_its_stage_and_unknown_ones_are_told_before_anything_trains(tmp_path):
    with pytest.raises(LabeleffError, match="protocol 'partial' needs the option 'frozen'"):
        _study(tmp_path, "")
    options = functools.partial(
        RunOptions, command=["x"], jobs=1, cores=1, device="cpu", quiet=True, data=tmp_path, cache=tmp_path / "cache"
    )
    with pytest.raises(UnknownNameError, match="unknown stage of encoder ResNet9 'layer7'"):
        measure(_study(tmp_path, ", frozen='layer7'"), options(folder=tmp_path / "wrong"))
    assert not measure(_study(tmp_path, ", frozen='layer2'"), options(folder=tmp_path / "right"))
