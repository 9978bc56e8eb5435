"""Output of a report: sections to files, written together."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labeleff.errors import OptionError, RecordError
from labeleff.files import write_together
from labeleff.records.file_name import FILE_NAME
from labeleff.reporting import csv_tables
from labeleff.reporting.figures import style
from labeleff.reporting.findings import Findings
from labeleff.reporting.markdown import harmless
from labeleff.reporting.measurements import Measurements, Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_folder(out: Path) -> None:
    """Raise OptionError for a file, and for the folder of a study's records."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out: {out} is a file, expected a folder")
    if (out / FILE_NAME).exists():
        raise OptionError(f"--out: {out} holds a study's {FILE_NAME}, expected a folder for this report alone")


REPORT = "report.md"
LONGEST = 80
"""Number of characters of a title that a file's name keeps."""


@dataclass(frozen=True)
class Section:
    """Part of a report: its paragraphs in Markdown, and the tables and figures that belong to it."""

    paragraphs: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Contents of tables by file name."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Figures by file name, without folder and ending."""


def assemble(sections: Iterable[Section]) -> dict[str, bytes]:
    """Combine sections into all files of a report by name: report.md, tables, and figures as PNG and SVG."""
    parts = list(sections)
    files = {name: data for part in parts for name, data in part.files.items()}
    files |= pictures({name: figure for part in parts for name, figure in part.figures.items()})
    text = "\n\n".join(text for part in parts for text in part.paragraphs)
    return {**files, REPORT: text.encode() + b"\n"}


def csvs(findings: Findings) -> dict[str, bytes]:
    """Tables that follow from measured accuracies alone; a table of what wasn't requested has no rows."""
    measured, comparisons = findings.measured, findings.comparisons
    return {
        "summary.csv": csv_tables.summary(measured).csv(),
        "utility.csv": csv_tables.utilities(comparisons, measured.cost).csv(),
        "ranking.csv": csv_tables.ranking(comparisons).csv(),
        "curves.csv": csv_tables.curves(findings.formulas, measured.baseline).csv(),
        "targets.csv": csv_tables.targets(findings.labels, measured.baseline).csv(),
    }


def plain(text: str) -> str:
    """Reduce text to lower-case ASCII letters, digits and dashes (also at its ends), for a file's name."""
    ascii_text = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)


def first_free(name: str, taken: Container[str]) -> str:
    """The name, or the first of NAME-2, NAME-3, ... that isn't taken."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in names if each not in taken)


def slugs(measured: Measurements) -> dict[Place, str]:
    """Endings of the file names of each place's figures: short, plain, and unique."""
    names: dict[Place, str] = {}
    for place, setting in measured.settings.items():
        names[place] = first_free(plain(setting.title)[:LONGEST].strip("-") or "task", names.values())
    return names


def pictures(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Render figures, given by file name, to PNG and SVG files."""
    kinds: Sequence[Literal["png", "svg"]] = ("png", "svg")
    return {f"figures/{name}.{kind}": style.render(figure, kind) for name, figure in figures.items() for kind in kinds}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none: raises RecordError, naming the file, where one can't be written."""
    safe = {name: harmless(data.decode()).encode() if name.endswith(".md") else data for name, data in files.items()}
    try:
        write_together(folder, safe)
    except OSError as error:
        raise RecordError(f"{error.filename}: can't be written: {error.strerror}") from error
