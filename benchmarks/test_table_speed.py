"""Processor time and peak memory of `labeleff utility` on 10,000 runs of 50 arms, and their growth with the runs.

`LABELEFF_BEFORE` may name a folder with an older package, which is then measured in turn with this one.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

RUNGS, RUNS = 10, 20
PAIRS = 5


def table(path, arms):
    """Write a table of `arms` arms, the baseline among them, each with RUNS runs at RUNGS label counts."""
    rng = np.random.default_rng(0)
    lines = ["arm,n,run,accuracy"]
    for arm in range(arms):
        gain = 0.0 if arm == 0 else rng.uniform(-0.3, 1.2)
        for rung in range(RUNGS):
            n = round(50 * 2 ** (0.8 * rung))
            values = (
                0.95 - 0.75 * (n * np.exp(gain) / 50) ** -0.3 + 0.02 * (n / 50) ** -0.25 * rng.standard_normal(RUNS)
            )
            name = "scratch" if arm == 0 else f"pretext{arm:03d}"
            lines += [f"{name},{n},{run},{value:.4f}" for run, value in enumerate(values)]
    path.write_text("\n".join(lines) + "\n")


CHILD = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "labeleff", "utility", *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


ROOT = Path(__file__).parents[1]


def cost(path, out, package=ROOT):
    """Processor seconds and peak MiB of one report, by this package or one in another folder.

    It runs beside the table, as Python prefers a package in its working folder, and both packages keep their bytecode
    beside it too.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPATH": str(package), "PYTHONPYCACHEPREFIX": str(path.parent / "bytecode")}
    env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(path), "--out", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=path.parent)
    return tuple(map(float, done.stdout.split()))


def test_ten_thousand_runs_of_fifty_arms(benchmark, tmp_path):
    table(tmp_path / "runs.csv", 50)
    seconds, mebibytes = benchmark.pedantic(cost, args=(tmp_path / "runs.csv", tmp_path / "report"), rounds=1)
    benchmark.extra_info |= {"processor seconds": seconds, "peak MiB": mebibytes}
    assert (tmp_path / "report" / "report.md").exists()
    before = os.environ.get("LABELEFF_BEFORE")
    if before:
        cost(tmp_path / "runs.csv", tmp_path / "old", before)  # writes bytecode
        pairs = [
            (cost(tmp_path / "runs.csv", tmp_path / "old", before), cost(tmp_path / "runs.csv", tmp_path / "report"))
            for _ in range(PAIRS)
        ]
        ratios = [[new / old for old, new in zip(*pair, strict=True)] for pair in pairs]
        time, memory = (statistics.median(column) for column in zip(*ratios, strict=True))
        benchmark.extra_info |= {"time, of before": time, "memory, of before": memory}
        print(benchmark.extra_info)
        assert time <= 0.5
        assert memory <= 0.7


def test_cost_grows_no_faster_than_the_number_of_runs(benchmark, tmp_path):
    """500 arms take at most ten times the seconds of 50."""
    for arms in (50, 500):
        table(tmp_path / f"{arms}.csv", arms)
    small = cost(tmp_path / "50.csv", tmp_path / "small")[0]
    large = benchmark.pedantic(cost, args=(tmp_path / "500.csv", tmp_path / "large"), rounds=1)[0]
    benchmark.extra_info |= {"50 arms": small, "500 arms": large}
    assert large < 10 * small
