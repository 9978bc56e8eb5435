"""The page of a report: the same bytes, self-contained, and safe whatever names are in it."""

import hashlib
import re
from base64 import b64encode

import jinja2
import pytest
from support import factories

from labeleff.reporting.html import page as pages
from labeleff.reporting.html import vega
from labeleff.reporting.output_files import PAGE, Section, assemble
from labeleff.reporting.study_report import build


def test_the_same_records_give_the_same_page(tmp_path):
    factories.folder(tmp_path)
    build(tmp_path)
    first = (tmp_path / PAGE).read_bytes()
    build(tmp_path)
    assert (tmp_path / PAGE).read_bytes() == first
    assert len(first) < 2_000_000


def test_the_policy_allows_the_page_its_own_script_alone():
    text = assemble([Section(["# T"])])[PAGE].decode()
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text.replace("&#x27;", "&#39;").replace("'", "&#39;")
    assert "default-src" in text
    outside = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", outside)


def test_every_template_escapes_and_misses_nothing():
    assert "&lt;b&gt;" in pages.render("chart.html", name="<b>")
    with pytest.raises(jinja2.UndefinedError):
        pages.render("chart.html")


def test_names_stay_texts_in_data_and_title():
    name = "</script><script>alert(1)</script>"
    text = assemble([Section([f"# {name}"])])[PAGE].decode()
    assert text.count("<script") == 2
    assert "alert(1)" in text


def test_a_mark_in_a_name_is_no_chart():
    text = assemble([Section([f"{pages.MARK}0", "x"])])[PAGE].decode()
    assert pages.MARK not in text


def test_details_are_folded_in_the_page():
    text = assemble([Section(["# T", "## A"], details=["## A", "method"])])[PAGE].decode()
    assert '<details id="page.details.a">' in text
    assert text.index('<details id="a"') < text.index('<details id="page.details.a">')


def test_no_heading_has_an_id_of_the_page_itself():
    names = ["charts", "content", "details", "page.charts", "details a", "a"]
    sections = [Section(["# Charts", *(f"## {name}" for name in names)], details=["## A", "method"])]
    ids = re.findall(r' id="([^"]*)"', assemble(sections)[PAGE].decode().partition("<script>")[0])
    assert len(ids) == len(set(ids)) == len(names) + 5


def test_large_figures_stay_beside_the_page():
    small, large = b"<svg/>", b" " * (pages.LARGEST + 1)
    assert pages._images({"figures/a.svg": small, "figures/b.svg": large, "c.csv": b""}, left_out=False).keys() == {"a"}
    drawn = {"figures/utility-x.svg": small, "figures/probes-x.svg": small}
    assert pages._images(drawn, left_out=True).keys() == {"probes-x"}


def test_without_the_charts_package_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(vega.importlib.util, "find_spec", lambda _: None)
    factories.folder(tmp_path)
    build(tmp_path)
    text = (tmp_path / PAGE).read_text()
    assert "labeleff[html]" in text
    assert "data-chart" not in text.split("<script")[0]


def test_the_script_is_kept_in_the_cache(tmp_path, monkeypatch):
    pytest.importorskip("vl_convert")
    monkeypatch.setattr(vega, "cache_folder", lambda: tmp_path)
    text = vega.bundle()
    [kept] = tmp_path.rglob("*.js")
    assert kept.read_text(encoding="utf-8") == text == vega.bundle()
    assert "vegaEmbed" in text
    assert "</script" not in text
