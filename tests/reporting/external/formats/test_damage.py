"""Damaged files of every format: a rectangular table of text, or one error of one line, and nothing else."""

from __future__ import annotations

import io
import json
import random

import pytest

from labeleff.errors import LabeleffError
from labeleff.reporting.external.formats.files import parse_grid
from labeleff.reporting.external.reading import Reading

ROWS = [["arm", "n", "acc"], *([arm, n, n / 1000] for arm in ("scratch", "ssl") for n in (50, 100, 200))]
SNIPPETS = [
    *(",", ";", "\t", "|", "&", "\\", "\\\\", "{", "}", "[", "]", '"', "#", "$", "^", "_", "%", "\n", "\r", "\0", ":"),
    *("NaN", "1e999", "\ufeff", "<sup>1</sup>", "±", "²", "\\multicolumn{2}{c}{", "\\pm", "**", "null", "[]", "---"),
]


def text_files():
    lines = [[str(cell) for cell in row] for row in ROWS]
    nested = {arm: {str(row[1]): [row[2]] for row in ROWS[1:] if row[0] == arm} for arm in ("scratch", "ssl")}
    tex = " \\\\\n".join(" & ".join(line) for line in lines)
    return {
        "x.csv": "".join(",".join(line) + "\n" for line in lines),
        "x.md": "".join("| " + " | ".join(line) + " |\n" for line in (lines[0], ["---"] * 3, *lines[1:])),
        "x.tex": f"\\begin{{tabular}}{{lll}}\n\\toprule\n{tex}\n\\end{{tabular}}\n",
        "x.json": json.dumps([dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]], indent=1),
        "y.json": json.dumps(nested, indent=1),
    }


def binary_files():
    openpyxl, pa = pytest.importorskip("openpyxl"), pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    streams, book = (io.BytesIO(), io.BytesIO()), openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.save(streams[0])
    parquet.write_table(pa.table({name: [row[at] for row in ROWS[1:]] for at, name in enumerate(ROWS[0])}), streams[1])
    return {"x.xlsx": streams[0].getvalue(), "x.parquet": streams[1].getvalue()}


def check(content: bytes, name: str):
    try:
        found = parse_grid(content, name, Reading())
    except LabeleffError as error:
        text = str(error)
        assert text.startswith(name)
        assert text.isprintable()
        assert len(text) < 400
    else:
        assert found.rows
        assert {len(row.cells) for row in found.rows} == {len(found.fields)}
        assert all(isinstance(cell, str) for row in found.rows for cell in row.cells)


def damaged(content: bytes, source: random.Random) -> bytes:
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(content) + 1)
        snippet = source.choice(["", *SNIPPETS]).encode() or bytes([source.randrange(256)])
        content = content[:at] + snippet + content[at + source.choice([0, 0, 1, 2, 30]) :]
    return content


@pytest.mark.parametrize("seed", range(8))
def test_damaged_text(seed):
    source = random.Random(seed)
    for name, text in text_files().items():
        for _ in range(40):
            check(damaged(text.encode(), source), name)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_binary_files(seed):
    source = random.Random(seed)
    for name, content in binary_files().items():
        for _ in range(40):
            check(damaged(content, source), name)
