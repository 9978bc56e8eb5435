"""Rules and patterns of a gate: meaning, and errors that name the character, what was found and expected."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.errors import OptionError
from labeleff.study.gate_rules import Pattern, parse_pattern, parse_rule
from labeleff.study.quantities import Subject, quantity

HERE = Subject("accuracy", 500, "rotation/finetune", "cifar10/classify", "resnet9(dim=256, width=0.1875)")


def test_rules_of_the_documentation():
    rule = parse_rule(" utility@1000 < -0.2 ")
    assert (rule.text, rule.bound, rule.point) == ("utility@1000 < -0.2", -0.2, False)
    assert rule.pattern == Pattern("utility", 1000)
    assert parse_rule("throughput < -5%").bound == -0.05
    assert parse_rule("error@*[*, babi/qa1]>.02 point").point
    rule = parse_rule("accuracy@500[rotation/finetune] < -0.01")
    assert rule.covers(HERE)
    assert parse_rule("accuracy@* worse").bound is None
    assert parse_rule("worse").covers(HERE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy@500", True),
        ("accuracy@*", True),
        ("accuracy", False),
        ("accuracy@50", False),
        ("error@500", False),
        ("accuracy@500[rotation/*]", True),
        ("accuracy@500[ rotation/finetune , cifar10/classify , resnet9 ]", True),
        ("accuracy@500[*, *, resnet9(dim=256, width=0.1875)]", True),
        ("accuracy@500[*, *, resnet9(dim=128, width=0.1875)]", False),
        ("accuracy@500[rotation/linear]", False),
        ("accuracy@500[*, toy/classify]", False),
    ],
)
def test_what_a_pattern_means(text, expected):
    assert parse_pattern(text, "here").matches(HERE) == expected


def test_the_ladder_is_meant_without_a_rung():
    assert parse_pattern("accuracy", "here").matches(Subject("accuracy", None, "a/b", "t", "e"))
    assert not parse_pattern("accuracy@*", "here").matches(Subject("accuracy", None, "a/b", "t", "e"))


@pytest.mark.parametrize(
    ("text", "place", "found", "expected"),
    [
        ("", 1, "the end", "a quantity's name"),
        ("@500 < 0", 1, "'@500'", "a quantity's name"),
        ("utility@1000 <- 0.2", 15, "'-'", "a number"),
        ("utility@1000 < 0.2", 16, "'0.2'", "at most 0"),
        ("utility@x < 0", 9, "'x'", "a label count or *"),
        ("throughput < -5", 14, "'-5'", "a percentage, as throughput is compared as a ratio"),
        ("throughput < -100%", 14, "'-100%'", "a percentage over -100%"),
        ("accuracy < -5%", 12, "'-5%'", "a plain number"),
        ("accuracy < 1e999", 12, "'1e999'", "a plain number"),
        ("accuracy < -1 point", 12, "'-1'", "a number between -1 and 1, the most accuracy can change by: 0.01 is one"),
        ("error@50 > 2", 12, "'2'", "a number between -1 and 1"),
        ("spearman < -2", 12, "'-2'", "a number between -2 and 2"),
        ("accuracy > 0.01", 10, "'>'", "< or worse (accuracy is better when higher)"),
        ("time < -5%", 6, "'<'", "> or worse (time is better when lower)"),
        ("time > -5%", 8, "'-5%'", "at least 0"),
        ("accuracy@500", 13, "the end", "< or worse"),
        ("accuracy@500[a", 15, "the end", "] after arm, task, encoder"),
        ("accuracy[a,,b] < 0", 10, "'a,,b]'", "[arm], [arm, task] or [arm, task, encoder]"),
        ("accuracy[a,b,c,d] worse", 10, "'a,b,c,d]'", "[arm], [arm, task] or [arm, task, encoder]"),
        ("accuracy < -0.1 pont", 17, "'pont'", "point or the end of the rule"),
        ("accuracy < -0.1; rm", 16, "';'", "point or the end of the rule"),
        ("worse than", 7, "'than'", "the end of the rule"),
        ("accuracy worse point", 16, "'point'", "the end of the rule"),
    ],
)
def test_malformed_rules(text, place, found, expected):
    with pytest.raises(OptionError) as caught:
        parse_rule(text)
    said = str(caught.value)
    assert said.startswith(f"--fail-on {text!r}, character {place}: found {found}, expected ")
    assert expected in said


@given(st.text(max_size=30))
def test_any_text_is_a_rule_or_one_complaint(text):
    with contextlib.suppress(OptionError):
        parse_rule(text)


def test_direction_and_scale_by_name():
    assert quantity("within_1.25").higher
    assert not quantity("rmse").higher
    assert quantity("rmse").relative
    assert not quantity("mean_absolute_error").higher
    assert quantity("mean_iou").higher
    assert not quantity("validation_loss").higher
    assert quantity("throughput").speed
