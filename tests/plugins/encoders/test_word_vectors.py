"""Ready word vectors: their words, neighbours and initial rows."""

import numpy as np
import pytest
import torch
from support import story_tasks

from labeleff.catalogue import lookup
from labeleff.plugins.encoders.interface import build_encoder
from labeleff.plugins.encoders.word_vectors import initial_rows, nearest, read_vectors
from labeleff.training.vocabulary import FIRST

GLOVE = "garden 1.0 0.0 0.5\nkitchen 0.9 0.1 0.4\nMary -1.0 0.5 0.0\n"


@pytest.mark.parametrize("head", ["", "3 3\n"], ids=["GloVe", "word2vec"])
def test_both_text_formats_are_read(tmp_path, head):
    path = tmp_path / "vectors.txt"
    path.write_text(head + GLOVE)
    vectors = read_vectors(path)
    assert set(vectors) == {"garden", "kitchen", "mary"}
    np.testing.assert_allclose(vectors["mary"], [-1.0, 0.5, 0.0])
    assert set(read_vectors(path, ["mary"])) == {"mary"}


def test_readers_start_from_a_file(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE)
    task = story_tasks.task()
    plain, ready = (
        build_encoder(lookup.complete("encoder", "qrn", {"vectors": given}), 0, task.text) for given in ("", str(path))
    )
    changed = (plain.sentences.words.weight != ready.sentences.words.weight).any(1).nonzero().flatten() - FIRST
    assert {task.text.vocabulary.words[i] for i in changed.tolist()} == {"garden", "kitchen", "mary"}


def test_the_nearest_known_word():
    vectors = {"a": np.array([1.0, 0.0]), "b": np.array([0.0, 2.0]), "x": np.array([3.0, 1.0])}
    word, cosine = nearest(vectors, "x", ["a", "b", "c"])
    assert word == "a"
    assert cosine == pytest.approx(3 / 10**0.5)
    assert nearest(vectors, "y", ["a"]) is None
    assert nearest(vectors, "x", ["c"]) is None


def test_initial_rows_keep_distances_at_the_wanted_scale():
    dice = np.random.default_rng(0)
    words = [f"w{i}" for i in range(6)]
    vectors = {word: dice.standard_normal(3).astype(np.float32) for word in words[:5]}
    rows = initial_rows(vectors, words, 8, 0.1)
    assert sorted(rows) == [0, 1, 2, 3, 4]
    table = np.stack([rows[i] for i in range(5)])
    assert table.std() == pytest.approx(0.1, rel=1e-5)
    original = np.stack([vectors[word] for word in words[:5]])
    ratio = torch.pdist(torch.from_numpy(table)) / torch.pdist(torch.from_numpy(original))
    assert float(ratio.std()) < 1e-5
    assert initial_rows({"w0": vectors["w0"]}, words, 8, 0.1) == {}
