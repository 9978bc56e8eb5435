import functools
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file
from support import toy_study

from labeleff.errors import ConditionError, LabeleffError
from labeleff.execution import cell_jobs, scoring, workplace
from labeleff.execution.pretraining import pretraining_jobs
from labeleff.plugins.protocols import linear
from labeleff.reporting import study_report
from labeleff.scheduling.jobs import Pretrain, Solve, Train, jobs_for
from labeleff.study.loading import load_study
from labeleff.training.device import reset_peak_memory
from labeleff.training.encoder_cache import EncoderCache, sha256_of
from labeleff.training.examples import Source
from labeleff.training.slots import DivergedError


@pytest.fixture
def study(tmp_path):
    return functools.partial(load_study, str(toy_study.write(tmp_path)))


def accuracies(records):
    return {key: record.metrics.get("accuracy") for key, record in records.cells.items()}


def test_a_study_gives_a_record_a_cell_and_then_nothing_is_left(study, go, tmp_path):
    failed, records = go(study())
    assert not failed
    assert set(records.cells) == {cell.key for cell in study().cells()}
    assert len(records.pretrainings) == 1
    before = (tmp_path / "out" / "records.jsonl").read_bytes()
    go(study())
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == before


def test_another_baseline_is_another_report_of_the_same_cells(study, go):
    _, first = go(study())
    _, second = go(study(["baseline=rotation/linear"]))
    assert set(first.cells) == set(second.cells)
    assert [run.study["baseline"] for run in second.runs] == ["scratch/finetune", "rotation/linear"]


def test_layout_can_be_chosen_and_is_recorded(study, go):
    _, usual = go(study(["precision=fp32"]), "usual")
    _, other = go(study(["precision=fp32", "layout=contiguous"]), "other")
    layouts = [{r.training.layout for r in s.cells.values() if r.training} for s in (usual, other)]
    assert layouts == [{"channels_last"}, {"contiguous"}]
    assert not set(usual.cells) & set(other.cells)


def test_records_hold_the_labels_of_every_draw(study, go):
    _, records = go(study())
    assert {record.indices_sha256 for record in records.cells.values()} == set(records.labels)
    for entry in records.labels.values():
        assert entry.indices == sorted(set(entry.indices))
        assert len(entry.indices) == entry.n
    small, large = (next(e for e in records.labels.values() if (e.draw, e.n) == (0, n)) for n in (20, 40))
    assert set(small.indices) < set(large.indices)


def test_records_say_which_labels_and_how_training_went(study, go):
    _, records = go(study())
    by_arm = {}
    for record in records.cells.values():
        by_arm.setdefault((record.cell.draw, record.cell.n), set()).add(record.indices_sha256)
        assert record.test_count == 100
        assert 0 <= record.metrics["accuracy"] <= 1
        if record.cell.protocol.name == "finetune":
            assert record.training.images == 64
            assert record.training.windows[0].seconds > 0
            assert record.training.windows[0].processor_seconds > 0
        assert record.processor_seconds > 0
        assert record.own_peak == reset_peak_memory(torch.device("cpu"))
    assert all(len(hashes) == 1 for hashes in by_arm.values()), "arms of one draw must share their labels"
    assert len(set.union(*by_arm.values())) == len(by_arm)
    [pretraining] = records.pretrainings.values()
    assert set(pretraining.metrics) == {"accuracy", "heldout_accuracy", "loss"}
    assert pretraining.training.history


def test_numbers_do_not_depend_on_the_process_or_the_order(study, go):
    _, alone = go(study(), "alone")
    _, workers = go(study(), "workers", jobs=2)
    assert accuracies(alone) == accuracies(workers)


def test_a_second_study_reuses_the_cached_encoder(study, go):
    _, first = go(study(), "first")
    _, second = go(study(), "second")
    [one], [two] = first.pretrainings.values(), second.pretrainings.values()
    assert not one.cached
    assert two.cached
    assert one.encoder_sha256 == two.encoder_sha256
    assert accuracies(first) == accuracies(second)


def test_an_encoder_that_trained_again_has_other_weights_says_how_many_cells_had_the_former(study, go, tmp_path):
    """As where the cache was cleared and another processor rounds otherwise: its former weights are another hash."""
    _, first = go(study(["rungs=[20]", "allow_one_rung=true"]))
    [pretraining], path = first.pretrainings.values(), tmp_path / "out" / "records.jsonl"
    path.write_text(path.read_text().replace(pretraining.encoder_sha256, "0" * 64))
    for cache in ("second", "third"):
        _, records = go(study([f"draws={2 + (cache == 'third')}"]), cache=tmp_path / cache)
        [again] = records.pretrainings.values()
        assert (again.encoder_sha256, again.former_cells) == (pretraining.encoder_sha256, 6)
    with mock.patch("labeleff.reporting.figures.style.render", return_value=b""):
        text = study_report.build(tmp_path / "out").read_text()
    assert "**Encoders trained again**: 1 of 1 gave other weights" in text


def replaced(cache, key, record):
    """Put an encoder of other weights in the cache, as another run would that rounds otherwise."""
    stored = load_file(cache / "encoders" / f"{key}.safetensors")
    weights = {name: tensor + 1e-3 if tensor.is_floating_point() else tensor for name, tensor in stored.items()}
    other = record.model_copy(update={"encoder_sha256": sha256_of(weights)})
    EncoderCache(cache).save_weights(key, weights, other)
    return other.encoder_sha256


def test_a_folder_whose_encoder_another_run_replaced_in_the_cache_says_so(study, go, tmp_path):
    _, first = go(study(["draws=1"]))
    [pretraining], [file] = first.pretrainings.values(), (tmp_path / "cache" / "encoders").iterdir()
    other = replaced(tmp_path / "cache", file.stem, pretraining)
    failed, records = go(study(["draws=2"]))
    [again] = records.pretrainings.values()
    assert not failed
    assert (again.encoder_sha256, again.former_cells) == (other, 6)


def test_of_two_runs_that_make_one_encoder_at_once_both_go_on_with_the_first(study, go, tmp_path, monkeypatch):
    make, others = pretraining_jobs._make, []

    def overtaken(place, pretraining, *rest):
        encoder, record = make(place, pretraining, *rest)
        key = place.cache_key(pretraining)
        place.cache.save(key, encoder, record)
        others.append(replaced(tmp_path / "cache", key, record))
        return encoder, record

    monkeypatch.setattr(pretraining_jobs, "_make", overtaken)
    failed, records = go(study())
    [record] = records.pretrainings.values()
    assert not failed
    assert ([record.encoder_sha256], record.cached) == (others, True)


def test_a_failed_cell_is_a_record_and_the_rest_goes_on(study, go):
    wild = study(["budget.finetune.lr=1e30"])
    failed, records = go(wild)
    assert {r.cell.protocol.name for r in failed} == {"finetune"}
    assert all(r.reason.startswith("diverged: ") for r in failed)
    assert {r.cell.protocol.name for r in records.cells.values() if r.status == "ok"} == {"linear", "knn"}
    assert len(go(wild)[0]) == len(failed), "failed cells are not tried again unasked"


def test_a_probe_that_is_not_solved_fails_its_cell_alone(study, go, monkeypatch):
    """Its answer would be no minimum, and nothing in the record would tell."""
    usual = linear.solve

    def first_unsolved(*problem):
        solved = usual(*problem)
        return solved._replace(failures=["no minimum", *solved.failures[1:]])

    monkeypatch.setattr(linear, "solve", first_unsolved)
    failed, records = go(study())
    assert {(r.cell.protocol.name, r.reason) for r in failed} == {("linear", "diverged: no minimum")}
    solved = [r for r in records.cells.values() if r.cell.protocol.name == "linear" and r.status == "ok"]
    assert len(failed) + len(solved) == 4
    assert solved


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cache_that_cannot_be_written_ends_the_run_with_its_name(study, go, tmp_path, jobs):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "encoders").write_text("in the way")
    with pytest.raises(LabeleffError, match="the pretrained encoder can't be stored"):
        go(study(), jobs=jobs)


def test_retry_failed_measures_again(study, go, monkeypatch):
    with monkeypatch.context() as small:
        for name in ("score", "score_frozen"):
            small.setattr(cell_jobs, name, lambda *_: (_ for _ in ()).throw(MemoryError()))
        failed, _ = go(study())
    assert len(failed) == 16
    assert {r.reason for r in failed} == {"out of memory"}
    assert not go(study(), retry_failed=True)[0]


def test_a_failed_pretraining_fails_its_cells_with_the_reason(study, go):
    failed, records = go(study(["budget.rotation.lr=1e30"]))
    assert len(failed) == 12
    assert all(r.reason.startswith("pretraining failed: diverged") for r in failed)
    assert {r.cell.pretext.name for r in records.cells.values() if r.status == "ok"} == {"scratch"}


def test_other_conditions_are_refused_and_named(study, go):
    go(study(["precision=fp32"]))
    with pytest.raises(ConditionError, match=r"precision of resnet9 = fp32, this run has bf16"):
        go(study(["precision=bf16"]))


def test_a_moving_frozen_encoder_is_caught(study, go, monkeypatch):
    original = scoring.predict

    def moving(model, images, compute):
        if isinstance(model, torch.nn.Module):
            with torch.no_grad():
                next(model.buffers()).add_(1)
        return original(model, images, compute)

    monkeypatch.setattr(scoring, "predict", moving)
    failed, _ = go(study(["arms=['scratch/finetune', 'rotation/linear']"]))
    linear = [r for r in failed if r.cell.protocol.name == "linear"]
    assert len(linear) == 4
    assert all("although it is frozen" in r.reason for r in linear)


def test_published_draws_are_read_back(study, go, tmp_path):
    from labeleff.execution.given_labels.exported_lists import export

    export(study(), tmp_path / "draws", tmp_path / "data", offline=True)
    _, own = go(study(), "own")
    _, read = go(study([f"draws_from='{tmp_path / 'draws'}'"]), "read")
    ours = {(r.cell.arm, r.cell.n, r.cell.draw): r for r in own.cells.values()}
    for record in read.cells.values():
        twin = ours[record.cell.arm, record.cell.n, record.cell.draw]
        assert record.indices_sha256 == twin.indices_sha256 == record.cell.indices_sha256
        assert record.metrics == twin.metrics


def test_a_protocol_gets_exactly_n_labels_and_a_pretext_none(study, go, monkeypatch):
    from labeleff.plugins.pretexts import rotation
    from labeleff.plugins.protocols import finetune, linear

    seen = []
    for module, name in ((finetune, "fit"), (linear, "fit"), (rotation, "pretrain")):
        original = getattr(module, name)

        def spy(data, *rest, original=original):
            seen.append(data)
            return original(data, *rest)

        monkeypatch.setattr(module, name, spy)
    go(study())
    pretexts = [d for d in seen if hasattr(d, "images")]
    assert [set(vars(d)) for d in pretexts] == [{"images", "normalisation"}]
    assert {len(d.examples) for d in seen if hasattr(d, "examples")} == {20, 40}
    assert sorted(len(p.labels) for d in seen if isinstance(d, list) for p in d) == [20, 20, 40, 40]
    task = load_study_task(study)
    test = {image.numpy().tobytes() for image in task.test.images}
    assert not any(image.numpy().tobytes() in test for d in pretexts for image in d.images)


def load_study_task(study):
    from labeleff.training.examples import load_task

    return load_task(study().tasks[0], Source(None, offline=True))


def test_preflight_finds_what_the_study_cannot_know(study, go):
    with pytest.raises(LabeleffError, match="multiples of 8"):
        go(study(["tasks=[{name='toy/classify', train=200, test=100, size=20}]"]))
    simclr = [
        "arms=['scratch/finetune', 'rotation/linear', 'simclr/linear']",
        "budget.simclr={lr=0.1, batch=64, steps={min=1, max=1}}",
    ]
    with pytest.raises(
        LabeleffError, match=r"simclr of .*: found 38 images to train on .*, expected as many as a batch"
    ):
        go(study([*simclr, "pretraining={images=[40, 'all']}"]))


def test_jobs_run_pretrainings_first_and_frozen_cells_together(study):
    jobs = jobs_for(study().cells(), lambda _: False)
    assert [type(job) for job in jobs] == [Pretrain, *[Train] * 8, Solve, Solve]
    assert [len(job.cells) for job in jobs[1:]] == [1] * 8 + [4, 4]
    assert all(job.needs == {jobs[0].pretraining.key} for job in jobs[1:] if job.cells[0].pretext.name == "rotation")
    assert len(jobs_for(study().cells(), lambda _: True)) == len(jobs) - 1


def test_reasons_are_one_line():
    assert workplace.explain(MemoryError()) == ("out of memory", None)
    assert workplace.explain(torch.cuda.OutOfMemoryError())[0] == "out of memory"
    assert workplace.explain(DivergedError("x"))[0] == "diverged: x"
    reason, detail = workplace.explain(ValueError("a\nb"))
    assert reason == "ValueError: a"
    assert "ValueError" in detail
