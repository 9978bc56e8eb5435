"""The `[gate]` table and the options over it: margins by the closest pattern, noise, errors."""

from __future__ import annotations

import pytest
from support import factories

from labeleff.errors import OptionError, StudyError
from labeleff.study.gate import Gate, criteria
from labeleff.study.loading import parse_study
from labeleff.study.quantities import Subject, quantity


def subject(n, arm="rotation/finetune", metric="accuracy"):
    return Subject(metric, n, arm, "toy/classify", "resnet9")


def test_without_a_gate_any_worse_verdict_counts_and_margins_are_the_quantities_own():
    default = criteria(None)
    assert [rule.text for rule in default.rules] == ["worse"]
    assert default.margin(subject(50)) == quantity("accuracy").margin
    assert default.noise_of(quantity("time")) == quantity("time").noise


def test_the_closest_margin_counts():
    gate = Gate(margins={"accuracy": 0.02, "accuracy@50": 0.05, "accuracy[scratch/finetune]": 0.03, "time": "7%"})
    found = criteria(gate)
    assert found.margin(subject(None)) == 0.02
    assert found.margin(subject(200)) == 0.02
    assert found.margin(subject(50)) == 0.05
    assert found.margin(subject(None, "scratch/finetune")) == 0.03
    assert found.margin(subject(200, "scratch/finetune")) == 0.03
    assert found.margin(subject(None, metric="time")) == pytest.approx(0.07)


def test_rules_of_the_command_replace_and_amounts_are_added():
    gate = Gate(fail_on=["accuracy worse"], margins={"accuracy": 0.02}, noise={"throughput": "3%"})
    found = criteria(gate, ["utility@100 < -1"], ["accuracy=0.04", "accuracy@50[a/b, t(x=1)]=0.1"], ["time=1%"])
    assert [rule.text for rule in found.rules] == ["utility@100 < -1"]
    assert found.margin(subject(100)) == 0.04
    assert (found.noise_of(quantity("throughput")), found.noise_of(quantity("time"))) == (0.03, 0.01)


def test_a_study_keeps_its_gate_and_cells_dont_know_it():
    of = factories.study(gate={"fail_on": ["throughput < -5%"], "margins": {"accuracy": 0.02}})
    again = parse_study(of.model_dump(mode="json"), "record")
    assert again == of
    assert [cell.key for cell in of.cells()] == [cell.key for cell in factories.study().cells()]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"fail_on": ["accuracy > 0"]}, "gate.fail_on 'accuracy > 0', character 10: found '>', expected <"),
        ({"fail_on": []}, "gate.fail_on"),
        ({"margins": {"throughput": 0.05}}, "gate.margins, throughput '0.05', character 1: found '0.05', expected a p"),
        ({"margins": {"accuracy@": 0.05}}, "gate.margins 'accuracy@', character 10: found the end, expected a label"),
        ({"margins": {"accuracy": -0.05}}, "gate.margins, accuracy: found -0.05, expected 0 or more"),
        ({"noise": {"throughptu": "5%"}}, "unknown quantity 'throughptu'; did you mean 'throughput'?"),
        ({"rules": ["worse"]}, "unknown key 'gate.rules'"),
    ],
)
def test_what_is_wrong_in_a_gate_is_named(table, message):
    with pytest.raises(StudyError) as caught:
        factories.study(gate=table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        (["accuracy"], "--margin: found 'accuracy', expected NAME=AMOUNT"),
        (["time=5"], "--margin, time '5', character 1: found '5', expected a percentage"),
        (["accuracy=1%"], "expected a plain number"),
        (["mean_iou@50=1"], "--margin, mean_iou@50 '1', character 1: found '1', expected a number between -1 and 1"),
    ],
)
def test_what_is_wrong_in_an_option_is_named(margins, message):
    with pytest.raises(OptionError) as caught:
        criteria(None, margins=margins)
    assert message in str(caught.value)
