"""Pretrainings of a study: interrupted, gone on with."""

import pytest
from support import factories

from labeleff.errors import InterruptedRunError
from labeleff.training import checkpoints
from labeleff.training.checkpoints import Checkpoint

STUDY = {
    "tasks": [{"name": "toy/classify", "train": 300, "test": 50, "size": 16}],
    "encoders": [{"name": "resnet9", "width": 0.0625, "dim": 16}],
    "arms": ["scratch/finetune", "rotation/finetune"],
    "rungs": [20, 30, 40],
    "draws": 1,
    "seeds": 1,
    "budget": {
        "rotation": {"lr": 0.05, "batch": 16, "steps": {"min": 80, "max": 80}},
        "finetune": {"lr": 0.05, "batch": 16, "steps": {"min": 2, "max": 2}},
    },
}


def encoder(records):
    [record] = records.pretrainings.values()
    return record.encoder_sha256, record.metrics, record.training.history, len(record.training.windows)


def test_an_interrupted_pretraining_goes_on_from_its_checkpoint(go, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    study = factories.study(**STUDY)
    _, whole = go(study, folder="whole", cache=tmp_path / "other")
    real, saved = Checkpoint.save, []

    def interrupted(self, state, *more):
        real(self, state, *more)
        saved.append(state.done)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", interrupted)
    with pytest.raises((KeyboardInterrupt, InterruptedRunError)):
        go(study)
    [unfinished] = (tmp_path / "cache" / "unfinished").iterdir()
    assert unfinished.suffix == ".pt"
    _, records = go(study)
    assert encoder(records) == encoder(whole)
    assert len(saved) == len(set(saved)) == encoder(whole)[3] - 1
    assert not list(unfinished.parent.iterdir())
