"""Damaged inputs, each of which must give a clear error or a correct result.

    python benchmarks/mutations.py --count 1000 --out reports/faults

Studies, tables of runs, records and bAbI files are damaged by a seeded mutator and given to the command line, in this
process and without figures. Correct is: exit status 0, or 1 or 2 with one or two lines and no traceback, within a limit
of CPU time and memory. Writes `mutations.csv`: one row per kind of input and of damage. Exits 1 where one failed, and
names the seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import random
import re
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labeleff.commands import cli
from labeleff.reporting import output_files

SECONDS = 30
"""CPU time in seconds that one input may take."""
MEMORY = 12 << 30
"""Bytes of address space that the process may have; a study of 10**12 cells must not need more."""

STUDY = """\
name = "mutated"
title = "Mutated"
tasks = [{ name = "toy/classify", train = 400, test = 200 }]
encoders = [{ name = "resnet9", width = 0.0625 }]
arms = ["scratch/finetune", "rotation/finetune", "rotation/linear"]
baseline = "scratch/finetune"
rungs = [20, 50, 100]
draws = 2
level = 0.9
targets = [0.7]
cost = { per_label = 0.05, unit = "USD" }

[budget.rotation]
optimizer = "sgd"
lr = 0.05
batch = 64
epochs = 2

[budget.finetune]
lr = 0.05
batch = 32
steps = { min = 8, per_label = 0.1, max = 80 }
augment = { crop = 4, flip = true }

[gate]
fail_on = ["worse", "utility@50 < -0.2"]
"""
RUNS = "arm,n,run,accuracy\n" + "".join(
    f"{arm},{n},{run},{top - 1.2 * n**-0.4 + run / 100:.3f}\n"
    for arm, top in (("scratch", 0.9), ("rotation", 0.95))
    for n in (50, 100, 200, 400)
    for run in range(3)
)
STORIES = "".join(
    f"1 Mary moved to the {place}.\n2 John went to the {other}.\n3 Where is Mary? \t{place}\t1\n"
    for place in ("bathroom", "hallway", "kitchen", "garden")
    for other in ("office", "bedroom", "garden")
)
STORY_STUDY = """\
name = "told"
tasks = [{ name = "babi/qa1", size = "1k" }]
encoders = ["memnet"]
arms = ["scratch/finetune"]
rungs = [5]
draws = 1
[budget.finetune]
lr = 0.01
batch = 4
epochs = 1
"""
ODD = ["\u202e", "\u200b", "é", "𝟛", "\ufeff", "\x00", "\x1b[31m", "\ud800", "ﷺ" * 50, "<script>", "|", "`", "=cmd()"]
SWAPS = ["true", '"text"', "[]", "{}", "nan", "inf", "-1", "0", "1e400", "9" * 400, "2024-01-01", "null", "-0.0", "1e9"]


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def lines(data: bytes, chance: random.Random) -> bytes:
    """Repeat a line, delete it, or swap it with another."""
    rows = data.splitlines(keepends=True)
    one, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    kind = chance.randrange(3)
    if kind == 0:
        rows.insert(other, rows[one])
    elif kind == 1:
        del rows[one]
    else:
        rows[one], rows[other] = rows[other], rows[one]
    return b"".join(rows)


def _values(data: bytes) -> list[re.Match[bytes]]:
    return list(re.finditer(rb'-?\d+(?:\.\d+)?|true|false|null|"[^"\n]*"', data))


def _replaced(data: bytes, chance: random.Random, new: bytes) -> bytes:
    found = chance.choice(_values(data) or list(re.finditer(rb"\S+", data)))
    return data[: found.start()] + new + data[found.end() :]


def swap(data: bytes, chance: random.Random) -> bytes:
    return _replaced(data, chance, _bytes(chance.choice(SWAPS)))


def huge(data: bytes, chance: random.Random) -> bytes:
    power = chance.choice([6, 9, 12, 18, 30, 300, 5000])
    return _replaced(data, chance, b"1" + b"0" * power)


def odd(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + _bytes(chance.choice(ODD)) + data[place:]


def nul(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + b"\x00" * chance.randint(1, 3) + data[place:]


def nest(data: bytes, chance: random.Random) -> bytes:
    depth = chance.choice([5, 100, 3000])
    opened, closed = chance.choice([(b"[", b"]"), (b'{"a":', b"}"), (b"{a=", b"}")])
    return _replaced(data, chance, opened * depth + b"1" + closed * depth)


def splice(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(data)) for _ in range(2))
    place = chance.randrange(len(data))
    return data[:place] + data[start:end] + data[place:]


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [
    flip, truncate, lines, swap, huge, odd, nul, nest, splice,
]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of input: a good file, its place, and the command that reads it."""

    name: str
    good: bytes
    place: str
    command: tuple[str, ...]


def kinds(records: bytes) -> list[Kind]:
    export = ("plan", "told.toml", "--export-draws", "draws", "--data-dir", ".", "--offline")
    return [
        Kind("study", _bytes(STUDY), "study.toml", ("plan", "study.toml")),
        Kind("runs", _bytes(RUNS), "runs.csv", ("utility", "runs.csv", "--method", "pchip", "--out", "out")),
        Kind("records", records, "run/records.jsonl", ("report", "run", "--method", "pchip")),
        Kind("merged", records, "run/records.jsonl", ("merge", "run", "good", "--out", "all")),
        Kind("stories", _bytes(STORIES), "tasks_1-20_v1-2/en/qa1_single-supporting-fact_train.txt", export),
    ]


def lay_out(folder: Path, records: bytes) -> None:
    """Write good files of every kind, one of which is then damaged."""
    stories = folder / "tasks_1-20_v1-2" / "en"
    for place in (stories, folder / "run", folder / "good"):
        place.mkdir(parents=True, exist_ok=True)
    (folder / "told.toml").write_text(STORY_STUDY, encoding="utf-8")
    (stories / "qa1_single-supporting-fact_test.txt").write_text(STORIES, encoding="utf-8")
    (folder / "good" / "records.jsonl").write_bytes(records)


def invoke(command: tuple[str, ...]) -> tuple[int | None, str]:
    """Run a command line; returns its exit status, None where it broke off, and its error text."""
    said, complaint = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["labeleff", *command]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaint), warnings.catch_warnings():
            warnings.simplefilter("error")
            cli.main()
    except SystemExit as end:
        return (end.code if isinstance(end.code, int) else int(end.code is not None)), complaint.getvalue()
    except BaseException:  # noqa: BLE001  any exception is a finding
        return None, traceback.format_exc()
    finally:
        sys.argv = before
    return 0, complaint.getvalue()


def problem(status: int | None, complaint: str) -> str | None:
    """Say what is wrong with how a command ended; None where it is correct."""
    rows = complaint.strip().splitlines()
    if status is None or "Traceback" in complaint:
        return rows[-1] if rows else "no message"
    if status not in {0, 1, 2}:
        return f"exit status {status}"
    if status == 2 and not 1 <= len(rows) <= 2:
        return f"{len(rows)} lines of complaint"
    if status == 2 and any(len(row) > 2000 for row in rows):
        return "a complaint of over 2,000 characters"
    return None


def mutate(folder: Path, kind: Kind, seed: int) -> tuple[str, int | None, str]:
    """Damage an input and run its command: the damage's name, exit status and complaint."""
    chance = random.Random(f"{kind.name} {seed}")
    damage = DAMAGES[seed % len(DAMAGES)]
    (folder / kind.place).write_bytes(damage(kind.good, chance))
    (folder / "all" / "records.jsonl").unlink(missing_ok=True)
    with limited():
        return (damage.__name__, *invoke(kind.command))


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Limit CPU time in the block by a signal, which breaks off a command that hangs."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"over {SECONDS} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def without_figures() -> None:
    """Leave figures out, which take most of a report's time and are the same for all inputs."""
    output_files.draw = lambda *_: {}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--records", type=Path, default=Path("reports/pose-long/records.jsonl"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="Kinds of input.")
    options = parser.parse_args()
    records, out = options.records.read_bytes(), options.out.resolve()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    without_figures()
    table: dict[tuple[str, str], Counter[str]] = {}
    failures = 0
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = Path(scratch)
        lay_out(folder, records)
        chosen = [kind for kind in kinds(records) if not options.only or kind.name in options.only]
        for seed in range(options.count):
            kind = chosen[seed % len(chosen)]
            damage, status, complaint = mutate(folder, kind, seed // len(chosen))
            wrong = problem(status, complaint)
            row = table.setdefault((kind.name, damage), Counter())
            row["right result" if status == 0 else "clear error"] += wrong is None
            row["failed"] += wrong is not None
            if wrong is not None:
                failures += 1
                print(f"{kind.name} {seed // len(chosen)} ({damage}): {wrong}\n{complaint[-1500:]}", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "mutations.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ("clear error", "right result", "failed")
        writer.writerow(["input", "damage", *columns])
        writer.writerows([*key, *(row[name] for name in columns)] for key, row in sorted(table.items()))
    print(f"{options.count} damaged inputs, {failures} failed")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
