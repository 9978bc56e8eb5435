"""Whether pretexts teach anything: `python benchmarks/probes.py [--seeds 3] [--pretexts rotation vae cmc amdim]`.

Linear probes of 500 labels on frozen encoders of the study `pretexts` (single rendered objects, a narrow resnet9, the
short presets) against those of random encoders: same labels, same seeds, so differences are in pairs. The baseline is
the study's plain random encoder; for cmc also a random pair of narrow encoders, as cmc trains one. Cells are kept in
--out, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch

from labeleff import catalogue
from labeleff.cell import Cell
from labeleff.data import load_task
from labeleff.device import choose
from labeleff.encoders import build_encoder
from labeleff.frozen import EncodedLabels
from labeleff.labels import LabelRule, choose_labels
from labeleff.launch import Options, measure
from labeleff.loaded import LoadedTask
from labeleff.places import cache_folder, data_folder
from labeleff.protocols import linear
from labeleff.record import Records, read_records
from labeleff.scoring import score_frozen
from labeleff.seeding import stream_seed
from labeleff.statistics.differences import Difference, compare
from labeleff.study import Study, load_study, parse_study
from labeleff.tensors import Source

N = 500
LADDER = [100, N]
"""A study of several arms has two rungs or more."""
LEVEL = 0.90
PRETEXTS = ("rotation", "vae", "cmc", "amdim")
Runs = Mapping[tuple[int, int], float]
"""Accuracy by (draw, seed)."""


def probes(pretexts: list[str], draws: int, seeds: int) -> Study:
    """The study `pretexts` with linear probes alone, every draw with every seed."""
    arms = ["scratch/linear", *(f"{name}/linear" for name in pretexts)]
    rows = dict.fromkeys(pretexts, "short")
    fixed = {"rungs": LADDER, "draws": draws, "seeds": seeds, "pairing": "crossed", "baseline": "scratch/linear"}
    table = load_study("pretexts").model_dump(mode="json")
    return parse_study({**table, **fixed, "arms": arms, "budget": rows}, "benchmarks/probes.py")


def accuracies(records: Records, cells: list[Cell]) -> dict[str, dict[tuple[int, int], float]]:
    """By arm, of the cells at N labels."""
    found: dict[str, dict[tuple[int, int], float]] = {}
    for cell in (cell for cell in cells if cell.n == N):
        value = records.cells[cell.key].metrics["accuracy"]
        assert value is not None
        found.setdefault(cell.arm, {})[cell.draw, cell.seed] = value
    return found


def random_pairs(study: Study, task: LoadedTask) -> Runs:
    """Probes of untrained pairs of narrow encoders, which know the images' colour statistics but nothing else."""
    [spec], [encoder] = study.tasks, study.encoders
    compute = choose(encoder.name, study.precision, torch.device("cpu"), study.layout)
    sets = [choose_labels(task.task, spec, LabelRule("stratified"), draw, N).indices for draw in range(study.draws)]
    found = {}
    for seed in range(study.seeds):
        pair = build_encoder(encoder, stream_seed("init", seed), split=True)
        pair.lab.measure(task.task.train.images, task.normalisation)
        model = compute.place(pair).eval()
        fitted = []
        for indices in sets:
            problem = EncodedLabels(model, task.labelled, indices, compute).problem(indices)
            fitted += linear.fit([problem], catalogue.complete("protocol", "linear", {}).options)
        scores = score_frozen(model, [one.predictor for one in fitted], task.test_examples, compute)
        found |= {(draw, seed): scored.metrics()["accuracy"] for draw, scored in enumerate(scores)}
    return found


def row(name: str, runs: Runs, against: str, baseline: Runs) -> str:
    """One line of the table."""
    [found] = compare({N: dict(baseline)}, {N: dict(runs)}, level=LEVEL).rungs
    own, other = (100 * sum(values.values()) / len(values) for values in (runs, baseline))
    return f"| {name} | {own:.1f} | {against} | {other:.1f} | {interval(found)} | {len(runs)} |"


def interval(found: Difference) -> str:
    """The difference in points with its interval."""
    if found.low is None or found.high is None:
        return f"{100 * found.mean:+.1f} (no interval: {found.reason})"
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description="Linear probes of pretexts against random encoders.")
    parser.add_argument("--pretexts", nargs="+", default=list(PRETEXTS), choices=PRETEXTS)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/probes"))
    given = parser.parse_args()
    study = probes(given.pretexts, given.draws, given.seeds)
    where = Options(given.out, ["benchmarks/probes.py"], given.jobs, given.jobs, "cpu", data_folder(), cache_folder())
    failed = measure(study, where)
    for record in failed:
        print(f"failed: {record.cell.arm}, seed {record.cell.seed}: {record.reason}")
    done = [cell for cell in study.cells() if cell.key not in {record.cell.key for record in failed}]
    found = accuracies(read_records(given.out), done)
    [spec] = study.tasks
    task = LoadedTask(load_task(spec, Source(data_folder())), torch.device("cpu"))
    pairs = random_pairs(study, task) if "cmc" in given.pretexts else {}
    print(f"\n{spec.label}, {study.encoders[0].label}: linear probe of {N} labels, %, {given.draws} draws\n")
    print(f"| arm | accuracy | against | accuracy | difference [{100 * LEVEL:g} %] | runs |")
    print("|---|---:|---|---:|---:|---:|")
    for arm in found:
        if arm != "scratch/linear":
            print(row(arm, found[arm], "random", found["scratch/linear"]))
        if arm == "cmc/linear":
            print(row(arm, found[arm], "random pair", pairs))


if __name__ == "__main__":
    main()
