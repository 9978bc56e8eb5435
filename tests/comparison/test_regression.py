"""Whole comparisons: overall verdicts and exit statuses, rules, and what can't be evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import factories, run_pairs

from labeleff.errors import OptionError
from labeleff.records.entries import Conditions
from labeleff.reporting.results import load
from labeleff.study.gate import criteria

REPORTS = Path(__file__).parents[2] / "reports"


@pytest.fixture
def base(tmp_path):
    return run_pairs.folder(tmp_path / "base", run_pairs.again(1), run_pairs.at_speed(1.0, 1))


@pytest.fixture
def new(tmp_path):
    """Make the other folder: new(shift, speed)."""

    def make(shift=0.0, speed=1.0, *changes, **more):
        return run_pairs.folder(
            tmp_path / f"new{shift}{speed}{len(changes)}{sorted(more)}",
            run_pairs.again(2, shift),
            run_pairs.at_speed(speed, 2),
            *changes,
            **more,
        )

    return make


def judge(base, new, *rules):
    return run_pairs.outcome(base, new, criteria(None, rules))


@pytest.mark.parametrize("name", ["cifar10-small", "babi", "babi-report"])
def test_a_folder_against_itself_is_the_same_everywhere(name):
    results = load(REPORTS / name)
    found = run_pairs.outcome(results, results)
    assert (found.overall, found.status) == ("same", 0)
    assert {row.verdict for row in found.rows} == {"same"}


def test_noise_is_no_regression(base, new):
    found = run_pairs.outcome(base, new())
    assert found.status == 0
    assert "worse" not in {row.verdict for row in found.rows}


def test_a_drop_of_accuracy_is_a_regression(base, new):
    found = run_pairs.outcome(base, new(-0.06))
    assert (found.overall, found.status) == ("regression", 3)
    assert {row.change.subject.metric for row in found.rows if row.verdict == "worse"} >= {"accuracy"}
    assert run_pairs.outcome(new(-0.06), base).overall == "better"


def test_a_slower_step_is_a_regression_but_not_on_another_machine(base, new):
    assert run_pairs.outcome(base, new(0.0, 0.85)).status == 3
    known = factories.run_entry(factories.study()).environment
    other = new(0.0, 0.85, run={"environment": known | {"cpu": "another"}})
    assert run_pairs.outcome(base, other).status == 0
    [ruling] = judge(base, other, "throughput[scratch/finetune] < -5%").rulings
    assert ruling.state == "not judged"
    assert "cpu a processor in BASE, another in NEW" in ruling.reasons[0]
    assert judge(base, other, "throughput[scratch/finetune] < -5%").status == 1
    assert judge(base, other, "throughput[scratch/finetune] < -5%", "accuracy < -0.1").status == 0


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ("accuracy < -0.03", 3),
        ("accuracy < -0.1", 0),
        ("accuracy[rotation/linear] < -0.03", 3),
        ("accuracy@* < -0.2", 0),
        ("accuracy@1000 < -0.058", 0),
        ("accuracy@1000 < -0.058 point", 3),
        ("accuracy@1000 < -0.09 point", 0),
        ("utility@100[rotation/finetune] < -1", 0),
        ("accuracy worse", 3),
        ("throughput worse", 0),
        ("worse", 3),
    ],
)
def test_rules_decide(base, new, rule, status):
    assert judge(base, new(-0.06), rule).status == status


def test_rules_of_a_study_count_where_no_other_is_given(base, new):
    of = factories.study(gate={"fail_on": ["throughput < -5%"]})
    results = load(new(-0.06, of=of))
    assert run_pairs.outcome(base, results, criteria(results.study.gate)).status == 0


def test_single_runs_can_only_be_judged_by_their_points(tmp_path):
    of = factories.study(draws=1)
    base = run_pairs.folder(tmp_path / "base", of=of)
    new = run_pairs.folder(tmp_path / "new", run_pairs.again(1, -0.1), of=of)
    found = judge(base, new, "accuracy@100[scratch/finetune] < -0.01")
    assert found.status == 1
    assert found.rulings[0].reasons == (
        "accuracy@100[scratch/finetune]: no interval: too few shared draws to pair the arms, and an arm with one run a "
        "rung",
    )
    assert judge(base, new, "accuracy@100[scratch/finetune] < -0.01 point").status == 3
    assert judge(base, base, "worse").status == 0


def test_scores_without_an_interval_are_not_waved_through_by_speeds(tmp_path):
    """One run a rung: 30 points less were no regression, as speeds have an interval."""
    of = factories.study(draws=1)
    base = run_pairs.folder(tmp_path / "base", of=of)
    for new in (
        run_pairs.folder(tmp_path / "new", run_pairs.again(1, -0.3), run_pairs.at_speed(1.0, 1), of=of),
        run_pairs.folder(
            tmp_path / "one", lambda r: run_pairs.again(1, -0.3)(r) if "linear" in r.cell.arm else r, of=of
        ),
    ):
        for rule in ("worse", "accuracy worse"):
            found = judge(base, new, rule)
            assert (found.status, found.overall) == (1, "can't be evaluated")
            assert any(reason.startswith("accuracy[rotation/linear]: no int") for reason in found.rulings[0].reasons)
    assert judge(base, new, "accuracy@*[scratch/finetune] worse").status == 0, "it is the same to the last digit"


def test_missing_cells_fail_the_rules_that_need_them(base, new):
    other = new(keep=lambda record: not (record.cell.n == 100 and record.cell.arm == "scratch/finetune"))
    assert judge(base, other, "worse").status == 1
    assert judge(base, other, "accuracy@100 < -0.2").status == 1
    assert judge(base, other, "accuracy@100[rotation/linear] < -0.2").status == 0
    assert judge(base, other, "accuracy@200 < -0.2").status == 0
    found = judge(base, other, "utility@200[rotation/finetune] < -9")
    assert found.status == 1
    assert found.rulings[0].reasons[0].startswith("scratch/finetune (toy/classify")
    assert "3 cells missing in NEW" in found.rulings[0].reasons[0]


def test_cells_that_failed_can_not_be_evaluated(base, new):
    def change(record):
        return factories.failed(record) if record.cell.n == 100 and record.cell.draw == 0 else record

    found = judge(base, new(0.0, 1.0, change), "worse")
    assert found.status == 1
    assert "failed in NEW" in found.rulings[0].reasons[0]


def test_unlike_conditions_can_not_be_evaluated(base, new):
    fields = factories.run_entry(factories.study()).conditions.model_dump() | {"torch": "2.16"}
    found = judge(base, new(-0.06, run={"conditions": Conditions(**fields)}), "worse")
    assert (found.status, found.overall, found.rows) == (1, "can't be evaluated", [])
    assert "18 cells refused: torch is 2.15 in BASE and 2.16 in NEW" in found.rulings[0].reasons[0]


def test_a_regression_counts_more_than_what_is_missing(base, new):
    other = new(-0.06, keep=lambda record: record.cell.n != 100)
    assert judge(base, other, "worse").status == 3


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("acuracy@100 worse", "unknown quantity 'acuracy'; did you mean 'accuracy'?"),
        ("accuracy@100[rotation/fintune] worse", "unknown arm 'rotation/fintune'; did you mean 'rotation/finetune'?"),
        ("accuracy@100[*, toy] worse", "unknown task 'toy'"),
        ("accuracy@100[*, *, resnet8] worse", "unknown encoder 'resnet8'; did you mean 'resnet9"),
        ("accuracy@101 < 0", "found the label count 101, expected one of [20, 50, 100, 200, 500, 1000]"),
    ],
)
def test_rules_about_nothing_are_mistakes(base, new, rule, message):
    with pytest.raises(OptionError) as caught:
        judge(base, new(), rule)
    assert str(caught.value).startswith(f"rule {rule!r}: ")
    assert message in str(caught.value)


def test_what_could_be_measured_but_was_not_is_no_mistake(base, new):
    assert judge(base, new(), "utility[scratch/finetune] < -1").rulings[0].reasons == (
        "no such number was measured on both sides",
    )
    assert judge(base, new(), "throughput[rotation/linear] < -1%").status == 1
