"""A board of several studies: their pages, and a leaderboard of their arms, as static files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labeleff.comparison.board_history import HEIGHT, WIDTH, as_json, lines
from labeleff.comparison.headlines import entry_of
from labeleff.comparison.history import Entry
from labeleff.curves.bounds import multiplier
from labeleff.reporting.figures.look import Look
from labeleff.reporting.findings import Comparison, find, rank_comparisons
from labeleff.reporting.html.page import allowed, own, render
from labeleff.reporting.markdown import amount, harmless, joint_ratio, ratio, spelled, table
from labeleff.reporting.measurements import Place
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.output_files import PAGE, first_free, plain
from labeleff.reporting.results import load, places_of
from labeleff.reporting.study_report import report

LADDER = "whole ladder"
"""Text in place of a label count for the mean over all of them."""

SHOWN = 2
"""Most places of a study whose best arm the index names."""


@dataclass(frozen=True)
class Row:
    """An arm at one place of one study, over the whole ladder or at one label count."""

    study: str
    page: str
    task: str
    encoder: str
    arm: str
    baseline: str
    labels: str
    """A label count, or LADDER."""
    ratio: float | None
    """Mean label ratio, or U(n) + 1; None where only a bound is measured."""
    low: float | None
    high: float | None
    text: str
    """The ratio as reports print it."""
    ties: str
    """Whether it can be told from the best of its place: `best`, `tied`, or empty; over the ladder alone."""
    doubts: str
    """Kinds of assumptions that fail."""


@dataclass(frozen=True)
class Study:
    """A study of the board, with its page and its rows."""

    name: str
    page: str
    title: str
    places: int
    arms: int
    html: bytes
    rows: tuple[Row, ...]
    entry: Entry
    """Its headline numbers, which make lines where it was run several times."""


def read(folders: Sequence[Path]) -> list[Study]:
    """Read the studies of these folders. Raises RecordError or StudyError where the records of one can't be read."""
    studies: list[Study] = []
    for folder in folders:
        names = {study.name for study in studies}
        studies.append(_study(folder, first_free(plain(folder.resolve().name).strip("-") or "study", names)))
    return studies


def _study(folder: Path, name: str) -> Study:
    results, page = load(folder), f"{name}/{PAGE}"
    findings = find(replace(results.measured, look=Look(kinds=())))
    return Study(
        name,
        page,
        results.study.title or results.study.name,
        len({place for cell in results.study.cells() for place in places_of(results.study, cell)}),
        len(results.arms),
        report(results, findings, ReportOptions().beside(folder))[PAGE],
        tuple(_rows(findings.comparisons, name, page)),
        entry_of(results, str(folder)),
    )


def _rows(comparisons: Sequence[Comparison], study: str, page: str) -> Iterator[Row]:
    """Rows of the mean over the ladder, the best of every place first, then those of every label count."""
    seen: set[Place] = set()
    for item, mean in rank_comparisons(comparisons):
        text = joint_ratio(mean)
        ties = "best" if item.place not in seen else "tied" if mean.tied else ""
        seen.add(item.place)
        doubts = sorted({kind for point in item.points for kind in item.doubts(point.n)})
        yield _row(item, study, page, LADDER, (mean.ratio, *mean.ends), (text, ties, "; ".join(doubts)))
    for item in comparisons:
        for point in item.joint:
            reading, failing = multiplier(point), "; ".join(item.doubts(point.n))
            numbers = reading.value if reading.shown in ("point", "extrapolated") else None, reading.low, reading.high
            yield _row(item, study, page, f"{point.n:,}", numbers, (amount(reading, ratio), "", failing))


def _row(
    item: Comparison,
    study: str,
    page: str,
    labels: str,
    numbers: tuple[float | None, float | None, float | None],
    texts: tuple[str, str, str],
) -> Row:
    task, encoder = item.place.task or "", item.place.encoder or ""
    text, ties, doubts = texts
    shown = f"{text} (?)" if doubts else text
    return Row(study, page, task, encoder, item.arm, item.baseline, labels, *numbers, shown, ties, doubts)


def files(studies: Sequence[Study]) -> dict[str, bytes]:
    """Files of the site by name: index.html, board.json and a page per study."""
    from markupsafe import Markup

    rows = [row for study in studies for row in study.rows]
    over_time = lines([study.entry for study in studies])
    script = f"{own('page.js')}\n{own('board.js')}"
    board = render(
        "board.html",
        title="Studies side by side",
        studies=studies,
        rows=rows,
        lines=over_time,
        drawing=(WIDTH, HEIGHT),
        policy=allowed(script),
        style=Markup(own("page.css")),
        script=Markup(script),
    )
    tables = [asdict(row) for row in rows]
    listed = [{"name": s.name, "title": s.title, "page": s.page, "places": s.places, "arms": s.arms} for s in studies]
    content = {"schema": 1, "studies": listed, "rows": tables, "lines": as_json(over_time)}
    pages = {study.page: study.html for study in studies}
    data = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return {**pages, "index.html": board.encode(), "board.json": f"{data}\n".encode()}


def index(studies: Sequence[Study]) -> bytes:
    """Markdown list of the studies with the best arm of each of their first places."""
    return listed([cells(study) for study in studies])


def cells(study: Study) -> list[str]:
    """Cells of a study's row in the list."""
    return [study.title, f"{study.places}", f"{study.arms}", _best(study), study.name]


def listed(rows: Sequence[Sequence[str]]) -> bytes:
    """Markdown list of studies, given the cells of their rows."""
    text = table(
        ["what was asked", "places", "arms", "mean label ratio of the best arm, by place", "folder"], rows, last=True
    )
    intro = (
        "# Studies\n\nWritten by `labeleff board`. An interval holds for all arms and rungs of a place at once; "
        "`alone`: for that arm by itself, where the study names one label count beforehand; `(?)`: an assumption "
        "fails, as the study's report says."
    )
    return harmless(f"{intro}\n\n{text}\n").encode()


def _best(study: Study) -> str:
    rows = [row for row in study.rows if row.labels == LADDER and row.ties == "best"]
    best = [f"{spelled(row.arm, frozenset([row.arm]))} {row.text}" for row in rows]
    return "; ".join(best[:SHOWN]) + (f"; and {len(best) - SHOWN} more" if len(best) > SHOWN else "")
