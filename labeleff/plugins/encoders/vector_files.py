"""Files of word vectors, by content: word2vec's text or binary form, GloVe's text, plain or compressed by gzip.

Fields are divided by spaces or tabs. A word may hold spaces: the vector is the last fields of its line.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from labeleff.errors import DataError

Floats = NDArray[np.float32]
Entry = tuple[str, Floats]
"""A word as the file has it, with its vector."""
LONGEST = 1 << 20
"""Most bytes of a line, or of a word of the binary form."""


def entries(path: Path) -> Iterator[Entry]:
    """Yield every word of a file with its vector, all of one length and of finite numbers.

    Raises DataError naming line (or word, in the binary form) and reason where the file isn't like that.
    """
    try:
        with _open(path) as file:
            first = _header(file)
            if first is not None and _is_binary(file, first[1]):
                yield from _binary(path, file, *first)
            else:
                yield from _text(path, file, first)
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file: {error}") from error


def _open(path: Path) -> io.BufferedReader:
    """Open a file that can be peeked into, unpacked where it begins as gzip's do."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return io.BufferedReader(gzip.open(path) if packed else path.open("rb", buffering=0), 1 << 16)


def _header(file: io.BufferedReader) -> tuple[int, int] | None:
    """Read word2vec's first line, the number of words and the length of vectors; None where a file has none."""
    line = file.peek(64)[:64].partition(b"\n")[0].removeprefix(b"\xef\xbb\xbf").split()
    if len(line) != 2 or not all(word.isdigit() for word in line):
        return None
    file.readline()
    return int(line[0]), int(line[1])


def _is_binary(file: io.BufferedReader, length: int) -> bool:
    """Whether what follows the header isn't a line of a word and `length` numbers."""
    line = file.peek(1 << 16).partition(b"\n")[0].split()
    try:
        return len(line) <= length or not [float(word) for word in line[-length:]]
    except ValueError:
        return True


def _binary(path: Path, file: IO[bytes], count: int, length: int) -> Iterator[Entry]:
    for number in range(1, count + 1):
        word, values = _word(file), file.read(4 * length)
        if word is None or len(values) < 4 * length:
            whole = f"{number - 1:,} whole words"
            raise DataError(f"{path}: found {whole}, its first line says {count:,}; is it cut short?")
        yield _entry(f"{path}, word {number:,}", word, np.frombuffer(values, "<f4").astype(np.float32))


def _word(file: IO[bytes]) -> bytes | None:
    """Read a word up to its space, without the line end that may precede it; None where the file ends."""
    word = bytearray()
    while (byte := file.read(1)) != b" ":
        if not byte or len(word) > LONGEST:
            return None
        word += byte
    return bytes(word).lstrip(b"\n")


def _text(path: Path, file: IO[bytes], header: tuple[int, int] | None) -> Iterator[Entry]:
    """Yield the words of lines; empty lines are skipped, and a header's count is the least that must be there."""
    count, length = header or (0, 0)
    read = 0
    for number, line in enumerate(file, start=1 if header is None else 2):
        fields = line.removeprefix(b"\xef\xbb\xbf").replace(b"\t", b" ").rstrip(b" \r\n").split(b" ")
        if fields == [b""]:
            continue
        where, length = f"{path}, line {number:,}", length or len(fields) - 1
        if length < 1 or len(fields) <= length:
            expected = f"{length:,}" if length else "several"
            raise DataError(f"{where}: found {len(fields) - 1} numbers after the word, expected {expected}")
        try:
            values = np.array(fields[-length:], np.float32)
        except ValueError as error:
            raise DataError(f"{where}: expected a word and {length:,} numbers: {error}") from error
        read += 1
        yield _entry(where, b" ".join(fields[:-length]), values)
    if read < max(count, 1):
        said = f", its first line says {count:,}; is it cut short?" if count else ""
        raise DataError(f"{path}: found {read:,} word vectors{said}")


def _entry(where: str, word: bytes, values: Floats) -> Entry:
    try:
        text = word.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 text: {error.reason}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{where}: the vector of {text!r} has values that are no finite numbers")
    return text, values
