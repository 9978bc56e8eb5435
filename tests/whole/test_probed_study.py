"""Studies with a probe: the same numbers as without, and a curve for every encoder wherever it comes from."""

import dataclasses
import functools

import pytest
from support import toy_study

from labeleff.commands.plan_tables import show_plan
from labeleff.execution.launch import measure
from labeleff.plugins.pretexts import rotation
from labeleff.records.jsonl import read_records
from labeleff.reporting.figures.look import Look
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.study_report import build
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study
from labeleff.training.encoder_cache import EncoderCache

PROBE = "probe={labels=40, held_out=60}"
ARMS = "arms=['scratch/finetune', 'rotation/linear']"


@pytest.fixture
def study(tmp_path):
    path = str(toy_study.write(tmp_path))
    return lambda *overrides: load_study(path, [ARMS, *overrides])


@pytest.fixture
def go(tmp_path):
    options = RunOptions(tmp_path, ["labeleff"], 1, 1, "cpu", tmp_path / "data", tmp_path / "cache", quiet=True)

    def run(of, folder="out", **changes):
        failed = measure(of, dataclasses.replace(options, folder=tmp_path / folder, **changes))
        assert failed == []
        return read_records(tmp_path / folder)

    return run


def values(records):
    """Collect by key the cells' results and the encoders' digests."""
    cells = {key: record.metrics for key, record in records.cells.items()}
    return cells, {key: record.encoder_sha256 for key, record in records.pretrainings.items()}


def steps(records):
    """List the steps of the curves of the only pretraining, by task."""
    [record] = records.pretrainings.values()
    return {curve.task.partition("(")[0]: [point.step for point in curve.points] for curve in record.probes}


def test_no_number_changes_and_nothing_is_done_twice(study, go, tmp_path):
    plain = go(study(), "plain", cache=tmp_path / "cache1")
    probed = go(study(PROBE), "probed", cache=tmp_path / "cache2")
    assert values(plain) == values(probed)
    assert steps(plain) == {}
    assert steps(probed) == {"toy/classify": [0, 7]}
    before = (tmp_path / "probed" / "records.jsonl").read_bytes()
    go(study(PROBE), "probed", cache=tmp_path / "cache2")
    assert (tmp_path / "probed" / "records.jsonl").read_bytes() == before


def test_a_cached_encoder_brings_its_curve(study, go, tmp_path):
    first, second = go(study(PROBE), "first"), go(study(PROBE), "second")
    [one], [two] = first.pretrainings.values(), second.pretrainings.values()
    assert (one.cached, two.cached) == (False, True)
    assert two.probes == one.probes
    assert steps(go(study(), "unasked")) == {}, "no curve that the study doesn't ask for"


def test_a_cached_encoder_without_the_curve_is_measured_again_and_stays(study, go, tmp_path):
    plain = go(study())
    [file] = (tmp_path / "cache" / "encoders").iterdir()
    EncoderCache(tmp_path / "cache").note(file.stem, marked(file))
    probed = go(study(PROBE), "other")
    other = go(study("probe={labels=30, held_out=60}"), "again")
    for records in (probed, other):
        [record] = records.pretrainings.values()
        assert record.cached
        assert record.peak_memory == 12345, "timing and memory are those of the encoder that cells start from"
        assert [curve.encoder_sha256 for curve in record.probes] == [record.encoder_sha256]
        assert values(records) == values(plain)
    kept = EncoderCache(tmp_path / "cache").record(file.stem)
    assert [curve.probe.labels for curve in kept.probes] == [40, 30], "no curve is lost"


def marked(file):
    """Mark the record of an encoder's file, so that it differs from that of a second training."""
    record = EncoderCache(file.parent.parent).record(file.stem)
    return record.model_copy(update={"peak_memory": 12345})


def test_a_finished_study_can_be_probed_afterwards(study, go, tmp_path, capsys):
    plain = go(study())
    show_plan(study(PROBE), tmp_path / "out", 1)
    assert (
        "linear probes while encoders are pretrained (40 labels, 60 held out, every window): "
        in capsys.readouterr().out
    )
    probed = go(study(PROBE))
    assert values(probed) == values(plain)
    assert steps(probed) == {"toy/classify": [0, 7]}
    [before], [after] = plain.pretrainings.values(), probed.pretrainings.values()
    assert after.model_copy(update={"probes": []}) == before, "timing stays that of the first training"
    text = build(tmp_path / "out", ReportOptions(look=Look(every=True))).read_text()
    assert "### Linear probe over pretraining" in text
    assert (tmp_path / "out" / "probes.csv").exists()
    assert (tmp_path / "out" / "figures" / "probes-toy-classify-resnet9.png").exists()


def test_a_pretext_is_given_images_alone(study, go, monkeypatch):

    original, seen = rotation.pretrain, []

    @functools.wraps(original)
    def spy(data, *rest):
        seen.append(set(vars(data)))
        return original(data, *rest)

    monkeypatch.setattr(rotation, "pretrain", spy)
    go(study(PROBE))
    assert seen == [{"images", "normalisation"}]


@pytest.mark.usefixtures("squares")
def test_tasks_that_share_an_encoder_have_a_curve_each(go):
    from support.dense_studies import study as of_squares

    records = go(of_squares(tasks=["squares/classify", "squares/segment"], probe={"labels": 10, "held_out": 20}))
    for record in records.pretrainings.values():
        assert [(curve.task.partition("(")[0], curve.metric) for curve in record.probes] == [
            ("squares/classify", "accuracy"),
            ("squares/segment", "pixel_accuracy"),
        ]
