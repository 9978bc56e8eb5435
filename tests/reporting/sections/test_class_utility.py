"""Utility by class: from a measured study, and sentences on rare classes from made-up numbers."""

import csv
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import labeleff
from labeleff.curves.interpolation import DEFAULT_METHOD
from labeleff.curves.utility import utility
from labeleff.records.entries import Record
from labeleff.reporting.sections import class_utility
from labeleff.reporting.sections.class_utility import _rare, class_utilities
from labeleff.stats.differences import compare
from labeleff.stats.multiple_comparisons import holm

ARM, BASE = "embedding(of=b)/ridge", "embedding(of=a)/ridge"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 160, p=[0.5, 0.3, 0.15, 0.05])
    centres = rng.normal(size=(4, 5))
    arrays = {name: centres[labels] + noise * rng.normal(size=(160, 5)) for name, noise in (("a", 1.5), ("b", 0.8))}
    folder = tmp_path_factory.mktemp("classes")
    options = {"rungs": [20, 40, 100], "draws": 3, "subset": "covering", "protocols": ["ridge"]}
    return labeleff.probe(arrays, labels, folder, **options)


def test_hits_are_those_of_the_accuracy_and_of_the_mean_recall(results):
    [facts] = results.run.tasks.values()
    counts = facts["class_counts"]
    assert (sum(counts["train"]), sum(counts["test"])) == (facts["train"], facts["test"])
    for record in results.cells:
        assert sum(record.class_hits) / record.test_count == pytest.approx(record.metrics["accuracy"])
        recalls = np.array(record.class_hits) / counts["test"]
        assert recalls.mean() == pytest.approx(record.metrics["balanced_accuracy"])


def test_utilities_and_p_values_are_those_of_each_class_alone(results):
    [place] = results.places
    rows = class_utilities(results, place)
    counts = results.run.tasks[place.task]["class_counts"]
    p_values = {}
    for c, label in enumerate("0123"):
        runs = {arm: {} for arm in (BASE, ARM)}
        for arm, rungs in runs.items():
            for record in results.at(place, arm):
                key = record.cell.draw, record.cell.seed
                rungs.setdefault(record.cell.n, {})[key] = record.class_hits[c] / counts["test"][c]
        mine = [row for row in rows if row.label == label]
        assert [row.point for row in mine] == utility(runs[BASE], runs[ARM], method=DEFAULT_METHOD, level=0.9)
        for row, difference in zip(mine, compare(runs[BASE], runs[ARM]).rungs, strict=True):
            assert row.p == difference.p_value
            assert row.share == counts["train"][c] / sum(counts["train"])
            p_values.setdefault(row.point.n, []).append(row.p)
    for n, several in p_values.items():
        assert [row.adjusted for row in rows if row.point.n == n] == holm(several)


def test_the_report_has_a_table_and_a_file(results):
    [place] = results.places
    paragraphs = class_utility.section(results, place).paragraphs
    assert paragraphs[0] == f"### Utility by class at 40 labels, by recall against {BASE}"
    assert paragraphs[1].startswith(f"- {ARM}: recall differs from the baseline's for ")
    assert len(paragraphs[2].splitlines()) == 2 + 4
    rows = list(csv.DictReader(class_utility.to_files(results)["class_utility.csv"].decode().splitlines()))
    assert len(rows) == 4 * 3
    assert {row["class"] for row in rows} == set("0123")


def test_records_without_hits_have_no_section(results):
    groups = {
        key: [Record.model_validate({**one.model_dump(), "class_hits": []}) for one in records]
        for key, records in results.groups.items()
    }
    older = replace(results, groups=groups)
    assert class_utility.section(older, results.places[0]).paragraphs == ()
    assert class_utility.to_files(older) == {}


def made(sizes, bound=False):
    """Rows of one arm whose classes have shares 0.01, 0.02, ... and these utilities."""
    points = [SimpleNamespace(utility=None if bound else size, bound=size) for size in sizes]
    return [
        SimpleNamespace(arm="x", share=0.01 * (i + 1), point=point, adjusted=0.01 if i < 2 else 0.5)
        for i, point in enumerate(points)
    ]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([8, 7, 6, 5, 4, 3, 2, 1], "rare classes gain more (rank correlation of U with a class's share -1.00 ["),
        ([1, 2, 3, 4, 5, 6, 7, 8], "common classes gain more (rank"),
        ([1, 8, 2, 7, 3, 6, 4, 5], "whether rare classes gain more can't be told (rank"),
    ],
)
def test_rare_classes_gain_more_only_where_that_is_shown(sizes, said):
    study = SimpleNamespace(study=SimpleNamespace(level=0.9))
    [text] = _rare("x", made(sizes), study)
    assert text.startswith("x: recall differs from the baseline's for 2 of 8 classes; ")
    assert said in text


def test_nothing_is_said_of_few_classes_or_of_one_bound():
    study = SimpleNamespace(study=SimpleNamespace(level=0.9))
    assert [*_rare("x", made([3, 2, 1]), study)] == ["x: recall differs from the baseline's for 2 of 3 classes."]
    [text] = _rare("x", made([4] * 8, bound=True), study)
    assert text == "x: recall differs from the baseline's for 2 of 8 classes, and U is a bound for 8."
