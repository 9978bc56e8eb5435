"""Killed with -9 at random moments, a run loses nothing, doubles nothing, and gives the same numbers.

`LABELEFF_KILLS` sets the number of kills (2 unless told; 20 for a thorough check).
"""

import json
import os
import random
import signal
import subprocess
import time

from support import toy_study

KILLS = int(os.environ.get("LABELEFF_KILLS", "2"))


def cells(out):
    """List (key, accuracy) of every cell line, in the order written, without a torn tail."""
    content = (out / "records.jsonl").read_bytes()
    lines = [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
    return [(line["key"], line["metrics"]["accuracy"]) for line in lines if line["type"] == "cell"]


def test_kills_at_random_moments(command, python_server, charts, tmp_path):
    study = toy_study.write(tmp_path)
    straight = command("run", study, "--out", tmp_path / "straight", "--jobs", "2")
    assert straight.returncode == 0, straight.stderr
    expected = dict(cells(tmp_path / "straight"))
    chance = random.Random(0)
    killed = 0
    for attempt in range(KILLS):
        out = tmp_path / f"killed{attempt}"
        environment = os.environ | {"LABELEFF_CACHE": str(tmp_path / f"cache{attempt}"), "OMP_NUM_THREADS": "1"}
        charts(tmp_path / f"cache{attempt}")
        words = ["-m", "labeleff", "run", str(study), "--out", str(out), "--jobs", "2", "--quiet"]
        call = [*python_server.python(environment), *words]
        process = subprocess.Popen(call, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
        killed += kill_at_random(process, out, chance)
        before = cells(out) if (out / "records.jsonl").exists() else []
        resumed = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=600)
        assert resumed.returncode == 0, resumed.stderr
        after = cells(out)
        assert after[: len(before)] == before, "what was recorded must stay"
        assert len(after) == len(dict(after)), "no cell twice"
        assert dict(after) == expected, "the same cells with the same numbers"
    assert killed > KILLS // 2


def kill_at_random(process, out, chance):
    """Kill once a random number of cells is recorded and a random moment has passed; returns whether it still ran."""
    wanted = chance.randrange(0, 16)
    while process.poll() is None:
        written = (
            (out / "records.jsonl").read_bytes().count(b'"type":"cell"') if (out / "records.jsonl").exists() else 0
        )
        if written >= wanted:
            time.sleep(chance.uniform(0, 0.1))
            break
        time.sleep(0.005)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()  # until it and its workers are gone
    return running
