"""Made-up stories: official in format and words, and every answer follows from its supporting facts."""

import pytest

from labeleff.plugins.tasks.sources.babi_format import parse
from labeleff.plugins.tasks.sources.babi_simulation import PLACES, generate
from labeleff.training.vocabulary import words

LEFT = {"dropped", "left", "discarded", "put"}
TOOK = {"took", "got", "grabbed", "picked"}


@pytest.mark.parametrize("task", [1, 2, 3])
def test_the_same_bytes_whenever_made_and_others_for_the_other_split(task):
    assert generate(task, "train", 50) == generate(task, "train", 50)
    assert generate(task, "train", 50) != generate(task, "test", 50)
    assert len(parse(generate(task, "train", 50), "made")) == 50


def test_task_1_has_exactly_21_words():
    questions = parse(generate(1, "train", 1000), "made")
    known = {word for q in questions for text in (*q.story, q.text) for word in words(text)}
    assert len(known) == 21
    people, moves = "mary john daniel sandra", "moved went back journeyed travelled to the"
    assert known == {*words(f"{people} {' '.join(PLACES)} {moves} where is . ?")}


def where(story: tuple[str, ...]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Replay a story: where everyone is, and every place that each thing has been in, in order."""
    people: dict[str, str] = {}
    held: dict[str, str] = {}
    trail: dict[str, list[str]] = {}
    for sentence in story:
        person, verb, *rest = words(sentence)
        if rest[-2] in PLACES:
            people[person] = rest[-2]
            for thing in [thing for thing, who in held.items() if who == person]:
                trail[thing].append(rest[-2])
            continue
        thing = next(word for word in rest if word in {"football", "apple", "milk"})
        if verb in TOOK:
            assert thing not in held
            assert not trail.get(thing) or trail[thing][-1] == people[person]
            held[thing] = person
            trail.setdefault(thing, [people[person]])
        else:
            assert verb in LEFT
            assert held.pop(thing) == person
    return people, trail


@pytest.mark.parametrize("task", [1, 2, 3])
def test_answers_are_right(task):
    for question in parse(generate(task, "train", 1000), "made"):
        people, trail = where(question.story)
        asked = words(question.text)
        if task == 1:
            assert question.answer == people[asked[2]]
        elif task == 2:
            assert question.answer == trail[asked[3]][-1]
        else:
            places = trail[asked[3]]
            last = max(i for i, place in enumerate(places) if place == asked[6])
            assert question.answer == places[last - 1]


def test_supporting_facts_of_task_1_are_the_last_move():
    for question in parse(generate(1, "train", 200), "made"):
        [fact] = question.facts
        person = words(question.text)[2]
        assert fact == max(i for i, text in enumerate(question.story) if words(text)[0] == person)
