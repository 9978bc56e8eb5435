"""A report's page: its Markdown, tables and figures as one HTML file, the same bytes from the same files."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeleff.reporting.html import markup, vega
from labeleff.reporting.html.charts import charts
from labeleff.reporting.measurements import Place, Setting

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST = 150_000
"""Most bytes of a figure that a page carries; a larger one is left beside it."""
MARK = "\ue000"
"""Beginning of a paragraph that stands for a chart; no name has it, as it is taken out of all texts."""
DRAWN = re.compile(r"(?:utility|accuracy)-")


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder; whatever is filled in is escaped, and a missing value is an error."""
    return _templates().get_template(template).render(**values)


@functools.cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def own(name: str) -> str:
    """Text of one of this folder's files."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def allowed(script: str) -> str:
    """Policy by which a page runs these scripts and no other, and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    )


def page(text: str, details: str, files: Mapping[str, bytes], shown: Mapping[str, tuple[Place, Setting]]) -> bytes:
    """Write the page of a report.

    `text` and `details` are its Markdown, `files` its tables and figures by name. `shown` are the places by the names
    that paragraphs MARK NAME in `text` have, where their charts are drawn.
    """
    from markupsafe import Markup

    script = vega.bundle()
    drawn = charts(files, shown) if script else {}
    images = _images(files, left_out=bool(drawn))
    body = markup.blocks(text, images)
    head, *sections = body
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    running = f"{script or ''}\n{own('page.js')}"
    return render(
        "page.html",
        title=title[1] if title else "Report",
        policy=allowed(running),
        style=Markup(own("page.css")),
        script=Markup(running),
        head=Markup(_with_charts(head.body, drawn)),
        sections=[(block.id, Markup(block.title), Markup(_with_charts(block.body, drawn))) for block in sections],
        details=[
            (block.id, Markup(block.title), Markup(block.body))
            for block in markup.blocks(details, images, markup.DETAILS)
            if block.title
        ],
        note="" if script or not shown else vega.MISSING,
        charts=drawn,
    ).encode()


def _images(files: Mapping[str, bytes], *, left_out: bool) -> dict[str, str]:
    """Figures as addresses that carry their content, as SVG or else PNG, without those that charts replace."""
    kinds = {".png": "png", ".svg": "svg+xml"}
    drawings = {
        Path(path).stem: (kinds[kind], content)
        for kind in kinds
        for path, content in files.items()
        if path.endswith(kind)
    }
    return {
        name: f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        for name, (kind, content) in drawings.items()
        if len(content) <= LARGEST and not (left_out and DRAWN.match(name))
    }


def _with_charts(body: str, drawn: Mapping[str, object]) -> str:
    """Put the place of a chart wherever a paragraph stands for one."""

    def place(match: re.Match[str]) -> str:
        return render("chart.html", name=match[1]) if match[1] in drawn else ""

    return re.sub(rf"<p>{MARK}(\w+)</p>\n?", place, body)
