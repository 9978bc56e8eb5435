"""The text that a cell of LaTeX shows: fonts and colours go, symbols are read, an unknown macro is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from labeleff.reporting.external.formats.spans import Cell
from labeleff.reporting.external.formats.typeset.marks import Refuse, attach, unmarked

_KEPT = {
    **dict.fromkeys(
        (
            *("textbf", "textit", "emph", "underline", "uline", "textrm", "textsc", "texttt", "textsf", "textmd"),
            *("textnormal", "textsl", "textup", "text", "mbox", "hbox", "fbox", "makecell", "thead", "shortstack"),
            *("mathbf", "mathrm", "mathit", "mathsf", "mathtt", "mathcal", "mathbb", "boldsymbol", "bm", "pmb"),
            *("mathnormal", "mathfrak", "mathscr", "mathop", "mathord", "mathbin", "mathrel", "mathopen", "mathclose"),
            *("mathpunct", "mathinner", "ensuremath", "num", "operatorname", "hl", "smash", "vbox", "vcenter"),
            *("overline", "bar", "hat", "tilde", "vec", "dot", "widehat", "widetilde", "llap", "rlap"),
        ),
        1,
    ),
    **dict.fromkeys(("textcolor", "colorbox", "scalebox", "rotatebox", "raisebox", "parbox", "href"), 2),
    "resizebox": 3,
}
"""Macros whose last argument is text, with their numbers of arguments."""
_DROPPED = {
    **dict.fromkeys(("cellcolor", "rowcolor", "columncolor", "color", "vspace", "vspace*", "hspace", "hspace*"), 1),
    **dict.fromkeys(("phantom", "hphantom", "vphantom", "label", "footnote", "arrayrulecolor"), 1),
    **dict.fromkeys(("ref", "cref", "Cref", "autoref", "mspace"), 1),
    **dict.fromkeys(("rule", "setlength", "fontsize"), 2),
    **dict.fromkeys(("footnotemark", "addlinespace"), 0),
}
"""Macros without text in a table, with their numbers of arguments; brackets before those go too."""
_CITED = frozenset(
    name + star
    for name in (
        *("cite", "citep", "citet", "citealp", "citealt", "citeauthor", "citefullauthor", "citeyear", "citeyearpar"),
        *("citenum", "Cite", "Citep", "Citet", "Citealp", "Citealt", "Citeauthor", "parencite", "Parencite"),
        *("textcite", "Textcite", "autocite", "Autocite", "footcite", "supercite", "smartcite", "fullcite"),
        *("shortcite", "shortciteA", "citeA", "citeN", "shortciteN", "onlinecite"),
    )
    for star in ("", "*")
)
"""Macros of citations, with one argument; brackets before it go too."""
_LENGTHS = {"hskip": " ", "mskip": " ", "vskip": "", "kern": "", "mkern": ""}
"""Macros that a length follows, without braces, and what they show."""
_SWITCHES = frozenset(
    (
        *("bfseries", "bf", "it", "itshape", "em", "sc", "scshape", "tt", "ttfamily", "sf", "sffamily", "rm"),
        *("rmfamily", "sl", "slshape", "mdseries", "upshape", "normalfont", "cal", "mit", "boldmath", "unboldmath"),
        *("tiny", "scriptsize", "footnotesize", "small", "normalsize", "large", "Large", "LARGE", "huge", "Huge"),
        *("displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle", "limits", "nolimits", "displaylimits"),
        *("big", "Big", "bigg", "Bigg", "bigl", "Bigl", "biggl", "Biggl", "bigr", "Bigr", "biggr", "Biggr"),
        *("bigm", "Bigm", "left", "right", "middle", "centering", "raggedright", "raggedleft", "arraybackslash"),
        *("selectfont", "relax", "leavevmode", "noindent", "strut", "mathstrut", "null", "protect", "nonumber"),
        *("hfill", "hfil", "hss", "nobreak", "allowbreak", "unskip", "ignorespaces", "!", "/", "(", ")", "@"),
    )
)
"""Macros without arguments and text."""
_SYMBOLS = {
    **{mark: mark for mark in "%&_#${}"},
    **dict.fromkeys((",", ":", ";", "thinspace", "negthinspace", "medspace", "thickspace", ">"), ""),
    **dict.fromkeys((" ", "\n", "quad", "qquad", "space", "enspace", "enskip", "newline", "\\"), " "),
    **dict.fromkeys(("dagger", "textdagger", "dag"), "†"),
    **dict.fromkeys(("ddagger", "textdaggerdbl", "ddag"), "‡"),
    **dict.fromkeys(("ast", "textasteriskcentered", "star"), "*"),
    **dict.fromkeys(("to", "rightarrow", "textrightarrow"), "→"),
    **dict.fromkeys(("le", "leq"), "≤"),
    **dict.fromkeys(("ge", "geq"), "≥"),
    **dict.fromkeys(("ldots", "dots", "textellipsis"), "…"),
    **dict.fromkeys(("sim", "textasciitilde"), "~"),
    **dict.fromkeys(("cdot", "textperiodcentered"), "·"),
    **dict.fromkeys(("pm", "textpm"), "±"),
    **dict.fromkeys(("S", "textsection"), "§"),
    **{"mp": "∓", "times": "×", "approx": "≈", "uparrow": "↑", "downarrow": "↓", "checkmark": "✓", "infty": "∞"},
    **{"textbackslash": "\\", "textunderscore": "_", "slash": "/", "textendash": "–", "textemdash": "—", "P": "¶"},
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "epsilon": "ε", "eta": "η", "theta": "θ"},
    **{"kappa": "κ", "lambda": "λ", "mu": "μ", "pi": "π", "Pi": "Π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ"},
    **{"chi": "χ", "psi": "ψ", "omega": "ω", "varepsilon": "ε", "ell": "ℓ", "LaTeX": "LaTeX", "ss": "ß", "o": "ø"},
}
"""Macros that are one character, or a space."""

_MACRO = re.compile(r"\\([A-Za-z]+\*?|.)[ \t\n]*", re.DOTALL)
_RAISED = {"textsuperscript": "^", "textsubscript": "_", "tnote": "^"}
_SIZE = r"\s*(?:[+-]\s*)*(?:\\[A-Za-z]+|(?:\d+[.,]?\d*|[.,]\d+)\s*(?:true\s*)?(?:[a-z]{2}|fil{1,3})(?![a-z]))"
_LENGTH = re.compile(rf"\s*=?{_SIZE}(?:\s*(?:plus|minus){_SIZE})*\s?")
_NOTHING = re.compile(r"(?:\^\w+|[^\w–—-])*")
"""What isn't a name or a value: brackets and marks around a citation, footnotes behind it."""


def cell(text: str, refuse: Refuse) -> Cell:
    """Text of a cell, with the columns and rows that it covers.

    Citations are left out unless the cell has nothing else. Raises what `refuse` builds for macros that aren't known.
    """
    reader = _Reader(text, refuse)
    shown = reader.shown()
    if reader.cites and _NOTHING.fullmatch(shown):
        reader = _Reader(text, refuse, cited=True)
        shown = reader.shown()
    return Cell(unmarked(re.sub(" ?± ?", "±", " ".join(shown.split())), refuse), reader.columns, reader.rows)


def closing(text: str, at: int) -> int:
    """Index behind the brace that closes the one at `at`; the text's length where none does."""
    depth = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        else:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if depth == 0:
                return at + 1
        at += 1
    return len(text)


@dataclass
class _Reader:
    """A text, read from left to right."""

    text: str
    refuse: Refuse
    math: bool = False
    cited: bool = False
    """Whether citations are shown, by their keys."""
    cites: bool = field(default=False, init=False)
    """Whether there are any."""
    at: int = 0
    columns: int = 1
    rows: int = 1
    out: str = field(default="", init=False)

    def shown(self) -> str:
        """The text that is shown."""
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "\\":
                self._macro()
                continue
            self.at += 1
            if character == "$":
                self.math = not self.math
            elif character in "^_" and self.math:
                self._raise(character, self._argument())
            elif character == "~":
                self.out += " "
            elif character not in "{}":
                self.out += character
        return self.out.replace("---", "—").replace("--", "–")

    def _macro(self) -> None:
        found = _MACRO.match(self.text, self.at)
        if found is None:
            raise self.refuse("a backslash at the end", "a macro", "")
        name, self.at = found[1], found.end() if found[1].rstrip("*").isalpha() else found.start() + 2
        if name in _KEPT or name in _DROPPED:
            arguments = self._arguments({**_KEPT, **_DROPPED}[name])
            self.out += self._inner(arguments[-1]) if name in _KEPT else ""
        elif name in _CITED:
            self.cites, [keys] = True, self._arguments(1)
            self.out += self._inner(keys) if self.cited else ""
        elif name in _LENGTHS:
            length = _LENGTH.match(self.text, self.at)
            self.at = length.end() if length else self.at
            self.out += _LENGTHS[name]
        elif name in _SYMBOLS:
            self.out += _SYMBOLS[name]
        elif name in _RAISED:
            self._raise(_RAISED[name], self._arguments(1)[0])
        elif name in {"multicolumn", "multirow", "multirow*"}:
            self._span(name.rstrip("*"))
        elif name not in _SWITCHES:
            shown = f"\\{name if name.isprintable() else ascii(name)}" + (
                f"{{{self._argument()}}}" if name in {"begin", "end"} else ""
            )
            hint = f"replace {shown} by what it shows"
            raise self.refuse(f"the macro {shown}", "text, numbers, and macros that are known", hint)

    def _span(self, name: str) -> None:
        """Read a cell over several columns or rows."""
        count, *_, text = self._arguments(3)
        if not re.fullmatch(r"\s*[1-9][0-9]?\s*", count):
            raise self.refuse(f"\\{name} over {count!r}", "a number of columns or rows from 1", "")
        if name == "multicolumn":
            self.columns = int(count)
        else:
            self.rows = int(count)
        self.out += self._inner(text)

    def _inner(self, text: str) -> str:
        """Text of an argument, with what it says of spans."""
        reader = _Reader(text, self.refuse, self.math, self.cited)
        shown = reader.shown()
        self.cites = self.cites or reader.cites
        self.columns, self.rows = max(self.columns, reader.columns), max(self.rows, reader.rows)
        return shown

    def _raise(self, sign: str, text: str) -> None:
        """Put a raised or lowered text behind what was shown so far."""
        mark = self._inner(text).strip()
        if sign == "_" and not mark.startswith("±"):
            if self.out and self.out[-1].isdigit():
                raise self.refuse(
                    f"{self.out!r} with a lowered {mark!r}", "a number, or mean ± spread", "write ± before"
                )
            self.out += f"_{mark}"
        else:
            self.out = attach(self.out, mark, self.refuse)

    def _arguments(self, count: int) -> list[str]:
        """The next arguments in braces, without those in brackets before them."""
        found: list[str] = []
        while True:
            rest = self.text[self.at :].lstrip()
            if rest.startswith("[") and "]" in rest and len(found) < max(count, 1):
                self.at = len(self.text) - len(rest) + rest.index("]") + 1
            elif len(found) < count:
                found.append(self._argument())
            else:
                return found

    def _argument(self) -> str:
        """The next argument: a group in braces, a macro, or one character."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        begin = self.at
        if self.text[begin : begin + 1] == "{":
            self.at = closing(self.text, begin)
            return self.text[begin + 1 : self.at - 1]
        macro = _MACRO.match(self.text, begin)
        self.at = macro.end() if macro else begin + 1
        return self.text[begin : self.at]
