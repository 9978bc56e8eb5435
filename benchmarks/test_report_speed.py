"""Processor time of `labeleff report` over 10,000 records, as a process on one core."""

import os
import resource
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests"))
import factories

ARMS = ["scratch/finetune", "rotation/finetune", "rotation/linear", "rotation/knn", "scratch/linear"]
RUNGS = [20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000]
ENCODERS = [{"name": "resnet9", "width": 0.25}, {"name": "mobilenet_v2"}]


def report(path):
    """Processor seconds of one process that rebuilds the report."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "labeleff", "report", str(path)],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_ten_thousand_records(benchmark, tmp_path):
    factories.folder(tmp_path, arms=ARMS, rungs=RUNGS, encoders=ENCODERS, draws=10, seeds=10)
    lines = (tmp_path / "records.jsonl").read_text().count('"type": "cell"')
    seconds = benchmark.pedantic(report, args=(tmp_path,), rounds=1)
    assert (tmp_path / "report.md").exists()
    benchmark.extra_info["records"], benchmark.extra_info["processor seconds"] = lines, seconds
    assert lines == 10_000
    assert seconds < 5
