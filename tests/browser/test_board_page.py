"""The board in a browser, from a file: filters, links and everyone's reading."""

import pytest

from labeleff.comparison import board
from labeleff.reporting import output_files


@pytest.fixture(scope="module")
def site(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    output_files.write(folder, board.files(board.read([report])))
    return folder


def test_filters_show_the_rows_that_have_what_was_chosen(opened, site):
    watched = opened(site / "index.html")
    page, rows = watched.page, watched.page.locator("[data-filtered] tbody tr:not([hidden])")
    assert {row.get_attribute("data-labels") for row in rows.all()} == {board.LADDER}
    first = rows.count()
    page.get_by_role("combobox", name="labels").select_option("50")
    assert {row.get_attribute("data-labels") for row in rows.all()} == {"50"}
    page.get_by_role("combobox", name="labels").select_option("")
    assert rows.count() > first
    assert watched.complaints == []


def test_label_counts_sort_by_value_with_the_whole_ladder_after_them(opened, site):
    page = opened(site / "index.html").page
    page.get_by_role("combobox", name="labels").select_option("")
    table = page.locator("[data-filtered]")
    table.get_by_role("button", name="labels").click()
    cells = table.locator("tbody tr td:nth-child(5)").all_inner_texts()
    assert list(dict.fromkeys(cells)) == ["20", "50", "100", "200", "500", "1,000", board.LADDER]


def test_its_links_lead_to_the_studies(opened, site):
    watched = opened(site / "index.html")
    watched.page.locator("main a").first.click()
    watched.page.locator("[data-chart]").first.wait_for()
    assert watched.page.title() == "Known curves"
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everyone(opened, site, axe, scheme):
    page = opened(site / "index.html", 360, scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    assert [(item["id"], [node["html"][:200] for node in item["nodes"][:3]]) for item in found["violations"]] == []
