"""Peak memory of a command and all processes that it starts: `python benchmarks/memory.py -- labeleff run smoke`.

Proportional set size (Linux): a page that processes share counts once over all of them. The sum is sampled, and the
sample with the largest one is printed process by process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
PARTS = {"Pss": "all", "Pss_Anon": "own", "Pss_File": "files", "Pss_Shmem": "shared"}
"""Lines of `smaps_rollup` (proc(5)) that are printed, in KiB there."""


def family(root: int) -> list[int]:
    """Process ids of a process and all of its descendants."""
    children = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def memory(pid: int) -> dict[str, float] | None:
    """Proportional set size of a process in MiB, by kind; None where it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    values = dict(line.split(":") for line in lines if ":" in line and line.split(":")[0] in PARTS)
    return {name: int(values[key].split()[0]) / 1024 for key, name in PARTS.items()} if values else None


def name_of(pid: int) -> str:
    """Short text of what a process is."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    return " ".join(words)[:70].strip()


def processor_seconds(pid: int) -> float | None:
    """Processor time of a process so far, system and user; None where it has ended."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sampled(
    process: subprocess.Popen[bytes], interval: float, seconds: dict[int, float]
) -> dict[int, tuple[str, dict[str, float]]]:
    """Sample until the command ends; returns the largest sample: memory by process id. `seconds` are processor time."""
    largest: dict[int, tuple[str, dict[str, float]]] = {}
    while process.poll() is None:
        pids = family(process.pid)
        seconds.update((pid, spent) for pid in pids if (spent := processor_seconds(pid)))
        found = {pid: (name_of(pid), used) for pid in pids if (used := memory(pid))}
        if total(found) > total(largest):
            largest = found
        time.sleep(interval)
    return largest


def total(sample: dict[int, tuple[str, dict[str, float]]]) -> float:
    """Sum over processes, in MiB."""
    return sum(used["all"] for _, used in sample.values())


def main() -> int:
    """Run the command, print its peak, and end as it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between samples")
    parser.add_argument("command", nargs="+", help="the command, after --")
    given = parser.parse_args()
    start = time.monotonic()
    process = subprocess.Popen(given.command)
    seconds: dict[int, float] = {}
    largest = sampled(process, given.interval, seconds)
    print(f"peak of the sum: {total(largest):,.0f} MiB in {len(largest)} processes", end=" ")
    print(f"({time.monotonic() - start:.1f} s wall, {sum(seconds.values()):.1f} s of processors)")
    for pid, (name, used) in largest.items():
        print(f"{pid:8d} " + " ".join(f"{part} {mib:7.1f}" for part, mib in used.items()) + f"  {name}")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
