import platform
import subprocess
import sys

import pytest

from labeleff import one_core

AGAIN = """
import ctypes, resource
import torch
from labeleff.one_core import MMAP_THRESHOLD, give_back, keep_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def faults():
    seen = []
    for _ in range(20):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        maps = [torch.ones(2**20) for _ in range(4)]
        seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        del maps
    return sum(seen[5:])

assert ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, 2**20)  # the least favourable that glibc's own rule comes to
at_once = faults()
assert keep_memory()
kept, held = faults(), resident()
give_back()
print(at_once, kept, held - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_what_is_freed_is_taken_again_without_faults_and_can_be_given_back():
    """Faults of pages of 15 times 16 MB: 61,440 of 4 KB, or some dozens where the system gives large ones unasked."""
    told = subprocess.run([sys.executable, "-c", AGAIN], check=True, capture_output=True, text=True).stdout
    at_once, kept, given_back = (int(word) for word in told.split())
    assert at_once > 20
    assert kept * 10 < at_once
    assert given_back > 8 * 2**20


def test_other_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(one_core, "_glibc", lambda: None)
    assert not one_core.keep_memory()
    one_core.give_back()
