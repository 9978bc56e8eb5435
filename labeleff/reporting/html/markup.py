"""Markdown of a report as HTML: sections that fold, tables that scroll, and no name that could run anything.

Raw HTML stays text, and only links to the report's own places are links.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeleff.reporting.markdown import anchors

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

DETAILS = "page.details."
"""Beginning of the ids of what `details.md` has, which is a part of the page; the page's own begin with `page.`, as no
heading's does."""
_OWN_PLACE = re.compile(r"(?:details\.md)?#[\w-]+|details\.md")
_IMAGE = re.compile(r"figures/([A-Za-z0-9_-]+)\.[a-z]+")


@dataclass(frozen=True)
class Block:
    """A heading of the second level with all that follows it; the first block of a document has no heading."""

    id: str
    title: str
    """HTML of the heading; empty for the first block."""
    body: str
    """HTML of the rest."""


@functools.cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["reference", "autolink"])
    reader.validateLink = lambda url: bool(_OWN_PLACE.fullmatch(url) or _IMAGE.fullmatch(url))  # type: ignore[method-assign]
    for rule in (_table_open, _table_close, _link_open, _image):
        reader.add_render_rule(rule.__name__.removeprefix("_"), rule)
    return reader


def blocks(text: str, images: Mapping[str, str], prefix: str = "") -> list[Block]:
    """Parse a document into its blocks, in order.

    `images` are contents of `src` by file name without folder and ending; an image without one is left out. The ids
    of headings begin with `prefix`.
    """
    reader = _reader()
    tokens = reader.parse(text)
    _name_headings(tokens, prefix)
    _align(tokens)
    env = {"images": images, "table": "Table of details" if prefix else "Table"}
    found = []
    for heading, body in _split(tokens):
        inner = reader.renderer.render(heading[1:-1], reader.options, env)
        name = str(heading[0].attrs["id"]) if heading else ""
        found.append(Block(name, inner, reader.renderer.render(body, reader.options, env)))
    return found


def _split(tokens: Sequence[Token]) -> Iterator[tuple[list[Token], list[Token]]]:
    """Pairs of a heading's three tokens, or none, and those up to the next one."""
    starts = [i for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"]
    yield [], list(tokens[: starts[0]] if starts else tokens)
    for start, end in itertools.pairwise([*starts, len(tokens)]):
        yield list(tokens[start : start + 3]), list(tokens[start + 3 : end])


def _name_headings(tokens: Sequence[Token], prefix: str) -> None:
    """Give every heading the id by which it is linked to."""
    found = [pair for pair in itertools.pairwise(tokens) if pair[0].type == "heading_open"]
    shown = ("".join(child.content for child in inline.children or []) for _, inline in found)
    for (opening, _), name in zip(found, anchors(shown), strict=True):
        opening.attrs["id"] = f"{prefix}{name}"


def _align(tokens: Sequence[Token]) -> None:
    """Say by a short class which columns are numbers, flush right; `page.js` sorts them as numbers."""
    for token in tokens:
        if token.type in ("th_open", "td_open") and token.attrs.pop("style", None) == "text-align:right":
            token.attrs["class"] = "r"
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type == "th_open" and not inline.content:
            opening.tag = closing.tag = "td"  # a column without a name has no header that could be read out


def _table_open(_: RendererHTML, __: Sequence[Token], ___: int, ____: OptionsDict, env: EnvType) -> str:
    """A table within a region that scrolls by mouse and keyboard, so that the page itself never does sideways."""
    env["tables"] = env.get("tables", 0) + 1
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{env["table"]} {env["tables"]}">\n<table>\n'


def _table_close(*_: object) -> str:
    return "</table>\n</div>\n"


def _link_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    file, _, place = str(token.attrs["href"]).partition("#")
    token.attrs["href"] = f"#{DETAILS if file else ''}{place}".rstrip(".")
    return renderer.renderToken(tokens, index, options, env)


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    match = _IMAGE.fullmatch(str(token.attrs["src"]))
    source = env["images"].get(match[1]) if match else None
    if source is None:
        return ""
    token.attrs["src"] = source
    token.attrs["alt"] = renderer.renderInlineAsText(token.children, options, env)
    return renderer.renderToken(tokens, index, options, env)
