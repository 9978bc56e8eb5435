"""Calibration in reports: a table and a file where records have it, nothing where they don't, and U(n) by it."""

import numpy as np
import pandas as pd
import pytest
from support import factories

from labeleff.errors import StudyError
from labeleff.records.jsonl import read_records
from labeleff.records.merge import merge, read_source
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.study_report import build

TASK = "toy/classify"


def numbers(record):
    """Calibration of a made cell: worse than chance would have it, and better after scaling, for two arms."""
    error = 1 - record.metrics["accuracy"]
    found = {"ece": error / 4, "brier": 1.5 * error, "nll": 2 * error}
    if record.cell.protocol.name == "linear":
        return found
    scaled = {f"{name}_scaled": value / 2 for name, value in found.items()}
    return found | scaled | {"temperature": 2.0 + record.cell.draw, "temperature_labels": record.cell.n // 5}


def folder(path, draws=(0, 1, 2)):
    """Records of a study, those of some draws with calibration."""
    of = factories.study(rungs=[20, 50, 100, 200], curve="pchip")
    records = [
        record.model_copy(update={"calibration": numbers(record)} if record.cell.draw in draws else {})
        for record in factories.cell_records(of)
    ]
    return factories.write(path, [factories.run_entry(of), *factories.pretrainings(of), *records])


def test_means_have_intervals_before_and_after_scaling(tmp_path):
    text = build(folder(tmp_path)).read_text()
    assert "Calibration:" not in text, "it is a detail"
    details = (tmp_path / "details.md").read_text()
    part = details.partition("## Calibration: toy/classify, resnet9")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]
    assert rows[0] == ["metric", "arm", "probabilities", "n = 20", "n = 50", "n = 100", "n = 200"]
    arms = ["scratch/finetune", "rotation/finetune", "rotation/linear"]
    states = [(arm, state) for arm in arms for state in ("as predicted", "scaled")][:-1]
    assert [tuple(row[1:3]) for row in rows[2:]] == 2 * states
    assert "*Scaled*" in part
    assert "no temperature is given" in part
    table = pd.read_csv(tmp_path / "calibration.csv").set_index(["metric", "arm", "n"])
    assert len(table) == 3 * 3 * 4
    summary = pd.read_csv(tmp_path / "summary.csv").set_index(["arm", "n"])
    for (metric, arm, n), row in table.iterrows():
        factor = {"ece": 0.25, "brier": 1.5, "nll": 2.0}[metric]
        ends = factor * (1 - summary.loc[(arm, n), ["mean", "high", "low"]].to_numpy(float))
        found = row[["predicted", "predicted_low", "predicted_high"]].to_numpy(float)
        np.testing.assert_allclose(found, ends, rtol=1e-6)
        assert row["predicted_runs"] == 3
        if arm == "rotation/linear":
            assert np.isnan(row["scaled"])
            assert np.isnan(row["temperature"])
            continue
        np.testing.assert_allclose(row[["scaled", "scaled_low", "scaled_high"]].to_numpy(float), ends / 2, rtol=1e-6)
        assert row["temperature"] == pytest.approx(24 ** (1 / 3))
        assert row["temperature_labels"] == n // 5
    one = table.loc["brier", "scratch/finetune", 20]
    ends = f"[{one['predicted_low']:.3f}, {one['predicted_high']:.3f}]"
    assert next(row[3] for row in rows if row[0] == "Brier score") == f"{one['predicted']:.3f} {ends}"


def test_records_without_calibration_give_the_same_report_as_ever(tmp_path):
    build(folder(tmp_path / "old", draws=()))
    assert not (tmp_path / "old" / "calibration.csv").exists()
    assert "alibration" not in (tmp_path / "old" / "details.md").read_text()
    build(folder(tmp_path / "new"))
    for name in ("report.md", "summary.csv", "utility.csv", "runs.csv"):
        assert (tmp_path / "old" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()


def test_old_and_new_records_of_a_study_go_together(tmp_path):
    build(folder(tmp_path / "both", draws=(1, 2)))
    assert set(pd.read_csv(tmp_path / "both" / "calibration.csv")["predicted_runs"]) == {2}
    folder(tmp_path / "old", draws=())
    both = merge([read_source(tmp_path / name) for name in ("both", "old")])
    assert both.repeated == len(read_records(tmp_path / "old").cells)


def test_utility_by_the_quadratic_score_is_that_of_the_brier_score(tmp_path):
    metrics = ((TASK, "quadratic_score"),)
    text = build(folder(tmp_path), ReportOptions(metrics=metrics)).read_text()
    assert "### Quadratic score on the test split (%), mean ± standard deviation" in text
    assert "--metric-name quadratic_score" in text
    table = pd.read_csv(tmp_path / "summary.csv").set_index(["arm", "n"])
    brier = pd.read_csv(tmp_path / "calibration.csv").query("metric == 'brier'").set_index(["arm", "n"])
    np.testing.assert_allclose(table["mean"], 1 - brier.loc[table.index, "predicted"] / 2)
    assert pd.read_csv(tmp_path / "utility.csv")["utility"].notna().any()


@pytest.mark.parametrize("metric", ["ece", "brier", "nll"])
def test_what_falls_is_refused_with_what_rises_instead(metric):
    with pytest.raises(StudyError, match=f"'{metric}' of toy/classify is the better the smaller.*quadratic_score"):
        factories.study(metrics={TASK: metric})
    assert factories.study(metrics={TASK: "quadratic_score"}).metrics == {TASK: "quadratic_score"}
