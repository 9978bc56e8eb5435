"""Names in any script: a font that has them, or codes and one warning; what matplotlib can show stays as it is."""

import warnings
from pathlib import Path

import pytest
from matplotlib import font_manager

from labeleff.errors import LabeleffWarning
from labeleff.reporting.figures import accuracy, glyphs, style
from labeleff.reporting.measurements import Measurements, Place, Setting

NAMES = ["猫の画像", "강아지", "قطة", "बिल्ली", "แมว", "🐱 cat", "mixed 猫/linear"]
OWN = "abc éß ΩЖ $x$ 1,000"
MISSING = {"猫": "CJK", "강": "CJK", "ब": "Devanagari", "แ": "Thai", "\U0001f996": "Emoji", "ಬ": "Kannada"}


def drawn(*names):
    figure = style.blank()
    axes = figure.add_subplot()
    for number, name in enumerate(names):
        axes.plot([0, 1], [number, 1], label=style.label(name))
    axes.legend()
    return figure


def texts(figure):
    return list(figure.axes[0].get_legend().get_texts())


@pytest.fixture
def fonts(monkeypatch):
    """Only the fonts that a test names are installed; gives a function that names them, known or new."""
    shipped = {entry.name: entry for entry in font_manager.fontManager.ttflist if "mpl-data" in entry.fname}

    def install(*names, new=()):
        own = [
            entry for entry in font_manager.fontManager.ttflist if entry.name == "DejaVu Sans" or entry.name in names
        ]
        files = [str(Path(font_manager.findfont("STIXGeneral")).with_name(name)) for name in new]
        monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: files)

    assert "STIXGeneral" in shipped
    yield install
    font_manager.fontManager._findfont_cached.cache_clear()


def test_without_a_font_codes_are_drawn_and_one_warning_names_all(fonts):
    fonts()
    figures = [drawn(*NAMES), drawn(*NAMES)]
    with pytest.warns(LabeleffWarning) as caught:
        glyphs.complete(figures)
    assert len(caught) == 1
    message = str(caught[0].message)
    for char in "猫강ब":
        assert f"{char} (U+{ord(char):04X})" in message
    for font in ("Noto Sans CJK", "Noto Sans Devanagari", "Noto Sans Thai"):
        assert font in message
    assert "\n" not in message
    shown = [text.get_text() for text in texts(figures[0])]
    assert shown[0] == "".join(f"\\u{ord(char):04x}" for char in NAMES[0])
    assert shown[2] == NAMES[2], "matplotlib's own font has Arabic"
    assert shown[-1] == "mixed \\u732b/linear"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each glyph that becomes a box
        assert style.render(figures[0], "png")
        assert style.render(figures[0], "svg")


@pytest.mark.parametrize("char", MISSING)
def test_the_warning_says_which_font_has_a_character(char):
    with pytest.warns(LabeleffWarning, match=f"Noto (Sans )?{MISSING[char]}"):
        glyphs.warn_of([char])


@pytest.mark.parametrize("kind", ["known", "new"])
def test_a_font_that_has_the_characters_is_taken(fonts, kind):
    fonts(*(["STIXGeneral"] if kind == "known" else []), new=["STIXGeneral.ttf"] if kind == "new" else [])
    figure, other = drawn("\u210a and Ⓐ"), drawn("g and A")
    glyphs.complete([figure, other])
    [text] = texts(figure)
    assert text.get_text() == "\u210a and Ⓐ"
    assert text.get_fontfamily() == ["sans-serif", "STIXGeneral"]
    assert style.render(figure, "png") != style.render(other, "png")


def test_a_font_of_boxes_or_a_damaged_one_is_no_font(fonts, tmp_path, monkeypatch):
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    fonts("Last Resort High-Efficiency")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "damaged.ttf")])
    assert glyphs.find_families("猫") == {}


@pytest.mark.parametrize("name", [OWN, "قطة", "plain"])
def test_what_matplotlib_can_show_doesnt_depend_on_fonts(fonts, name):
    plain = style.render(drawn(name), "svg")
    fonts("STIXGeneral", "DejaVu Serif")
    figure = drawn(name)
    glyphs.complete([figure])
    assert texts(figure)[0].get_fontfamily() == ["sans-serif"]
    assert style.render(figure, "svg") == plain


def test_long_codes_lose_their_middle_between_characters(fonts):
    fonts()
    figure = drawn("日本語の名前" * 6)
    with pytest.warns(LabeleffWarning):
        glyphs.complete([figure])
    shown = texts(figure)[0].get_text()
    assert len(shown) <= 37
    assert shown == "\\u65e5\\u672c\\u8a9e…\\u306e\\u540d\\u524d"


def test_names_in_codes_stay_distinct(fonts):
    fonts()
    names = [f"日本語の{char}名前の長い" for char in "猫犬"]
    figure = drawn(*names, "plain")
    with pytest.warns(LabeleffWarning):
        glyphs.complete([figure])
    shown = [text.get_text() for text in texts(figure)]
    assert len(set(shown)) == 3
    assert ["\\u732b" in shown[0], "\\u72ac" in shown[1]] == [True, True]


@pytest.mark.parametrize("family", ["none", "STIXGeneral"])
def test_rows_of_a_forest_plot_keep_what_they_were_given(fonts, family):
    fonts(family)
    names = ("base", "$x^$", "\u210a🎉", *(f"arm{number}" for number in range(8)))
    place = Place("t")
    runs = {(place, name): {n: {(0, 0): 0.5 + n / 1000} for n in (10, 100)} for name in names}
    measured = Measurements({place: Setting("t", (10, 100))}, names, names[0], runs, level=0.9, method="log", design="")
    figure = accuracy.accuracy(measured, place)
    with pytest.warns(LabeleffWarning, match="no font here has .*🎉"):
        glyphs.complete([figure])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert style.render(figure, "png")
    rows = figure.axes[0].get_yticklabels()
    own = "\u210a" if family == "STIXGeneral" else r"\u210a"
    assert [text.get_text() for text in rows[:4]] == ["base", r"\$x^\$", f"{own}\\U0001f389", "arm0"]
    assert ("STIXGeneral" in rows[2].get_fontfamily()) == (family == "STIXGeneral")


def test_control_characters_and_private_ones_are_codes(fonts):
    fonts("STIXNonUnicode")
    figure = drawn("tab\there", "\ue000", "a\u200bb\u3000c")
    with pytest.warns(LabeleffWarning, match="no font here has \\\\ue000, drawn as \\\\ue000$"):
        glyphs.complete([figure])
    assert [text.get_text() for text in texts(figure)][:2] == ["tab\\there", "\\ue000"]
    style.render(figure, "png")
