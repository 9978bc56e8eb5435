"""Tokens survive case, punctuation, missing spaces and missing full stops."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeleff.plugins.tasks.sources.babi_format import parse
from labeleff.plugins.tasks.sources.babi_simulation import generate
from labeleff.training.vocabulary import PAD, UNKNOWN, Vocabulary, without_stop_words, words


@pytest.fixture(scope="module")
def vocabulary():
    questions = parse(generate(1, "train", 1000), "made")
    return Vocabulary.of([words(s) for q in questions for s in q.story], [words(q.text) for q in questions])


STORY = [["mary", "went", "to", "the", "bathroom", "."], ["sandra", "moved", "to", "the", "garden", "."]]


@pytest.mark.parametrize(
    "text",
    [
        "Mary went to the bathroom . Sandra moved to the garden .",
        "Mary went to the bathroom.Sandra moved to the garden.",
        "mary went to the bathroom sandra moved to the garden",
        "MARY WENT TO THE BATHROOM!! SANDRA MOVED TO THE GARDEN!",
        "mary, went to the bathroom; sandra moved to the garden",
        "Mary went to the bathroom\nSandra moved to the garden\n",
        "marywenttothebathroom sandra movedto thegarden",
        "Mary went to the bathroom sandramoved to the garden",
    ],
)
def test_one_story_in_many_spellings(vocabulary, text):
    assert vocabulary.sentences(text) == STORY


@pytest.mark.parametrize(
    "text", ["Where is Mary ?", "where is mary", "WHERE IS MARY?", "whereis mary?", "Where is Mary"]
)
def test_one_question_in_many_spellings(vocabulary, text):
    assert vocabulary.sentences(text) == [["where", "is", "mary", "?"]]


def test_a_question_may_follow_in_the_same_line(vocabulary):
    text = "mary went to the bathroom sandra moved to the garden where is mary"
    assert vocabulary.sentences(text) == [*STORY, ["where", "is", "mary", "?"]]


def test_unknown_words_stay_and_have_one_number(vocabulary):
    [sentence] = vocabulary.sentences("Bob went to the zoo.")
    assert sentence == ["bob", "went", "to", "the", "zoo", "."]
    assert vocabulary.encode(sentence)[0] == vocabulary.encode(sentence)[4] == UNKNOWN
    assert PAD not in vocabulary.encode(sentence)


def test_numbers_and_words_are_inverse(vocabulary):
    assert [vocabulary.word(i) for i in vocabulary.encode(vocabulary.words)] == list(vocabulary.words)
    assert (vocabulary.word(PAD), vocabulary.word(UNKNOWN)) == ("<pad>", "<unk>")
    assert vocabulary.rows == 23


def test_dump_and_load(vocabulary):
    assert Vocabulary.load(json.loads(json.dumps(vocabulary.dump()))) == vocabulary


def test_stop_words():
    assert without_stop_words(["mary", "went", "to", "the", "bathroom", "."]) == ["mary", "went", "bathroom", "."]
    assert without_stop_words(["where", "is", "mary", "?"]) == ["where", "mary", "?"]


@given(st.text(max_size=80))
def test_any_text_is_read(text):
    vocabulary = Vocabulary.of([["mary", "went", "."]], [["where", "?"]])
    for sentence in vocabulary.sentences(text):
        assert sentence[-1] in ".?"
        assert all(isinstance(number, int) for number in vocabulary.encode(sentence))


@given(st.lists(st.sampled_from(STORY), min_size=1, max_size=6))
def test_full_stops_make_no_difference(story):
    questions = parse(generate(1, "train", 100), "made")
    vocabulary = Vocabulary.of([words(s) for q in questions for s in q.story], [words(q.text) for q in questions])
    assert vocabulary.sentences(" ".join(word for sentence in story for word in sentence[:-1])) == story
