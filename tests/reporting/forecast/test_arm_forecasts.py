"""Forecasts of a table's arms: which get one, and under which title."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.grids import parse_runs

from labeleff.errors import RunsError, UnknownNameError
from labeleff.reporting.external import options as external_options
from labeleff.reporting.forecast.arm_forecasts import compute
from labeleff.reporting.forecast.options import Options

HOW = external_options.Options(Path("r.csv"), Path("out"), ["labeleff"], targets=(0.8,))
TASKS = b"task,arm,n,run,accuracy\nu,a,10,0,0.5\nu,a,20,0,0.6\nu,b,10,0,0.5\nv,a,10,0,0.5\nv,a,20,0,0.7\n"


def test_every_arm_of_every_task() -> None:
    found = compute(parse_runs(TASKS, "r.csv"), Options(HOW))
    assert [item.title for item in found.arms] == ["a on u", "a on v"]
    assert found.without == ["b on u"]
    assert all(item.forecast.labels[0].target == 0.8 for item in found.arms)


def test_one_arm() -> None:
    table = parse_runs(b"arm,n,run,accuracy\na,10,0,0.5\na,20,0,0.6\nb,10,0,0.5\n", "r.csv")
    assert [item.title for item in compute(table, Options(HOW, arm="a")).arms] == ["a"]
    with pytest.raises(RunsError, match=r"r.csv: a forecast needs at least two label counts of an arm, found one .b."):
        compute(table, Options(HOW, arm="b"))
    with pytest.raises(UnknownNameError, match=r"unknown --arm in r.csv 'c'"):
        compute(table, Options(HOW, arm="c"))
    with pytest.raises(RunsError, match=r"r.csv, a: label counts of the forecast: found 5"):
        compute(table, Options(HOW, at=(5,)))
