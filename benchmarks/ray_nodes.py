"""Ray nodes on this machine, started as a user starts them, and the processes that they consist of."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 60.0
"""Seconds that a node may take to start, or to end."""
SERVANTS = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Titles of Ray's own processes that are named like workers."""


def settle(folder: Path) -> None:
    """Let Ray, here and in all processes to come, keep its files and its clusters' secret in `folder`."""
    token = folder / "token"
    token.write_text("0" * 64, encoding="utf-8")
    os.environ |= {
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
    }


@contextlib.contextmanager
def nodes(count: int, processors: int, caches: Path | None = None) -> Iterator[str]:
    """Start a cluster of `count` nodes with the given processors each, and yield its address; it ends with the block.

    With `caches` each node has a cache folder of its own inside it.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    head = ["--head", "--port", address.rpartition(":")[2], "--include-dashboard", "false"]
    started = []
    try:
        for number in range(count):
            role = ["--address", address] if number else head
            cache = {"LABELEFF_CACHE": str(caches / f"node{number}")} if caches else {}
            started.append(_start([*role, "--num-cpus", str(processors)], cache))
            _wait(lambda: _raylets(started) == number + 1, f"node {number} hasn't started")  # noqa: B023
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(PATIENCE)


def _start(options: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address", "127.0.0.1"]
    return subprocess.Popen(
        [*words, "--object-store-memory", "200000000", *options],
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _raylets(started: list[subprocess.Popen[bytes]]) -> int:
    """Count the nodes that have started their agent."""
    return sum(any(title in SERVANTS for title in below(process.pid).values()) for process in started)


def _wait(condition, otherwise: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.1)


def below(root: int) -> dict[int, str]:
    """List all processes below a process, with their titles."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (parent := _parent(entry)):
            children.setdefault(parent, []).append(int(entry.name))
    found, left = dict[int, str](), [root]
    while left:
        for pid in children.get(left.pop(), ()):
            found[pid] = _title(pid)
            left.append(pid)
    return found


def lives(pid: int) -> bool:
    """Check whether a process exists and isn't a zombie."""
    return _parent(Path(f"/proc/{pid}")) > 0


def _parent(entry: Path) -> int:
    """Read the parent of a process; 0 where that isn't alive."""
    try:
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return 0
    return 0 if state == "Z" else int(parent)


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def workers(root: int) -> dict[int, str]:
    """List the worker processes below a process, and what each does: a job's name, `IDLE`, `Board`, or `starting`."""
    found = {}
    for pid, title in below(root).items():
        if title.startswith("ray::") and title not in SERVANTS:
            found[pid] = title.removeprefix("ray::")
        elif "default_worker.py" in title and "raylet --" not in title:  # which says how it starts them
            found[pid] = "starting"
    return found
