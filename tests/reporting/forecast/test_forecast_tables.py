"""Tables of forecasts: cells for every kind of answer, with a price and without."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd

from labeleff.curves.forecast import forecast
from labeleff.reporting.external import options as external_options
from labeleff.reporting.forecast import forecast_tables
from labeleff.reporting.forecast.arm_forecasts import ArmForecast
from labeleff.reporting.forecast.options import Options
from labeleff.study.prices import Cost

PILOT = {100: [0.60, 0.61, 0.62], 1000: [0.74, 0.75, 0.76]}


def item(*targets: float) -> ArmForecast:
    return ArmForecast(None, "scratch", forecast(PILOT, targets=targets, at=[1000, 4000]))


def options(cost: Cost | None = None) -> Options:
    return Options(external_options.Options(Path("r.csv"), Path("out"), ["labeleff"], cost=cost))


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if ":" not in line]


def test_costs_have_columns_where_there_is_a_price() -> None:
    head, first, second = cells(forecast_tables.accuracies(item(0.8), options(Cost(per_label=0.35, unit="EUR"))))
    names = ["labels n", "x last rung", "additional", "cost (EUR)", "accuracy (%)", "one run (%)", "P(80 %)"]
    assert head == names
    assert (first[:4], second[:4]) == (["1,000", "1", "0", "0.00"], ["4,000", "4", "3,000", "1,050"])
    head, *_ = cells(forecast_tables.accuracies(item(), options()))
    assert head == [*names[:3], *names[4:6]]


def test_labels_of_targets_that_are_reached_or_never_are() -> None:
    _, below, beyond = cells(forecast_tables.labels(item(0.5, 0.8), options()))
    assert below[:4] == ["50 %", "<= 100", "0.1", "0 [0, 0]"]
    assert below[-2:] == [">99 %", "<1 %"]
    assert beyond[3].startswith(beyond[3].split()[0] + " [")


def test_the_next_rung_of_a_target_and_of_an_accuracy() -> None:
    for each, title, unit in ((item(0.8), "the labels for 80 %", "factor"), (item(), "accuracy at 4,000 labels", "±")):
        [learning] = each.forecast.learning
        heading, sentence, table = forecast_tables.learning(learning, each.setting, options())
        assert heading == f"### Next rung, to learn about {title}"
        assert unit in sentence
        assert learning.best is not None
        head, *rows = cells(table)
        assert head == ["rung n", "additional", "then known to", "variance removed", "per 100 labels"]
        assert [row[0] for row in rows if "**" in row[0]] == [f"**{learning.best.n:,}**"]
        assert [row[-1] for row in rows if row[1] == "0"] == ["free"]


def test_csvs_leave_open_ends_empty() -> None:
    found = item(0.5, 0.999)
    files = forecast_tables.csvs([found], None)
    labels = pd.read_csv(io.BytesIO(files["labels.csv"]))
    assert labels["kind"].tolist()[0] == "below"
    assert labels["n_high"].isna().tolist() == [math.isinf(each.labels.high) for each in found.forecast.labels]
    assert labels["cost"].isna().all()
    assert list(files) == ["forecast.csv", "reached.csv", "labels.csv", "next_rungs.csv"]
    assert len(pd.read_csv(io.BytesIO(files["reached.csv"]))) == 4
