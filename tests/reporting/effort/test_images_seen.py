"""Images that arms saw, with labels and without, as records count them."""

import pandas as pd
import pytest
from support import factories

from labeleff.reporting.study_report import build

ARMS = ["scratch/finetune", "scratch/fixmatch", "rotation/fixmatch"]
BUDGET = {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}
USED = {0: 0.25, 1: 0.5, 2: 0.75}
"""Share of unlabelled images that is learned from, by draw."""


def trained(record):
    """A cell with the log of its training: 100 steps of 32 labelled images, in fixmatch of 224 further ones."""
    log, semi = factories.training(), record.cell.protocol.name == "fixmatch"
    if semi:
        log = log.model_copy(update={"images": 100 * 256, "labelled": 3200})
    start = None if record.cell.pretext.name == "scratch" else record.cell.pretraining.key
    metrics = {"confident": USED[record.cell.draw]} if semi else {}
    return record.model_copy(update={"training": log, "pretraining": start, "train_metrics": metrics})


def report(path, arms):
    of = factories.study(arms=arms, budget=dict.fromkeys(("rotation", *{arm.split("/")[1] for arm in arms}), BUDGET))
    cells = map(trained, factories.cell_records(of))
    factories.write(path, [factories.run_entry(of), *factories.pretrainings(of), *cells])
    return build(path).read_text()


def test_every_arm_is_given_with_its_images_of_each_kind(tmp_path):
    text = report(tmp_path, ARMS)
    found = pd.read_csv(tmp_path / "images.csv").set_index(["arm", "n"])
    assert len(found) == len(ARMS) * len(factories.RUNGS)
    for (arm, _), row in found.iterrows():
        semi, before = "fixmatch" in arm, 3200 if "rotation" in arm else 0
        assert row["labelled_images"] == 3200
        assert row["unlabelled_images"] == (22_400 if semi else 0)
        assert row["pretraining_images"] == before
        assert row["images"] == 3200 + before + (22_400 if semi else 0)
        assert row["unlabelled_share_used"] == pytest.approx(0.5 if semi else float("nan"), nan_ok=True)
        assert (row["runs"], row["steps"]) == (3, 100)
    lines = text[text.index("## Images seen") :].splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert ["rotation/fixmatch", "20", "100", "3,200", "22,400", "3,200", "28,800", "50.0 %"] in cells
    assert sum(row[-1] == "–" for row in cells if len(row) == 8) == len(factories.RUNGS), "finetune's"


def test_where_no_protocol_sees_images_without_labels_nothing_is_said(tmp_path):
    assert "Images seen" not in report(tmp_path, [ARMS[0], "rotation/finetune"])
    assert not (tmp_path / "images.csv").exists()
