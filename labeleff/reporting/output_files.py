"""Output of a report: sections to files, written together."""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labeleff.errors import OptionError, RecordError
from labeleff.files import write_together
from labeleff.records.folders import FILE_NAME
from labeleff.reporting import csv_tables
from labeleff.reporting.figures import glyphs, style
from labeleff.reporting.figures.look import KINDS, Look
from labeleff.reporting.findings import Findings
from labeleff.reporting.glossary import linked
from labeleff.reporting.markdown import harmless, spelled
from labeleff.reporting.measurements import Measurements, Place, Setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_folder(out: Path) -> None:
    """Raise OptionError for a file, and for the folder of a study's records."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out: {out} is a file, expected a folder")
    if (out / FILE_NAME).exists():
        raise OptionError(f"--out: {out} holds a study's {FILE_NAME}, expected a folder for this report alone")


REPORT, DETAILS, PAGE = "report.md", "details.md", "report.html"
FIGURE = re.compile(r"!\[(.*)\]\(figures/(.+)\.png\)")
"""Paragraph of Markdown that is a figure: its words, and its file without ending."""
LONGEST = 80
"""Number of characters of a title that a file's name keeps."""


@dataclass(frozen=True)
class Section:
    """Part of a report: its paragraphs in Markdown, and the tables and figures that belong to it."""

    paragraphs: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Contents of tables by file name."""
    figures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)
    """What draws a figure, by its file's name without folder and ending."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Sentences on what figures leave out, by the figure's name; they follow it wherever it stands."""
    details: Sequence[str] = ()
    """Paragraphs of `details.md`: methods, checks and conditions, for who wants to know more than the results."""
    place: tuple[Place, Setting] | None = None
    """Place whose charts follow the section's heading in report.html."""


class Files(dict[str, bytes]):
    """Contents of a report's files by name."""

    def __init__(self, contents: Mapping[str, bytes], figures: Iterable[str]) -> None:
        super().__init__(contents)
        self.figures = frozenset(figures)
        """Figures that the report can have, drawn or not, by their files' names without folder and ending."""


def assemble(sections: Iterable[Section], look: Look | None = None, names: Iterable[str] = ()) -> Files:
    """Combine sections into all files of a report by name: report.md, details.md, report.html, tables, figures.

    `look` says which figures are drawn, and how; links to figures go to what there is. `names` stand in texts as they
    are, whatever marks of Markdown they have.
    """
    look = look or Look()
    parts = [*_with_names(sections, frozenset(names))]
    wanted = _wanted(parts, look)
    files = {name: data for part in parts for name, data in part.files.items()}
    files |= draw({name: one for part in parts for name, one in part.figures.items() if name in wanted}, look)
    parts = [*_with_figures(parts, wanted, look)]
    text = linked(text for part in parts for text in part.paragraphs)
    details = "\n\n".join(text for part in parts for text in part.details)
    if details:
        files[DETAILS] = f"# Details\n\n{details}\n".encode()
        text += f"\n\nMore on how this was measured: [{DETAILS}]({DETAILS})."
    files[PAGE] = _page(parts, details, files)
    return Files({**files, REPORT: text.encode() + b"\n"}, (name for part in parts for name in part.figures))


def _with_names(parts: Iterable[Section], names: frozenset[str]) -> Iterator[Section]:
    for part in parts:
        texts, details = ([spelled(text, names) for text in texts] for texts in (part.paragraphs, part.details))
        yield replace(part, paragraphs=texts, details=details)


def _wanted(parts: Iterable[Section], look: Look) -> set[str]:
    """Names of the figures to draw: of all that are linked, or of the first, or of none."""
    linked_to = [image[2] for part in parts for text in part.paragraphs if (image := FIGURE.fullmatch(text))]
    return set(linked_to if look.every else linked_to[:1]) if look.kinds else set()


def _with_figures(parts: Iterable[Section], drawn: Container[str], look: Look) -> Iterator[Section]:
    """The sections with the images that are drawn: as PNG, else SVG, else as links to PDF.

    Where only one is drawn, it stands where it is linked first. What images leave out is said once after each row.
    """
    seen: set[str] = set()
    parts = list(parts)
    left_out = {name: text for part in parts for name, text in part.left_out.items()}
    for part in parts:
        texts: list[str] = []
        pending: dict[str, None] = {}
        for text in part.paragraphs:
            image = FIGURE.fullmatch(text)
            if image is None:
                texts += [*pending, text]
                pending.clear()
            elif image[2] in drawn and (look.every or image[2] not in seen):
                kind = "png" if "png" in look.kinds else look.kinds[0]
                texts.append(f"{'' if kind == 'pdf' else '!'}[{image[1]}](figures/{image[2]}.{kind})")
                seen.add(image[2])
                pending |= dict.fromkeys([left_out[image[2]]] if image[2] in left_out else [])
        yield replace(part, paragraphs=[*texts, *pending])


def _page(parts: Iterable[Section], details: str, files: Mapping[str, bytes]) -> bytes:
    """The report as a page, with the charts of every place after its section's heading."""
    from labeleff.reporting.html.page import MARK, page

    shown, paragraphs = {}, []
    for number, part in enumerate(parts):
        texts = [text.replace(MARK, "") for text in part.paragraphs]
        if part.place is not None:
            shown[str(number)] = part.place
            texts.insert(1, f"{MARK}{number}")
        paragraphs += texts
    return page(linked(paragraphs), details, files, shown)


def csvs(findings: Findings) -> dict[str, bytes]:
    """Tables that follow from measured accuracies alone; a table of what wasn't requested has no rows."""
    measured, comparisons = findings.measured, findings.comparisons
    return {
        "summary.csv": csv_tables.summary(measured).csv(),
        "utility.csv": csv_tables.utilities(comparisons, measured.cost_at).csv(),
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


def draw(figures: Mapping[str, Callable[[], Figure]], look: Look) -> dict[str, bytes]:
    """Draw figures and render them."""
    return pictures({name: one() for name, one in figures.items()}, look)


def pictures(figures: Mapping[str, Figure], look: Look | None = None) -> dict[str, bytes]:
    """Render figures, given by file name, to files of the kinds asked for, with glyphs for all of their texts."""
    look = look or Look()
    if not look.kinds:
        return {}
    glyphs.complete(figures.values())
    for figure in figures.values():
        style.fit(figure, look)
    return {
        f"figures/{name}.{kind}": style.render(figure, kind) for name, figure in figures.items() for kind in look.kinds
    }


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files, or none: raises RecordError, naming the file, where one can't be written.

    Figures that a report could have and that aren't written now are removed, since they would show older numbers.
    """
    safe = {name: harmless(data.decode()).encode() if name.endswith(".md") else data for name, data in files.items()}
    try:
        write_together(folder, safe)
    except OSError as error:
        raise RecordError(f"{error.filename}: can't be written: {error.strerror}") from error
    if isinstance(files, Files):
        _remove_old_figures(folder, files)


def _remove_old_figures(folder: Path, files: Files) -> None:
    names = {f"figures/{name}.{kind}" for name in files.figures for kind in KINDS} - files.keys()
    old = [path for name in sorted(names) if (path := folder / name).is_file()]
    try:
        for path in old:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise RecordError(f"{error.filename}: can't be removed: {error.strerror}") from error
    if old:
        with contextlib.suppress(OSError):  # other files may stay in there
            (folder / "figures").rmdir()
