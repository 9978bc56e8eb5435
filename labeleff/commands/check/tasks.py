"""Checks of a task: its arrays, labels and splits, made or read twice."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from labeleff.catalogue import lookup
from labeleff.catalogue.declaration import Spec
from labeleff.catalogue.metrics import SINGLE
from labeleff.commands.check.contract import LOADS, Breach, Check, Doubtful, Subject
from labeleff.commands.check.fixtures import no_shared_randomness, takes
from labeleff.training.examples import Examples, Task, load_task

FEW = {"train": 200, "test": 100}
"""Number of examples of a task that makes as many as its options say."""


class _Loads:
    """A loader that keeps the last task, as all checks except one use the same."""

    def __init__(self) -> None:
        self._loaded: tuple[Subject, Task] | None = None

    def __call__(self, subject: Subject) -> Task:
        if self._loaded is None or self._loaded[0] is not subject:
            self._loaded = subject, _load(subject)
        return self._loaded[1]


_task = _Loads()


def _load(subject: Subject) -> Task:
    task = subject.function(subject.options, subject.source)
    if not isinstance(task, Task):
        raise Breach(f"gave {type(task).__name__}, expected a labeleff.training.examples.Task")
    _check_fields(task)
    return task


def _check_fields(task: Task) -> None:
    """Raise Breach for a field of another type than it should have, as fields in another order have."""
    expected: dict[str, type | tuple[type, ...]] = {"name": str, "train": Examples, "test": Examples}
    expected |= {"classes": (tuple, list), "provenance": str}
    for name, kind in expected.items():
        if not isinstance(value := getattr(task, name), kind):
            wanted = kind[0].__name__ if isinstance(kind, tuple) else kind.__name__
            order = f"Task({', '.join(expected)})"
            raise Breach(f"Task.{name}: found {type(value).__name__}, expected {wanted}, as in {order}")
    for side, part in _splits(task).items():
        for name in ("inputs", "labels"):
            if not isinstance(value := getattr(part, name), Tensor):
                raise Breach(f"Task.{side}.{name}: found {type(value).__name__}, expected a tensor of torch")


def _splits(task: Task) -> dict[str, Examples]:
    return {"train": task.train, "test": task.test}


def _signature(subject: Subject) -> str:
    return takes(subject, "options", "source")


def _loads(subject: Subject) -> str:
    start = time.perf_counter()
    task = _task(subject)
    counts = f"{len(task.train):,} + {len(task.test):,} {subject.plugin.examples}"
    return f"{counts} in {time.perf_counter() - start:.1f} s; {task.provenance}"


def _inputs(subject: Subject) -> str:
    task = _task(subject)
    for name, part in _splits(task).items():
        shape = f"{str(part.inputs.dtype).removeprefix('torch.')} {tuple(part.inputs.shape)}"
        if subject.plugin.examples == "stories":
            good = part.inputs.dtype == torch.int16 and part.inputs.ndim == 3 and task.text is not None
            expected = "int16 (N, sentences + 1, length) and a text"
        elif subject.plugin.examples == "items":
            good = part.inputs.dtype == torch.int64 and part.inputs.shape[1:] == (1,) and bool(task.features)
            expected = "int64 (N, 1), and features"
        else:
            good = part.inputs.dtype == torch.uint8 and part.inputs.ndim == 4 and part.inputs.shape[3] == 3
            good = good and part.inputs.shape[1] == part.inputs.shape[2]
            expected = "uint8 (N, S, S, 3)"
        if not good or len(part.inputs) != len(part.labels) or len(part) == 0:
            raise Breach(f"{name}: found {shape} with {len(part.labels)} labels, expected {expected}, a label each")
    if task.train.inputs.shape[1:] != task.test.inputs.shape[1:]:
        raise Breach("training and test examples differ in shape")
    return f"{str(task.train.inputs.dtype).removeprefix('torch.')} {tuple(task.train.inputs.shape[1:])}"


def _labels(subject: Subject) -> str:
    task = _task(subject)
    if task.goal.name != subject.plugin.goal:
        raise Breach(f"its goal is {task.goal.name!r}, the plug-in says {subject.plugin.goal!r}")
    if len(set(task.classes)) != len(task.classes):
        raise Breach("two classes have one name")
    if task.goal.dense:
        for part in _splits(task).values():
            task.goal.target(part.labels)
        return f"{task.goal.name} on a grid"
    if task.goal.name not in SINGLE:
        return f"{task.goal.name}, {len(task.classes)} labels with a name each"
    for name, part in _splits(task).items():
        most = len(task.classes) - 1
        if part.labels.dtype != torch.int64 or part.labels.ndim != 1:
            raise Breach(f"{name}: labels are {part.labels.dtype} {tuple(part.labels.shape)}, expected int64 (N,)")
        beyond = subject.plugin.examples != "stories" and int(part.labels.max()) > most
        if int(part.labels.min()) < 0 or beyond:
            raise Breach(f"{name}: labels {int(part.labels.min())}..{int(part.labels.max())}, expected 0..{most}")
    return f"0..{len(task.classes) - 1} and a name each"


def _covered(subject: Subject) -> str:
    task = _task(subject)
    if task.goal.dense or task.goal.name not in SINGLE:
        return "not asked of labels of pixels, of several labels and of values"
    for name, part in _splits(task).items():
        absent = [label for number, label in enumerate(task.classes) if not bool((part.labels == number).any())]
        if absent and name == "train":
            raise Breach(f"train: no example of {', '.join(absent[:5])}")
        if absent and subject.plugin.examples != "stories":
            raise Doubtful(f"test: no example of {', '.join(absent[:5])}")
    if subject.plugin.classes not in {None, len(task.classes)}:
        raise Breach(f"{len(task.classes)} classes, the plug-in says {subject.plugin.classes}")
    return f"every one of {len(task.classes)} has training examples"


def _pool(subject: Subject) -> str:
    pool = subject.plugin.pool_of(subject.options)
    if pool is None:
        return "known when it is loaded"
    if pool != len(_task(subject).train):
        raise Breach(f"{len(_task(subject).train)} training examples, the plug-in says {pool}")
    return f"{pool:,}, as the plug-in says"


def _disjoint(subject: Subject) -> str:
    task = _task(subject)
    train, test = (_rows(part.inputs) for part in (task.train, task.test))
    distinct = set(train)
    both, twice = sum(row in distinct for row in test), len(train) - len(distinct)
    if both:
        raise Doubtful(f"{both} of {len(test)} test examples are also in training, byte for byte")
    return f"no test example is in training{f'; {twice} training examples occur more than once' if twice else ''}"


def _rows(inputs: Tensor) -> list[bytes]:
    return [row.contiguous().numpy().tobytes() for row in inputs]


def _again(subject: Subject) -> str:
    if _load(subject).fingerprint != _task(subject).fingerprint:
        raise Breach("loaded twice, it gave other bytes; records could not be compared")
    return "the same bytes when loaded twice"


def _randomness(subject: Subject) -> str:
    return no_shared_randomness(lambda: _load(subject), lambda task: task.fingerprint)


def _chance(subject: Subject) -> str:
    task = _task(subject)
    chance = task.chance
    if not 0 <= chance <= 1 or (not chance and task.goal.name in SINGLE):
        raise Breach(f"chance level {chance}, expected a share over 0")
    return f"{task.goal.headline} {chance:.3f} for the best constant answer"


def _shared(subject: Subject) -> str:
    if not subject.plugin.images_of:
        return "none"
    other = lookup.images_of(Spec(name=subject.plugin.name, options=dict(subject.options)))
    if not torch.equal(load_task(other, subject.source).train.inputs, _task(subject).train.inputs):
        raise Breach(f"training images differ from those of {other.label}, whose pretrained encoders it would take")
    return f"those of {other.name}, byte for byte"


CHECKS: tuple[Check, ...] = (
    ("signature", _signature),
    (LOADS, _loads),
    ("examples", _inputs),
    ("labels", _labels),
    ("classes", _covered),
    ("pool", _pool),
    ("splits", _disjoint),
    ("same bytes", _again),
    ("shared random state", _randomness),
    ("chance", _chance),
    ("shared images", _shared),
)
