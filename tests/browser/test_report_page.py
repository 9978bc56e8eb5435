"""report.html in a browser: no complaint, no request; tables sort, arms switch, hovering shows what the CSVs have."""

import csv
import json
import re

import pytest
from support import factories

from labeleff.reporting.markdown import table
from labeleff.reporting.output_files import PAGE, Section, assemble
from labeleff.reporting.study_report import build

WIDTHS = [360, 768, 1280, 1920]


def drawn(page, index=0):
    """Scroll to a chart and wait until it is drawn; gives its locator."""
    figure = page.locator("[data-chart]").nth(index)
    figure.scroll_into_view_if_needed()
    figure.locator("svg.marks").wait_for()
    return figure


def points(figure):
    return figure.locator(".mark-symbol path:not([d*='Infinity'])")


def redrawn(page, figure, action):
    """Do something that draws the chart again, and wait for that."""
    before = int(figure.get_attribute("data-drawn"))
    action()
    page.wait_for_function("([e, n]) => Number(e.dataset.drawn) > n", arg=[figure.element_handle(), before])


def test_it_loads_without_a_complaint_or_a_request(opened, report):
    watched = opened(report / "report.html")
    drawn(watched.page)
    watched.page.get_by_role("button", name="Open all").click()
    drawn(watched.page, 1)
    assert watched.complaints == []
    assert watched.page.title() == "Known curves"


def test_nothing_else_may_run(opened, report, tmp_path):
    text = (report / "report.html").read_text().replace("</main>", "<script>document.title = 'run'</script></main>")
    (tmp_path / "changed.html").write_text(text)
    watched = opened(tmp_path / "changed.html")
    assert watched.page.title() == "Known curves"
    assert any("Content Security Policy" in text for text in watched.complaints)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_makes_the_page_scroll_sideways(opened, report, width):
    page = opened(report / "report.html", width).page
    page.get_by_role("button", name="Open all").click()
    drawn(page)
    drawn(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_numbers_sort_by_value_and_names_by_name(opened, report):
    page = opened(report / "report.html").page
    shown = page.locator("main table", has_text="break-even").first
    for name, column in (("n = 20", 1), ("arm", 0)):
        shown.get_by_role("button", name=name, exact=True).click()
        cells = [row.locator("td").nth(column).inner_text() for row in shown.locator("tbody tr").all()]
        if column:
            cells = [float(re.search(r"-?[\d,]*\d(\.\d+)?", cell)[0].replace(",", "")) for cell in cells]
        assert cells == sorted(cells)
        header = shown.locator("th").nth(column)
        assert header.get_attribute("aria-sort") == "ascending"
        shown.get_by_role("button", name=name, exact=True).press("Enter")
        assert header.get_attribute("aria-sort") == "descending"
    assert shown.locator("[aria-sort]").count() == 1


def sorted_by(page, name):
    """Cells of a column after one click on its name, and after another."""
    button = page.get_by_role("button", name=name, exact=True)
    column = button.evaluate("button => button.parentElement.cellIndex + 1")
    found = []
    for _ in range(2):
        button.click()
        found.append(page.locator(f"tbody tr td:nth-child({column})").all_inner_texts())
    return found


def test_amounts_sort_by_value_with_their_units_and_empty_cells_are_the_last(opened, tmp_path):
    durations = ["6 min to 13 min", "–", "32 s to 37 s", "1.2 h", "", "90 ms", "2 d", "4 to 5 min"]
    counts = ["1,000", "10,000", "", "100", "whole ladder", "–", "1.5 M", "20k"]
    shares = ["9 %", "–", "<= 10 %", "2 to 3 %", "", "100 %", "no gain", "12.5"]
    rows = [[f"{n}", *cells] for n, cells in enumerate(zip(counts, durations, shares, strict=True))]
    text = table(["", "labels", "a cell", "share"], rows, left=2)
    (tmp_path / "page.html").write_bytes(assemble([Section(["# T", text])])[PAGE])
    page = opened(tmp_path / "page.html").page
    up = ["90 ms", "32 s to 37 s", "4 to 5 min", "6 min to 13 min", "1.2 h", "2 d"]
    assert sorted_by(page, "a cell") == [[*up, "–", ""], [*up[::-1], "–", ""]]
    up = ["100", "1,000", "10,000", "20k", "1.5 M", "whole ladder"]
    assert [[cell for cell in cells if cell not in ("", "–")] for cells in sorted_by(page, "labels")] == [up, up[::-1]]
    assert {cell for cells in sorted_by(page, "labels") for cell in cells[-2:]} == {"", "–"}
    up = ["2 to 3 %", "9 %", "<= 10 %", "12.5", "100 %"]
    assert [cells[:5] for cells in sorted_by(page, "share")] == [up, up[::-1]]


def changed(report, folder, change):
    """A copy of the report's page whose charts `change` has changed."""
    before, start, rest = (report / "report.html").read_text().partition('<script type="application/json"')
    head, _, rest = rest.partition(">")
    data, end, rest = rest.partition("</script>")
    charts = json.loads(data)
    change(charts)
    (folder / "changed.html").write_text(f"{before}{start}{head}>{json.dumps(charts)}{end}{rest}")
    return folder / "changed.html"


def test_bars_with_an_open_end_go_on_to_the_end_of_the_axis(opened, report, tmp_path):
    mark = {"arm": "rotation/finetune", "y": 1.0, "low": 0.5, "high": 1.5, "ranged": True, "doubt": ""}
    marks = [
        mark | {"n": 20, "shown": "point", "low": None},
        mark | {"n": 50, "shown": "point", "high": None},
        mark | {"n": 100, "shown": "at least", "high": None},
        mark | {"n": 200, "shown": "at most", "low": None},
        mark | {"n": 500, "shown": "extrapolated", "low": None, "high": None},
        mark | {"n": 1000, "shown": "lower limit", "ranged": False},
    ]

    def change(charts):
        for chart in charts.values():
            chart["views"][0]["marks"] = marks

    figure = drawn(opened(changed(report, tmp_path, change)).page)
    top, bottom = ends(figure.locator(".role-axis-domain line").last)
    bars = [ends(bar) for bar in figure.locator("g.mark-rule.role-mark line").all()]
    zero, bars = bars[0], bars[1:]
    [at] = {round(y) for y in (ends(point)[0] / 2 + ends(point)[1] / 2 for point in points(figure).all())}
    upper, lower = bars[0][0], bars[1][1]
    assert zero[0] > lower > at > upper
    expected = [(upper, bottom), (top, lower), (at, lower), (upper, at), (top, bottom)]
    assert bars == [pytest.approx(pair, abs=2) for pair in expected]
    assert figure.locator(".mark-text.role-mark text").all_text_contents() == ["↑", "↑", "↓"]


def ends(element):
    """Upper and lower end of an element on the page, in pixels."""
    box = element.evaluate("each => { const box = each.getBoundingClientRect(); return [box.top, box.bottom]; }")
    return tuple(box)


def test_arms_are_told_apart_without_colours(opened, report):
    figure = drawn(opened(report / "report.html").page)
    swatches = [path.get_attribute("d") for path in figure.locator("fieldset svg path[transform]").all()]
    assert len(set(swatches)) == len(swatches) == 3
    assert len({point.get_attribute("d") for point in points(figure).all()}) == 2


def test_no_name_breaks_the_page(opened, tmp_path):
    factories.folder(tmp_path, title="Charts")
    build(tmp_path)
    watched = opened(tmp_path / "report.html")
    drawn(watched.page)
    assert watched.complaints == []


def test_arms_are_switched_by_keyboard(opened, report):
    page = opened(report / "report.html").page
    figure = drawn(page)
    before = points(figure).count()
    box = figure.get_by_label("rotation/finetune")
    box.focus()
    redrawn(page, figure, lambda: page.keyboard.press("Space"))
    fewer = points(figure).count()
    assert 0 < fewer < before
    redrawn(page, figure, figure.get_by_role("button", name="All").click)
    assert points(figure).count() == before
    redrawn(page, figure, figure.get_by_role("button", name="None").click)
    assert points(figure).count() == 0


def test_axes_are_linear_or_logarithmic(opened, report):
    page = opened(report / "report.html").page
    figure = drawn(page)
    first = figure.locator("svg.marks").inner_html()
    redrawn(page, figure, lambda: figure.get_by_role("combobox", name="Labels").select_option("linear"))
    linear = figure.locator("svg.marks").inner_html()
    redrawn(page, figure, lambda: figure.get_by_role("combobox", name="Values").select_option("log"))
    assert len({first, linear, figure.locator("svg.marks").inner_html()}) == 3


def test_hovering_shows_what_utility_csv_has(opened, report):
    page = opened(report / "report.html", 1920).page
    rows = list(csv.DictReader((report / "utility.csv").read_text().splitlines()))
    encoder = rows[0]["encoder"]
    expected = {
        (row["arm"], row["n"]): f"{float(row['utility']):.4g}"
        for row in rows
        if row["encoder"] == encoder and row["kind"] == "inside" and row["arm"] == "rotation/finetune"
    }
    figure = drawn(page)
    redrawn(page, figure, figure.get_by_role("button", name="None").click)
    redrawn(page, figure, figure.get_by_label("rotation/finetune").check)
    seen = {}
    for point in points(figure).all():
        page.mouse.move(1, 1)
        point.hover(force=True)
        tip = page.locator("#vg-tooltip-element.visible")
        tip.get_by_text("note").wait_for()
        cells = dict(row.locator("td").all_inner_texts() for row in tip.locator("tr").all())
        cells = {name.rstrip(":"): value for name, value in cells.items()}
        if cells["note"] == "measured":
            value = cells["utility U(n)"].replace(",", "").replace("−", "-")
            seen[cells["arm"], cells["labels n"].replace(",", "")] = f"{float(value):.4g}"
    assert expected
    assert seen == expected


def test_links_open_what_they_lead_to(opened, report):
    page = opened(report / "report.html").page
    page.get_by_role("navigation").get_by_role("link", name="Weak points").click()
    assert page.locator("details#weak-points").get_attribute("open") is not None


def test_paper_shows_every_section(opened, report):
    page = opened(report / "report.html").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print")
    assert not page.get_by_role("navigation").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everyone(opened, report, axe, scheme):
    page = opened(report / "report.html", scheme=scheme).page
    page.get_by_role("button", name="Open all").click()
    drawn(page)
    drawn(page, 1)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
    assert found["passes"]
    assert [(item["id"], [node["html"][:200] for node in item["nodes"][:3]]) for item in found["violations"]] == []


def test_a_theme_that_changes_draws_charts_again(opened, report):
    page = opened(report / "report.html").page
    figure = drawn(page)
    redrawn(page, figure, lambda: page.emulate_media(color_scheme="dark"))
    assert "#e6e9ed" in figure.locator("svg.marks").inner_html()
