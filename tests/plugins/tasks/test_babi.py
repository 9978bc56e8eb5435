"""bAbI tasks from files, archives and the generator; the official files where they are."""

import io
import os
import tarfile
from pathlib import Path

import pytest
import torch

from labeleff.catalogue import lookup
from labeleff.errors import DataError
from labeleff.plugins.tasks import babi
from labeleff.plugins.tasks.sources import babi_format, babi_simulation
from labeleff.training.equal_questions import Questions
from labeleff.training.examples import Source, load_task
from labeleff.training.vocabulary import UNKNOWN

REAL = Path(os.environ.get("LABELEFF_DATA", "none"))
"""Read before the tests' own environment hides it."""
needs_real = pytest.mark.skipif(
    not (REAL / babi.FOLDER / "en-10k").is_dir(), reason="the official bAbI files aren't in LABELEFF_DATA"
)


def load(number, folder, **options):
    spec = lookup.complete("task", f"babi/qa{number}", {"size": "1k", **options})
    return load_task(spec, Source(folder, offline=True))


@pytest.fixture
def folder(tmp_path):
    """Files of task 1 named like the official ones."""
    path = tmp_path / "data" / babi.FOLDER / "en"
    path.mkdir(parents=True)
    for split in ("train", "test"):
        name = f"qa1_single-supporting-fact_{split}.txt"
        (path / name).write_bytes(babi_simulation.generate(1, split, 1000))
    return tmp_path / "data"


def decode(task, tokens):
    words = task.text.vocabulary.word
    return [" ".join(words(int(n)) for n in row if n) for row in tokens]


def test_stories_become_tables_of_word_numbers():
    task = load(1, Path("none"))
    assert task.provenance == "generated, 1k"
    assert len(task.text.vocabulary.words) == 21
    assert task.classes == ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
    first = babi_format.parse(babi_simulation.generate(1, "train", 1000), "made")[0]
    rows = [row for row in decode(task, task.train.inputs[0]) if row]
    assert rows == [text.lower().replace(".", " .").replace("?", " ?") for text in (*first.story, first.text)]
    assert task.classes[task.train.labels[0]] == first.answer
    assert decode(task, task.train.inputs[0])[0] == "", "stories stand at the end of the table"


def test_the_window_keeps_the_latest_sentences():
    whole, cut = load(1, Path("none")), load(1, Path("none"), window=4)
    assert cut.text.sentences == 4
    assert torch.equal(cut.train.inputs, whole.train.inputs[:, -5:])


def test_stop_words_can_be_left_out():
    task = load(1, Path("none"), stop_words="removed")
    assert {"to", "the", "is"}.isdisjoint(task.text.vocabulary.words)
    assert decode(task, task.train.inputs[0])[-1].startswith("where ")


def test_files_in_the_data_folder_are_taken_and_their_bytes_told_apart(folder):
    task = load(1, folder)
    assert task.provenance == "files named like the official ones, but not their bytes, 1k"
    assert torch.equal(task.train.inputs, load(1, Path("none")).train.inputs)


def test_the_archive_is_read_where_the_folder_is_not_unpacked(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with tarfile.open(other / "tasks_1-20_v1-2.tar.gz", "w:gz") as tar:
        for path in sorted((folder / babi.FOLDER / "en").iterdir()):
            member = tarfile.TarInfo(f"{babi.FOLDER}/en/{path.name}")
            member.size = path.stat().st_size
            tar.addfile(member, io.BytesIO(path.read_bytes()))
    assert load(1, other).fingerprint == load(1, folder).fingerprint
    assert (other / babi.FOLDER / "en" / "qa1_single-supporting-fact_train.txt").exists()


def test_a_test_answer_that_training_never_gave_counts_as_wrong(folder):
    path = folder / babi.FOLDER / "en" / "qa1_single-supporting-fact_test.txt"
    text = path.read_text().replace("\tgarden\t", "\tcellar\t").replace("the garden", "the cellar")
    path.write_text(text)
    task = load(1, folder)
    assert int(task.test.labels.max()) == len(task.classes)
    assert (task.test.inputs == UNKNOWN).any()
    assert not (task.train.inputs == UNKNOWN).any()


def test_damage_is_an_error_with_file_and_line(folder):
    path = folder / babi.FOLDER / "en" / "qa1_single-supporting-fact_train.txt"
    path.write_bytes(path.read_bytes().replace(b"\n2 ", b"\n5 ", 1))
    with pytest.raises(DataError, match=rf"{path.name}, line 2: found line number 5, expected 1 or 2"):
        load(1, folder)


def test_what_is_missing_is_named_with_a_remedy(folder):
    with pytest.raises(DataError, match=r"qa4_.*_train.txt isn't there\. Put the folder tasks_1-20_v1-2"):
        load(4, folder)
    with pytest.raises(DataError, match=r"en-10k/qa1_.*_train.txt isn't there.*--data-dir.*size = '1k' is there"):
        load(1, folder, size="10k")
    with pytest.raises(DataError, match="isn't there"):
        load(2, Path("none"), source="official")
    with pytest.raises(DataError, match="tasks 1, 2, 3 alone"):
        load(4, Path("none"), source="generated")


def test_the_network_is_tried_and_failing_it_stories_are_made(tmp_path, monkeypatch):
    tried = []

    def fail(url, *_):
        tried.append(url)
        raise DataError(f"{url}: no route")

    monkeypatch.setattr(babi.download, "fetch_url", fail)
    spec = lookup.complete("task", "babi/qa1", {"size": "1k"})
    assert load_task(spec, Source(tmp_path)).provenance == "generated, 1k"
    assert tried == list(babi.ARCHIVES.values())
    assert not list(tmp_path.iterdir())


def test_there_are_checksums_of_the_official_files():
    assert len(babi._checksums()) == 79
    assert all(len(digest) == 64 for digest in babi._checksums().values())


@needs_real
@pytest.mark.parametrize("number", range(1, 21))
def test_official_files_are_read_whole(number):
    task = load(number, REAL)
    assert task.provenance == "official v1.2 files, 1k"
    assert len(task.train) == len(task.test) == 1000
    assert len(task.text.vocabulary.words) == {1: 21, 4: 16, 5: 41}.get(number, len(task.text.vocabulary.words))
    unseen = int((task.test.labels == len(task.classes)).sum())
    assert unseen == (1 if number == 8 else 0)
    if number in {8, 19}:
        assert any("," in answer for answer in task.classes)


@needs_real
def test_the_official_10k_file_of_task_1():
    task = load(1, REAL, size="10k")
    assert task.train.inputs.shape == (10_000, 11, 7)
    assert (task.text.story_words, task.text.question_words) == (68, 4)


REPEATS = {
    ("10k", 1): (9_908, 16),
    ("10k", 4): (5_213, 741),
    ("10k", 15): (6_861, 0),
    ("10k", 17): (5_812, 152),
    ("10k", 18): (6_388, 0),
    ("10k", 20): (8_310, 203),
    ("1k", 4): (919, 134),
    ("1k", 15): (695, 0),
    ("1k", 17): (627, 16),
    ("1k", 18): (654, 0),
    ("1k", 20): (909, 119),
}
"""Training questions that differ and test questions in training, stories included, by size and number of the task."""


@needs_real
@pytest.mark.parametrize(("size", "number"), list(REPEATS))
def test_official_questions_stand_in_training_and_repeat_each_other(size, number):
    task = load(number, REAL, size=size)
    questions, places = Questions.of(task.train.inputs, task.test.inputs), torch.arange(len(task.train))
    found = questions.distinct(places), 1000 - int(questions.unseen(places).sum())
    paths = [REAL / babi.FOLDER / babi._path(number, size, split) for split in babi.SPLITS]
    train, test = ([(q.story, q.text) for q in babi_format.parse(path.read_bytes(), path.name)] for path in paths)
    assert found == (len(set(train)), sum(map(set(train).__contains__, test))) == REPEATS[size, number]
