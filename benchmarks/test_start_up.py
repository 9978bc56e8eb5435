"""Start-up of the command line, in processor time of the whole process, and the modules it must not import."""

import os
import resource
import subprocess
import sys

import pytest


def processor_seconds(*arguments):
    """User and system time of one `labeleff` process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "labeleff", *arguments],
        check=True,
        capture_output=True,
        env=os.environ | {"COLUMNS": "160"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(("arguments", "limit"), [(["--help"], 0.5), (["plan", "cifar10"], 1.0)])
def test_start_up(benchmark, arguments, limit):
    seconds = min(processor_seconds(*arguments) for _ in range(7))
    benchmark.extra_info["processor seconds"] = seconds
    benchmark.pedantic(processor_seconds, args=arguments, rounds=1)
    assert seconds < limit
