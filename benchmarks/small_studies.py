"""Small studies, good and bad, each with the files that it needs: as `study_cases.py` lists them."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.records.jsonl import open_records

Prepare = Callable[[Path], None]
Around = Callable[[Path], contextlib.AbstractContextManager[object]]

TOY = '"toy/classify", train = 200, test = 40, size = 16'
FOLDER = '"folder/classify", path = "images", size = 16'
NPZ = '"npz/classify", path = "images.npz", size = 16'
PARQUET = '"parquet/classify", path = "tables", size = 16'
ROWS = '"embeddings/classify", files = "a=a.npz;b=b.npz", labels = "labels.csv", held_out = 8'
STORIES = '"babi/qa1", size = "1k", source = "generated"'
NARROW = '"resnet9", width = 0.0625, dim = 16'
PATCHES = '"vit_tiny", patch = 4, pool = "mean", size = 16, depth = 1, width = 0.125'
READER = '"qrn", width = 8, gates = 2'
WEIGHTS = '{ pretext = { name = "file", path = "a.pt" }, protocol = "linear" }'
PAIR = ("scratch/finetune", "rotation/finetune")
ROW = "lr = 0.01\nbatch = 8\nsteps = { min = 2, max = 2 }"
READING = "scratch/validated"
LEARNED = tuple(f'{{ pretext = {{ name = "embedding", of = "{name}" }}, protocol = "knn" }}' for name in "ab")


@dataclass(frozen=True)
class Case:
    """A study with its surroundings, and whether it is good."""

    name: str
    good: bool
    text: str
    prepare: Prepare = lambda _: None
    arguments: Sequence[str] = ()
    around: Around = lambda _: contextlib.nullcontext()
    """What holds while the study is planned and while it runs."""


def study(
    task: str = TOY,
    arms: Sequence[str] = PAIR,
    encoder: str = NARROW,
    rungs: str = "[20, 40]",
    more: str = "",
    rows: str = "finetune rotation",
    baseline: str = "scratch/finetune",
) -> str:
    """A study as TOML with one draw and trainings of two steps; `rows` are those of its table of budgets."""
    quoted = ", ".join(arm if arm.startswith("{") else f'"{arm}"' for arm in arms)
    return "\n".join(
        [
            f'name = "small"\ntasks = [{{ name = {task} }}]\nencoders = [{{ name = {encoder} }}]\narms = [{quoted}]',
            f'baseline = "{baseline}"\nrungs = {rungs}\ndraws = 1\ncurve = "pchip"\n{more}',
            *(f"[budget.{row}]\n{ROW}" for row in rows.split()),
        ]
    )


def picture(label: int, number: int) -> np.ndarray:
    """One picture of a class, 16 x 16 RGB, uint8."""
    levels = np.random.default_rng([label, number]).integers(0, 80, (16, 16, 3), np.uint8)
    levels[:, 8 * label : 8 * label + 8] += 150
    return levels


def images(folder: Path, train: int = 16) -> None:
    """Two classes of pictures as files: 16 and 4 of each."""
    for split, count in (("train", train), ("test", 4)):
        for label in (0, 1):
            place = folder / "images" / split / "ab"[label]
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(picture(label, number + 100 * (split == "test"))).save(place / f"{number}.png")


def then(first: Prepare, second: Prepare) -> Prepare:
    """Both, one after the other."""

    def both(folder: Path) -> None:
        first(folder)
        second(folder)

    return both


def moved(old: str, new: str) -> Prepare:
    return then(images, lambda folder: (folder / "images" / old).rename(folder / "images" / new) and None)


def written(name: str, content: str | bytes) -> Prepare:
    """Write one file, with its folder."""

    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def one_mode(folder: Path) -> None:
    for path in (folder / "images").rglob("a/*.png"):
        Image.open(path).convert("L").save(path)


def npz(folder: Path, **changed: object) -> None:
    """MedMNIST's arrays; `changed` replaces some, None leaves one out."""
    arrays: dict[str, object] = {}
    for split, count in (("train", 16), ("test", 4)):
        pairs = [(label, number) for label in (0, 1) for number in range(count)]
        arrays[f"{split}_images"] = np.stack([picture(a, b + 100 * (split == "test")) for a, b in pairs])
        arrays[f"{split}_labels"] = np.array([label for label, _ in pairs])
    np.savez(folder / "images.npz", **{key: value for key, value in (arrays | changed).items() if value is not None})


def tables(folder: Path, label: str = "label") -> None:
    """Parquet files as data sets are saved."""
    images(folder)
    (folder / "tables").mkdir()
    for split in ("train", "test"):
        paths = sorted((folder / "images" / split).rglob("*.png"))
        column = {"image": [{"bytes": path.read_bytes(), "path": None} for path in paths]}
        labels = {label: [path.parent.name for path in paths]}
        pq.write_table(pa.table(column | labels), folder / "tables" / f"{split}-00000-of-00001.parquet")


def rows(folder: Path, cut: int = 0, wrong: float | None = None) -> None:
    """Two files of features of 40 items, and their labels."""
    dice, ids = np.random.default_rng(0), np.array([f"i{number}" for number in range(40)])
    for name in "ab":
        features = dice.normal(size=(40, 6)).astype(np.float32)
        features[0, 0] = features[0, 0] if wrong is None else wrong
        keep = slice(cut if name == "b" else 0, None)
        np.savez(folder / f"{name}.npz", features=features[keep], ids=ids[keep])
    table = [f"{item},{number % 2}" for number, item in enumerate(ids)]
    (folder / "labels.csv").write_text("id,label\n" + "\n".join(table) + "\n", encoding="utf-8")


def weights(width: float) -> Prepare:
    """Weights of a ResNet9 of some width as a file."""

    def save(folder: Path) -> None:
        encoder = build_encoder(lookup.complete("encoder", "resnet9", {"width": width, "dim": 16}), 0)
        torch.save(encoder.state_dict(), folder / "a.pt")

    return save


def hidden(name: str) -> Around:
    """Python doesn't find a module."""
    return lambda _: mock.patch.dict(sys.modules, {name: None})


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    with open_records(folder / "out"):
        yield


def variable(name: str, value: str) -> Around:
    return lambda folder: mock.patch.dict(os.environ, {name: str(folder / value)})


def noisy(count: int) -> Prepare:
    return written("noisy.csv", "label\n" + "\n".join("ab"[number % 2] for number in range(count)) + "\n")


def with_stories() -> str:
    """A study of images with a block of stories."""
    told = f'tasks = [{{ name = {STORIES} }}]\nencoders = [{{ name = {READER} }}]\narms = ["{READING}"]\n'
    row = f"[stories.told.budget.validated]\n{ROW}"
    return study(more=f'[stories.told]\n{told}baseline = "{READING}"\nrungs = [1000]\n{row}')


def partial(stage: str) -> str:
    arm = f'{{ pretext = "rotation", protocol = {{ name = "partial", frozen = "{stage}" }} }}'
    return study(arms=("scratch/finetune", arm), rows="finetune rotation partial")


def outside(pretext: str, **options: str) -> str:
    text = ", ".join(f'{key} = "{value}"' for key, value in options.items())
    arm = f'{{ pretext = {{ name = "{pretext}", {text} }}, protocol = "linear" }}'
    return study(arms=("scratch/finetune", arm), encoder='"resnet18_imagenet"', rows="finetune")


def read(reader: str = READER, task: str = STORIES, rungs: str = "[1000]") -> str:
    return study(task, (READING,), reader, rungs, rows="validated", baseline=READING)


def of_rows(task: str = ROWS) -> str:
    return study(task, LEARNED, '"rows"', "[6, 12]", rows="", baseline="embedding(of=a)/knn")


def published(folder: Path) -> None:
    """Lists of ids of the folder's images for both rungs."""
    ids = [f"train/{label}/{number}.png" for number in range(8) for label in "ab"]
    (folder / "draws.json").write_text(json.dumps({"one": ids[:8], "two": ids}), encoding="utf-8")
