"""Questions to a trained reader, and its answers."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from labeleff.errors import DataError, RecordError
from labeleff.execution.launch import measure
from labeleff.execution.saved_readers import TrainedReader, load_reader
from labeleff.plugins.encoders.word_vectors import Vectors, nearest, read_vectors
from labeleff.records.jsonl import READERS, reader_path
from labeleff.reporting import story_results
from labeleff.reporting.results import load
from labeleff.scheduling.run_options import RunOptions
from labeleff.study.loading import load_study
from labeleff.training.vocabulary import PAD, without_stop_words

LIKELIEST = 3
"""Number of answers, and of sentences, that are shown."""
_NUMBERED = re.compile(r"\s*([0-9]+)(?:[.):]\s*|\s+)(.*)")
_ANSWER = re.compile(r"(\?\s*)\t[^\t]*(?:\t[\d\s]*)?$")
"""A question, and after tabs its answer and the numbers of the lines that it follows from."""

Sentence = list[str]


@dataclass(frozen=True)
class Reply:
    """A reader's reply to one question."""

    question: str
    answer: str
    likeliest: tuple[tuple[str, float], ...]
    """The most probable answers, best first, each with its probability in 0..1."""
    attended: tuple[tuple[str, float], ...]
    """Every sentence of the story in order, each with its share of the attention; the shares sum to 1."""
    warnings: tuple[str, ...] = ()


@dataclass
class Conversation:
    """A story that grows, with questions about it to a reader.

    With `vectors` a word that the reader doesn't know is read as the known word nearest to it.
    """

    reader: TrainedReader
    vectors: Vectors = field(default_factory=dict)
    story: list[Sentence] = field(default_factory=list)

    def hear(self, text: str) -> Iterator[Reply]:
        """Take in a line of text, and yield replies to the questions in it, each about the story so far.

        An empty line begins a new story. Lines may be numbered, as in the bAbI files or as a list (`1.`, `2)`): line 1
        begins a new story. What follows a tab is read as well, but for the answer and the facts after a question, as
        the bAbI files have them.
        """
        line = _ANSWER.sub(r"\1", text).replace("\t", " ")
        numbered = _NUMBERED.fullmatch(line)
        if not line.strip() or (numbered and int(numbered[1]) == 1):
            self.story.clear()
        for sentence in self.reader.text.vocabulary.sentences(numbered[2] if numbered else line):
            if sentence[-1] == "?":
                yield self.answer(sentence)
            else:
                self.story.append(sentence)

    def answer(self, question: Sentence) -> Reply:
        """Answer a question about the story so far; raises DataError where there is no story."""
        if not self.story:
            raise DataError(f"{' '.join(question)!r}: asked before any story; expected a statement first")
        warnings: list[str] = []
        rows = [self._numbers(sentence, warnings) for sentence in (*self.story, question)]
        with torch.inference_mode():
            tokens = _table(rows, self.reader.text.sentences, self.reader.text.length)
            scores = self.reader.head(self.reader.reader(tokens))[0, : len(self.reader.answers)]
            weights = self.reader.reader.attention(tokens)[0, -len(self.story) :]
        best = torch.softmax(scores.float(), 0).sort(descending=True)
        likeliest = [(self.reader.answers[int(i)], float(p)) for p, i in zip(*best, strict=True)][:LIKELIEST]
        shares = [0.0] * (len(self.story) - len(weights)) + weights.tolist()
        attended = tuple((" ".join(s), share) for s, share in zip(self.story, shares, strict=True))
        warnings += self._too_long(rows)
        distinct = tuple(dict.fromkeys(warnings))
        return Reply(" ".join(question), likeliest[0][0], tuple(likeliest), attended, distinct)

    def _numbers(self, sentence: Sentence, warnings: list[str]) -> list[int]:
        """Encode a sentence as word numbers; words that had to be replaced are added to `warnings`."""
        vocabulary = self.reader.text.vocabulary
        read = []
        for word in without_stop_words(sentence) if self.reader.stop_words_removed else sentence:
            if word in vocabulary or word in ".?":
                read.append(word)
                continue
            near = nearest(self.vectors, word, vocabulary.words)
            if near is None:
                warnings.append(f"unknown word {word!r}: read as <unk>")
            else:
                what = f"{near[0]!r}, the nearest known word ({near[1]:.2f})"
                warnings.append(f"unknown word {word!r}: read as {what}")
            read.append(word if near is None else near[0])
        return vocabulary.encode(read)

    def _too_long(self, rows: Sequence[Sequence[int]]) -> Iterator[str]:
        """Warn of sentences and stories longer than any that the reader was trained on."""
        text = self.reader.text
        longest = max(len(row) for row in rows)
        if longest > text.length:
            yield f"a sentence of {longest} words: {text.length} are read, as many as the longest in training had"
        if len(rows) - 1 > text.sentences:
            yield f"a story of {len(rows) - 1} sentences: the longest in training had {text.sentences}"


def _table(rows: Sequence[Sequence[int]], sentences: int, length: int) -> Tensor:
    """Arrange a story's rows and, last, its question as word numbers (1, at least sentences + 1, length)."""
    table = torch.full((1, max(sentences + 1, len(rows)), length), PAD, dtype=torch.int64)
    for place, row in enumerate(rows, start=table.shape[1] - len(rows)):
        cut = [*row[: length - 1], row[-1]] if len(row) > length else list(row)
        table[0, place, : len(cut)] = torch.tensor(cut)
    return table


def trained_reader(run: Path, task: str | None = None) -> tuple[TrainedReader, str]:
    """Load the reader that a run's report shows for a task (its first one by default), and describe it in words.

    Raises RecordError where nothing in the folder reads stories, or not that task.
    """
    results = [item for item in story_results.story_answers(load(run)) if item.accuracy is not None]
    names = list(dict.fromkeys(item.name for item in results))
    if not results:
        raise RecordError(f"{run}: no trained reader of stories, expected the folder of a run of a study like 'babi'")
    name = names[0] if task is None else task if "/" in task else f"babi/{task}"
    if name not in names:
        raise RecordError(f"{run}: found readers of {', '.join(names)}, expected one of {name}")
    best = max((item for item in results if item.name == name), key=lambda item: item.n)
    reader = load_reader(reader_path(run, best.chosen.key))
    assert best.accuracy is not None
    what = (
        f"{best.encoder} on {best.name} ({reader.provenance}), {100 * best.accuracy:.1f} % of its test questions right"
    )
    return reader, what


def lines(reply: Reply, attention: bool = True) -> Iterator[str]:
    """Write a reply for people: the answer, its rivals, and the sentences with the most attention."""
    rivals = ", ".join(f"{answer} {100 * share:.1f} %" for answer, share in reply.likeliest)
    yield f"{reply.answer}  ({rivals})"
    if attention:
        for sentence, share in sorted(reply.attended, key=lambda pair: -pair[1])[:LIKELIEST]:
            if share >= 0.01:
                yield f"  {100 * share:3.0f} %  {sentence}"


STUDY = "babi"
TASK = "babi/qa1"
"""Task whose reader is trained where no run is named."""
LONGEST = 10_000
"""Most characters of a line."""


def prepare(
    model: Path | None, task: str | None, vectors: Path | None, data: Path, cache: Path, *, offline: bool
) -> Conversation:
    """Prepare a conversation with the reader of the run `model`, else with a reader of task 1 that is trained once."""
    ready = {} if vectors is None else read_vectors(vectors)
    if model is None:
        model = cache / "ask"
        _learn(model, data, cache, offline)
    reader, what = trained_reader(model, task)
    _say(f"{what}; it knows {len(reader.text.vocabulary.words)} words")
    return Conversation(reader, ready)


def _learn(folder: Path, data: Path, cache: Path, offline: bool) -> None:
    """Train the study's reader on task 1 into `folder`, unless that has one."""
    study = load_study(STUDY, [f"tasks=['{TASK}']", "stories={}", "rungs=[10000]", "draws=1", "seeds=1"])
    if not (folder / READERS).exists():
        _say(f"no --model given: learning {TASK}, which takes about a minute; it is kept in {folder}")
    measure(study, RunOptions(folder, ["labeleff", "ask"], 1, 1, "auto", data, cache, offline, quiet=True))


def _say(text: str) -> None:
    print(f"labeleff: {text}", file=sys.stderr)


def converse(conversation: Conversation, file: Path | None) -> None:
    """Read lines and print replies: from `file`, else from standard input, prompting where a person types."""
    typed = file is None and sys.stdin.isatty()
    if typed:
        _say("type statements and questions; an empty line begins a new story, Ctrl-D ends")
    with contextlib.ExitStack() as stack:
        source: Iterable[str] = _prompt() if typed else stack.enter_context(_open(file))
        questions = 0
        for number, line in enumerate(_decode(source, file), start=1):
            if len(line) > LONGEST:
                raise DataError(
                    f"{_name(file)}, line {number}: found {len(line):,} characters, expected {LONGEST:,} at most"
                )
            try:
                for reply in conversation.hear(line):
                    questions += 1
                    for warning in reply.warnings:
                        _say(warning)
                    print("\n".join(lines(reply)), flush=True)
            except DataError as error:
                if not typed:
                    raise DataError(f"{_name(file)}, line {number}: {error}") from error
                _say(str(error))
    if not questions and not typed:
        raise DataError(f"{_name(file)}: found no question, expected one that ends in '?' or begins like those learned")


def _name(file: Path | None) -> str:
    return "standard input" if file is None else str(file)


@contextlib.contextmanager
def _open(file: Path | None) -> Iterator[Iterable[str]]:
    if file is None:
        yield sys.stdin
        return
    try:
        stream = file.open(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror}") from error
    with stream:
        yield stream


def _decode(source: Iterable[str], file: Path | None) -> Iterator[str]:
    """Yield lines without their ends; raises DataError for bytes that aren't UTF-8."""
    try:
        for line in source:
            yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{_name(file)}: not UTF-8 text: {error.reason}") from error


def _prompt() -> Iterator[str]:
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")
