"""Rows of equal columns as CSV."""

import csv
import io


def to_csv(rows, *, header=True):
    """Write rows as CSV text, with a line of names first."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def append(path, rows):
    """Add rows to a file, which is made where there is none; without rows do nothing."""
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    text = to_csv(rows, header=not path.exists())
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)
