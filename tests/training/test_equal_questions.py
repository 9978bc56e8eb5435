"""Equal questions: counted as a slow version counts them, and never on both sides of a split."""

import itertools
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labeleff.errors import PluginError
from labeleff.training.equal_questions import Questions, hold_out_distinct, numbered
from labeleff.training.hashed_random import hold_out

WHAT = "validated: {held} of {count} labels would be set aside"


def stories(count, kinds, seed):
    """Stories (count, 3, 2) of up to `kinds` kinds, which differ in one word each, with an answer by their kind."""
    dice = random.Random(seed)
    which = [dice.randrange(kinds) for _ in range(count)]
    inputs = torch.zeros(count, 3, 2, dtype=torch.int16)
    inputs[:, 1, 1] = torch.tensor(which)
    return inputs, torch.tensor([kind % 5 for kind in which])


def slow(inputs):
    return [[bool((one == other).all()) for other in inputs] for one in inputs]


def test_equal_inputs_share_a_number_and_others_do_not():
    inputs, _ = stories(60, 20, 0)
    [numbers] = numbered(inputs)
    assert (numbers[:, None] == numbers[None]).tolist() == slow(inputs)
    firsts = [numbers.tolist().index(number) for number in range(int(numbers.max()) + 1)]
    assert firsts == sorted(firsts), "numbers follow first appearance"


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_a_slow_version(seed):
    (train, _), (test, _) = stories(80, 40, seed), stories(50, 60, seed + 10)
    questions = Questions.of(train, test)
    for places in (torch.arange(80), torch.arange(0, 80, 3), torch.tensor([5])):
        labelled = train[places]
        differ = sum(not any(torch.equal(one, two) for two in labelled[:i]) for i, one in enumerate(labelled))
        unseen = [not any(torch.equal(one, other) for other in labelled) for one in test]
        assert questions.distinct(places) == differ
        assert questions.unseen(places).tolist() == unseen
    assert 0 < sum(unseen) < 50 or len(places) == 1


SPLITS = st.tuples(st.integers(2, 120), st.integers(2, 60), st.floats(0.05, 0.6), st.integers(0, 99), st.integers(1, 9))


@given(SPLITS)
def test_equal_questions_are_on_one_side_whatever_the_share(case):
    count, kinds, share, seed, run = case
    inputs, labels = stories(count, kinds, seed)
    [numbers] = numbered(inputs)
    if len(set(numbers.tolist())) < 2 or round(share * count) >= count:
        return
    trained, held = hold_out_distinct(inputs, labels, share, seed, "told", run)
    again = hold_out_distinct(inputs, labels, share, seed, "told", run)
    assert [part.tolist() for part in again] == [trained.tolist(), held.tolist()]
    assert sorted([*trained.tolist(), *held.tolist()]) == list(range(count))
    assert len(trained)
    assert len(held)
    assert set(numbers[trained].tolist()).isdisjoint(numbers[held].tolist())
    size = max(1, round(share * count))
    fewest = min(numbers.bincount().tolist())
    assert len(held) <= max(size, fewest)


def test_the_share_is_filled_and_every_answer_kept_where_that_can_be():
    for seed in range(20):
        inputs, labels = stories(300, 90, seed)
        trained, held = hold_out_distinct(inputs, labels, 0.1, seed, "told", 5)
        assert len(held) == 30
        assert set(labels[trained].tolist()) == set(labels.tolist())


def test_an_answer_of_one_question_stays_in_training_unless_nothing_else_is_there():
    inputs = torch.arange(12, dtype=torch.int16)[:, None, None]
    labels = torch.tensor([0] * 8 + [1, 2, 3, 4])
    for seed in range(20):
        trained, held = hold_out_distinct(inputs, labels, 0.5, seed, "told", 1)
        assert len(held) == 6
        assert set(labels[trained].tolist()) == {0, 1, 2, 3, 4}
        _, held = hold_out_distinct(inputs[8:], labels[8:], 0.25, seed, "told", 1)
        assert len(held) == 1
        trained, held = hold_out_distinct(inputs, labels, 0.75, seed, "told", 1)
        assert len(held) == 9, "the share counts more than answers that it can't spare"
    assert len({tuple(hold_out_distinct(inputs, labels, 0.5, seed, "told", 1)[1].tolist()) for seed in range(9)}) > 1


def test_of_questions_that_are_all_repeated_often_the_rarest_is_held_out():
    inputs = torch.tensor([0] * 10 + [1] * 6 + [2] * 8, dtype=torch.int16)[:, None, None]
    _, held = hold_out_distinct(inputs, torch.zeros(24, dtype=torch.int64), 0.1, 0, "told", 1)
    assert held.tolist() == list(range(10, 16))


@pytest.mark.parametrize(("count", "share", "run"), [*itertools.product((40, 203), (0.1, 0.5), (1, 7, 50))])
def test_without_repeats_it_is_the_split_of_other_examples(count, share, run):
    inputs, labels = torch.arange(count)[:, None, None].short(), torch.zeros(count, dtype=torch.int64)
    ours = hold_out_distinct(inputs, labels, share, 5, "told", run)
    theirs = hold_out(count, share, 5, WHAT, run)
    assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]


def test_nothing_to_train_on_is_told():
    inputs, labels = torch.zeros(40, 2, 2, dtype=torch.int16), torch.zeros(40, dtype=torch.int64)
    with pytest.raises(PluginError, match="told: 40 of 40 labels would be set aside, as all are of one question; noth"):
        hold_out_distinct(inputs, labels, 0.1, 0, "told", 50)
    with pytest.raises(PluginError, match="told: 1 of 1 labels would be set aside"):
        hold_out_distinct(inputs[:1], labels[:1], 0.1, 0, "told", 50)
