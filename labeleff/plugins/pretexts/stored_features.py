"""Stored features, no pretraining here: those of one of the task's files, made elsewhere."""

from __future__ import annotations

from labeleff.errors import StudyError
from labeleff.plugins.encoders.rows import StoredRows
from labeleff.plugins.pretexts.interface import Pretrained
from labeleff.training.examples import Task


def pretrain(*_: object) -> Pretrained:
    """Leave the features as they are."""
    return Pretrained()


def stored_rows(task: Task, name: str) -> StoredRows:
    """Build the encoder that looks up one file's rows; raises StudyError where the task has no file of this name."""
    features = task.features or {}
    if name not in features:
        raise StudyError(
            f"embedding {name!r}: {task.name} has {', '.join(features) or 'no files'}; expected one of them"
        )
    return StoredRows(features[name])
