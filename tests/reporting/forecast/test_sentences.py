"""Sentences on forecasts: what they say for every kind of answer."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from labeleff.curves.diagnostics import Fall
from labeleff.curves.forecast import AccuracyForecast, Forecast, LabelForecast, Range, Rung
from labeleff.curves.next_rung import Learning, NextRung
from labeleff.reporting.external import options as external_options
from labeleff.reporting.forecast import sentences
from labeleff.reporting.forecast.arm_forecasts import ArmForecast, Forecasts
from labeleff.reporting.forecast.options import Options
from labeleff.reporting.measurements import Setting
from labeleff.study.prices import Cost

LABELS = LabelForecast(0.9, "extrapolated", Range(5400, 2600, math.inf), Range(4400, 1600, math.inf), 0.0, 0.2, 5.4)
NEVER = LabelForecast(0.95, "above", Range(math.inf, 8000, math.inf), Range(math.inf, 7000, math.inf), 0, 0.6, math.inf)
ENOUGH = LabelForecast(0.8, "inside", Range(700, 500, 1200), Range(0, 0, 200), 0.9, 0.0, 0.7)
BELOW = LabelForecast(0.5, "below", Range(100, 0, 100), Range(0, 0, 0), 1.0, 0.0, 0.1)
LEARNING = Learning(0.9, None, 1.0, (NextRung(2000, 1000, 3, 0.8, 0.36),))


def point(n: float) -> AccuracyForecast:
    return AccuracyForecast(n, n / 1000, Range(0.87, 0.84, 0.9), Range(0.87, 0.83, 0.91), (0.1,))


def item(*labels: LabelForecast, **changes: Any) -> ArmForecast:
    rungs = tuple(Rung(n, mean, 3) for n, mean in ((100, 0.6), (300, 0.7), (1000, 0.8)))
    points = (point(2000), point(4000), point(20000))
    forecast = Forecast(rungs, 1000, 0.9, points, labels, (LEARNING,), points, None)
    return ArmForecast(None, "scratch", dataclasses.replace(forecast, **changes))


def options(cost: Cost | None = None, at: tuple[int, ...] = (2000,)) -> Options:
    table = external_options.Options(Path("r.csv"), Path("out"), ["labeleff"], cost=cost)
    return Options(table, at=at)


def test_a_forecast_in_one_sentence() -> None:
    assert sentences.verdict(item(LABELS), options(Cost(per_label=0.35, unit="EUR"))) == (
        "scratch: with 2,000 labels accuracy is expected at 87.0 % [84.0, 90.0] (extrapolated x2); 90 % is reached by "
        "5,400 labels in the median [2,600, no upper limit] (extrapolated x5.4), 4,400 more than the 1,000 labelled, "
        "which cost 1,540 EUR [560, no upper limit]; a rung at 2,000 labels (1,000 more) would say most per label "
        "about the labels for 90 %."
    )


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (
            NEVER,
            "95 % is never reached by most curves (60 %): it takes over 8,000 labels with probability 95 %, 7,000 more "
            "than are labelled, which cost over 14,000 h",
        ),
        (
            ENOUGH,
            "80 % is reached by 700 labels in the median [500, 1,200], which are there already (enough with "
            "probability 90 %);",
        ),
        (dataclasses.replace(ENOUGH, kind="extrapolated"), "probability 90 %, though no measured mean reaches it);"),
        (BELOW, "50 % is reached already by the first rung, 100 labels;"),
    ],
)
def test_other_kinds_of_answers(labels: LabelForecast, text: str) -> None:
    assert text in sentences.verdict(item(labels), options(Cost(per_label=2, unit="h")))


def test_no_rung_is_proposed_for_a_target_that_is_surely_reached() -> None:
    texts = [sentences.verdict(item(dataclasses.replace(LABELS, p_enough=p)), options()) for p in (0.94, 0.96)]
    assert ["would say most" in text for text in texts] == [True, False]


def test_prices_have_no_more_digits_than_label_counts() -> None:
    assert [sentences.price(value) for value in (0.5, 62.4, 1540, 329461.2)] == ["0.50", "62.4", "1,540", "329,000"]


def test_the_first_label_count_is_the_one_asked_for() -> None:
    assert sentences.headline(item().forecast, (20000, 2000)).n == 20000
    assert sentences.headline(item().forecast, ()).n == 4000


def test_what_it_rests_on() -> None:
    assert sentences.basis(item()) == (
        "It rests on 3 rungs from 100 to 1,000 labels with 3 runs per rung (9 in all), and goes up to 20 times the "
        "last rung. 1,000 labels count as labelled already."
    )


def test_weak_points_name_kind_arm_and_numbers() -> None:
    fall = Fall(300, 1000, 0.05, 0.01, (0.55, 0.62))
    rungs = tuple(Rung(n, mean, 1) for n, mean in ((100, 0.6), (1000, 0.61)))
    setting = Setting("scratch", (100, 1000), chance=0.6)
    weak = dataclasses.replace(item(LABELS, NEVER, ENOUGH, rungs=rungs, fall=fall), setting=setting)
    texts = [*sentences.weak_points(Forecasts([weak], ["other"]))]
    beginnings = [text.split(". ")[0] for text in texts]
    assert beginnings == [
        "**No forecast**: other",
        "**One run per rung**: scratch",
        "**Two rungs**: scratch",
        "**Flat**: scratch",
        "**Falls**: scratch (by 5.0 points from 300 to 1,000 labels)",
        "**Near chance**: scratch (less than 2 points over it at 100 and 1,000 labels)",
        "**Extrapolated over 4 times the last rung**: scratch (labels for 90 %)",
        "**Extrapolated over 10 times the last rung**: scratch (accuracy at 20,000 labels)",
        "**Mostly never**: scratch (95 %: 60 % of curves)",
        "**No upper limit**: scratch (90 %: 20 % of curves never)",
        "**Reached already**: scratch (80 %: enough with probability 90 %)",
    ]
    plain = item(dataclasses.replace(LABELS, labels=Range(2000, 1500, 3000), factor=2.0), accuracies=(point(2000),))
    assert [*sentences.weak_points(Forecasts([plain], []))] == []


def test_shares_are_never_certain() -> None:
    assert [sentences.share(value) for value in (0, 0.009, 0.01, 0.5, 0.99, 1)] == [
        *("<1 %", "<1 %", "1 %", "50 %", "99 %", ">99 %")
    ]
