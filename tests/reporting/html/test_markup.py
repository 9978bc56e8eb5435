"""Markdown of reports as HTML: what names of other people could do, and what page.js relies on."""

import pytest

from labeleff.reporting.html.markup import DETAILS, blocks
from labeleff.reporting.markdown import anchors


def html(text, images=None, prefix=""):
    return "".join(f"{block.title}{block.body}" for block in blocks(text, images or {}, prefix))


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "[click](javascript:alert(1))",
        "[click](https://example.org)",
        "![](https://example.org/x.png)",
        "<https://example.org>",
        "[a]: https://example.org\n\n[a]",
        "| a |\n| - |\n| <b onclick=x> |",
        "## <svg onload=alert(1)>",
        "[x](data:text/html;base64,AAAA)",
        '[x](#a"onclick="alert)',
    ],
)
def test_nothing_that_others_wrote_runs_or_is_loaded(text):
    shown = html(text)
    for tag in ("<script", "<img", "<svg", "<b ", '<a href="http', '<a href="java', '<a href="data', 'onclick="'):
        assert tag not in shown


def test_blocks_are_split_at_headings_of_the_second_level():
    first, second, third = blocks("# T\n\nhead\n\n## One, two\n\nx\n\n### Deep\n\n## One, two\n\ny", {})
    assert (first.id, first.title) == ("", "")
    assert "head" in first.body
    assert (second.id, second.title, third.id) == ("one-two", "One, two", "one-two-1")
    assert '<h3 id="deep">' in second.body


def test_ids_are_unique_whatever_headings_are_called():
    headings = ["ab", "a/b", "ab-1", "!?", "AB", "?"]
    found = [block.id for block in blocks("\n\n".join(f"## {text}" for text in headings), {})[1:]]
    assert found == [*anchors(headings)] == ["ab", "ab-1", "ab-1-1", "section", "ab-2", "section-1"]


def test_links_lead_into_the_page_also_those_to_details():
    shown = html("[a](#words) [b](details.md#one-two) [c](details.md)")
    assert 'href="#words"' in shown
    assert f'href="#{DETAILS}one-two"' in shown
    assert 'href="#page.details"' in shown


def test_tables_scroll_and_say_which_columns_are_numbers():
    shown = html("| arm | n |\n| :-- | --: |\n| a | 1 |")
    assert "<th>arm</th>" in shown
    assert '<td class="r">1</td>' in shown
    assert 'role="region" tabindex="0" aria-label="Table 1"' in shown


def test_an_image_is_carried_or_left_out():
    text = "![of <a>](figures/one.png) ![](figures/two.png)"
    shown = html(text, {"one": "data:image/svg+xml;base64,AA"})
    assert shown.count("<img") == 1
    assert 'src="data:image/svg+xml;base64,AA" alt="of &lt;a&gt;"' in shown
