"""Both studies of the report of 2021, measured one after the other, and its example question put to their readers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pydantic import ValidationError

from labeleff.catalogue.declaration import Frozen, complaint
from labeleff.commands.options import failure
from labeleff.commands.reproduce.printed2021 import QUESTION, STORY
from labeleff.commands.reproduce.studies2021 import AS_PUBLISHED, SOUNDLY, Size, as_published, soundly
from labeleff.errors import RecordError
from labeleff.files import write_whole
from labeleff.reporting.results import load
from labeleff.reporting.story_results import story_answers
from labeleff.scheduling.run_options import RunOptions

FILE_NAME = "question.json"


class Answered(Frozen):
    """A question about a story, and the reader's answer with its rivals."""

    story: list[str]
    question: str
    reader: str
    """What answered, in words."""
    answer: str
    likeliest: list[tuple[str, float]]
    """The most probable answers, best first, each with its probability in 0..1."""


def keep(folder: Path, answered: Answered) -> None:
    """Write it into a run's folder; RecordError where that can't be done."""
    path = folder / FILE_NAME
    try:
        write_whole(path, answered.model_dump_json(indent=2).encode() + b"\n")
    except OSError as error:
        raise RecordError(f"{path}: can't be written: {error.strerror}") from error


def kept(folder: Path) -> Answered | None:
    """What `keep` wrote; None where nothing was asked. RecordError where the file can't be read."""
    path = folder / FILE_NAME
    try:
        return Answered.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {complaint(error, Answered)}; delete it and run the command again") from error


def measure_both(size: Size, options: RunOptions) -> list[str]:
    """Measure what is pending of both studies into folders inside `options.folder`; the failed cells, in words.

    Raises LabeleffError as `measure` does, InterruptedRunError among them.
    """
    from labeleff.execution.launch import measure

    failed = []
    for name, study in ((AS_PUBLISHED, as_published(size)), (SOUNDLY, soundly(size))):
        own = dataclasses.replace(options, folder=options.folder / name)
        failed += [f"{name}: {failure(study, record)}" for record in measure(study, own)]
        _ask(own.folder)
    return failed


def _ask(folder: Path) -> None:
    """Put the example question to the reader of a study, unless it failed, and keep the answer."""
    from labeleff.commands.conversation import Conversation, trained_reader

    if all(item.accuracy is None for item in story_answers(load(folder))):
        return
    reader, what = trained_reader(folder)
    conversation = Conversation(reader)
    for sentence in STORY:
        list(conversation.hear(sentence))
    [reply] = conversation.hear(QUESTION)
    likeliest = list(reply.likeliest)
    story = list(STORY)
    keep(folder, Answered(story=story, question=QUESTION, reader=what, answer=reply.answer, likeliest=likeliest))
