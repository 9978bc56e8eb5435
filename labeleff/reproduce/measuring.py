"""Both studies of the report of 2021, measured one after the other, and its example question put to their readers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from labeleff.measuring_options import failure
from labeleff.reporting.answers import of_stories
from labeleff.reporting.results import load
from labeleff.reproduce.published import QUESTION, STORY
from labeleff.reproduce.question import Answered, keep
from labeleff.reproduce.studies import AS_PUBLISHED, SOUNDLY, Size, as_published, soundly
from labeleff.run_options import RunOptions


def measure_both(size: Size, options: RunOptions) -> list[str]:
    """Measure what is pending of both studies into folders inside `options.folder`; the failed cells, in words.

    Raises LabeleffError as `measure` does, InterruptedRunError among them.
    """
    from labeleff.launch import measure

    failed = []
    for name, study in ((AS_PUBLISHED, as_published(size)), (SOUNDLY, soundly(size))):
        own = dataclasses.replace(options, folder=options.folder / name)
        failed += [f"{name}: {failure(study, record)}" for record in measure(study, own)]
        _ask(own.folder)
    return failed


def _ask(folder: Path) -> None:
    """Put the example question to the reader of a study, unless it failed, and keep the answer."""
    from labeleff.ask import Conversation, trained_reader

    if all(item.accuracy is None for item in of_stories(load(folder))):
        return
    reader, what = trained_reader(folder)
    conversation = Conversation(reader)
    for sentence in STORY:
        list(conversation.hear(sentence))
    [reply] = conversation.hear(QUESTION)
    likeliest = list(reply.likeliest)
    story = list(STORY)
    keep(folder, Answered(story=story, question=QUESTION, reader=what, answer=reply.answer, likeliest=likeliest))
