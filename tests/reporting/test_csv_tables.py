"""Tables: their rows and numbers, empty cells for what is missing, and bytes that don't change."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import factories

from labeleff.reporting import csv_tables
from labeleff.reporting.effort.throughput import rates, throughput
from labeleff.reporting.findings import compare_arms
from labeleff.reporting.results import Results, load


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return load(factories.folder(tmp_path))


def test_summary_has_a_row_an_arm_and_rung(results: Results) -> None:
    frame = csv_tables.summary(results.measured).frame()
    assert list(frame.columns) == list(csv_tables.SUMMARY)
    assert len(frame) == 3 * 6
    row = frame[(frame.arm == "rotation/finetune") & (frame.n == 100)].iloc[0]
    runs = results.arm_runs(results.places[0], "rotation/finetune")[100]
    base = results.arm_runs(results.places[0], "scratch/finetune")[100]
    assert row["mean"] == pytest.approx(np.mean(list(runs.values())))
    assert row["sd"] == pytest.approx(np.std(list(runs.values()), ddof=1))
    assert row["low"] < row["mean"] < row["high"]
    assert (row.runs, row.draws, row.seeds, row.failed, row.missing) == (3, 3, 1, 0, 0)
    assert (row.chance, row.test_count) == (0.1, 1000)
    assert row.test_low < row["mean"] < row.test_high
    assert row.difference == pytest.approx(np.mean([runs[key] - base[key] for key in runs]))
    assert row.difference_low < row.difference < row.difference_high


def test_what_is_missing_is_counted_and_empty(tmp_path: Path) -> None:
    of = factories.study()
    records = factories.cell_records(of, keep=lambda cell: cell.n != 50)
    records[0], records[1] = factories.failed(records[0]), factories.failed(records[1])
    results = load(factories.write(tmp_path, [factories.run_entry(of), *records]))
    text = csv_tables.summary(results.measured).csv().decode()
    frame = pd.read_csv(io.StringIO(text)).set_index(["arm", "n"])
    short, absent = frame.loc[("scratch/finetune", 20)], frame.loc[("scratch/finetune", 50)]
    assert (short.runs, short.failed, short.missing) == (1, 2, 0)
    assert pd.isna(short["sd"])
    assert short["low"] < short["mean"]
    assert (absent.runs, absent.failed, absent.missing) == (0, 0, 3)
    assert absent[["mean", "sd", "low", "high", "test_count", "difference"]].isna().all()
    assert not any(sentinel in text for sentinel in ("nan", "inf", "None", ",-1,", ",1e20,"))


def test_utility_bounds_stand_in_their_own_columns(results: Results) -> None:
    text = csv_tables.utilities(compare_arms(results.measured)).csv().decode()
    frame = pd.read_csv(io.StringIO(text)).set_index(["arm", "n"])
    assert list(frame.reset_index().columns[:2]) == ["arm", "n"]
    inside, over = frame.loc[("rotation/finetune", 100)], frame.loc[("rotation/linear", 20)]
    assert inside.kind == "inside"
    assert inside.utility == pytest.approx(inside.n1 / 100 - 1)
    assert pd.isna(inside.utility_at_least)
    assert inside.utility_low < 1 < inside.utility_high + 0.3
    assert over.kind == "extrapolated"
    assert over.factor == pytest.approx(over.n1 / 1000)
    assert 0 <= over.p_never < 0.5
    assert over.utility_low < over.utility < over.utility_high
    assert (over.utility_at_least, over.n1_at_least) == (1000 / 20 - 1, 1000)
    assert "inf" not in text


def test_without_a_model_there_are_bounds_alone(tmp_path: Path) -> None:
    results = load(factories.folder(tmp_path, curve="pchip"))
    frame = csv_tables.utilities(compare_arms(results.measured)).frame().set_index(["arm", "n"])
    above = frame.loc[("rotation/linear", 20)]
    assert above.kind == "above"
    assert above[["utility", "utility_high", "n1", "p_never", "factor"]].isna().all()
    assert (above.utility_at_least, above.n1_at_least) == (1000 / 20 - 1, 1000)


def test_throughput_leaves_warm_up_and_cached_encoders_out(results: Results, tmp_path: Path) -> None:
    frame = throughput(results)
    assert list(frame.what) == ["pretraining", "training", "training"]
    assert list(frame.arm) == ["rotation", "scratch/finetune", "rotation/finetune"]
    first = frame.iloc[0]
    expected = [1000 / (1 + 0.01 * i) for i in range(1, 5)]
    assert first.images_per_second == pytest.approx(np.median(expected))
    assert first.windows == 4
    assert first.warm_up == "first window left out in 1 of 1 trainings"
    assert (first.device, first.precision, first.threads, first.peak_memory_bytes) == ("cpu", "fp32", "1", 123456789)
    of = factories.study()
    cached = factories.write(tmp_path / "c", [factories.run_entry(of), *factories.pretrainings(of, cached=True)])
    assert throughput(load(cached)).empty


def test_a_single_window_is_kept() -> None:
    one = factories.training().model_copy(update={"windows": factories.training().windows[:1]})
    speeds, dropped = rates(one)
    assert (len(speeds), dropped) == (1, False)


def test_csv_bytes() -> None:
    frame = pd.DataFrame({"name": ["a, b", None], "value": [1 / 3, None], "whole": [1.0, 2.0]})
    assert csv_tables.to_csv(frame) == b'name,value,whole\n"a, b",0.3333333333,1\n,,2\n'


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1"])
def test_no_cell_is_a_formula(name: str) -> None:
    written = csv_tables.to_csv(pd.DataFrame({"arm": [name, "scratch"], "change": [-0.5, 1.0]})).decode()
    read = pd.read_csv(io.StringIO(written))
    assert list(read["arm"]) == [f"'{name}", "scratch"]
    assert list(read["change"]) == [-0.5, 1.0]
