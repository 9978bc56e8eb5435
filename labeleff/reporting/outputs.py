"""Files of a report as bytes: CSVs and figures of measured accuracies, and how they are written."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from labeleff.errors import RecordError
from labeleff.files import write_together
from labeleff.reporting import figures, tables, utility_figure
from labeleff.reporting.findings import Findings
from labeleff.reporting.markdown import harmless
from labeleff.reporting.measured import Measured, Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT = "report.md"
LONGEST = 80
"""Characters of a title that a file's name keeps."""

Drawn = dict[Place, dict[str, "Figure"]]
"""Figures by place and file name (without folder and ending)."""


def csvs(findings: Findings) -> dict[str, bytes]:
    """The tables that measured accuracies alone give; without rows where nothing was asked for."""
    measured, comparisons = findings.measured, findings.comparisons
    return {
        "summary.csv": tables.to_csv(tables.summary(measured)),
        "utility.csv": tables.to_csv(tables.utilities(comparisons, measured.cost)),
        "ranking.csv": tables.to_csv(tables.ranking(comparisons)),
        "curves.csv": tables.to_csv(tables.curves(findings.formulas, measured.baseline)),
        "targets.csv": tables.to_csv(tables.targets(findings.labels, measured.baseline)),
    }


def plain(text: str) -> str:
    """The text in lower-case ASCII letters, digits and dashes (also at its ends), for a file's name."""
    ascii_text = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)


def slugs(measured: Measured) -> dict[Place, str]:
    """What the file names of each place's figures end in: short, plain, and one a place."""
    found: dict[Place, str] = {}
    for place, setting in measured.settings.items():
        slug = plain(setting.title)[:LONGEST].strip("-") or "task"
        names = itertools.chain([slug], (f"{slug}-{number}" for number in itertools.count(2)))
        found[place] = next(name for name in names if name not in found.values())
    return found


def _prefix(metric: str) -> str:
    """What the name of a metric's figure begins with: no dash in it, and no other figure's."""
    name = plain(metric).strip("-").replace("-", "_")
    return name if name and name not in figures.OTHERS else "metric"


def draw(findings: Findings) -> Drawn:
    """The metric and utility of every place, as far as there is something to draw."""
    measured = findings.measured
    drawn: Drawn = {place: {} for place in measured.places}
    for place, slug in slugs(measured).items():
        if any(measured.at(place, arm) for arm in measured.arms):
            drawn[place][f"{_prefix(measured.settings[place].metric)}-{slug}"] = figures.accuracy(measured, place)
        here = findings.at(place)
        if here:
            drawn[place][f"utility-{slug}"] = utility_figure.utility(measured, here)
    return drawn


def pictures(drawn: Mapping[str, Figure]) -> dict[str, bytes]:
    """The figures, by file name, as PNG and SVG files."""
    files: dict[str, bytes] = {}
    for name, figure in drawn.items():
        files[f"figures/{name}.png"] = figures.render(figure, "png")
        figure.set_layout_engine("none")  # laid out once is enough
        files[f"figures/{name}.svg"] = figures.render(figure, "svg")
    return files


def all_figures(drawn: Drawn) -> dict[str, Figure]:
    """The figures of all places by file name."""
    return {name: figure for group in drawn.values() for name, figure in group.items()}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put whole files in their places; RecordError names one that can't be written, and then none is."""
    safe = {name: harmless(data.decode()).encode() if name.endswith(".md") else data for name, data in files.items()}
    try:
        write_together(folder, safe)
    except OSError as error:
        raise RecordError(f"{error.filename}: can't be written: {error.strerror}") from error
