import numpy as np
import torch

import labeleff
from labeleff.execution.draws import draw_order, rung_indices
from labeleff.plugins.encoders.rows import stored_rows
from labeleff.plugins.strategies.coreset import k_centres
from labeleff.training.examples import Source, load_task

COUNT = 120


def test_stored_features_are_a_pool_too(tmp_path, called_here):
    """Every choice of core-sets is the one that the file's own features give, run by run."""
    rng, labels = np.random.default_rng(0), np.arange(COUNT) % 3
    features = np.eye(3, 5)[labels] + 0.5 * rng.normal(size=(COUNT, 5))
    np.savez(tmp_path / "good.npz", features=features, ids=np.arange(COUNT), labels=labels)
    path = tmp_path / "mine.toml"
    written = called_here(
        "embeddings", f"good={tmp_path}/good.npz", "--rungs", "6,12,30", "--draws", "2", "--write", path
    )
    assert written[0] == 0, written[2]
    chosen = "selection=['random', 'coreset', 'margin']"
    run = called_here("run", path, "--set", chosen, "--out", tmp_path / "out", "--quiet", "--jobs", "1")
    assert run[0] == 0, run[2]
    study, records = labeleff.load_study(str(path), [chosen]), labeleff.read_records(tmp_path / "out").cells
    spec = study.tasks[0]
    task = load_task(spec, Source(tmp_path, base=tmp_path))
    rows = stored_rows(task, "good")(task.train.inputs).float()
    compared = 0
    for cell in study.cells():
        record = records[cell.key]
        if cell.strategy != "coreset" or cell.protocol.name != "linear" or cell.n != 6:
            continue
        order = draw_order(task.strata.numpy(), cell.draw, subset=cell.subset, task=spec.name)
        drawn = torch.from_numpy(rung_indices(order, 6))
        candidates = torch.tensor([place for place in range(len(rows)) if place not in drawn])
        assert record.asked.indices == k_centres(rows, drawn, candidates, 6).tolist()
        compared += 1
    assert compared == 2
    assert {record.status for record in records.values()} == {"ok"}
