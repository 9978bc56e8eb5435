"""Both studies of the report of 2021, measured, with its example question answered."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from pydantic import ValidationError

from labeleff.catalogue.declaration import Frozen, first_error
from labeleff.commands.options.shared import failure
from labeleff.commands.reproduce.printed2021 import QUESTION, STORY
from labeleff.commands.reproduce.studies2021 import AS_PUBLISHED, SOUNDLY, Size, as_published, soundly
from labeleff.errors import RecordError
from labeleff.files import write_whole
from labeleff.records.jsonl import reader_path
from labeleff.reporting.results import load
from labeleff.reporting.story_results import story_answers
from labeleff.scheduling.run_options import RunOptions

FILE_NAME = "question.json"


class ReaderAnswer(Frozen):
    """A question about a story, and the reader's answer with its rivals."""

    story: list[str]
    question: str
    reader: str
    """The reader, in words."""
    answer: str
    likeliest: list[tuple[str, float]]
    """The most probable answers, best first, each with its probability in 0..1."""


def write_answer(folder: Path, answer: ReaderAnswer) -> None:
    """Write an answer into a run's folder; raises RecordError where that fails."""
    path = folder / FILE_NAME
    try:
        write_whole(path, answer.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise RecordError(f"{path}: can't be written: {error.strerror}") from error


def read_answer(folder: Path) -> ReaderAnswer | None:
    """Read the answer in a run's folder; None where there is none. Raises RecordError for an unreadable file."""
    path = folder / FILE_NAME
    try:
        return ReaderAnswer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {first_error(error, ReaderAnswer)}; delete it and run the command again") from error


def measure_both(size: Size, options: RunOptions) -> list[str]:
    """Measure the pending cells of both studies into folders inside `options.folder`; returns failed cells in words.

    A time limit is for both together: the second study begins with what the first has left. Raises LabeleffError as
    `measure` does, InterruptedRunError among them.
    """
    from labeleff.execution.launch import measure

    failed, limit, began = [], options.time_limit, time.monotonic()
    for name, study in ((AS_PUBLISHED, as_published(size)), (SOUNDLY, soundly(size))):
        left = None if limit is None else limit - (time.monotonic() - began)
        if left is not None and left <= 0:
            break
        study_options = dataclasses.replace(options, folder=options.folder / name, time_limit=left)
        failed += [f"{name}: {failure(study, record)}" for record in measure(study, study_options)]
        _ask(study_options.folder)
    return failed


def _ask(folder: Path) -> None:
    """Put the example question to the reader of a study, unless that failed, and write the answer.

    An answer stays where its readers aren't at hand any more, as in a folder that was copied without its models.
    """
    from labeleff.commands.conversation import Conversation, trained_reader

    answered = [item.chosen.key for item in story_answers(load(folder)) if item.accuracy is not None]
    kept = any(reader_path(folder, key).exists() for key in answered)
    if not answered or (read_answer(folder) is not None and not kept):
        return
    reader, what = trained_reader(folder)
    conversation = Conversation(reader)
    for sentence in STORY:
        list(conversation.hear(sentence))
    [reply] = conversation.hear(QUESTION)
    likeliest = list(reply.likeliest)
    story = list(STORY)
    write_answer(
        folder, ReaderAnswer(story=story, question=QUESTION, reader=what, answer=reply.answer, likeliest=likeliest)
    )
