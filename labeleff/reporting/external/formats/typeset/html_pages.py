"""Pages of HTML to tables of cells whose text is LaTeX: formulas by their source, without what isn't seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import takewhile

MOST = 1000
"""Largest number of columns or rows that a cell covers, as in browsers."""

_WITHOUT_END = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"])
_UNSEEN = frozenset(["annotation", "annotation-xml", "desc", "mphantom", "noscript", "script", "style", "template"])
_UNSEEN |= {"title"}
_UNSEEN_CLASSES = frozenset(["footnote", "footnote-ref", "footnote-reference", "headerlink", "ltx_note", "ltx_phantom"])
_UNSEEN_CLASSES |= {"MathJax_Preview", "reference", "sr-only", "visually-hidden"}
"""Classes of what isn't shown: footnotes too, which are `reference` where they are raised alone."""
_BLANK = re.compile(r"(?:^|;)(?:visibility:(hidden|collapse)|color:transparent|(opacity|font-size):0[.0]*[a-z%]*(;|$))")
"""Styles of elements of which nothing but the place is seen."""
_ROWS = frozenset(["thead", "tbody", "tfoot"])
_PARTS = frozenset(["caption", "table", "td", "th", "tr", *_ROWS])
_CELLS = frozenset(["td", "th"])
_ENDS = {
    **dict.fromkeys(_CELLS, _CELLS | {"caption"}),
    "tr": _CELLS | {"caption", "tr"},
    **dict.fromkeys(_ROWS, _PARTS - {"table"}),
}
"""Parts of a table whose end may be left out before one begins."""
_LATEXML = {"ltx_tabular": "table", "ltx_tr": "tr", "ltx_th": "th", "ltx_td": "td"}
_LATEXML |= {"ltx_table": "figure", "ltx_caption": "figcaption", **{f"ltx_{name}": name for name in _ROWS}}
"""Classes by which elements of any name are parts of tables."""
_RAISED, _LOWERED = (r"\textsuperscript{", "}"), (r"\textsubscript{", "}")
_AROUND = {
    **{"sup": _RAISED, "sub": _LOWERED, "cite": (r"\cite{", "}"), "mfenced": ("(", ")"), "msqrt": (r"\sqrt{", "}")},
    **dict.fromkeys(("br", "div", "li", "mtd", "mtr", "p"), (" ", " ")),
}
"""What an element shows before and behind its text."""
_BY_CLASS = {
    **dict.fromkeys(("citation", "citation-reference", "ltx_cite"), _AROUND["cite"]),
    **{"msupsub": _RAISED, "mfrac": (r"\frac{", "}"), "msubsup": (r"\substack{", "}"), "mroot": (r"\sqrt{", "}")},
}
"""The same by class: citations of Pandoc, docutils and LaTeXML, formulas as KaTeX and MathJax draw them."""
_CHILDREN = {
    **dict.fromkeys(("msup", "mover"), (("", ""), _RAISED)),
    **dict.fromkeys(("msub", "munder"), (("", ""), _LOWERED)),
    **dict.fromkeys(("msubsup", "munderover"), (("", ""), _LOWERED, _RAISED)),
    "mfrac": ((r"\frac{", "}"), ("{", "}")),
    "mroot": ((r"\sqrt{", "}"), _RAISED),
    "mfenced": (("", ""), (",", "")),
    "mmultiscripts": (("", ""), (r"\prescript{", "}")),
}
"""What the children of an element of MathML show before and behind their text, the last for all that follow."""
_FORMULA = re.compile(r"(?:^|\s)(?:katex(?:-display)?|MathJax\w*|mjx-\w+)(?:\s|$)")
"""Classes of what holds a formula as it is drawn, and once more as MathML or as its source."""
_SOURCE = re.compile(r"tex$|^math/tex", re.IGNORECASE)
"""Kinds of annotations and scripts that are the source of a formula."""
_MARKS = str.maketrans(
    {mark: rf"\{mark}" for mark in "$%&_#{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    | dict.fromkeys("\u2061\u2062\u2063\u2064", "")
)
_ACCENT = re.compile(r"\\text(?:sub|super)script\{(?:\\_|\\textasciitilde\{\}|[‾¯―^ˆ˜˙¨→⏟⏞])\}")
"""A line, an arc or a dot above or below a symbol of MathML."""
_COMMENT = re.compile(r"(?<!\\)%[ \t]*\n\s*")


@dataclass
class Shown:
    """What a cell or a caption shows, as LaTeX."""

    text: str = ""


@dataclass
class PageCell(Shown):
    """A cell, with the numbers of columns and rows that it covers."""

    columns: int = 1
    rows: int = 1
    header: bool = False


@dataclass
class PageRow:
    """A row of cells; one below a cell of several rows has no cell there."""

    line: int
    header: bool
    cells: list[PageCell] = field(default_factory=list)


@dataclass
class PageTable:
    """A table, and the lines of its page where it begins and ends."""

    line: int
    rows: list[PageRow] = field(default_factory=list)
    caption: Shown = field(default_factory=Shown)
    layout: bool = False
    """Whether it holds another table with rows and columns."""
    end: int | None = None
    """None where its end is missing."""

    @property
    def holds_results(self) -> bool:
        """Whether there are rows and columns, and text in them."""
        several = len(self.rows) > 1 and any(len(row.cells) > 1 for row in self.rows)
        return several and not self.layout and any(cell.text.strip() for row in self.rows for cell in row.cells)


def tables(text: str) -> list[PageTable]:
    """All tables of a page that hold results, those without their end too."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return [*reader.tables, *(table for table in reader.open if table.holds_results)]


@dataclass
class _Element:
    """An element of the page that hasn't ended so far."""

    tag: str
    role: str = ""
    unseen: bool = False
    shown: Shown | None = None
    """What its text belongs to."""
    begin: int = 0
    """Number of characters shown, or of tables of a figure, when it began."""
    behind: str = ""
    """What it shows at its end."""
    acts: bool = False
    """Whether it was seen when it began."""
    holds: bool = False
    """Whether it holds a formula that may be there several times."""
    stop: int = 0
    """Number of characters shown when it ended."""
    children: int = 0
    source: str = ""
    caption: Shown = field(default_factory=Shown)


class _Reader(HTMLParser):
    """Tables of a page that hold results."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[PageTable] = []
        self.open: list[PageTable] = []
        """Tables without their end so far, each within the one before."""
        self._elements = [_Element("")]
        """Elements without their end so far, each within the one before."""
        self._begun = Counter[str]()
        """How many of them have a name."""
        self._drawn = _Element("")
        """The element that held a formula last."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin an element, and what it is of a table."""
        found = {name: value or "" for name, value in attrs}
        role = _role(tag, found)
        role = role if self.open or role == "table" or role not in _PARTS else ""
        self._end_parts(role)
        if role in _CELLS and self._innermost({"tr", "table"}).role == "table":
            self.handle_starttag("tr", [])
        above = self._elements[-1]
        element = _Element(tag, role, above.unseen, above.shown, len(above.shown.text) if above.shown else 0)
        style = found.get("style", "").replace(" ", "").lower()
        twin = found.get("aria-hidden") == "true" and self._drawn.role == "math" and self._is_behind(element)
        blank = _BLANK.search(style) is not None or twin
        gone = _gone(role, found) or "display:none" in style or (blank and role not in _CELLS)
        if not (above.unseen or gone):
            element.acts = True
            self._begin(element, found, style)
        element.unseen = above.unseen or gone or blank
        if tag not in _WITHOUT_END:
            self._elements.append(element)
            self._begun[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        """End the innermost element of this name, and what began within it; not beyond a cell or table."""
        for at in range(len(self._elements) - 1, 0, -1) if self._begun[tag] else ():
            if self._elements[at].tag == tag:
                self._end_from(at)
                return
            if self._elements[at].role == "table" or (self._elements[at].role in _PARTS and tag not in _PARTS):
                return

    def handle_data(self, data: str) -> None:
        """Read text of a cell, a caption or the source of a formula."""
        element = self._elements[-1]
        if element.role == "tex":
            element.source += data
        elif element.shown is None or element.unseen:
            return
        elif data.strip(" \t\r\n") or self._innermost({"math", "table"}).role != "math":
            element.shown.text += data.translate(_MARKS)

    def _begin(self, element: _Element, found: dict[str, str], style: str) -> None:
        above = self._elements[-1]
        before, element.behind = _around(element.tag, found, style)
        parts = _CHILDREN.get(above.tag)
        if parts:
            outer = parts[min(above.children, len(parts) - 1)]
            before, element.behind = outer[0] + before, element.behind + outer[1]
            above.children += 1
        self._show(before)
        element.holds = element.tag == "mjx-container" or _FORMULA.search(found.get("class", "")) is not None
        if element.role == "math":
            element.source = found.get("alttext", "")
        elif element.role == "figure":
            element.begin = len(self.tables)
        elif element.role in {"caption", "figcaption"}:
            element.shown = Shown()
        elif element.role in _PARTS:
            self._begin_part(element, found)

    def _begin_part(self, element: _Element, found: dict[str, str]) -> None:
        if element.role == "table":
            self.open.append(PageTable(self.getpos()[0]))
            element.shown = None
        elif element.role == "tr":
            header = self._innermost({*_ROWS, "table"}).role == "thead"
            self.open[-1].rows.append(PageRow(self.getpos()[0], header))
        elif element.role in _CELLS:
            covered = [_number(name, found) for name in ("colspan", "rowspan")]
            cell = PageCell("", covered[0] or 1, covered[1] or MOST, element.role == "th")
            self.open[-1].rows[-1].cells.append(cell)
            element.shown = cell

    def _innermost(self, roles: Iterable[str]) -> _Element:
        return next((each for each in reversed(self._elements) if each.role in roles), self._elements[0])

    def _end_parts(self, role: str) -> None:
        """End the parts of the innermost table whose end is left out before one that begins."""
        begin = len(self._elements)
        for at in range(begin - 1, 0, -1) if role in _ENDS else ():
            if self._elements[at].role == "table":
                break
            begin = at if self._elements[at].role in _ENDS[role] else begin
        self._end_from(begin)

    def _end_from(self, at: int) -> None:
        while len(self._elements) > at:
            element = self._elements.pop()
            self._begun[element.tag] -= 1
            if element.acts:
                self._end(element)

    def _end(self, element: _Element) -> None:
        if element.role == "table":
            self._end_table()
        elif element.role == "caption" and element.shown:
            self.open[-1].caption = element.shown
        elif element.role == "figcaption" and element.shown:
            self._innermost({"figure"}).caption = element.shown
        elif element.role == "figure":
            for table in self.tables[element.begin :]:
                table.caption = table.caption if table.caption.text.strip() else element.caption
        elif element.role == "math":
            self._end_formula(element)
        elif element.role == "tex":
            self._end_source(element)
        else:
            self._show(element.behind)
        if element.shown and (element.holds or element.role == "math"):
            element.stop, self._drawn = len(element.shown.text), element

    def _end_table(self) -> None:
        table = self.open.pop()
        table.end = self.getpos()[0]
        if table.holds_results:
            self.tables.append(table)
        if table.holds_results or table.layout:
            for outer in self.open:
                outer.layout = True
        else:
            self._show(" ".join(cell.text for row in table.rows for cell in row.cells))

    def _end_formula(self, element: _Element) -> None:
        """Keep the source of a formula, where there is one, and nothing else of what holds it."""
        if element.shown is None:
            return
        formula = _formula(element.source) if element.source else _ACCENT.sub("", element.shown.text[element.begin :])
        around = list(takewhile(lambda each: each.shown is element.shown, reversed(self._elements)))
        held = max((at for at, each in enumerate(around, start=1) if each.holds), default=0)
        element.shown.text = element.shown.text[: around[held - 1].begin if held else element.begin] + formula
        for each in around[:held]:
            each.unseen, each.behind = True, ""

    def _end_source(self, element: _Element) -> None:
        """Take the source of a formula: within it, behind it where it was drawn without its source, or in its place."""
        formula, drawn, shown = self._innermost({"math", "table"}), self._drawn, element.shown
        if formula.role == "math":
            formula.source = formula.source or element.source
        elif shown and self._is_behind(element):
            self._drawn = _Element("")
            shown.text = shown.text if drawn.unseen else shown.text[: drawn.begin] + _formula(element.source)
        else:
            self._show(_formula(element.source))

    def _is_behind(self, element: _Element) -> bool:
        """Whether nothing is shown between the last formula and an element."""
        shown = element.shown
        return shown is not None and shown is self._drawn.shown and not shown.text[self._drawn.stop :].strip()

    def _show(self, text: str) -> None:
        shown = self._elements[-1].shown
        if shown is not None:
            shown.text += text


def _role(tag: str, found: dict[str, str]) -> str:
    """The part of a table that an element is, "tex" for the source of a formula, or its own name."""
    words = found.get("class", "").split()
    if tag not in _PARTS and any(word in _LATEXML for word in words):
        return next(role for word, role in _LATEXML.items() if word in words)
    kind = found.get("encoding" if tag == "annotation" else "type", "") if tag in {"annotation", "script"} else ""
    return "tex" if _SOURCE.search(kind) else tag


def _gone(role: str, found: dict[str, str]) -> bool:
    """Whether nothing of an element is shown, not even its place."""
    words = set(found.get("class", "").split())
    words -= set() if role == "sup" else {"reference"}
    return role in _UNSEEN or "hidden" in found or bool(words & _UNSEEN_CLASSES)


def _around(tag: str, found: dict[str, str], style: str) -> tuple[str, str]:
    """What an element shows before and behind its text."""
    words = found.get("class", "").split()
    if tag == "img" and any("math" in word.lower() for word in words):
        return _formula(found.get("alt", "")), ""
    by_style = {"vertical-align:super": _RAISED, "vertical-align:sub": _LOWERED}
    styled = next((around for name, around in by_style.items() if name in style), _AROUND.get(tag, ("", "")))
    return next((_BY_CLASS[word] for word in words if word in _BY_CLASS), styled)


def _formula(source: str) -> str:
    return f"${_COMMENT.sub('', source).strip()}$" if source.strip() else ""


def _number(name: str, found: dict[str, str]) -> int:
    """Number of columns or rows that a cell covers, by an attribute or LaTeXML's class."""
    text = found.get(name) or next(iter(re.findall(rf"\bltx_{name}_(\d+)", found.get("class", ""))), "1")
    return min(int(text), MOST) if re.fullmatch(r"\s*\d+\s*", text) else 1
