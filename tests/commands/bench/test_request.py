"""Requests of `labeleff bench`: encoders by name and options, and the pieces of work that follow."""

import pytest

from labeleff.commands.bench.request import encoder_spec, request
from labeleff.errors import LabeleffError, OptionError, UnknownNameError


def asked(encoders=(), batches=(), packs=(), precision="auto", threads=1):
    return request(encoders, batches, packs, "cpu", precision, threads, quick=True)


def test_an_encoder_with_options():
    assert encoder_spec("resnet9:width=0.25,dim=32").options == {"width": 0.25, "dim": 32}
    assert encoder_spec("memnet").name == "memnet"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resnet_9", "did you mean 'resnet9'"),
        ("resnet9:wide=1", "unknown option of encoder 'resnet9' 'wide'"),
        ("resnet9:width", "expected option=value"),
        ("resnet9:width=big", "expected float"),
    ],
)
def test_an_encoder_that_cannot_be(text, said):
    with pytest.raises(LabeleffError, match=said):
        encoder_spec(text)


def test_encoders_of_images_and_of_stories_are_timed_at_what_they_do():
    works = list(asked(["resnet9", "memnet"]).works())
    found = [(work.part, work.encoder.name, work.batch) for work in works]
    images = [("rotation", 64), ("finetune", 64), ("joint", 128), ("evaluation", 500)]
    assert found == [*((part, "resnet9", batch) for part, batch in images), ("reading", "memnet", 32)]


def test_batches_and_packs_multiply_where_they_mean_something():
    works = list(asked(["resnet9"], batches=[16, 32], packs=[1, 4]).works())
    assert sum(work.part == "rotation" for work in works) == 2
    assert sum(work.part == "finetune" for work in works) == 4
    assert {(work.batch, work.pack) for work in works if work.part == "evaluation"} == {(500, 1)}
    assert len({work.name for work in works}) == len(works)


def test_the_same_encoder_twice_is_timed_once():
    assert len(asked(["resnet9", "resnet9:width=1.0"]).encoders) == 1


@pytest.mark.parametrize("wrong", [{"batches": [1]}, {"packs": [0]}, {"threads": 0}])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(OptionError, match="expected a number from"):
        asked(**wrong)


def test_a_precision_that_is_none():
    with pytest.raises(UnknownNameError, match="bf16"):
        asked(precision="fp16")
