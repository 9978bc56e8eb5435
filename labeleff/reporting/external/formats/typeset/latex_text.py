"""The text that a cell of LaTeX shows: fonts and colours go, symbols are read, an unknown macro is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from labeleff.reporting.external.formats.spans import Cell
from labeleff.reporting.external.formats.typeset.latex_macros import DROPPED, KEPT, SWITCHES, SYMBOLS
from labeleff.reporting.external.formats.typeset.marks import Refuse, attach, unmarked

_MACRO = re.compile(r"\\([A-Za-z]+\*?|.)[ \t\n]*", re.DOTALL)
_RAISED = {"textsuperscript": "^", "textsubscript": "_", "tnote": "^"}


def cell(text: str, refuse: Refuse) -> Cell:
    """Text of a cell, with the columns and rows that it covers.

    Raises what `refuse` builds for macros that aren't known.
    """
    reader = _Reader(text, refuse)
    shown = unmarked(re.sub(" ?± ?", "±", " ".join(reader.shown().split())), refuse)
    return Cell(shown, reader.columns, reader.rows)


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
        if name in KEPT or name in DROPPED:
            arguments = self._arguments({**KEPT, **DROPPED}[name])
            self.out += self._inner(arguments[-1]) if name in KEPT else ""
        elif name in SYMBOLS:
            self.out += SYMBOLS[name]
        elif name in _RAISED:
            self._raise(_RAISED[name], self._arguments(1)[0])
        elif name in {"multicolumn", "multirow", "multirow*"}:
            self._span(name.rstrip("*"))
        elif name not in SWITCHES:
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
        reader = _Reader(text, self.refuse, self.math)
        shown = reader.shown()
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
