"""Near-duplicates of test images among the training images of a task, by how alike their details are.

    python benchmarks/near_duplicates.py cifar10/classify --data-dir DIR --list duplicates_cifar10.csv --sheet pairs.png

Prints a row per threshold. `--list` is a CSV of annotated duplicates with the columns TestID, TrainID and Judgment, as
ciFAIR (Barz & Denzler 2020) has them; test images in it are told from others. `--sheet` writes a contact sheet, a test
image beside its training image, the least alike first, to be judged by eye.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from labeleff.catalogue import lookup
from labeleff.training.examples import Source, Task, load_task
from labeleff.training.near_duplicates import CORRELATION, Pairs, near_pairs

THRESHOLDS = (CORRELATION, 0.85, 0.9, 0.95, 0.98)
COLUMNS = 10
SIDE = 96


def rows(task: Task, pairs: Pairs, judged: dict[int, int]) -> Iterator[list[str]]:
    """One row per threshold: test images, mirrored, of one class, and by judgement of the list."""
    same = task.test.labels.numpy()[pairs.test] == task.train.labels.numpy()[pairs.train]
    judgement = np.array([judged.get(one, -1) for one in pairs.test.tolist()])
    for threshold in THRESHOLDS:
        near = pairs.score >= threshold
        counts = [near, near & pairs.mirrored, near & same]
        counts += [near & np.isin(judgement, of) for of in ([0, 1], [2], [-1])]
        yield [f"{threshold:.2f}", *(str(int(count.sum())) for count in counts)]


def sheet(task: Task, pairs: Pairs, path: Path) -> None:
    """Write the pairs as one PNG, the training image mirrored where that is what is alike."""
    height = -(-len(pairs.test) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (2 * SIDE + 8), height * (SIDE + 8)), "white")
    for place, pair in enumerate(np.argsort(pairs.score, kind="stable")):
        train = task.train.inputs[pairs.train[pair]].numpy()
        images = task.test.inputs[pairs.test[pair]].numpy(), train[:, ::-1] if pairs.mirrored[pair] else train
        for side, image in enumerate(images):
            corner = place % COLUMNS * (2 * SIDE + 8) + side * SIDE, place // COLUMNS * (SIDE + 8)
            page.paste(Image.fromarray(np.ascontiguousarray(image)).resize((SIDE, SIDE)), corner)
    page.save(path)


def main() -> None:
    """Search, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    task = load_task(lookup.complete("task", options.task, {}), Source(options.data_dir, offline=True))
    judged: dict[int, int] = {}
    if options.list:
        with options.list.open(newline="") as file:
            judged = {int(row["TestID"]): int(row["Judgment"]) for row in csv.DictReader(file)}
    start = time.process_time()
    pairs = near_pairs(task.train.inputs.numpy(), task.test.inputs.numpy())
    print(f"{len(task.train):,} + {len(task.test):,} images: {time.process_time() - start:.1f} s of processor time")
    print("| correlation | test images | mirrored | of one class | listed as the same | as similar | not listed |")
    print("|---:|" + "---:|" * 6)
    for row in rows(task, pairs, judged):
        print(f"| {' | '.join(row)} |")
    if options.sheet:
        sheet(task, pairs, options.sheet)


if __name__ == "__main__":
    main()
