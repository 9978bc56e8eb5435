"""`labeleff ask`: finds or trains a reader, then talks with a person, a pipe or a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from labeleff.ask import Conversation, lines, trained_reader
from labeleff.errors import DataError
from labeleff.launch import measure
from labeleff.places import READERS
from labeleff.run_options import RunOptions
from labeleff.study import load_study
from labeleff.vectors import read_vectors

STUDY = "babi"
TASK = "babi/qa1"
"""What is learned where no run is named."""
LONGEST = 10_000
"""Characters that a line may have."""


def prepare(
    model: Path | None, task: str | None, vectors: Path | None, data: Path, cache: Path, *, offline: bool
) -> Conversation:
    """A conversation with the reader of the run `model`; without one, with a reader of task 1, learned once."""
    ready = {} if vectors is None else read_vectors(vectors)
    if model is None:
        model = cache / "ask"
        _learn(model, data, cache, offline)
    reader, what = trained_reader(model, task)
    _say(f"{what}; it knows {len(reader.text.vocabulary.words)} words")
    return Conversation(reader, ready)


def _learn(folder: Path, data: Path, cache: Path, offline: bool) -> None:
    """Train the study's reader on task 1 into `folder`, unless it is there."""
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
        source: Iterable[str] = _prompted() if typed else stack.enter_context(_opened(file))
        asked = 0
        for number, line in enumerate(_decoded(source, file), start=1):
            if len(line) > LONGEST:
                raise DataError(
                    f"{_name(file)}, line {number}: found {len(line):,} characters, expected {LONGEST:,} at most"
                )
            try:
                for reply in conversation.hear(line):
                    asked += 1
                    for warning in reply.warnings:
                        _say(warning)
                    print("\n".join(lines(reply)), flush=True)
            except DataError as error:
                if not typed:
                    raise DataError(f"{_name(file)}, line {number}: {error}") from error
                _say(str(error))
    if not asked and not typed:
        raise DataError(f"{_name(file)}: found no question, expected one that ends in '?' or begins like those learned")


def _name(file: Path | None) -> str:
    return "standard input" if file is None else str(file)


@contextlib.contextmanager
def _opened(file: Path | None) -> Iterator[Iterable[str]]:
    if file is None:
        yield sys.stdin
        return
    try:
        stream = file.open(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{file}: can't be read: {error.strerror}") from error
    with stream:
        yield stream


def _decoded(source: Iterable[str], file: Path | None) -> Iterator[str]:
    """Lines without their ends; DataError for bytes that aren't UTF-8."""
    try:
        for line in source:
            yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{_name(file)}: not UTF-8 text: {error.reason}") from error


def _prompted() -> Iterator[str]:
    with contextlib.suppress(EOFError):
        while True:
            yield input("> ")
