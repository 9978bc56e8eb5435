"""Readers of stories, what holds for all of them, and their parts: sentences, dropout."""

import pytest
import torch
from support import story_tasks

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder, initial_weights
from labeleff.plugins.encoders.readers import Dropout, Sentences, _distinct

READERS = {
    "qrn": ("qrn", {"width": 16, "gates": 4, "shared": False}),
    "qrn, shared": ("qrn", {"width": 16, "gates": 4, "shared": True}),
    "universal_transformer": ("universal_transformer", {"width": 16, "heads": 2}),
}


@pytest.fixture(scope="module")
def task():
    return story_tasks.task()


@pytest.fixture(params=READERS)
def reader(request, task):
    return build_encoder(lookup.complete("encoder", *READERS[request.param]), 0, task.text).eval()


def test_empty_rows_before_a_story_change_nothing(task, reader):
    tokens = task.train.inputs[:8].long()
    padded = torch.cat((torch.zeros(8, 7, task.text.length, dtype=torch.int64), tokens), 1)
    torch.testing.assert_close(reader(padded), reader(tokens))
    torch.testing.assert_close(reader.attention(padded)[:, 7:], reader.attention(tokens))


def test_a_story_alone_is_read_as_in_company(task, reader):
    tokens = task.train.inputs[:8].long()
    for compute in (reader, reader.attention):
        alone = torch.cat([compute(story[None]) for story in tokens])
        torch.testing.assert_close(alone, compute(tokens))


def test_the_order_of_sentences_counts(task, reader):
    tokens = task.train.inputs[task.train.inputs[:, 0, 0] != 0][:8].long()
    turned = torch.cat((tokens[:, :-1].flip(1), tokens[:, -1:]), 1)
    assert not torch.allclose(reader(turned), reader(tokens), atol=1e-4)


def test_distinct_rows_give_back_every_row():
    rows = torch.randint(0, 3, (200, 4))
    found, which = _distinct(rows)
    assert torch.equal(found[which], rows)
    assert len(found) == len(torch.unique(rows, dim=0))


def test_stories_are_their_sentences_one_by_one_with_the_question_last(task):
    encoder = Sentences(task.text.vocabulary.rows, task.text.length, 8)
    tokens = task.train.inputs[:6].long()
    vectors, present = encoder.stories(tokens)
    for number, story in enumerate(tokens):
        told = [row for row in story if row.any()]
        torch.testing.assert_close(vectors[-len(told) :, number], torch.cat([encoder(row[None]) for row in told]))
        assert present[:, number].tolist() == [False] * (len(vectors) - len(told)) + [True] * len(told)


def test_a_share_of_values_is_dropped_and_the_mean_stays():
    values = Dropout(0.3)(torch.ones(200_000))
    assert values.eq(0).double().mean() == pytest.approx(77 / 256, abs=0.005)
    assert values.double().mean() == pytest.approx(1, abs=0.01)
    assert set(values.unique().tolist()) == {0, torch.tensor(256 / 179).item()}


def test_nothing_is_dropped_at_0_or_in_evaluation():
    values = torch.randn(40)
    assert torch.equal(Dropout(0.0)(values), values)
    assert torch.equal(Dropout(0.5).eval()(values), values)


def test_the_seed_of_the_weights_decides_and_the_shared_generator_is_left_alone():
    def dropped(seed):
        with initial_weights(seed):
            dropout = Dropout(0.5)
        torch.rand(5)
        before = torch.get_rng_state()
        values = dropout(torch.ones(64))
        assert torch.equal(torch.get_rng_state(), before)
        return values

    assert torch.equal(dropped(3), dropped(3))
    assert not torch.equal(dropped(3), dropped(4))
