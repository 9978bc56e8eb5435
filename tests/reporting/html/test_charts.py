"""Charts have the numbers of the tables, in the form that figures give them."""

import csv
import io

import pytest
from support import factories

from labeleff.reporting import csv_tables, output_files
from labeleff.reporting.findings import find
from labeleff.reporting.html.charts import _mark, charts
from labeleff.reporting.results import load


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    factories.folder(folder)
    findings = find(load(folder).measured)
    return findings, output_files.csvs(findings)


def places(findings, setting=None):
    place = findings.measured.places[0]
    return {"p": (place, setting or findings.measured.settings[place])}


def test_marks_are_the_numbers_of_the_tables(made):
    findings, files = made
    [utility, accuracy] = charts(files, places(findings))["p"]["views"]
    rows = {(row["arm"], int(row["n"])): row for row in csv.DictReader(io.StringIO(files["utility.csv"].decode()))}
    assert {(mark["arm"], mark["n"]) for mark in utility["marks"]} == rows.keys()
    for mark in utility["marks"]:
        row = rows[mark["arm"], mark["n"]]
        if mark["shown"] == "point":
            assert [mark["y"], mark["low"], mark["high"]] == [
                float(row[name]) if row[name] else None for name in ("utility", "utility_low", "utility_high")
            ]
    assert {mark["shown"] for mark in utility["marks"]} >= {"point", "extrapolated"}
    means = list(csv.DictReader(io.StringIO(files["summary.csv"].decode())))
    assert [mark["y"] for mark in accuracy["marks"]] == [float(row["mean"]) for row in means]
    assert all(isinstance(mark["n"], int) for mark in accuracy["marks"]), "as texts counts would be sorted as texts"


def test_savings_are_a_view_where_labels_have_a_price(made):
    from labeleff.study.prices import Cost

    findings, files = made
    priced = csv_tables.utilities(findings.comparisons, lambda _: Cost(per_label=0.5, unit="EUR")).csv()
    views = charts({**files, "utility.csv": priced}, places(findings))["p"]["views"]
    assert [view["words"] for view in views][:2] == ["utility U(n)", "saved EUR"]


def test_the_best_of_many_arms_are_on_at_first():
    names = [f"arm.{i}[x]" for i in range(30)]
    head = "task,encoder,arm,n,mean,low,high,baseline\n"
    rows = "".join(f"t,,{name},10,0.5,,,arm.0[x]\n" for name in names)
    ranking = "task,encoder,arm\n" + "".join(f"t,,{name},\n" for name in names[:17:-1])
    from labeleff.reporting.measurements import Place, Setting

    [chart] = charts(
        {"summary.csv": (head + rows).encode(), "ranking.csv": ranking.encode()},
        {"p": (Place("t"), Setting("t", (10,)))},
    ).values()
    assert [arm["name"] for arm in chart["arms"] if arm["on"]] == ["arm.0[x]", *names[18:]]
    looks = [(arm["shape"], tuple(arm["dash"])) for arm in chart["arms"]]
    assert len(set(looks)) == 30, "arms are told apart without colours too"
    assert len({shape for shape, _ in looks[:9]}) == 9


def test_a_place_without_numbers_has_no_chart(made):
    findings, _ = made
    assert charts({}, places(findings)) == {}


def test_an_interval_with_an_open_end_is_one_and_a_limit_has_none():
    row = {"arm": "a", "n": "20", "utility": "1.5", "utility_low": "", "utility_high": "1.9", "assumption": ""}
    row |= {
        "utility_at_most": "",
        "utility_at_least": "",
        "kind": "inside",
        "p_above": "0",
        "factor": "",
        "p_never": "",
    }
    far = {"kind": "extrapolated", "factor": "9", "p_never": "0.2", "utility_at_least": "1", "utility_low": "1.2"}
    marks = [_mark(each, "utility", each) for each in (row, row | {"p_above": ""}, row | far)]
    assert [(mark["ranged"], mark["low"], mark["shown"]) for mark in marks] == [
        (True, None, "point"),
        (False, None, "point"),
        (False, None, "lower limit"),
    ]
