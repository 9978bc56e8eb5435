"""The noise floor: differences of repeated runs against known noise, margins that hold them, and the command."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from support import factories, run_pairs

from labeleff.comparison.noise_floor import gate_table, noise_floor, summary
from labeleff.errors import ConditionError, OptionError
from labeleff.records.entries import Conditions
from labeleff.study.gate import Gate, criteria


def runs(count, sd=0.01, **more):
    """So many runs whose scores have that much noise of their own."""
    return [
        run_pairs.folder(Path(f"r{k}"), run_pairs.again(k, sd=sd), run_pairs.at_speed(1 + 0.02 * k, k), **more)
        for k in range(count)
    ]


def floor(found, name):
    [item] = [item for item in found.floors if item.name == name]
    return item


def test_known_noise_is_measured():
    found = noise_floor(runs(6))
    assert (found.runs, found.compared, found.alarms) == (6, 15, 0)
    expected = 0.01 * (2 / 3) ** 0.5  # two means of three runs
    sizes = [floor(found, f"accuracy@{n}").rms for n in factories.RUNGS]
    assert np.mean(sizes) == pytest.approx(expected, rel=0.25)
    assert floor(found, "accuracy").rms == pytest.approx(expected / 6**0.5, rel=0.5)
    assert floor(found, "accuracy@50").numbers == 3
    assert 0.02 < floor(found, "throughput").start < 0.08


def test_margins_hold_the_share_they_promise():
    """Margins of three runs against the differences of many others."""
    found = noise_floor(runs(3))
    margins = [floor(found, f"accuracy@{n}").margin for n in factories.RUNGS]
    differences = np.random.default_rng(0).normal(0, 0.01 * (2 / 3) ** 0.5, 5000)
    assert np.mean([(np.abs(differences) <= margin).mean() for margin in margins]) > 0.93


def test_runs_that_repeat_to_the_last_digit_need_no_margin():
    found = noise_floor([run_pairs.folder(Path(name)) for name in ("one", "two")])
    assert {item.rms for item in found.floors} == {0.0}
    assert tomllib.loads(gate_table(found)) == {"gate": {"fail_on": ["worse"], "margins": {}}}


def test_its_table_is_a_gate():
    table = tomllib.loads(gate_table(noise_floor(runs(3))))["gate"]
    gate = Gate.model_validate(table)
    assert {"accuracy", "accuracy@50", "utility", "throughput"} <= set(gate.margins)
    assert set(gate.noise) == {"throughput"}
    assert criteria(gate).rules[0].text == "worse"


def test_speeds_of_a_busy_machine_say_nothing():
    known = factories.run_entry(factories.study()).environment
    found = noise_floor(runs(2, run={"environment": known | {"load_average": 9.0}}))
    assert not [item for item in found.floors if item.metric == "throughput" and item.rms > 0]


def test_what_is_no_repetition_is_refused():
    folders = runs(2)
    with pytest.raises(OptionError, match="found 1 folder, expected two or more"):
        noise_floor(folders[:1])
    other = run_pairs.folder(Path("other"), of=factories.study(draws=4))
    with pytest.raises(OptionError, match=r"other: found another study than in r0 \(draws 3 -> 4\), expected the same"):
        noise_floor([*folders, other])
    fields = factories.run_entry(factories.study()).conditions.model_dump() | {"torch": "2.16"}
    unlike = run_pairs.folder(Path("unlike"), run={"conditions": Conditions(**fields)})
    with pytest.raises(ConditionError, match=r"unlike: found torch 2\.16, expected 2\.15 as in r0"):
        noise_floor([*folders, unlike])
    with pytest.raises(OptionError, match="found r0 2 times, expected every run once"):
        noise_floor([*folders, folders[0]])


def test_cells_that_a_run_lacks_are_counted():
    part = run_pairs.folder(Path("part"), keep=lambda record: record.cell.n > 20 or record.cell.draw == 0)
    found = noise_floor([*runs(2), part])
    assert found.unpaired == 2 * 3 * 2
    assert summary(found).endswith("; 12 cells left out that one of the two lacks")


def test_the_command(command):
    runs(3)
    done = command("noise", "r0", "r1", "r2", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 runs of the same study, 3 comparisons of two: 0 would have been called")
    assert "| `accuracy@50` " in done.stdout
    assert Path("out/gate.toml").read_text() in done.stdout
    assert tomllib.loads(Path("out/gate.toml").read_text())["gate"]["margins"]
    assert Path("out/noise.csv").read_text().startswith("quantity,n,numbers,relative,rms,")
    assert "```toml\n[gate]\n" in Path("out/noise.md").read_text()
    assert command("noise", "r0").returncode == 2
