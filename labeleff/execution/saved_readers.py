"""Trained readers on disk: one safetensors file per cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from labeleff.catalogue.declaration import Spec
from labeleff.errors import DataError, UnwritableError
from labeleff.files import write_whole
from labeleff.plugins.encoders.interface import Reader, build_encoder
from labeleff.study.cell import Cell
from labeleff.training.examples import Task
from labeleff.training.vocabulary import TextShape, Vocabulary


@dataclass(frozen=True)
class TrainedReader:
    """A reader with its head, in eval mode, and what is needed to put questions to it."""

    task: str
    reader: Reader
    head: nn.Module
    text: TextShape
    answers: tuple[str, ...]
    stop_words_removed: bool
    provenance: str


def save_reader(path: Path, model: nn.Sequential, cell: Cell, task: Task) -> None:
    """Store a reader and its head, the two parts of `model`; raises UnwritableError where that fails."""
    assert task.text is not None
    facts = {
        "task": cell.task.model_dump(mode="json"),
        "encoder": cell.encoder.model_dump(mode="json"),
        "vocabulary": task.text.vocabulary.dump(),
        "shape": {name: getattr(task.text, name) for name in _SIZES},
        "answers": list(task.classes),
        "provenance": task.provenance,
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    try:
        write_whole(path, save(state, metadata={"facts": json.dumps(facts)}))
    except (OSError, SafetensorError) as error:
        raise UnwritableError(f"{path}: the trained reader can't be stored: {error}; make room or use --out") from error


_SIZES = ("sentences", "length", "story_words", "question_words")


def load_reader(path: Path) -> TrainedReader:
    """Load a reader that `save_reader` stored; raises DataError where the file is missing or isn't one."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = TextShape(Vocabulary.load(facts["vocabulary"]), **facts["shape"])
        task, encoder = Spec.model_validate(facts["task"]), Spec.model_validate(facts["encoder"])
        options = {**encoder.options, **({"vectors": ""} if "vectors" in encoder.options else {})}  # the state has them
        reader = build_encoder(encoder.model_copy(update={"options": options}), 0, text)
        assert isinstance(reader, Reader)
        head = reader.head(len(facts["answers"]), 0)
        nn.Sequential(reader, head).load_state_dict(state)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no trained reader there; run its study again into a new folder, and name that"
        ) from error
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"{path}: not a trained reader: {error}") from error
    removed = task.options.get("stop_words") == "removed"
    answers = tuple(facts["answers"])
    return TrainedReader(task.label, reader.eval(), head.eval(), text, answers, removed, facts["provenance"])
