"""bAbI tasks 1 to 20 (Weston et al. 2015), v1.2: stories with questions.

Each has 1,000 or 10,000 questions to train on. The official files are taken from the data folder as the archive
unpacks, from the archive itself, or from its address; official files are recognised by their SHA-256. Where none can be
had, stories of tasks 1-3 come from the simulation in `babi_simulation`, and the provenance says `generated`.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from labeleff.catalogue.declaration import STORIES, OptionValue
from labeleff.errors import DataError
from labeleff.files import write_whole
from labeleff.plugins.tasks.sources import babi_simulation, download
from labeleff.plugins.tasks.sources.babi_format import Question, parse
from labeleff.training.examples import Examples, Source, Task
from labeleff.training.vocabulary import TextShape, Vocabulary, without_stop_words, words

SLUGS = (
    "single-supporting-fact",
    "two-supporting-facts",
    "three-supporting-facts",
    "two-arg-relations",
    "three-arg-relations",
    "yes-no-questions",
    "counting",
    "lists-sets",
    "simple-negation",
    "indefinite-knowledge",
    "basic-coreference",
    "conjunction",
    "compound-coreference",
    "time-reasoning",
    "basic-deduction",
    "basic-induction",
    "positional-reasoning",
    "size-reasoning",
    "path-finding",
    "agents-motivations",
)
"""Names of tasks 1 to 20 in the official files."""

FOLDER = "tasks_1-20_v1-2"
ARCHIVES = {
    "tasks_1-20_v1-2.tar.gz": "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz",
    "babi_tasks_1-20_v1-2.tar.gz": "https://s3.amazonaws.com/text-datasets/babi_tasks_1-20_v1-2.tar.gz",
}
"""The official archive under its two names, and where each is served."""

LARGEST = 1 << 25
"""Most bytes of one file of the archive."""

SPLITS = ("train", "test")
SETS = {"1k": "en", "10k": "en-10k"}

log = logging.getLogger(__name__)

Contents = dict[str, bytes]
"""Files of the archive by their path below `tasks_1-20_v1-2`."""


def load(number: int, options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load task `number` (1 to 20); options `size`, `source`, `window` (latest sentences kept) and `stop_words`."""
    paths = {split: _path(number, str(options["size"]), split) for split in SPLITS}
    contents, provenance = _obtain(number, paths, options, source)
    questions = {split: parse(contents[path], _origin(source, path, provenance)) for split, path in paths.items()}
    return _task(f"babi/qa{number}", questions, options, f"{provenance}, {options['size']}")


def loader(number: int) -> Callable[[Mapping[str, OptionValue], Source], Task]:
    """Return the loader of one task, as the catalogue names it."""
    return functools.partial(load, number)


def __getattr__(name: str) -> Callable[[Mapping[str, OptionValue], Source], Task]:
    """Look up `qa1` to `qa20`, the loaders of the twenty tasks."""
    match = re.fullmatch(r"qa([0-9]+)", name)
    if match is None or not 1 <= int(match[1]) <= len(SLUGS):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return loader(int(match[1]))


def _path(number: int, size: str, split: str) -> str:
    return f"{SETS[size]}/qa{number}_{SLUGS[number - 1]}_{split}.txt"


def _origin(source: Source, path: str, provenance: str) -> str:
    return f"{provenance} {path}" if provenance == "generated" else str(source.folder / FOLDER / path)


def _obtain(
    number: int, paths: Mapping[str, str], options: Mapping[str, OptionValue], source: Source
) -> tuple[Contents, str]:
    """Obtain both files of a task, and their provenance."""
    wanted = list(paths.values())
    if options["source"] == "generated":
        return _simulate(number, paths, str(options["size"])), "generated"
    try:
        contents = _official(wanted, source)
    except DataError as error:
        if options["source"] == "official" or number not in babi_simulation.TASKS or _any_file(source):
            raise
        log.warning("babi/qa%d: %s; made-up stories take their place", number, error)
        return _simulate(number, paths, str(options["size"])), "generated"
    official = all(hashlib.sha256(contents[path]).hexdigest() == _checksums().get(path) for path in wanted)
    return contents, "official v1.2 files" if official else "files named like the official ones, but not their bytes"


@functools.cache
def _checksums() -> dict[str, str]:
    """Read the SHA-256 of the official files by path."""
    text = (resources.files("labeleff.plugins.tasks") / "babi.sha256").read_text(encoding="ascii")
    return {path: digest for digest, path in (line.split() for line in text.splitlines())}


def _simulate(number: int, paths: Mapping[str, str], size: str) -> Contents:
    if number not in babi_simulation.TASKS:
        raise DataError(
            f"babi/qa{number}: stories can be made up for tasks {', '.join(map(str, babi_simulation.TASKS))} alone; "
            "expected source = 'auto' or 'official'"
        )
    counts = {"train": STORIES[size], "test": 1_000}
    return {path: babi_simulation.generate(number, split, counts[split]) for split, path in paths.items()}


def _any_file(source: Source) -> bool:
    """Whether the folder holds some of the official files, so that a missing one is a gap, not a choice."""
    return any((source.folder / FOLDER).glob("*/qa*.txt"))


def _official(wanted: Sequence[str], source: Source) -> Contents:
    """Read the files from the data folder, an archive in it, or the network."""
    folder = source.folder / FOLDER
    contents: Contents = {}
    missing = []
    for path in wanted:
        try:
            contents[path] = (folder / path).read_bytes()
        except FileNotFoundError:
            missing.append(path)
        except OSError as error:
            raise DataError(f"{folder / path}: can't be read: {error.strerror}") from error
    if not missing:
        return contents
    problems = [f"{folder / missing[0]} isn't there"]
    for name in ARCHIVES:
        if (source.folder / name).exists():
            return contents | _from_archive(source.folder / name, missing, source)
    if not source.offline:
        for name, url in ARCHIVES.items():
            try:
                source.folder.mkdir(parents=True, exist_ok=True)
                download.fetch_url(url, source.folder / f".{name}.part", source.progress)
                (source.folder / f".{name}.part").rename(source.folder / name)
                return contents | _from_archive(source.folder / name, missing, source)
            except DataError as error:
                problems.append(str(error))
            except OSError as error:
                raise DataError(f"{source.folder}: can't be written: {error.strerror}") from error
            finally:
                (source.folder / f".{name}.part").unlink(missing_ok=True)
    raise DataError(
        f"{'; '.join(problems)}. Put the folder {FOLDER} or the archive {next(iter(ARCHIVES))} into "
        f"{source.folder}, or name the folder that holds it with --data-dir"
        + (", or run once without --offline" if source.offline else "")
        + _other_size(missing[0], folder)
    )


def _other_size(path: str, folder: Path) -> str:
    """Return a hint where the data folder has the other size of the missing file, else nothing."""
    size = next(size for size, name in SETS.items() if path.startswith(f"{name}/"))
    other = next(name for name in SETS if name != size)
    there = (folder / SETS[other] / path.partition("/")[2]).exists()
    return f"; size = {other!r} is there" if there else ""


def _from_archive(archive: Path, paths: Sequence[str], source: Source) -> Contents:
    """Read the named files of the archive, and store them unpacked beside it for the next time."""
    members = download.read_members(
        archive, dict.fromkeys((f"{FOLDER}/{path}" for path in paths), LARGEST), source.progress
    )
    contents = {path: members[f"{FOLDER}/{path}"] for path in paths}
    for path, content in contents.items():
        try:
            write_whole(source.folder / FOLDER / path, content)
        except OSError as error:
            log.info("%s: can't be kept unpacked: %s", path, error)
    return contents


def _task(
    name: str, questions: Mapping[str, Sequence[Question]], options: Mapping[str, OptionValue], provenance: str
) -> Task:
    """Convert questions to a task; vocabulary and answers come from the training file alone."""
    clean = without_stop_words if options["stop_words"] == "removed" else list
    read = functools.cache(lambda text: tuple(clean(words(text))))
    train = questions["train"]
    statements = dict.fromkeys(sentence for question in train for sentence in question.story)
    vocabulary = Vocabulary.of(map(read, statements), (read(question.text) for question in train))
    answers = tuple(sorted({question.answer for question in train}))
    window = int(options["window"])
    stories = {split: [question.story[-window:] for question in questions[split]] for split in SPLITS}
    every = {text for split in SPLITS for story in stories[split] for text in story}
    every |= {question.text for split in SPLITS for question in questions[split]}
    shape = TextShape(
        vocabulary,
        sentences=max(len(story) for split in SPLITS for story in stories[split]),
        length=max(len(read(text)) for text in every),
        story_words=max(sum(len(read(text)) for text in story) for split in SPLITS for story in stories[split]),
        question_words=max(len(read(question.text)) for split in SPLITS for question in questions[split]),
    )
    table = {text: vocabulary.encode(read(text)) for text in every}
    parts = {split: _examples(stories[split], questions[split], table, answers, shape) for split in SPLITS}
    return Task(name, parts["train"], parts["test"], answers, provenance, text=shape)


def _examples(
    stories: Sequence[Sequence[str]],
    questions: Sequence[Question],
    table: Mapping[str, Sequence[int]],
    answers: Sequence[str],
    shape: TextShape,
) -> Examples:
    """Convert stories and questions to word numbers; an answer that isn't in training is `len(answers)`."""
    places = {text: place for place, text in enumerate(table)}
    rows = np.zeros((len(table), shape.length), np.int16)
    for text, numbers in table.items():
        rows[places[text], : len(numbers)] = numbers
    tokens = np.zeros((len(questions), shape.sentences + 1, shape.length), np.int16)
    for story, question, out in zip(stories, questions, tokens, strict=True):
        which = [places[text] for text in (*story, question.text)]
        out[-len(which) :] = rows[which]
    numbers_by_answer = {answer: number for number, answer in enumerate(answers)}
    labels = [numbers_by_answer.get(question.answer, len(answers)) for question in questions]
    return Examples(torch.from_numpy(tokens), torch.tensor(labels, dtype=torch.int64))
