"""Alarms of `labeleff compare` on simulated pairs: `python benchmarks/regressions.py --out reports/regressions`.

Every pair is written as two folders of records that look like reports/cifar10-small (benchmarks/simulated_studies.py)
and compared by the default gate. A/A pairs have no change; the others have one injected. `--real DIR` trains a small
study on procedural images again and again instead, under a minute each, with real changes to its budget.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import simulated_studies
from csv_rows import to_csv
from simulated_studies import Effect, Template

from labeleff.comparison.regression import Outcome, compare
from labeleff.reporting.results import load
from labeleff.study.gate import criteria

NOTHING = Effect("nothing")
ROOT = Path(__file__).parent.parent


def trained(size: float) -> Effect:
    """Make an effect: trained arms lose the same accuracy at every rung, as with a wrong learning rate."""

    def loss(arm: str, n: int, template: Template) -> float:
        return size * arm.endswith("/finetune")

    return Effect(f"trained arms {100 * size:+.1f} points", loss)


def augmentation() -> Effect:
    """Make an effect: trained arms lose nothing with few labels and four points with most, as without augmentation."""

    def loss(arm: str, n: int, template: Template) -> float:
        first, last = template.results.study.rungs[0], template.results.study.rungs[-1]
        return -0.04 * math.log(n / first) / math.log(last / first) * arm.endswith("/finetune")

    return Effect("augmentation broken: trained arms from 0 to -4 points along the ladder", loss)


def noise_pretext() -> Effect:
    """Make an effect: rotation is useless, its arms are as accurate as from scratch."""
    return Effect(
        "pretext replaced by noise: rotation as from scratch",
        lambda arm, n, template: template.means[arm.replace("rotation", "scratch"), n] - template.means[arm, n],
    )


def slower(share: float) -> Effect:
    """Make an effect: every step takes longer."""
    return Effect(f"images/s {-100 * share:+.0f} %", speed=1 - share)


MAIN = [NOTHING, trained(-0.03), augmentation(), noise_pretext(), slower(0.10)]
SMALL = [trained(-0.005), trained(-0.01), trained(-0.02)]
SLOWER = [slower(0.03), slower(0.05), slower(0.07), slower(0.15)]
ROUGH = 0.03
"""Standard deviation of speeds from start to start, twice what is assumed unless a gate says otherwise."""


def pair(template: Template, runs: int, world: int, effect: Effect, noise: str | None = None) -> Outcome:
    """Compare one pair by the default gate; `noise` is that of throughput from start to start, as an option has it."""
    calm = dataclasses.replace(NOTHING, start=effect.start)
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            load(simulated_studies.folder(Path(folder) / side, template, runs, world, side, what))
            for side, what in (("base", calm), ("new", effect))
        ]
    return compare(*sides, criteria(None, noise=[] if noise is None else [f"throughput={noise}"]), 0.90)


def row(
    template: Template, runs: int, pairs: int, effect: Effect, first: int = 500, noise: str | None = None
) -> dict[str, object]:
    """Count alarms over the given number of pairs, and pairs in which each quantity was judged worse."""
    alarms, kinds = 0, Counter()
    for world in range(first, first + pairs):
        outcome = pair(template, runs, world, effect, noise)
        alarms += outcome.status == 3
        kinds.update({item.change.subject.metric for item in outcome.rows if item.verdict == "worse"})
    worse = ", ".join(f"{name} {count}" for name, count in kinds.most_common())
    name = effect.name if noise is None else f"{effect.name}, --noise throughput={noise}"
    return {"injected": name, "draws": runs, "pairs": pairs, "alarms": alarms, "told_worse": worse}


def simulate(pairs: int, calm: int) -> Iterator[dict[str, object]]:
    """Simulate the main changes at three draws, many A/A pairs, smaller changes, and a noisier machine than assumed.

    Nothing was tuned on pairs of these numbers.
    """
    template = Template.of(ROOT / "reports" / "cifar10-small")
    for effect in MAIN:
        yield {"table": "main", **row(template, 3, pairs, effect)}
    for runs in (2, 3, 5):
        yield {"table": "calm", **row(template, runs, calm, NOTHING, first=1000)}
    for effect in SMALL:
        for runs in (3, 5, 10):
            yield {"table": "small", **row(template, runs, pairs, effect)}
    for effect in SLOWER:
        for noise in (None, "1%"):
            yield {"table": "slower", **row(template, 3, pairs, effect, noise=noise)}
    rough = dataclasses.replace(NOTHING, name=f"nothing, but starts differ by {100 * ROUGH:g} %", start=ROUGH)
    for noise in (None, f"{100 * ROUGH:g}%"):
        yield {"table": "rough", **row(template, 3, calm, rough, first=2000, noise=noise)}


STUDY = """
name = "tiny-ladder"
tasks = [{ name = "toy/classify", train = 3000, test = 1000 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 32 }]
arms = ["scratch/finetune", "rotation/finetune", "rotation/linear"]
rungs = [50, 100, 200, 400]
draws = 3
seeds = 3
pairing = "zipped"

[budget.rotation]
lr = 0.1
batch = 64
epochs = 4
augment = { crop = 3, flip = true }

[budget.finetune]
lr = 0.1
batch = 32
steps = { min = 80, per_label = 0.2, max = 160 }
augment = { crop = 3, flip = true }
"""
REAL = {
    "nothing: the same again": [],
    "nothing but other rounding: memory layout": ['layout="contiguous"'],
    "learning rate ten times too low": ["budget.finetune.lr=0.01"],
    "augmentation broken: crops of up to 14 pixels, jitter of 2 octaves": [
        "budget.finetune.augment={crop=14, jitter=2.0}"
    ],
    "pretext untrained: its learning rate 1e-6": ["budget.rotation.lr=1e-6"],
}


def real(folder: Path) -> Iterator[dict[str, object]]:
    """Train the small study, then again with every change, one process at a time, and compare by the default gate."""
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    base = _run(folder, "base", [])
    for number, (name, sets) in enumerate(REAL.items()):
        outcome = compare(load(base), load(_run(folder, f"new{number}", sets)), criteria(None), 0.90)
        kinds = Counter(item.change.subject.metric for item in outcome.rows if item.verdict == "worse")
        worse = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        yield {"injected": name, "draws": 3, "pairs": 1, "alarms": int(outcome.status == 3), "told_worse": worse}


def _run(folder: Path, name: str, sets: Sequence[str]) -> Path:
    out = folder / name
    options = [word for text in sets for word in ("--set", text)]
    command = ["run", str(folder / "study.toml"), "--out", str(out), "--jobs", "1", "--quiet", *options]
    subprocess.run([sys.executable, "-m", "labeleff", *command], check=True, stdout=subprocess.DEVNULL)
    return out


def markdown(rows: Sequence[dict[str, object]]) -> str:
    """Write a table of alarms."""
    lines = ["| injected | draws | alarms | comparisons in which a number was told worse |", "|---|---:|---:|---|"]
    lines += [f"| {r['injected']} | {r['draws']} | {r['alarms']} of {r['pairs']} | {r['told_worse']} |" for r in rows]
    return "\n".join(lines)


def main() -> None:
    """Print the tables, and write them as CSV where a folder is given."""
    parser = argparse.ArgumentParser(description="Alarms of labeleff compare.")
    parser.add_argument("--pairs", type=int, default=20, help="comparisons a change")
    parser.add_argument("--calm", type=int, default=100, help="comparisons without a change, a number of draws")
    parser.add_argument("--out", type=Path, help="folder for alarms.csv")
    parser.add_argument("--real", type=Path, help="train in this folder instead")
    arguments = parser.parse_args()
    rows = list(real(arguments.real) if arguments.real else simulate(arguments.pairs, arguments.calm))
    for name in dict.fromkeys(item.get("table") for item in rows):
        print(markdown([item for item in rows if item.get("table") == name]), end="\n\n")
    if arguments.out:
        (arguments.out / "alarms.csv").write_text(to_csv(rows), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
