"""Reports on tasks of pixels: what they call their metric, what they leave out, and the metrics beside it."""

import re

import numpy as np
import pandas as pd
import pytest
from support import dense_tasks, factories

from labeleff.catalogue import lookup
from labeleff.catalogue.metrics import GOALS, METRICS, UNSEEN, metric
from labeleff.errors import LabeleffError
from labeleff.reporting.figures.look import Look
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.study_report import build

pytestmark = pytest.mark.usefixtures("squares")

SEGMENT, DEPTH, CLASSIFY = "squares/segment", "squares/depth", "squares/classify"


def folder(path, *tasks, **changes):
    """Records of a study on these tasks: every metric lies a fixed way off the known curve."""
    of = factories.study(tasks=list(tasks), rungs=[20, 30, 40, 50, 60], **changes)
    facts = {}
    for spec in of.tasks:
        known = GOALS[lookup.find("task", spec.name).goal]
        facts[spec.label] = {"classes": [], "train": 60, "test": 1000, "chance": 0.1, "metric": known[0]}
    records = []
    for record in factories.cell_records(of):
        known, value = GOALS[lookup.find("task", record.cell.task.name).goal], record.metrics["accuracy"]
        numbers = [value, value / 2, 1.5 * (1 - value), 1 - value]
        metrics = dict(zip(known, numbers, strict=False))
        records.append(record.model_copy(update={"metrics": metrics}))
    entry = factories.run_entry(of, tasks=facts)
    return factories.write(path, [entry, *factories.pretrainings(of), *records])


def text_of(path, **options):
    return build(path, ReportOptions(**options)).read_text()


def test_a_report_on_pixels_names_its_metric_everywhere(tmp_path):
    text = text_of(folder(tmp_path, SEGMENT, targets=[0.5]), look=Look(("png", "svg"), every=True))
    assert "### Pixel accuracy on the test split (%), mean ± standard deviation" in text
    assert "reaches the pixel accuracy that the arm reaches" in text
    assert "### Labels needed for a pixel accuracy" in text
    assert "needs for the same pixel accuracy" in text
    assert "![pixel accuracy at squares/segment, resnet9](figures/pixel_accuracy-squares-segment-resnet9.png)" in text
    assert (tmp_path / "figures/pixel_accuracy-squares-segment-resnet9.svg").exists()
    own = re.sub("pixel[ _]accurac", "", text, flags=re.IGNORECASE)
    left = [line for line in own.splitlines() if "accurac" in line.lower() and not line.startswith("labeleff utility")]
    assert [line.split()[1] for line in left] == ["pretext"], "the pretext's own accuracy"


def test_no_sampling_error_is_claimed_for_pixels(tmp_path):
    text = text_of(folder(tmp_path, SEGMENT))
    assert "Wilson" not in text
    assert "**Test set**" not in text
    assert "Pixels of one of them aren't independent, so no sampling error of the test set is given." in text
    table = pd.read_csv(tmp_path / "summary.csv")
    assert set(table["metric"]) == {"pixel_accuracy"}
    assert (table["test_count"] == 1000).all()
    assert table[["test_low", "test_high"]].isna().all(axis=None)


def test_classes_keep_their_sampling_error_beside_pixels(tmp_path):
    text = text_of(folder(tmp_path, CLASSIFY, SEGMENT))
    assert "reaches the score that the arm reaches" in text
    assert "**Test set**: accuracies are of 1,000 test images; by their sampling alone an accuracy is" in text
    table = pd.read_csv(tmp_path / "summary.csv").set_index("task")
    classify, segment = (table.loc[f"{name}(train=60)"] for name in (CLASSIFY, SEGMENT))
    assert classify["test_low"].notna().all()
    assert segment["test_low"].isna().all()
    assert "balanced over the classes (at random where every pixel has a label)" in text
    assert "one of the n labels is the whole map of an image" in text


def test_other_metrics_have_a_table_and_a_file(tmp_path):
    text = text_of(folder(tmp_path, DEPTH))
    assert "### Share of depths within 1.25 on the test split (%), mean ± standard deviation" in text
    section = text.partition("### Other metrics, mean ± standard deviation")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    assert rows[0] == ["metric", "arm", *(f"n = {n}" for n in (20, 30, 40, 50, 60))]
    assert [row[0] for row in rows[2:]] == [
        *["share of depths within 1.1 (%)"] * 3,
        *["RMSE"] * 3,
        *["mean absolute error"] * 3,
    ]
    assert "- RMSE: root mean square error of depths, in scene units." in section
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table.columns) == ["task", "encoder", "arm", "n", "metric", "mean", "sd", "runs"]
    assert len(table) == 3 * 3 * 5
    means = pd.read_csv(tmp_path / "summary.csv").set_index(["arm", "n"])["mean"]
    errors = table[table["metric"] == "rmse"].set_index(["arm", "n"])["mean"]
    np.testing.assert_allclose(errors, 1.5 * (1 - means.loc[errors.index]))
    one = errors["scratch/finetune", 20]
    assert next(row[2] for row in rows if row[0] == "RMSE").startswith(f"{one:.2f} ± 0.0")


def test_a_metric_asked_for_takes_the_headlines_place(tmp_path):
    text = text_of(folder(tmp_path, SEGMENT), metrics=((SEGMENT, "mean_iou"),))
    assert "### Mean IoU on the test split (%)" in text
    assert "Chance:" not in text, "chance is the headline's"
    assert "labeleff report DIR --metric squares/segment=mean_iou" in text
    assert set(pd.read_csv(tmp_path / "summary.csv")["metric"]) == {"mean_iou"}
    assert set(pd.read_csv(tmp_path / "metrics.csv")["metric"]) == {"pixel_accuracy"}


def test_a_study_may_choose_the_metric_and_an_option_changes_one_task_alone(tmp_path):
    chosen = {SEGMENT: "mean_iou", DEPTH: "within_1.1"}
    text = text_of(folder(tmp_path, SEGMENT, DEPTH, metrics=chosen), metrics=((SEGMENT, "pixel_accuracy"),))
    assert "### Pixel accuracy on the test split" in text
    assert "### Share of depths within 1.1 on the test split" in text


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ((DEPTH, "rmse"), "with --metric squares/depth=rmse: metrics: 'rmse' of squares/depth is the better the small"),
        ((DEPTH, "iou"), r"unknown metric of squares/depth 'iou'"),
        ((SEGMENT, "mean_iou"), r"unknown task \(in 'metrics'\) 'squares/segment'"),
    ],
)
def test_metrics_that_cannot_be_met_are_refused(tmp_path, metric, message):
    with pytest.raises(LabeleffError, match=message):
        build(folder(tmp_path, DEPTH), ReportOptions(metrics=(metric,)))


def test_classes_alone_have_no_other_metrics(tmp_path):
    text = text_of(factories.folder(tmp_path))
    assert "Other metrics" not in text
    assert not (tmp_path / "metrics.csv").exists()


def test_every_place_shows_the_pretexts_it_starts_from(tmp_path):
    path = folder(tmp_path, CLASSIFY, SEGMENT)
    text = text_of(path, look=Look(every=True))
    section = text.split("## Pretexts")[1].split("\n#")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    assert rows[2:] == ["rotation(holdout=0.02)"], "one row for both"
    assert "take the same pretrained encoders" in text
    drawn = {item.name for item in (path / "figures").glob("pretexts-*.png")}
    assert drawn == {"pretexts-squares-classify-resnet9.png", "pretexts-squares-segment-resnet9.png"}
    assert len(pd.read_csv(path / "throughput.csv").query("what == 'pretraining'")) == 1


def test_metrics_have_words():
    assert metric("within_1.25").words == "share of depths within 1.25"
    assert metric("accuracy").one == "an accuracy"
    assert metric("pixel_accuracy").one == "a pixel accuracy"
    assert metric("F1").words == "F1"
    assert metric("F1").plural == "F1 values"
    unbounded = {"rmse", "mean_absolute_error", "r2", "spearman"}
    assert {name for name, item in METRICS.items() if not item.share} == unbounded
    assert set(METRICS) == {UNSEEN, *(name for names in GOALS.values() for name in names)}
    items = {"item_classes", "item_labels", "item_values"}
    assert {goal.name for goal in dense_tasks.GOALS.values()} | items == set(GOALS)
