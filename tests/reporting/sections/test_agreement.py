"""What a report says of frozen evaluation as a forecast of finetuning."""

import pandas as pd
import pytest
from support import factories

from labeleff.reporting.study_report import build

PRETEXTS = ["rotation", "vae", "cmc", "amdim", "simclr", "moco"]
ARMS = ["scratch/finetune", "scratch/linear", *(f"{name}/{how}" for name in PRETEXTS for how in ("finetune", "linear"))]


def folder(path, monkeypatch, finetuned, linear, arms=ARMS, **changes):
    """Records in which pretext i saves `finetuned[i]` labels finetuned and `linear[i]` frozen."""
    saved = {f"{name}/finetune": labels for name, labels in zip(PRETEXTS, finetuned, strict=True)}
    saved |= {f"{name}/linear": labels for name, labels in zip(PRETEXTS, linear, strict=True)}
    monkeypatch.setattr(factories, "SAVED", saved)
    known = factories.study(arms=["scratch/finetune", "rotation/finetune"])
    budget = {"finetune": known.budget["finetune"], **dict.fromkeys(PRETEXTS, known.budget["rotation"])}
    budget |= {"amdim": {**known.budget["rotation"].model_dump(), "augment": {"crop": 4}}}
    used = {"finetune", *(arm.partition("/")[0] for arm in arms)}
    budget = {name: row for name, row in budget.items() if name in used}
    of = factories.study(arms=arms, budget=budget, **changes)
    records = factories.cell_records(of, noise=0.01)
    return factories.write(path, [factories.run_entry(of), *factories.pretrainings(of), *records])


def test_rankings_that_agree_are_said_to(tmp_path, monkeypatch):
    labels = [50, 150, 300, 600, 1200, 2400]
    text = build(folder(tmp_path, monkeypatch, labels, [3 * n for n in labels])).read_text()
    assert "### Does frozen evaluation foretell finetuning?" in text
    assert "linear and finetune: what ranks high by one ranks high by the other, beyond doubt." in text
    assert "![agreement](figures/agreement-toy-classify-resnet9.png)" in text
    found = pd.read_csv(tmp_path / "agreement.csv")
    assert found["n"].isna().sum() == 1
    assert len(found) == 1 + len(factories.RUNGS)
    [overall] = found[found["n"].isna()].to_dict("records")
    assert overall["pretexts"] == 6
    assert overall["correlation"] > 0.9
    assert overall["ceiling"] > 0.9
    assert overall["low"] <= overall["correlation"] <= overall["high"]


def test_unrelated_rankings_are_not(tmp_path, monkeypatch):
    finetuned, linear = [100, 400, 1600, 3200, 800, 200], [800, 3200, 100, 1600, 400, 200]
    text = build(folder(tmp_path, monkeypatch, finetuned, linear)).read_text()
    assert "linear and finetune: no agreement is shown" in text


def test_the_reverse_ranking_is_told(tmp_path, monkeypatch):
    labels = [50, 150, 300, 600, 1200, 2400]
    text = build(folder(tmp_path, monkeypatch, labels, labels[::-1])).read_text()
    assert "what ranks high by one ranks low by the other" in text


@pytest.mark.parametrize("arms", [ARMS[:8], ["scratch/finetune", *(f"{name}/finetune" for name in PRETEXTS)]])
def test_few_pretexts_or_one_protocol_say_nothing(tmp_path, monkeypatch, arms):
    text = build(folder(tmp_path, monkeypatch, range(1, 7), range(1, 7), arms)).read_text()
    assert "foretell" not in text
    assert not (tmp_path / "agreement.csv").exists()


def test_several_tasks_are_taken_together(tmp_path, monkeypatch):
    tasks = [
        {"name": "toy/classify", "train": 2000, "test": 1000},
        {"name": "toy/classify", "train": 3000, "test": 1000},
    ]
    text = build(folder(tmp_path, monkeypatch, range(50, 650, 100), range(900, 300, -100), tasks=tasks)).read_text()
    [line] = [line for line in text.splitlines() if line.startswith("- By linear evaluation")]
    assert "the pretexts' ranks agree to -" in line
    assert "over 2 places" in line


def test_arms_of_selected_labels_are_no_part_of_it(tmp_path, monkeypatch):
    labels = [50, 150, 300, 600, 1200, 2400]
    build(folder(tmp_path / "plain", monkeypatch, labels, labels))
    selected = [f"{name}/linear@margin" for name in PRETEXTS]
    build(folder(tmp_path / "beside", monkeypatch, labels, labels, [*ARMS, *selected]))
    plain, beside = ((tmp_path / one / "agreement.csv").read_bytes() for one in ("plain", "beside"))
    assert plain == beside
