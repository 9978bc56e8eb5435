"""Images that arms saw, with labels and without, as records count them."""

import pandas as pd
import pytest
from support import factories

from labeleff.records.entries import Trial
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


def test_rungs_below_a_selected_one_and_trials_are_counted(tmp_path):
    """Training of 3,200 images in 100 steps; every cell has two trials of 50 steps, so as many images again."""
    trial = Trial(lr=1, weight_decay=1, split=0, steps=50, score=0.5, loss=1.0, seconds=1.0, processor_seconds=1.0)
    table = {"arms": ARMS[:2], "selection": ["random", "margin"], "tune": {"lr": [1, 3]}}
    of = factories.study(**table, budget=dict.fromkeys(("finetune", "fixmatch"), BUDGET))
    tried = {"trials": [trial, trial], "tuned": {"lr": 1.0, "weight_decay": 1.0}}
    cells = [trained(cell).model_copy(update=tried) for cell in factories.cell_records(of)]
    factories.write(tmp_path, [factories.run_entry(of), *cells])
    text = build(tmp_path).read_text()
    found = pd.read_csv(tmp_path / "images.csv").set_index(["arm", "n"])
    for (arm, n), row in found.iterrows():
        own = 25_600 if "fixmatch" in arm else 3200
        below = sorted(factories.RUNGS).index(n) if "margin" in arm else 0
        assert row["selection_images"] == below * own
        assert row["trial_images"] == (below + 1) * own
        assert row["images"] == 2 * (below + 1) * own
    assert "at rungs below | in trials | in all" in " ".join(text.split())


def test_where_no_protocol_sees_images_without_labels_nothing_is_said(tmp_path):
    assert "Images seen" not in report(tmp_path, [ARMS[0], "rotation/finetune"])
    assert not (tmp_path / "images.csv").exists()
