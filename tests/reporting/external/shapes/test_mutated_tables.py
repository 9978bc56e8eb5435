"""Mutated tables of every shape: every value stays with its arm, task and label count, or there is one clear error."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import pytest
from support.grids import observed

from labeleff.errors import LabeleffError
from labeleff.reporting.external.observations import Observed

Table = list[list[str]]
TRUTH = {
    (task, arm, n, run): f"{10 * at + run + 10}.{at}{run}"
    for at, (task, arm, n) in enumerate(
        (t, a, n) for t in ("svhn", "digits") for a in ("scratch", "simclr") for n in (40, 4000)
    )
    for run in range(3)
}
"""Values of two tasks, arms and label counts, all different, with three runs each."""
BY_VALUE = {value: key for key, value in TRUTH.items()}


def long(tasks: bool) -> Table:
    rows = [
        [task, arm, str(n), str(run), value] for (task, arm, n, run), value in TRUTH.items() if tasks or task == "svhn"
    ]
    table = [["task", "arm", "n", "run", "accuracy"], *rows]
    return table if tasks else [row[1:] for row in table]


def by_arm() -> Table:
    rows = [
        [str(n), str(run), *(TRUTH["svhn", a, n, run] for a in ("scratch", "simclr"))]
        for n in (40, 4000)
        for run in range(3)
    ]
    return [["n", "run", "scratch", "simclr"], *rows]


def by_n() -> Table:
    arms = [(arm, run) for arm in ("scratch", "simclr") for run in range(3)]
    return [["arm", "40", "4000"], *([arm, *(TRUTH["svhn", arm, n, run] for n in (40, 4000))] for arm, run in arms)]


def by_task_and_n() -> Table:
    cells = [(task, n) for task in ("svhn", "digits") for n in (40, 4000)]
    rows = [
        [arm, *(TRUTH[task, arm, n, run] for task, n in cells)] for arm in ("scratch", "simclr") for run in range(3)
    ]
    return [["arm", *(f"{task}_{n}" for task, n in cells)], *rows]


SHAPES: dict[str, Callable[[], Table]] = {
    "long": lambda: long(False),
    "long with tasks": lambda: long(True),
    "by arm": by_arm,
    "by n": by_n,
    "by task and n": by_task_and_n,
}
NAMES = {
    "arm": ["Method", "algorithm", "", "Model", "pretext"],
    "n": ["labels", "N", "n_labels", "train_size", "# labels", "budget"],
    "run": ["seed", "trial", "Repeat", "fold"],
    "task": ["dataset", "Data set", "Task"],
    "accuracy": ["acc", "test_acc", "Top-1 (%)", "test/acc", "score", "svhn acc"],
    "40": ["n=40", "40 labels", "40.0"],
    "4000": ["4k", "4,000", "n=4000", "4e3", "4000 labels"],
}


def mutate(table: Table, source: random.Random) -> Table:
    """Apply one mutation."""
    header, *rows = [list(row) for row in table]
    at, row = source.randrange(len(header)), source.choice(rows)
    match source.randrange(9):
        case 0 | 1:
            header[at] = source.choice(NAMES.get(header[at], [header[at].replace("_", source.choice(["@", "-", " "]))]))
        case 2:
            order = source.sample(range(len(header)), len(header))
            header, rows = [header[i] for i in order], [[each[i] for i in order] for each in rows]
        case 3:
            name = source.choice(["note", "epoch", "lr", "val_acc", "train_acc", "time", "std", "", "config", "1000"])
            header.insert(at, name)
            for number, each in enumerate(rows):
                each.insert(at, source.choice([f"{number / 7:.3f}", str(number % 3), "x", "0.1"]))
        case 4:
            source.shuffle(rows)
        case 5:
            row[at] = source.choice(["", "-", "nan", *(["x", "1e5", "0"] if row[at] in BY_VALUE else [])])
        case 6:
            rows.append(list(row))
        case 7:
            rows.remove(row)
        case 8:
            spelled = {"4000": source.choice(["4k", "4,000", "4000.0", "4e3", "4 000"])}
            rows = [[spelled.get(cell, cell) for cell in each] for each in rows]
    return [header, *rows]


def mutated(shape: str) -> Iterator[Table]:
    source = random.Random(shape)
    for _ in range(300):
        table = SHAPES[shape]()
        for _ in range(source.randint(1, 4)):
            table = mutate(table, source)
        yield table


def read_or_error(text: str) -> tuple[Observed | None, str]:
    try:
        return observed(text), ""
    except LabeleffError as error:
        return None, str(error)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_value_is_read_wrong(shape: str) -> None:
    read = 0
    for table in mutated(shape):
        text = "\n".join(" | ".join(row) for row in table)
        found, said = read_or_error(text)
        if found is None:
            assert re.match(r"t\.csv, line \d+, column '", said), (said, text)
            continue
        read += 1
        for row in found.rows:
            if row.value in BY_VALUE:
                task, arm, n, _ = BY_VALUE[row.value]
                assert (row.arm, row.n) == (arm, n), text
                assert row.task in (task, None), text
    assert read > 100
