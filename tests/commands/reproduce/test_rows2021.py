"""Rows of the report of 2021 from made-up records: numbers beside each other, with reasons."""

import io

import pandas as pd
import pytest
from support import factories

from labeleff.commands.reproduce import rows2021
from labeleff.commands.reproduce.printed2021 import BABI, PARTS, THROUGHPUT
from labeleff.commands.reproduce.rows2021 import by_part, rows
from labeleff.commands.reproduce.studies2021 import SIZES, as_published, soundly
from labeleff.records.training_log import Training, Window
from labeleff.reporting.results import load

STUDY = as_published(SIZES["small"])


def learned(epochs, offset=0.0, rate=1000.0, batch=64):
    """Make a training of whole epochs whose numbers differ by `offset`; epoch 2 has the best held-out accuracy."""
    names = ("loss", "accuracy", "rotation_accuracy", "heldout_rotation_loss", "validation_loss", "validation_accuracy")
    history = [
        {name: round(offset + 0.1 * place + 0.01 * epoch, 6) for place, name in enumerate(names)}
        | {"step": 10.0 * epoch, "epoch": float(epoch), "heldout_rotation_accuracy": 0.6 - 0.1 * abs(epoch - 2)}
        for epoch in range(1, epochs + 1)
    ]
    windows = [Window(images=1000, seconds=1000 / rate * (5 if place == 0 else 1)) for place in range(3)]
    return Training(steps=30, batch=batch, images=3000, seconds=60.0, windows=windows, history=history)


def entries(study=STUDY, **changes):
    """Make records of every cell and pretraining; `changes` replace fields of the cells' records."""
    found = [
        record.model_copy(
            update={"training": learned(10, 0.001 * place), "test_loss": 2.5, "test_seconds": 0.5, **changes}
        )
        for place, record in enumerate(factories.cell_records(study))
    ]
    pretrained = [p.model_copy(update={"training": learned(3, 0.5)}) for p in factories.pretrainings(study)]
    return [factories.run_entry(study), *pretrained, *found]


@pytest.fixture
def results(tmp_path):
    return load(factories.write(tmp_path / "made", entries()))


def at(found, part, what):
    [row] = [row for row in found if (row.printed.part, row.printed.what) == (part, what)]
    return row


def test_every_printed_number_has_a_row_with_ours(results):
    for printed in (PARTS, BABI, THROUGHPUT):
        found = rows(printed, results)
        assert [row.printed for row in found] == list(printed)
        assert all(row.ours is not None for row in found)


def test_parts_are_told_apart_by_what_their_cells_are(results):
    found = by_part(results)
    assert list(found) == ["A", "B2", "C1", "C2", "C3", "bAbI", "B1"]
    assert found["A"].cell.pretext.name == "scratch"
    assert found["B2"].cell.pretext.options["once"] is True
    assert found["C1"].pretraining == found["C1"].pretraining
    assert found["C1"].cell.pretext.name == "rotation"
    assert {found[c].cell.pretext.name for c in ("C2", "C3")} == {"scratch"}
    weights = [
        tuple(found[c].cell.protocol.options[k] for k in ("class_weight", "rotation_weight"))
        for c in found
        if c[0] == "C"
    ]
    assert weights == [(1, 5), (4, 1), (1, 1)]
    assert found["A"].cell.budget.lr == 0.01
    assert found["B2"].cell.budget.lr == 0.001
    assert found["bAbI"].cell.n == 10_000


def test_values_come_from_where_they_should(results):
    found, records = rows(PARTS, results), by_part(results)
    assert at(found, "A", "test accuracy").ours == records["A"].metrics["accuracy"]
    assert at(found, "A", "test loss").ours == 2.5
    assert at(found, "A", "train accuracy").ours == pytest.approx(0.1 + 0.1)
    assert at(found, "B1", "rotation train loss").ours == pytest.approx(0.5 + 0.03)
    assert at(found, "C1", "rotation validation accuracy, best epoch").ours == pytest.approx(0.6)
    assert at(found, "C1", "epoch of the best rotation validation accuracy").ours == 2
    assert at(found, "C1", "rotation validation accuracy, last epoch").ours == pytest.approx(-0.2)
    assert at(rows(BABI, results), "bAbI", "epoch 7: loss").ours == pytest.approx(0.07 + 0.001 * 5)


def test_times_leave_the_first_window_out_and_are_scaled_to_the_reports_epochs(results):
    found = rows(THROUGHPUT, results)
    assert at(found, "A", "time a step of 64 images").ours == pytest.approx(64.0)
    assert at(found, "B1", "an epoch of 49,800 images").ours == pytest.approx(49.8)
    assert at(found, "A", "scoring 10,000 test images").ours == pytest.approx(5.0), "of 1,000 in half a second"
    assert at(found, "all", "all of it together").ours == pytest.approx(7.0)
    assert "cpu, 1 thread" in at(found, "A", "time a step of 64 images").why


def test_differences_of_numbers_and_ranges(results):
    found = rows(PARTS, results)
    loss = at(found, "A", "test loss")
    assert loss.difference == pytest.approx(2.5 - 2.3085)
    assert at(found, "A", "train accuracy").difference == pytest.approx(0.2 - 0.92), "from the nearer end"
    inside = next(iter(rows([PARTS[0].__class__("A", "x", (0.1, 0.3), "accuracy")], results)))
    assert inside.difference == 0


def test_a_row_says_that_it_was_trained_for_less(results):
    found = rows(PARTS, results)
    assert at(found, "B1", "rotation train loss").why.startswith("3 of the report's 50 epochs")
    assert "epochs" not in at(rows(BABI, results), "bAbI", "epoch 1: loss").why


def test_what_is_missing_failed_or_from_the_cache_has_no_number_and_a_reason(tmp_path):
    run, pretrained, *cells = entries()
    first = factories.failed(cells[0], "the loss is not finite")
    kept = [run, pretrained.model_copy(update={"cached": True}), first, *cells[2:]]
    results = load(factories.write(tmp_path / "less", kept))
    found, speeds = rows(PARTS, results), rows(THROUGHPUT, results)
    assert at(found, "A", "test accuracy").ours is None
    assert at(found, "A", "test accuracy").why == "failed: the loss is not finite"
    assert at(found, "B2", "test accuracy").why == "not measured yet"
    assert at(found, "B1", "rotation train loss").ours is not None
    assert at(speeds, "B1", "an epoch of 49,800 images").ours is None
    assert "cache" in at(speeds, "B1", "an epoch of 49,800 images").why
    assert at(speeds, "all", "all of it together").ours is None


def test_tables_for_people_and_programs(results):
    found = rows(PARTS, results)
    text = rows2021.markdown(found).split("\n")
    assert len(text) == 2 + len(PARTS)
    assert [cell.strip() for cell in text[2].split("|")][1:6] == [
        "A",
        "train accuracy",
        "0.9200 to 0.9500",
        "0.2000",
        "−0.7200",
    ]
    everything = [*found, *rows(BABI, results), *rows(THROUGHPUT, results)]
    frame = pd.read_csv(io.BytesIO(rows2021.to_bytes(everything)))
    assert list(frame.columns) == rows2021.COLUMNS
    assert len(frame) == len(everything)
    assert frame.loc[2, "ours"] - frame.loc[2, "theirs"] == pytest.approx(frame.loc[2, "difference"])
    stories = rows2021.epochs(rows(BABI, results)).split("\n")
    assert len(stories) == 12
    assert "x0.594 as fast" in rows2021.markdown(rows(THROUGHPUT[:1], results)), "38 ms there, 64 ms here"


def test_the_studies_hold_what_the_report_says():
    full = as_published(SIZES["full"])
    assert full.rungs == [200]
    assert full.encoders[0].options == {"stem": "imagenet", "bn_momentum": 0.001, "bn_eps": 0.001}
    budgets = {name: (b.optimizer, b.lr, b.batch, b.epochs, b.schedule, b.warmup) for name, b in full.budget.items()}
    assert budgets["rotation"] == ("adam", 0.01, 64, 50, "constant", 0)
    assert budgets["joint"] == ("adam", 0.01, 128, 20, "constant", 0)
    assert full.budget["finetune"].steps_for(200) == full.budget["rotation/finetune"].steps_for(200) == 100 * 4
    assert {arm.protocol.options.get("mask") for arm in full.arms} == {None, False}
    for name in SIZES:
        sound = soundly(SIZES[name])
        assert sound.encoders[0].options == {"stem": "imagenet"}
        assert [arm.protocol.options.get("mask") for arm in sound.arms] == [None, None, True]
        assert all("once" not in arm.pretext.options for arm in sound.arms)
        assert as_published(SIZES[name]).rungs[0] in sound.rungs
