"""`labeleff ask`: questions to a trained reader."""

from pathlib import Path
from typing import Annotated

import typer

from labeleff.commands.options.shared import DataOption, OfflineOption


def ask(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A text of stories and questions (default: standard input).")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="RUN", help="Folder of a run that read stories (default: learn bAbI task 1)."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Which of the run's tasks, e.g. qa1.")] = None,
    vectors: Annotated[
        Path | None,
        typer.Option("--vectors", help="word2vec or GloVe file: read unknown words as the nearest known ones."),
    ] = None,
    data_dir: DataOption = None,
    offline: OfflineOption = False,
) -> None:
    """Answer questions about a story, typed, piped or from a file, by a trained reader.

    A question ends in a question mark or begins like one; an empty line begins a new story.
    """
    from labeleff.commands.conversation import converse, prepare
    from labeleff.files import cache_folder, data_folder

    conversation = prepare(model, task, vectors, data_folder(data_dir), cache_folder(), offline=offline)
    converse(conversation, file)
