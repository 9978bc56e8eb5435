"""Mutated studies: each loads as it was meant, or gives one clear error with file, key and what was found."""

from __future__ import annotations

import re

import pytest

from labeleff.errors import LabeleffError
from labeleff.study.loading import load_study

GOOD = """name = "mine"
title = "Mine"
tasks = [{ name = "toy/classify", train = 400, test = 200 }]
encoders = [{ name = "resnet9", width = 0.0625 }]
arms = ["scratch/finetune", "rotation/finetune", "rotation/linear"]
baseline = "scratch/finetune"
rungs = [20, 50, 100]
draws = 2
seeds = 2
pairing = "zipped"
subset = "stratified"
curve = "bayes"
level = 0.9
targets = [0.5, 0.7]
headline = 50

[cost]
per_label = 0.05
unit = "USD"

[probe]
every = 1
labels = 50
held_out = 100

[budget.rotation]
optimizer = "sgd"
lr = 0.05
batch = 64
epochs = 2

[budget.finetune]
optimizer = "sgd"
lr = 0.05
batch = 32
steps = { min = 8, max = 8 }

[stories.babi]
tasks = ["babi/qa1"]
encoders = ["memnet"]
arms = ["scratch/finetune"]
rungs = [200]
allow_missing_classes = true
"""

NUMBERS = ('"2"', "true", "2.5", "-1", "0", "nan", "inf", "[2]", "2020-01-01", "{ a = 1 }", '""', "1_000_000_000_000")
WRONG = {
    "name": ('""', '" x"', '"a/b"', "3", "true", '["a"]', '"../x"', '"\\u0000"'),
    "title": ("3", '["a"]', "false"),
    "tasks": (
        *("[]", '"toy/classify"', "[3]", '["nothing/here"]', '["toy/clasify"]', "[{}]", "[{ name = 3 }]", "{}", "[[]]"),
        *('[{ name = "toy/classify", trian = 3 }]', '[{ name = "toy/classify", train = "400" }]'),
        *('[{ name = "toy/classify", train = -1 }]', '[{ name = "toy/classify", train = true }]'),
        *('[{ name = "toy/classify", train = 0 }]', '[{ name = "toy/classify", train = 1e3 }]'),
        *('["toy/classify", "toy/classify"]', '[{ name = "folder/classify" }]', '["module:object"]'),
        *('[{ name = "toy/classify", size = [32] }]', '[{ name = "toy/classify", train = 99 }]', '["babi/qa1"]'),
    ),
    "encoders": (
        *("[]", '"resnet9"', '["resnet8"]', '[{ name = "resnet9", width = "wide" }]', '["memnet"]'),
        *('[{ name = "resnet9", width = 0 }]', '[{ name = "resnet9", width = nan }]', '["resnet9", "resnet9"]'),
    ),
    "arms": (
        *("[]", '"scratch/finetune"', '["scratch"]', '["scratch/finetune/x"]', '["scratch/fintune"]', '["a/b"]'),
        *('["scratch/finetune", "scratch/finetune"]', '[{ pretext = "scratch" }]', "[3]", '["rotation/linear"]'),
        *('[{ pretext = { name = "file" }, protocol = "linear" }]', '[["scratch", "finetune"]]', '[""]', '["/"]'),
    ),
    "baseline": ('"rotation"', '"x/y"', "3", '""'),
    "rungs": (
        *("[]", "20", '"20"', "[50, 20]", "[20, 20]", "[-5, 20]", "[0, 20]", "[20, 401]", "[1, 20]", "[20.5, 50]"),
        *('["20", "50"]', "[true, 50]", "[nan]", "[20, 1e400]", "[[20, 50]]", "[50]", '"auto"', "[20, 2020-01-01]"),
    ),
    "draws": tuple(number for number in NUMBERS if number != '""'),
    "seeds": ('"2"', "true", "3", "-2", "0.0"),
    "pairing": ('"zip"', "true", '""'),
    "subset": ('"stratifed"', "1", "[]"),
    "curve": ('"bays"', '"pow9"', "1", '""'),
    "level": ("90", '"0.9"', "0.5", "1", "true", "nan", "-0.9", "[0.9]"),
    "targets": ("0.5", "[70]", '["0.5"]', "[nan]", "[-0.1]", "[true]", "[[0.5]]"),
    "headline": ("30", '"50"', "-1", "true", "[50]"),
    "per_label": ('"0.05"', "-1", "inf", "true", "[]"),
    "every": ('"1"', "-1", "0", "true"),
    "lr": ('"0.05"', "true", "-0.05", "0", "nan", "inf", "[0.05]", "{}", "07:32:00"),
    "batch": ('"64"', "true", "1", "2.5", "-64", "[64]"),
    "epochs": ("0", "-2", '"2"', "true", "nan", "2\nsteps = { min = 8, max = 8 }", "2\nepoch = 3"),
    "optimizer": ('"SGD"', "1", '"adamw2"'),
    "steps": ("8", "{ min = 9, max = 8 }", "{ min = 8 }", "{ min = true, max = 8 }", "{ min = 8, max = 8, per = 1 }"),
}


def set_to(key, value):
    """The good study with the first value of a key replaced."""
    return re.sub(rf"^{key} = .*$", lambda _: f"{key} = {value}", GOOD, count=1, flags=re.MULTILINE)


def without(text):
    assert text in GOOD
    return GOOD.replace(text, "")


def swapped(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


TYPOS = {f"{key} = ": f"{typo} = " for key, typo in {
    "tasks": "task", "rungs": "rung", "draws": "draw", "level": "levels", "headline": "head_line", "lr": "rate",
    "per_label": "perlabel", "every": "evry", "optimizer": "optimiser", "epochs": "epoch", "arms": "Arms",
}.items()}  # fmt: skip
BROKEN = {
    "empty": ("", "name"),
    "only a comment": ("# nothing\n", "name"),
    "no TOML": ("name: mine\n", "not TOML"),
    "JSON": ('{"name": "mine"}', "not TOML"),
    "a key twice": (GOOD + "\n[budget.rotation]\nlr = 1\n", "not TOML"),
    "a value twice": (GOOD.replace("draws = 2", "draws = 2\ndraws = 3"), "not TOML"),
    "cut short": (GOOD[:300], "not TOML"),
    "open text": (swapped('"Mine"', '"Mine'), "not TOML"),
    "not UTF-8": (GOOD.encode().replace(b"Mine", b"M\xe4ne"), "UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), "UTF-8"),
    "zero bytes": (GOOD.encode() + b"\0", "not TOML"),
    "deep lists": (GOOD.replace("[20, 50, 100]", "[" * 5000 + "]" * 5000), "nested too deep"),
    "deep tables": (GOOD + "[" + ".".join(["a"] * 3000) + "]\nb = 1\n", "a"),
    "deep dotted keys": (GOOD.replace("draws = 2", ".".join(["a"] * 3000) + " = 1"), "a"),
    "a huge integer": (swapped("draws = 2", "draws = " + "9" * 5000), "not TOML"),
    "no name": (without('name = "mine"\n'), "name"),
    "no tasks": (without('tasks = [{ name = "toy/classify", train = 400, test = 200 }]\n'), "tasks"),
    "no rungs": (without("rungs = [20, 50, 100]\n"), "rungs"),
    "no arms": (without('arms = ["scratch/finetune", "rotation/finetune", "rotation/linear"]\n'), "arms"),
    "no budget": (GOOD.replace("[budget.finetune]", "[budget.finetun]"), "finetun"),
    "a budget of nobody": (GOOD + "[budget.vae]\nlr = 1\nbatch = 2\nepochs = 1\n", "vae"),
    "a budget that is a number": ("budget = 3\n" + GOOD[: GOOD.index("[budget")], "budget"),
    "an unknown preset": (swapped('[budget.rotation]\noptimizer = "sgd"', '[budget.rotation]\npreset = "big"'), "big"),
    "stories within stories": (GOOD + '[stories.babi.stories.more]\ntasks = ["babi/qa2"]\n', "stories"),
    "stories that are a list": (GOOD.partition("[stories")[0] + '[[stories]]\ntasks = ["babi/qa1"]\n', "stories"),
    "stories that are a text": ('stories = "babi"\n' + GOOD.partition("[stories")[0], "stories"),
    "a story's images": (swapped('["babi/qa1"]', '["toy/classify"]'), "works on stories"),
    "a story's typo": (swapped('encoders = ["memnet"]', 'encoders = ["memnett"]'), "memnett"),
    "several rungs of stories": (swapped("rungs = [200]", "rungs = [200, 400]"), "stories.babi"),
    "tables for text": (swapped('title = "Mine"', "title = { a = 1 }"), "title"),
    "an unknown table": (GOOD + "[gates]\nfail_on = []\n", "gates"),
    "an unknown rule": (GOOD + '[gate]\nfail_on = ["wurse"]\n', "wurse"),
    "a ladder and its own": (swapped("draws = 2", "draws = 2\nauto = { at = [5], first = 20, last = 10 }"), "auto"),
    "a trillion cells": (GOOD.replace("zipped", "crossed").replace("draws = 2", "draws = 1_000_000_000_000"), "cells"),
    "a story's wrong number": (swapped("rungs = [200]", "rungs = [true]"), "stories.babi.rungs"),
    "two of one story": (GOOD + '[stories.babi]\ntasks = ["babi/qa2"]\n', "not TOML"),
    **{f"typo {typo}": (swapped(key, typo), typo.strip(" =")) for key, typo in TYPOS.items()},
}
RIGHT = {
    "as it is": GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "CRLF": GOOD.replace("\n", "\r\n"),
    "mark and CRLF": b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
    "no last line break": GOOD.rstrip("\n"),
    "comments": GOOD.replace("\n", " # a comment, é\n"),
    "blank lines and tabs": GOOD.replace("\n", "\t\n\n"),
    "other bases": swapped("draws = 2", "draws = 0x2"),
    "underscores": swapped("train = 400", "train = 4_0_0"),
    "quoted keys": swapped("[budget.rotation]", '["budget"."rotation"]'),
    "spaced headers": swapped("[budget.rotation]", "[ budget . rotation ]"),
    "exponents": swapped("lr = 0.05\nbatch = 64", "lr = 5e-2\nbatch = 64"),
    "whole numbers as decimals": swapped("epochs = 2", "epochs = 2.0"),
    "many lines": swapped("[20, 50, 100]", "[\n  20,\n  50, # middle\n  100,\n]"),
    "literal text": swapped('"mine"', "'mine'"),
    "escapes": swapped('"Mine"', '"\\u004dine"'),
    "one table in a line": swapped(
        '[cost]\nper_label = 0.05\nunit = "USD"', 'cost.per_label = 0.05\ncost.unit = "USD"'
    ),
    "names alone": swapped('["scratch/finetune", ', '[{ pretext = "scratch", protocol = "finetune" }, '),
}
KINDS = {
    "tasks": ("task", "toy/classify", "babi/qa1"),
    "encoders": ("encoder",),
    "arms": ("arm", "pretext", "protocol"),
    "per_label": ("cost",),
}
"""Words that errors have in place of a key."""
CASES = [
    *(pytest.param(set_to(key, value), key, id=f"{key} = {value}"[:60]) for key, of in WRONG.items() for value in of),
    *(pytest.param(text, word, id=name) for name, (text, word) in BROKEN.items()),
]


def written(tmp_path, content):
    path = tmp_path / "mine.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(("content", "word"), CASES)
def test_each_wrong_study_is_one_clear_error(tmp_path, content, word):
    path = written(tmp_path, content)
    with pytest.raises(LabeleffError) as caught:
        load_study(str(path))
    text = str(caught.value)
    assert text.startswith(str(path))
    assert any(each in text for each in (word, *KINDS.get(word, ())))
    assert text.count("\n") <= 1
    assert len(text) < 1000


@pytest.mark.parametrize("name", RIGHT)
def test_each_right_study_loads_as_it_was_meant(tmp_path, name):
    (tmp_path / "plain").mkdir()
    plain = load_study(str(written(tmp_path / "plain", GOOD)))
    assert load_study(str(written(tmp_path, RIGHT[name]))) == plain


def test_there_are_enough_of_them():
    assert len(CASES) + len(RIGHT) >= 150
