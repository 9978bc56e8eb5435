"""Noisy labels in clean ones: known curves give known numbers, sentences, prices and noise.csv."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from support import factories

from labeleff.curves.bounds import label_count
from labeleff.curves.inversion import Inversion
from labeleff.curves.joint_intervals import joint_intervals
from labeleff.curves.mean_ratio import mean_ratios
from labeleff.curves.utility import utilities
from labeleff.errors import OptionError
from labeleff.reporting.label_quality import choice
from labeleff.reporting.label_quality.equivalents import equivalents
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.results import load
from labeleff.reporting.study_report import build
from labeleff.seeding import stream_seed
from labeleff.study.prices import Cost

WORTH = {None: 1.0, 0.2: 0.6, 0.4: 0.3}
"""Clean labels that a label of every noise rate is worth, at every rung."""
TAIL = 0.5


def value(cell):
    """Accuracy on the known curve of as many clean, balanced labels as the cell's are worth, with noise."""
    worth = WORTH[cell.noise and cell.noise.rate] * (TAIL if cell.imbalance else 1.0)
    shared = np.random.default_rng([cell.n, cell.draw]).standard_normal()
    own = np.random.default_rng(stream_seed(cell.key)).standard_normal()
    saved = factories.SAVED[cell.arm] / 10
    return factories.accuracy(worth * (cell.n + saved)) + 0.004 * (0.5 * shared + 0.8 * own)


def folder(path, **changes):
    table = {"noise": {"rate": [0.0, 0.2, 0.4]}, "arms": ["scratch/finetune", "rotation/finetune"]} | changes
    of = factories.study(rungs=[50, 100, 200, 500, 1000], draws=4, **table)
    records = [
        record.model_copy(
            update={"metrics": {"accuracy": value(record.cell)}, "wrong_labels": record.cell.noise and 0.01 * draw}
        )
        for record in factories.cell_records(of)
        for draw in [record.cell.draw + 20]
    ]
    return factories.write(path, [factories.run_entry(of), *factories.pretrainings(of), *records])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    path = folder(tmp_path_factory.mktemp("noisy"), imbalance=[1, 10], targets=[0.7], cost={"per_label": 0.05})
    build(path, ReportOptions(noisy_price=0.02))
    return path


def test_known_equivalents_lie_in_their_intervals(measured):
    table = pd.read_csv(measured / "noise.csv")
    assert len(table) == 2 * 5 * 5, "arms, rungs, and five conditions beside the plain one"
    plain = table[table.imbalance.isna()]
    for rate, worth in ((0.2, 0.6), (0.4, 0.3)):
        rows = plain[(plain.noise_rate == rate) & (plain.kind == "inside")]
        assert len(rows) >= 6
        ratio = rows.equivalent / rows.n
        saved = rows.arm.map({"scratch/finetune": 0.0, "rotation/finetune": 10.0})
        truth = worth * (rows.n + saved) - saved
        assert ratio.between(0.5 * worth, 1.6 * worth).all()
        assert ((rows.simultaneous_low <= truth) & (truth <= rows.simultaneous_high)).mean() > 0.8
    assert (table.wrong_labels.dropna() - 0.215 < 1e-9).all()
    assert table[table.noise_rate.isna()].wrong_labels.isna().all()


def test_a_condition_is_compared_with_the_one_that_lacks_its_noise_or_else_its_imbalance(measured):
    items = equivalents(load(measured), load(measured).measured)
    pairs = {(item.condition.words, item.alone.baseline) for item in items}
    assert pairs == {
        ("20 % noise", "clean labels"),
        ("40 % noise", "clean labels"),
        ("imbalance 10", "clean labels"),
        ("20 % noise and imbalance 10", "imbalance 10"),
        ("40 % noise and imbalance 10", "imbalance 10"),
    }


def test_the_report_says_it_in_a_sentence_and_in_tables(measured):
    text = (measured / "report.md").read_text()
    assert re.search(
        r"- scratch/finetune: 1,000 labels at 20 % noise do the work of \d{3} clean ones \[\d{3}, \d{3,4}\]\.", text
    )
    assert re.search(r"- scratch/finetune: [\d,]+ labels at imbalance 10 do the work of \d+ balanced ones", text)
    assert "Labels that are wrong, as drawn, by rung: 20 % noise: 21.5 %, 21.5 %" in text
    assert "toy/classify(label_noise=0.2)" in text, "a place of its own"


def test_the_cheaper_labels_follow_from_the_intervals(measured):
    table = pd.read_csv(measured / "noise.csv").dropna(subset=["cheaper"])
    price = table.n * 0.02
    assert (table.cost - price).abs().max() < 1e-9
    assert set(table.cheaper) == {"noisy", "clean", "can't tell"}
    assert ((table.cheaper == "noisy") == (table.reference_cost_low > price)).all()
    assert ((table.cheaper == "clean") == (table.reference_cost_high < price)).all()
    plain = table[table.imbalance.isna() & (table.arm == "scratch/finetune")]
    assert "clean" not in set(plain[plain.noise_rate == 0.2].cheaper), "0.6 labels' work at 0.4 of the price"
    assert "noisy" not in set(plain[plain.noise_rate == 0.4].cheaper), "0.3 labels' work at 0.4 of the price"
    text = (measured / "report.md").read_text()
    assert "noisy ones are worth their price where one does the work of more than 0.40 clean ones" in " ".join(
        text.split()
    )
    assert re.search(r"\| scratch/finetune +\| 20 % noise +\| +70 % \|", text)


def test_prices_of_several_tasks_say_of_which(tmp_path):
    tasks = [{"name": "toy/classify", "train": train, "test": 1000} for train in (2000, 3000)]
    path = folder(tmp_path, tasks=tasks, noise={"rate": [0.0, 0.4]}, targets=[0.7], cost={"per_label": 0.05})
    text = build(path, ReportOptions(noisy_price=0.02)).read_text()
    for train in (2000, 3000):
        assert re.search(
            rf"\| toy/classify\(.*train={train}.*\), resnet9 +\| scratch/finetune +\| 40 % noise +\|", text
        )


def test_no_labels_are_called_cheaper_at_an_accuracy_where_a_curve_falls(tmp_path, monkeypatch):
    def falling(cell, plain=value):
        return plain(cell) - 0.2 * bool(cell.noise and cell.noise.rate == 0.2 and cell.n == 500)

    monkeypatch.setitem(globals(), "value", falling)
    path = folder(tmp_path, targets=[0.5], cost={"per_label": 0.05})
    text = build(path, ReportOptions(noisy_price=0.005)).read_text()
    for rate, ending in ((20, r"[\d,.]+ \[.+\] \(\?\) \| +can't tell"), (40, r"[\d.]+ \[[\d., ]+\] \| +noisy")):
        assert re.search(rf"\| scratch/finetune +\| {rate} % noise +\| +50 % \|[^|]+\|[^|]+\| +{ending} +\|", text)


def test_savings_at_noisy_places_are_at_the_price_of_noisy_labels(measured):
    table = pd.read_csv(measured / "utility.csv").dropna(subset=["saved"])
    noisy = table.task.str.contains("label_noise")
    price = table.saved / table.effective_data_transferred
    assert price[noisy].to_numpy() == pytest.approx(0.02)
    assert price[~noisy].to_numpy() == pytest.approx(0.05)


def test_without_clean_labels_nothing_is_compared_and_that_is_said(tmp_path):
    path = folder(tmp_path, noise={"rate": [0.2, 0.4]})
    text = build(path).read_text()
    assert "Not compared, as the study lacks it: clean labels" in text
    assert not (path / "noise.csv").exists()


def test_a_tail_of_labels_and_one_of_all_images_are_two_conditions(tmp_path):
    path = folder(tmp_path, noise=None, imbalance=[1, 10, {"ratio": 10, "unlabelled": "tail"}])
    results = load(path)
    items = [one for one in equivalents(results, results.measured) if one.arm == "scratch/finetune"]
    assert [one.condition.words for one in items] == ["imbalance 10", "imbalance 10, unlabelled images too"]
    for item in items:
        runs = results.measured.at(item.place, item.arm)
        means = {n: np.mean(list(values.values())) for n, values in runs.items()}
        assert {point.n: point.accuracy for point in item.comparison.points} == pytest.approx(means)
    assert items[0].place != items[1].place
    assert items[0].comparison.points[0].accuracy != items[1].comparison.points[0].accuracy


def test_a_study_without_conditions_has_no_such_section(tmp_path):
    path = folder(tmp_path, noise=None, cost={"per_label": 0.05})
    with pytest.raises(OptionError, match="--cost-per-noisy-label: found a study without noise"):
        build(path, ReportOptions(noisy_price=0.02))
    assert "What noise and imbalance cost" not in build(path).read_text()
    assert not (path / "noise.csv").exists()


def test_a_noisy_price_is_over_zero():
    with pytest.raises(OptionError, match="--cost-per-noisy-label: found 0"):
        ReportOptions(noisy_price=0.0)
    assert ReportOptions(noisy_price=0.02).text == "--cost-per-noisy-label 0.02"


def test_the_ratio_of_costs_is_that_of_two_independent_lognormal_numbers():
    """Against the exact interval of the ratio of two independent lognormal quantities."""
    z, a, b = 1.6449, 0.2, 0.1

    def read(*fields):
        return label_count(Inversion(*fields), 10.0, 1000.0, models=True)

    one = read(1000.0, 1000 * math.exp(-z * a), 1000 * math.exp(z * a), "inside", 0.0)
    other = read(400.0, 400 * math.exp(-z * b), 400 * math.exp(z * b), "inside", 0.0)
    found = choice._choice(0.7, other, one, Cost(per_label=0.05, per_noisy_label=0.01))
    width = z * math.hypot(a, b)
    assert found.ratio == pytest.approx(0.5)
    assert [found.low, found.high] == pytest.approx([0.5 * math.exp(-width), 0.5 * math.exp(width)])
    assert found.choice == "noisy"
    no_ends = read(400.0, 0.0, math.inf, "inside", 0.0)
    open_ended = choice._choice(0.7, no_ends, one, Cost(per_label=0.05, per_noisy_label=0.01))
    assert (open_ended.low, open_ended.high, open_ended.choice) == (None, None, "can't tell")
    never = choice._choice(
        0.7, read(math.inf, 900.0, math.inf, "above", 0.9), one, Cost(per_label=1, per_noisy_label=1)
    )
    assert (never.ratio, never.choice) == (None, "can't tell")
    far = choice._choice(
        0.7, read(5000.0, 900.0, 9000.0, "extrapolated", 0.1), one, Cost(per_label=1, per_noisy_label=1)
    )
    assert (far.ratio, far.choice) == (None, "can't tell"), "no cost rests on a number too far beyond the ladder"


def test_intervals_of_clean_labels_hold_about_as_often_as_they_say():
    """Sixty simulated studies of 3 draws and two rates; `benchmarks/noise_coverage.py` has a designed set of them."""
    ns, rates = (50, 100, 200, 500, 1000, 2000), {"20 %": 0.7, "40 %": 0.4}
    held, together = [], []
    for number in range(60):
        rng = np.random.default_rng([7, number])
        luck = 0.004 * rng.standard_normal((3, len(ns)))

        def runs(worth, rng=rng, luck=luck):
            own = 0.006 * rng.standard_normal(luck.shape)
            return {
                n: {(d, 0): factories.accuracy(worth * n) + luck[d, k] + own[d, k] for d in range(3)}
                for k, n in enumerate(ns)
            }

        found = utilities(runs(1.0), {rate: runs(worth) for rate, worth in rates.items()})
        joint = joint_intervals(found, mean_ratios(found, ns[0]), ns[0])
        inside = [(rate, k) for rate, worth in rates.items() for k, n in enumerate(ns) if worth * n >= ns[0]]
        held += [_holds(found[rate].points[k], rates[rate]) for rate, k in inside]
        together.append(all(_holds(joint[rate].points[k], rates[rate]) for rate, k in inside))
    assert 0.85 <= np.mean(held) <= 0.98, "each interval alone, nominal 90 %"
    assert np.mean(together) >= 0.85, "all of a study together, nominal 90 %"


def _holds(point, worth):
    return (point.n1_low or 0.0) <= worth * point.n <= (math.inf if point.n1_high is None else point.n1_high)
