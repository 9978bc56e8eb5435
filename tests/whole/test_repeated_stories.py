"""A study of stories that repeat each other, from labels to the report, and measured again where cells changed."""

import json

import pytest
import torch
from support import story_tasks

from labeleff.execution.saved_readers import load_reader
from labeleff.plugins.protocols.interface import Labelled
from labeleff.plugins.protocols.validated import split
from labeleff.plugins.tasks import babi
from labeleff.plugins.tasks.sources import babi_simulation
from labeleff.records.entries import Record
from labeleff.records.folders import FILE_NAME
from labeleff.records.jsonl import line, read_records, reader_path
from labeleff.reporting.results import load
from labeleff.reporting.sections.other_metrics import other_metrics
from labeleff.reporting.sections.stories import story_report
from labeleff.training.examples import Examples, Source, load_task

STUDY = """
name = "repeated"
tasks = [{ name = "babi/qa1", size = "1k", source = "generated", window = 1 }]
encoders = [{ name = "qrn", width = 16, gates = 4 }]
arms = ["scratch/validated", { pretext = "scratch", protocol = { name = "linear", choose = "split" } }]
baseline = "scratch/validated"
rungs = [100, 400]
draws = 1

[budget.validated]
lr = 0.01
batch = 32
steps = { min = 4, max = 4 }
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    torch.set_num_threads(1)
    return story_tasks.run(tmp_path_factory.mktemp("repeated"), study=STUDY, name="repeated")


def questions(part):
    return [one.numpy().tobytes() for one in part.inputs]


def test_what_cells_record_is_what_their_labels_and_readers_give(out):
    records = read_records(out)
    task = load_task(next(iter(records.cells.values())).cell.task, Source(out, offline=True))
    train, test = questions(task.train), questions(task.test)
    assert len(records.cells) == 4
    for key, record in records.cells.items():
        labelled = {train[place] for place in records.labels[record.indices_sha256].indices}
        unseen = torch.tensor([question not in labelled for question in test])
        assert (record.repeats.distinct, record.repeats.seen) == (len(labelled), int((~unseen).sum()))
        assert 0 < record.repeats.seen < 1000
        assert len(labelled) < record.cell.n
        assert record.cell.held_out == "distinct"
        accuracy, apart = (record.metrics[name] for name in ("accuracy", "unseen_accuracy"))
        if record.cell.protocol.name == "validated":
            reader = load_reader(reader_path(out, key))
            with torch.inference_mode():
                right = reader.head(reader.reader(task.test.inputs.long())).argmax(1) == task.test.labels
            assert apart == pytest.approx(float(right[unseen].double().mean()), abs=1e-6)
        assert apart != accuracy


def test_validation_questions_equal_none_that_are_trained_on(out):
    records = read_records(out)
    task = load_task(next(iter(records.cells.values())).cell.task, Source(out, offline=True))
    for record in records.cells.values():
        places = torch.tensor(records.labels[record.indices_sha256].indices)
        part = Examples(task.train.inputs[places], task.train.labels[places])
        trained, held = split(Labelled(part, 6, None), 0.1, record.cell.seed)
        every = questions(part)
        assert {every[place] for place in trained}.isdisjoint(every[place] for place in held)
        if record.cell.protocol.name == "validated":
            assert record.train_metrics["validation_count"] == len(held) == record.cell.n // 10


def test_the_report_tells_repeats_at_every_rung(out):
    seen, labels, *_ = story_report(load(out)).weak
    counts = {record.cell.n: record.repeats for record in read_records(out).cells.values()}
    assert f"{counts[400].seen} of 1,000 of babi/qa1" in seen
    assert f"babi/qa1 {counts[100].distinct} of 100, {counts[400].distinct} of 400" in labels
    further = other_metrics(load(out))
    assert further[further["metric"] == "unseen_accuracy"]["n"].tolist() == [100, 400] * 2


def test_cells_of_an_earlier_meaning_are_reported_and_measured_again(out, tmp_path, capsys):
    of, path = read_records(out), tmp_path / "out" / FILE_NAME
    path.parent.mkdir()

    def earlier(record: Record) -> dict:
        former = record.cell.former
        entry = json.loads(line(record.model_copy(update={"cell": former, "key": former.key})))
        entry["metrics"].pop("unseen_accuracy")
        return {name: value for name, value in entry.items() if name != "repeats"}

    before = [json.dumps(earlier(record)).encode() + b"\n" for record in of.cells.values()]
    path.write_bytes(b"".join([*map(line, of.runs), *map(line, of.labels.values()), *before]))
    results = load(path.parent)
    assert results.former
    assert len(results.cells) == results.cell_count
    assert not any("questions differ" in flag or "words" in flag for flag in story_report(results).weak)
    again = story_tasks.run(tmp_path, study=STUDY, name="repeated")
    assert "4 cells measured again: an earlier version held out stories" in capsys.readouterr().out
    assert read_records(again).cells.keys() >= of.cells.keys()
    assert {key: one.metrics for key, one in read_records(again).cells.items() if key in of.cells} == {
        key: one.metrics for key, one in of.cells.items()
    }
    assert not load(again).former


def test_a_test_answer_that_training_never_gave_is_wrong_for_every_reader_and_protocol(tmp_path):
    place = tmp_path / "data" / babi.FOLDER / "en"
    place.mkdir(parents=True)
    for split_name in ("train", "test"):
        text = babi_simulation.generate(1, split_name, 1000).decode()
        text = text.replace("garden", "cellar") if split_name == "test" else text
        (place / f"qa1_single-supporting-fact_{split_name}.txt").write_text(text)
    study = STUDY.replace('source = "generated", window = 1', "window = 1").replace(
        'encoders = [{ name = "qrn", width = 16, gates = 4 }]',
        'encoders = [{ name = "qrn", width = 16, gates = 4 }, { name = "memnet" }]',
    )
    study = study.replace(
        'arms = ["scratch/validated"', 'arms = ["scratch/validated", "scratch/finetune", "scratch/knn"'
    )
    study += study[study.index("[budget.validated]") :].replace("validated", "finetune")
    out = story_tasks.run(tmp_path, study=study, name="unknown")
    records = [*read_records(out).cells.values()]
    test = load_task(records[0].cell.task, Source(tmp_path / "data", offline=True)).test.labels
    known = float((test < 5).double().mean())
    assert known < 1
    for record in records:
        assert record.status == "ok", record.reason
        assert 0 <= record.metrics["accuracy"] <= known
