"""Files of word vectors as people have them: the same words and numbers, or line and reason."""

import gzip
import struct

import numpy as np
import pytest

from labeleff.errors import DataError
from labeleff.plugins.encoders.vector_files import entries
from labeleff.plugins.encoders.word_vectors import read_vectors

ROWS = {"garden": [1.0, 0.0, 0.5], "kitchen": [0.9, 0.1, 0.4], "mary": [-1.0, 0.5, 0.0]}


def text(divider=" ", head="", end=""):
    lines = (divider.join([word, *map(str, row)]) + "\n" for word, row in ROWS.items())
    return (head + "".join(lines) + end).encode()


def binary(between=b"\n"):
    rows = (word.encode() + b" " + struct.pack("<3f", *row) + between for word, row in ROWS.items())
    return b"3 3\n" + b"".join(rows)


GOOD = {
    "GloVe": text(),
    "word2vec": text(head="3 3\n"),
    "tabs": text("\t"),
    "tabs with a header": text("\t", "3\t3\n"),
    "a tab after the word": text().replace(b" ", b"\t", 1),
    "a trailing blank line": text(end="\n \n"),
    "trailing spaces, carriage returns": text().replace(b"\n", b" \r\n"),
    "a byte order mark": b"\xef\xbb\xbf" + text(head="3 3\n"),
    "a repeated word": text(head="4 3\n", end="garden 9 9 9\n"),
    "more lines than the header says": text(head="1 3\n"),
    "binary": binary(),
    "binary without line ends": binary(b""),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin.gz"])
def test_all_forms_give_the_same_vectors(tmp_path, kind, pack, name):
    (tmp_path / name).write_bytes(pack(GOOD[kind]))
    vectors = read_vectors(tmp_path / name)
    assert list(vectors) == list(ROWS)
    for word, row in ROWS.items():
        np.testing.assert_array_equal(vectors[word], np.float32(row))


def test_words_with_spaces_are_whole(tmp_path):
    (tmp_path / "a.txt").write_text("garden 1 2\n. . . 3 4\nat name@domain.com 5 6\n\u00a0 7 8\n")
    assert [word for word, _ in entries(tmp_path / "a.txt")] == ["garden", ". . .", "at name@domain.com", "\u00a0"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found 0 word vectors"),
        (b"\n\n", "found 0 word vectors"),
        (b"garden 1.0 x\n", r"line 1: expected a word and 2 numbers: .*'x'"),
        (b"garden 1 2\nkitchen 1\n", "line 2: found 1 numbers after the word, expected 2"),
        (b"garden\n", "line 1: found 0 numbers after the word, expected several"),
        (b"\xff\xfe\x00 1 2 3\n", "line 1: not UTF-8 text"),
        (b"garden 1 2\nmary nan 2\n", "line 2: the vector of 'mary' has values that are no finite numbers"),
        (b"9 3\na 1 2 3\n", "found 1 word vectors, its first line says 9; is it cut short"),
        (binary()[:-6], "found 2 whole words, its first line says 3; is it cut short"),
        (gzip.compress(text(), mtime=0)[:-9], "not a whole gzip file"),
    ],
)
def test_line_and_reason_are_named(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"vectors\.txt.*{message}"):
        read_vectors(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: can't be read"):
        read_vectors(tmp_path / "none.txt")
