"""What trained readers said to the report's example question, kept beside their records."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from labeleff.cell import Frozen
from labeleff.complaint import complaint
from labeleff.errors import RecordError
from labeleff.files import write_whole

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
