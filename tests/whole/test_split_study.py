"""A whole study of a pretext that makes a pair of encoders: trained, stored, finetuned, probed, reported."""

import pytest

from labeleff.execution.job_runner import JobRunner
from labeleff.execution.launch import measure
from labeleff.execution.run_facts import Settings
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.split import LabSplit
from labeleff.records.jsonl import read_records
from labeleff.reporting.study_report import build
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import parse_study
from labeleff.training.encoder_cache import state_sha256

ROW = {"lr": 0.01, "batch": 16, "steps": {"min": 4, "max": 4}}
STUDY = {
    "name": "pairs",
    "tasks": [{"name": "toy/classify", "train": 120, "test": 60, "size": 16}],
    "encoders": [{"name": "resnet9", "width": 0.0625, "dim": 16}],
    "arms": [
        "scratch/finetune",
        "cmc/finetune",
        "cmc/linear",
        "cmc/knn",
        {"pretext": "cmc", "protocol": {"name": "partial", "frozen": "layer1"}},
    ],
    "rungs": [20, 40],
    "draws": 2,
    "budget": {"cmc": {**ROW, "optimizer": "adam"}, "finetune": ROW, "partial": ROW},
}


@pytest.fixture
def finished(tmp_path):
    options = {"jobs": 1, "cores": 1, "device": "cpu", "data": tmp_path / "data", "cache": tmp_path / "cache"}
    study = parse_study(STUDY, "the test's study")
    failed = measure(study, RunOptions(folder=tmp_path / "out", command=["labeleff"], quiet=True, **options))
    assert not failed
    return study, tmp_path


def test_cells_start_from_the_pair_and_the_report_tells_its_size(finished):
    study, folder = finished
    records = read_records(folder / "out")
    assert len(records.cells) == 20
    [pretraining] = records.pretrainings.values()
    pair, plain = pretraining.metrics["parameters"], pretraining.metrics["plain_parameters"]
    assert pair == sum(p.numel() for p in build_encoder(study.encoders[0], 0, split=True).parameters())
    text = build(folder / "out").read_text()
    assert (
        f"cmc hands on a pair of narrow encoders with {pair:,.0f} parameters ({100 * (pair / plain - 1):+.1f} %)"
        in text
    )
    assert f" {plain:,.0f} |" in text

    options = RunOptions(folder, device="cpu", data=folder / "data", cache=folder / "cache")
    runner = JobRunner(Settings(options, "r", labels=None))
    cells = {cell.arm: cell for cell in study.cells()}
    encoder = runner.encoder(cells["cmc/linear"])
    assert isinstance(encoder, LabSplit)
    assert state_sha256(encoder) == pretraining.encoder_sha256
    assert not isinstance(runner.encoder(cells["scratch/finetune"]), LabSplit)
