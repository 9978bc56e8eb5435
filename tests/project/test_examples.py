"""The example workflow calls labeleff as it is."""

import re
from pathlib import Path

from labeleff.study.gate_rules import parse_rule
from labeleff.study.loading import built_in, load_study

TEXT = (Path(__file__).parents[2] / "examples" / "regression-gate.yml").read_text(encoding="utf-8")


def test_its_commands_and_options_exist(command):
    calls = re.findall(r"^ +labeleff (\w+) (.*(?:\\\n.*)*)", TEXT, re.MULTILINE)
    assert [name for name, _ in calls] == ["run", "run", "compare"]
    for name, rest in calls:
        known = command(name, "--help").stdout
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in known
    assert {rest.split()[0] for name, rest in calls if name == "run"} <= set(built_in())


def test_its_rules_are_about_the_study():
    study = load_study("quick")
    rules = [parse_rule(text) for text in re.findall(r'--fail-on "(.*)"', TEXT)]
    assert rules
    for rule in rules:
        if rule.pattern is not None:
            assert rule.pattern.arm in study.arm_names
            assert rule.pattern.n is None or rule.pattern.n in study.rungs


def test_each_side_pretrains_for_itself():
    assert len(set(re.findall(r"LABELEFF_CACHE: (.*)", TEXT))) == 2
