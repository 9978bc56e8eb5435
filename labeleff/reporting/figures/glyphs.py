"""Glyphs for names in any script: installed fonts for what matplotlib's own lacks, or else the characters' codes."""

from __future__ import annotations

import itertools
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from labeleff.errors import LabeleffWarning
from labeleff.reporting.figures.style import LONGEST, escaped, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontEntry
    from matplotlib.text import Text

MOST = 20
"""Most characters that a warning lists."""
LAST_RESORT = "Last Resort"
"""Beginning of the name of the font that has a box for every character there is (Unicode's own)."""
REGULAR = range(350, 501)
"""Weights of upright fonts for text, from book to medium."""
_HAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC"}
_UNDEFINED = {"Cc", "Cn", "Co"}
"""Categories of characters without a shape that fonts agree on: control codes, unassigned and private ones."""
_EMOJI = range(0x1F000, 0x1FB00)


def complete(figures: Iterable[Figure]) -> None:
    """Give every text of the figures, which are changed in place, fonts for all of its characters.

    Characters that no font on this machine has are written as their codes (`\\u4e2d`), and one warning names them and
    what to install. Texts that matplotlib's own font can show stay as they are.
    """
    from matplotlib.text import Text

    lacking = {
        figure: {text: chars for text in figure.findobj(Text) if (chars := _lacking(text))} for figure in figures
    }
    wanted = sorted({char for texts in lacking.values() for char in itertools.chain.from_iterable(texts.values())})
    families = find_families(wanted)
    for figure, texts in lacking.items():
        _complete(figure, texts, families)
    warn_of(set(wanted) - families.keys())


def _lacking(text: Text) -> set[str]:
    """Characters of a text that its own font lacks, line breaks aside, which are no glyphs."""
    from matplotlib import font_manager

    chars = {char for char in text.get_text() if not " " <= char <= "~" and char != "\n"}
    if not chars:
        return chars
    own = font_manager.get_font(font_manager.findfont(text.get_fontproperties())).get_charmap()
    return {char for char in chars if ord(char) not in own}


def _complete(figure: Figure, lacking: Mapping[Text, set[str]], families: Mapping[str, str]) -> None:
    for text, chars in lacking.items():
        if found := dict.fromkeys(families[char] for char in sorted(chars) if char in families):
            text.set_fontfamily([*text.get_fontfamily(), *found])
    lost = {text: gone for text, chars in lacking.items() if (gone := chars - families.keys())}
    for text, name in _in_codes(lost).items():
        text.set_text(escaped(name))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        ticks = [tick.label1 for tick in axis.get_major_ticks()]
        if not lost.keys().isdisjoint(ticks):  # else the axis would write the old names again
            axis.set_ticklabels([text.get_text() for text in ticks])


def _in_codes(lost: Mapping[Text, set[str]]) -> dict[Text, str]:
    """Texts of one figure with these characters as codes, between which long ones are cut; distinct ones stay so."""
    old = {text: text.get_text().replace(r"\$", "$") for text in lost}
    lengths = {text: max(len(name), LONGEST) for text, name in old.items()}
    names: dict[tuple[str, int], str] = {}
    for most in set(lengths.values()):
        pieces = {
            old[text]: [code(char) if char in chars else char for char in old[text]]
            for text, chars in lost.items()
            if lengths[text] == most
        }
        names |= zip(((name, most) for name in pieces), shortened([*pieces.values()], most + 1), strict=True)
    return {text: names[old[text], lengths[text]] for text in lost}


def code(char: str) -> str:
    """Write a character in ASCII: a space as such, what is invisible as nothing, all else as its code in Python."""
    kind = unicodedata.category(char)
    if kind in {"Zs", "Cf"} or "VARIATION SELECTOR" in unicodedata.name(char, ""):
        return " " if kind == "Zs" else ""
    return char.encode("unicode_escape").decode()


def find_families(characters: Iterable[str]) -> dict[str, str]:
    """Find families of installed fonts by character; characters that none has are left out.

    As few families as possible, the one with most of the characters first; among equals one of normal weight and
    without serifs. Where matplotlib's list of fonts, which it makes once, doesn't suffice, newer fonts are looked for.
    """
    from matplotlib import font_manager

    entries = font_manager.fontManager.ttflist
    wanted, found = {char for char in characters if unicodedata.category(char) not in _UNDEFINED}, dict[str, str]()
    for newer in (False, True):
        having = list(_having(_new_fonts(entries) if newer else entries, wanted)) if wanted else []
        while having:
            entry, chars = max(having, key=_preference)
            found |= dict.fromkeys(chars, entry.name)
            wanted -= chars
            having = [(other, rest) for other, has in having if (rest := has - chars)]
    return found


def _preference(font: tuple[FontEntry, set[str]]) -> tuple[int, bool, bool, str]:
    entry, chars = font
    return len(chars), entry.weight == 400, "Sans" in entry.name, entry.name


def _new_fonts(known: list[FontEntry]) -> list[FontEntry]:
    """Add installed fonts to the list of those that are known; returns them."""
    from matplotlib import font_manager

    fonts: Any = font_manager  # findSystemFonts has no types
    count, paths = len(known), {entry.fname for entry in known}
    for path in fonts.findSystemFonts():
        if path not in paths:
            try:
                fonts.fontManager.addfont(path)
            except (OSError, RuntimeError, NotImplementedError):  # damaged, or bitmaps alone: no help here
                continue
    return known[count:]


def _having(fonts: list[FontEntry], wanted: set[str]) -> Iterator[tuple[FontEntry, set[str]]]:
    """Yield upright fonts of about normal weight with those of the wanted characters that they draw."""
    for entry in fonts:
        upright = entry.style == "normal" and entry.weight in REGULAR
        if upright and not entry.name.startswith(LAST_RESORT) and (chars := wanted & _drawn(entry, wanted)):
            yield entry, chars


def _drawn(entry: FontEntry, wanted: set[str]) -> set[str]:
    """Those of the wanted characters for which a font has outlines, which fonts of coloured emoji lack."""
    from matplotlib import font_manager

    properties = font_manager.FontProperties(family=entry.name, weight=entry.weight, stretch=entry.stretch)
    try:
        font = font_manager.get_font(font_manager.findfont(properties, fallback_to_default=False))
        own = font.get_charmap()
        return {char for char in wanted if ord(char) in own and (not code(char).strip() or _outlined(font, char))}
    except (OSError, RuntimeError, ValueError):  # removed or damaged since matplotlib listed it
        return set()


def _outlined(font: Any, char: str) -> bool:
    from matplotlib.ft2font import LoadFlags

    left, low, right, top = font.load_char(ord(char), LoadFlags.NO_SCALE).bbox
    return bool(right > left and top > low)


def font_file(family: str) -> tuple[str, int]:
    """File of a family that `find_families` found, and the number of its face in there."""
    from matplotlib import font_manager

    path = font_manager.findfont(family, fallback_to_default=False)
    return str(path), getattr(path, "face_index", 0)


def warn_of(characters: Iterable[str]) -> None:
    """Warn of characters that no font on this machine has and what to install; of invisible ones there is no need."""
    missing = sorted(char for char in characters if code(char).strip() and unicodedata.category(char) != "Cc")
    if not missing:
        return
    shown = ", ".join(f"{char} (U+{ord(char):04X})" if char.isprintable() else code(char) for char in missing[:MOST])
    more = f" and {len(missing) - MOST} more" if len(missing) > MOST else ""
    fonts = dict.fromkeys(name for char in missing if (name := _font(char)))
    advice = f"; install {', '.join(fonts)}, or others that have them, and try again" if fonts else ""
    text = f"no font here has {shown}{more}, drawn as {code(missing[0])}{advice}"
    warnings.warn(text, LabeleffWarning, stacklevel=3)


def _font(char: str) -> str:
    """Name of a free font that has a character, by its script, the first word of its name; empty for none."""
    script = unicodedata.name(char, "").partition(" ")[0]
    if script in _HAN:
        return "Noto Sans CJK"
    if ord(char) in _EMOJI:
        return "Noto Emoji"
    letter = unicodedata.category(char)[0] in "LM" and script.isalpha()
    return f"Noto Sans {script.capitalize()}" if letter else "Noto Sans Symbols 2" if script else ""
