"""Words, vocabularies and sentences: text to numbers, also without full stops.

Case, punctuation and missing spaces make no difference to known words: `Mary went to the bathroom.Sandra` and
`mary went tothe bathroom sandra` give the words of `Mary went to the bathroom . Sandra`.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PAD, UNKNOWN = 0, 1
"""Numbers of padding and of a word that isn't in the vocabulary; known words have 2, 3, ..."""
FIRST = 2
"""Number of the first known word."""

_STOP_WORDS = """
a an and are at be been both by did do does for he her hers him his i in is it its of on or she that the their them
then there they this those to was we were will with you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that carry little meaning by themselves; `where`, `not`, `no`, `before` and the like are not among them."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[.?!]")
_ENDS = frozenset(".?!")


def words(text: str) -> list[str]:
    """Split a text into lower-case words and sentence marks; other punctuation is left out.

    >>> words("Mary went to the garden.Where is Mary?")
    ['mary', 'went', 'to', 'the', 'garden', '.', 'where', 'is', 'mary', '?']
    """
    return _WORD.findall(text.lower())


def without_stop_words(sentence: Sequence[str]) -> list[str]:
    """Remove the stop words of a sentence."""
    return [word for word in sentence if word not in STOP_WORDS]


@dataclass(frozen=True)
class Vocabulary:
    """Known words, and the words that begin, join and end known sentences.

    `words[i]` has the number i + 2. `follows` holds the pairs of successive words inside a known sentence, `opens`
    and `closes` the words that a statement begins and ends with, `asks` those that begin a question and no
    statement (marks left out).
    """

    words: tuple[str, ...]
    opens: frozenset[str] = frozenset()
    closes: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    follows: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)

    @staticmethod
    def of(statements: Iterable[Sequence[str]], questions: Iterable[Sequence[str]]) -> Vocabulary:
        """Build the vocabulary of some statements and questions, each a sequence of words and marks."""
        distinct: set[str] = set()
        opens, closes = set[str](), set[str]()
        follows = set[tuple[str, str]]()
        for sentence in statements:
            distinct.update(sentence)
            bare = [word for word in sentence if word not in _ENDS]
            if bare:
                opens.add(bare[0])
                closes.add(bare[-1])
                follows.update(itertools.pairwise(bare))
        asks = set[str]()
        for sentence in questions:
            distinct.update(sentence)
            asks.update(sentence[:1])
        words = tuple(sorted(distinct))
        return Vocabulary(words, frozenset(opens), frozenset(closes), frozenset(asks - opens), frozenset(follows))

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=FIRST)}

    @property
    def rows(self) -> int:
        """Rows of an embedding table: one per word, one for padding and one for unknown words."""
        return len(self.words) + FIRST

    def __contains__(self, word: str) -> bool:
        return word in self._numbers

    def encode(self, sentence: Iterable[str]) -> list[int]:
        """Convert a sentence's words to their numbers."""
        return [self._numbers.get(word, UNKNOWN) for word in sentence]

    def word(self, number: int) -> str:
        """Look up the word of a number; `<pad>` and `<unk>` for the first two."""
        return ("<pad>", "<unk>")[number] if number < FIRST else self.words[number - FIRST]

    def read(self, text: str) -> list[str]:
        """Split a text into words; unknown ones are split further where they are known words without spaces."""
        return [part for word in words(text) for part in ([word] if word in self else self._parts(word) or [word])]

    def _parts(self, run: str) -> list[str] | None:
        """Find the fewest known words that make up `run`; None where there are none."""
        best: list[list[str] | None] = [[]]
        for end in range(1, len(run) + 1):
            splits = [
                [*before, run[start:end]]
                for start in range(end)
                if (before := best[start]) is not None and run[start:end] in self
            ]
            best.append(min(splits, key=len) if splits else None)
        return best[-1]

    def sentences(self, text: str) -> list[list[str]]:
        """Split a text into sentences, each with its closing mark.

        A mark or the end of a line ends a sentence. Without a mark, the first word identifies a question; and a
        new sentence begins where the word before can end a known sentence, this word can begin one, and the two
        never follow each other inside one.
        """
        sentences: list[list[str]] = []
        for line in text.splitlines():
            sentence: list[str] = []
            for word in self.read(line):
                if word in _ENDS:
                    if sentence:
                        sentences.append([*sentence, "?" if word == "?" else "."])
                    sentence = []
                    continue
                if sentence and self._begins(sentence[-1], word):
                    sentences.append(self._close(sentence))
                    sentence = []
                sentence.append(word)
            if sentence:
                sentences.append(self._close(sentence))
        return sentences

    def _close(self, sentence: list[str]) -> list[str]:
        """Add the closing mark that a sentence's first word calls for."""
        return [*sentence, "?" if sentence[0] in self.asks else "."]

    def _begins(self, before: str, word: str) -> bool:
        begins = word in self.opens or word in self.asks
        return begins and before in self.closes and (before, word) not in self.follows

    def dump(self) -> dict[str, object]:
        """Convert to plain values, for JSON; `load` is the inverse."""
        return {
            "words": list(self.words),
            "opens": sorted(self.opens),
            "closes": sorted(self.closes),
            "asks": sorted(self.asks),
            "follows": sorted(map(list, self.follows)),
        }

    @staticmethod
    def load(value: Mapping[str, Any]) -> Vocabulary:
        """Rebuild the vocabulary from the values of `dump`."""
        pairs = frozenset((first, second) for first, second in value["follows"])
        opens, closes, asks = (frozenset(value[name]) for name in ("opens", "closes", "asks"))
        return Vocabulary(tuple(value["words"]), opens, closes, asks, pairs)


@dataclass(frozen=True)
class TextShape:
    """The vocabulary and table size of stories, which a reader of stories is built for.

    A story is `sentences` rows of `length` words, oldest first, empty rows before them; the question is one row
    more, at the end. Words stand at the beginning of their row.
    """

    vocabulary: Vocabulary
    sentences: int
    length: int
    story_words: int
    """Words and marks of the longest story."""
    question_words: int
    """Words and marks of the longest question."""
