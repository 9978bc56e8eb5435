"""Simulated stories like bAbI tasks 1-3, as text in the official format.

Four people walk between six rooms and, in tasks 2 and 3, pick up, carry and put down three things. Questions are
asked only where the story settles the answer. Nothing of the official generator is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from labeleff.seeding import stream_seed

PEOPLE = ("Mary", "John", "Daniel", "Sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
THINGS = ("football", "apple", "milk")
MOVED = ("moved to", "went to", "went back to", "journeyed to", "travelled to")
TOOK = ("took", "got", "grabbed", "picked up")
LEFT = ("dropped", "left", "discarded", "put down")
QUESTIONS = 5
"""Questions per story."""


@dataclass
class _World:
    """A simulated world: places of people and things, with the lines that state them."""

    dice: random.Random
    lines: list[str] = field(default_factory=list)
    at: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Person to place, and the line of the move."""
    holder: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Thing to the person who carries it, and the line of the taking."""
    trail: dict[str, list[tuple[str, tuple[int, ...]]]] = field(default_factory=dict)
    """Thing to the places it has been in, each with the lines that show it."""

    def say(self, text: str) -> int:
        self.lines.append(f"{len(self.lines) + 1} {text}")
        return len(self.lines)

    def move(self) -> None:
        person = self.dice.choice(PEOPLE)
        current = self.at.get(person, ("", 0))[0]
        place = self.dice.choice([p for p in PLACES if p != current])
        line = self.say(f"{person} {self.dice.choice(MOVED)} the {place}.")
        self.at[person] = place, line
        for thing, (who, taken) in self.holder.items():
            if who == person:
                self.trail[thing].append((place, (taken, line)))

    def take_or_leave(self) -> None:
        """Let a placed person put down a carried thing, or take one that lies in the same place or has no place yet."""
        options: list[Callable[[], None]] = []
        for person, (place, _) in self.at.items():
            for thing in THINGS:
                if self.holder.get(thing, ("", 0))[0] == person:
                    options.append(lambda person=person, thing=thing: self._leave(person, thing))  # type: ignore[misc]
                elif thing not in self.holder and self.place_of(thing) in (None, place):
                    options.append(lambda person=person, thing=thing: self._take(person, thing))  # type: ignore[misc]
        if options:
            self.dice.choice(options)()

    def place_of(self, thing: str) -> str | None:
        return self.trail[thing][-1][0] if self.trail.get(thing) else None

    def _take(self, person: str, thing: str) -> None:
        line = self.say(f"{person} {self.dice.choice(TOOK)} the {thing}{self.dice.choice(('', ' there'))}.")
        self.holder[thing] = person, line
        if thing not in self.trail:
            place, moved = self.at[person]
            self.trail[thing] = [(place, (line, moved))]

    def _leave(self, person: str, thing: str) -> None:
        self.say(f"{person} {self.dice.choice(LEFT)} the {thing}{self.dice.choice(('', ' there'))}.")
        del self.holder[thing]


Query = tuple[str, str, tuple[int, ...]]
"""Question, answer, lines of the supporting facts."""


def _where_is_who(world: _World) -> Query | None:
    if not world.at:
        return None
    person = world.dice.choice(sorted(world.at))
    place, line = world.at[person]
    return f"Where is {person}?", place, (line,)


def _where_is_what(world: _World) -> Query | None:
    things = sorted(world.trail)
    if not things:
        return None
    thing = world.dice.choice(things)
    place, facts = world.trail[thing][-1]
    return f"Where is the {thing}?", place, facts


def _where_was_what(world: _World) -> Query | None:
    """Ask where a thing was before it last came to a place, for a thing that has been in two."""
    things = sorted(thing for thing, places in world.trail.items() if len(places) > 1)
    if not things:
        return None
    thing = world.dice.choice(things)
    places = world.trail[thing]
    which = world.dice.randrange(1, len(places))
    name = places[which][0]
    which = max(i for i, (place, _) in enumerate(places) if place == name)
    before, facts = places[which - 1]
    return f"Where was the {thing} before the {name}?", before, tuple(sorted({*facts, *places[which][1]}))


_ASK: dict[int, Callable[[_World], Query | None]] = {1: _where_is_who, 2: _where_is_what, 3: _where_was_what}
TASKS = tuple(_ASK)
"""Numbers of the tasks that can be simulated."""


def _story(task: int, dice: random.Random) -> Iterator[str]:
    world, count = _World(dice), 0
    while count < QUESTIONS:
        for _ in range(2 if task == 1 else dice.randint(2, 4 * task)):
            if task == 1 or dice.random() < 0.5:
                world.move()
            else:
                world.take_or_leave()
        question = _ASK[task](world)
        if question is not None:
            text, answer, facts = question
            world.say(f"{text} \t{answer}\t{' '.join(map(str, facts))}")
            count += 1
    return iter(world.lines)


def generate(task: int, split: str, questions: int) -> bytes:
    """Generate a file of `questions` questions (a multiple of 5) of task 1, 2 or 3: the same bytes every time."""
    dice = random.Random(stream_seed("babi", task, split))
    lines = [line for _ in range(questions // QUESTIONS) for line in _story(task, dice)]
    return "".join(f"{line}\n" for line in lines).encode()
