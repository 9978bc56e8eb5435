"""Sentences of a plan on cost, memory and trust."""

import pytest

from labeleff.commands import plan_tables
from labeleff.scheduling.forecast import estimate_run
from labeleff.scheduling.jobs import jobs_for
from labeleff.scheduling.speeds import Speed, Speeds, peak_name, scoring_name, work_name
from labeleff.study.loading import load_study
from labeleff.study.prices import Price

STUDY = load_study("smoke")
JOBS = jobs_for(STUDY.cells(), lambda _: False)


def speeds(**fields):
    cells, trained = list(STUDY.cells()), STUDY.pretrainings
    names = {name(cell) for cell in cells for name in (peak_name, scoring_name)} | {work_name(item) for item in trained}
    return Speeds({name: Speed(**{"rate": 100.0, "source": "calibrated", **fields}) for name in names})


def said(known, processes=2, price=None):
    return " ".join(plan_tables.notes(JOBS, known, estimate_run(JOBS, known, processes, STUDY), price))


def test_too_little_memory_is_a_warning(monkeypatch):
    known = speeds(peak_memory=2 * plan_tables.GIBIBYTE)
    monkeypatch.setattr(plan_tables, "machine_memory", lambda: 7 * plan_tables.GIBIBYTE)
    assert "2.0 GiB a process, 6.0 of 7.0 GiB in all" in said(known)
    assert "warning" not in said(known)
    assert "warning: that is more than this machine has" in said(known, 4)
    monkeypatch.setattr(plan_tables, "machine_memory", lambda: None)
    assert "warning" not in said(known, 4)


def test_the_limit_of_a_container_is_the_machine_s(monkeypatch, tmp_path):
    whole = plan_tables.machine_memory()
    for content, there in (("max", plan_tables.machine_memory()), ("1000", 1000), ("9" * 30, None)):
        path = tmp_path / "memory.max"
        path.write_text(content)
        monkeypatch.setattr(plan_tables, "CGROUP", path)
        found = plan_tables.machine_memory()
        assert found is None or whole is None or found >= min(1000, whole)
        if there == 1000:
            assert found == 1000


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Speeds({}), "factor of three"),
        (speeds(spread=0.12), "differed by up to 12%"),
        (speeds(slowed=2.0), "Other work had the processors too"),
    ],
)
def test_trust_is_told(known, words):
    assert words in said(known)
    assert "Not in it: starting processes, making data ready, the report, other programs" in said(known)


def test_a_quiet_machine_is_not_called_busy():
    assert "Other work" not in said(speeds(slowed=1.02))


def test_cost_follows_the_wall_clock():
    known = speeds()
    estimate = estimate_run(JOBS, known, 2, STUDY)
    price = Price.of("3600000USD")
    assert f"cost: {price.cost(estimate.wall_seconds)} at 3.6e+06 USD an hour" in said(known, 2, price)


def test_groups_share_the_whole():
    known = speeds()
    estimate = estimate_run(JOBS, known, 2, STUDY)
    table = plan_tables.groups_table(STUDY, JOBS, estimate, Price.of("3600000"))
    columns = [list(column.cells) for column in table.columns]
    assert columns[0] == ["pretraining rotation(holdout=0.02)", *STUDY.arm_names, "all"]
    assert columns[2] == ["1", "6", "6", "6", ""]
    assert columns[3] == ["13", "48", "48", "", "109"]
    assert sum(int(share.rstrip("%")) for share in columns[5][:-1]) == pytest.approx(100, abs=2)
    costs = [float(cost.replace(",", "")) for cost in columns[6]]
    assert sum(costs[:-1]) == pytest.approx(costs[-1], abs=0.05)
    assert costs[-1] == pytest.approx(1000 * estimate.wall_seconds, abs=0.01)
