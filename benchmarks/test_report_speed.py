"""Processor time of `labeleff report` and `compare` over folders of 10,000 records, as a process on one core."""

import os
import resource
import subprocess
import sys

from support import factories, run_pairs

ARMS = ["scratch/finetune", "rotation/finetune", "rotation/linear", "rotation/knn", "scratch/linear"]
RUNGS = [20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000]
ENCODERS = [{"name": "resnet9", "width": 0.25}, {"name": "mobilenet_v2"}]


def processor_seconds(*words):
    """Processor seconds of one `labeleff` process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "labeleff", *words],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_ten_thousand_records(benchmark, tmp_path):
    factories.folder(tmp_path, arms=ARMS, rungs=RUNGS, encoders=ENCODERS, draws=10, seeds=10)
    lines = (tmp_path / "records.jsonl").read_text().count('"type": "cell"')
    seconds = benchmark.pedantic(processor_seconds, args=("report", str(tmp_path)), rounds=1)
    assert (tmp_path / "report.md").exists()
    benchmark.extra_info["records"], benchmark.extra_info["processor seconds"] = lines, seconds
    assert lines == 10_000
    assert seconds < 5


def test_two_folders_of_ten_thousand_records_compared(benchmark, tmp_path):
    """Compare two folders whose scores differ only by noise."""
    study = factories.study(arms=ARMS, rungs=RUNGS, encoders=ENCODERS, draws=10, seeds=10)
    for seed in (1, 2):
        run_pairs.folder(tmp_path / f"{seed}", run_pairs.again(seed), of=study)
    words = ("compare", str(tmp_path / "1"), str(tmp_path / "2"))
    seconds = benchmark.pedantic(processor_seconds, args=words, rounds=1)
    benchmark.extra_info["processor seconds"] = seconds
    assert seconds < 8
