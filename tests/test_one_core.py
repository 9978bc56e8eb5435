import platform
import subprocess
import sys

import pytest

from labeleff import one_core

AGAIN = """
import resource, sys
import torch
from labeleff.one_core import give_back, keep_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

if sys.argv[1] == "kept":
    assert keep_memory()
faults = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    maps = [torch.ones(2**20) for _ in range(4)]
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    del maps
held = resident()
give_back()
print(sum(faults[5:]), held - resident())
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def freed_and_taken_again(how):
    """Faults of pages of 15 times 16 MB, and the bytes that giving back brings."""
    told = subprocess.run([sys.executable, "-c", AGAIN, how], check=True, capture_output=True, text=True).stdout
    return [int(word) for word in told.split()]


@glibc
def test_what_is_freed_is_taken_again_without_faults_and_can_be_given_back():
    faults, given_back = freed_and_taken_again("kept")
    usual, _ = freed_and_taken_again("usual")
    assert faults * 10 < usual
    assert given_back > 8 * 2**20


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(one_core, "_glibc", lambda: None)
    assert not one_core.keep_memory()
    one_core.give_back()
