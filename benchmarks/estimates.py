"""Estimates of `labeleff plan --calibrate` beside what the same runs then take, in processor seconds.

    python benchmarks/estimates.py OUT [--only NAME,NAME] [--jobs 1] [--table reports/faults/estimates.md]

Every study is planned with a calibration and then run, with a cache and data of its own. `OUT/estimates.csv` has a row
per study and part: the jobs as the records have them, the report, and the rest (start of processes, data). `all` is the
whole command with its worker processes, as the system counts it. Studies that are in the table aren't measured again.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from csv_rows import append
from PIL import Image

CLASSES = 3
SIDE = 32
IMAGES = """
name = "{name}"
tasks = [{{ name = "folder/classify", path = "{name}", size = 32 }}]
encoders = [{{ name = "resnet9", width = 0.125 }}]
arms = {arms}
rungs = {rungs}
draws = 2
[budget.rotation]
lr = 0.05
batch = 32
steps = {{ min = 60, max = 60 }}
[budget.finetune]
lr = 0.05
batch = 32
steps = {{ min = 40, max = 40 }}
"""
ARMS = '["scratch/finetune", "rotation/finetune", "rotation/linear"]'
TOY = """
name = "{name}"
tasks = [{{ name = "toy/classify", train = 1500, test = 500 }}]
encoders = [{{ name = "resnet9", width = 0.125 }}]
arms = {arms}
baseline = "{baseline}"
rungs = [50, 200, 800]
draws = 3
{budget}
"""
ROW = "[budget.{name}]\nlr = 0.05\nbatch = 32\nsteps = {{ min = {steps}, max = {steps} }}\n"
BABI = """
name = "stories"
tasks = [
    { name = "babi/qa1", size = "1k", source = "generated" },
    { name = "babi/qa2", size = "1k", source = "generated" },
]
encoders = ["memnet"]
arms = ["scratch/validated"]
baseline = "scratch/validated"
rungs = [1000]
draws = 1
[budget.validated]
optimizer = "adam"
lr = 0.003
batch = 32
epochs = 8
"""
VECTORS = """
name = "embeddings"
tasks = [{ name = "embeddings/classify", files = "one=HERE/one.npz;two=HERE/two.npz" }]
encoders = ["rows"]
arms = [
    { pretext = { name = "embedding", of = "one" }, protocol = "linear" },
    { pretext = { name = "embedding", of = "two" }, protocol = "linear" },
    { pretext = { name = "embedding", of = "two" }, protocol = "knn" },
]
baseline = "embedding(of=one)/linear"
rungs = [30, 100, 300, 1000]
draws = 3
"""
RENDERED = """
name = "rendered"
tasks = [{ name = "shapes/classify", train = 1200, test = 400, factors = "-CV-" }]
encoders = [{ name = "resnet9", width = 0.125 }]
arms = ["scratch/finetune", "rotation/finetune", "rotation/knn"]
rungs = [50, 200, 800]
draws = 2
"""


def toy(name, arms, **steps):
    """Write a study on procedural images with budget rows of the given steps."""
    rows = "\n".join(ROW.format(name=row, steps=count) for row, count in steps.items())
    return TOY.format(name=name, arms=json.dumps(arms), baseline=arms[0], budget=rows)


STUDIES = {
    "folder-30": IMAGES.format(name="folder-30", arms=ARMS, rungs=[9, 18]),
    "folder-300": IMAGES.format(name="folder-300", arms=ARMS, rungs=[30, 150]),
    "folder-3000": IMAGES.format(name="folder-3000", arms=ARMS, rungs=[30, 300, 1500]),
    "folder-30000": IMAGES.format(name="folder-30000", arms=ARMS, rungs=[30, 300, 3000]),
    "folder-100000": IMAGES.format(name="folder-100000", arms=ARMS, rungs=[30, 300, 3000]),
    "frozen": toy("frozen", ["scratch/linear", "rotation/linear", "rotation/knn"], rotation=100),
    "finetuned": toy("finetuned", ["scratch/finetune", "rotation/finetune"], rotation=200, finetune=100),
    "joint": toy("joint", ["scratch/finetune", "rotation/joint"], finetune=60, joint=60, rotation=60),
    "two-views": toy("two-views", ["scratch/finetune", "vae/finetune", "vae/linear"], finetune=60, vae=100),
    "rendered": RENDERED + "".join(ROW.format(name=n, steps=s) for n, s in (("rotation", 60), ("finetune", 40))),
    "stories": BABI,
    "embeddings": VECTORS,
}


def write_folder(root, count):
    """Write `count` small PNGs in class folders: noise whose colour leans to the class, a fifth of them for testing."""
    rng = np.random.default_rng(count)
    for number in range(count):
        label, split = number % CLASSES, "test" if number // CLASSES % 5 == 4 else "train"
        place = root / split / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (SIDE, SIDE, 3), np.uint8)
        pixels[..., label] += 40
        Image.fromarray(pixels).save(place / f"{number:06}.png")


def write_vectors(folder, count=1500):
    """Write features of the same items by two encoders, one of which tells the classes better."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 10
    split = np.where(rng.random(count) < 0.7, "train", "test")
    for name, distance in (("one", 0.5), ("two", 1.0)):
        centres = rng.normal(0.0, distance, (10, 128))
        features = (centres[labels] + rng.normal(0.0, 1.0, (count, 128))).astype(np.float32)
        np.savez(
            folder / f"{name}.npz", features=features, labels=labels, split=split, ids=np.arange(count).astype(str)
        )


def write_study(name, folder):
    """Write a study with its data into a folder; returns its path."""
    if name.startswith("folder-"):
        write_folder(folder / name, int(name.removeprefix("folder-")))
    if name == "embeddings":
        write_vectors(folder)
    path = folder / f"{name}.toml"
    path.write_text(STUDIES[name].replace("HERE", str(folder)), encoding="utf-8")
    return path


def expected(path, out, jobs):
    """Plan a study with a calibration; returns processor seconds by part."""
    from labeleff.commands.plan import plan
    from labeleff.commands.plan_tables import what_is_left
    from labeleff.files import cache_folder
    from labeleff.records.jsonl import read_records
    from labeleff.scheduling.speeds import read_speeds
    from labeleff.study.loading import load_study

    plan(str(path), out=out, jobs=jobs, calibrate=True)
    study = load_study(str(path))
    _, estimate = what_is_left(study, list(study.cells()), read_records(out), jobs, read_speeds(cache_folder(), "cpu"))
    parts = {}
    for part in estimate.parts:
        name = named(part)
        parts[name] = parts.get(name, 0.0) + part.seconds
    beside = estimate.overheads
    parts |= {"report": beside.report or 0.0, "start and data": beside.seconds - (beside.report or 0.0)}
    return parts | {"all": estimate.processor_seconds}


def named(part):
    """Name a part of an estimate by its kind of work."""
    protocol = "" if part.protocol is None else f" {part.protocol.partition('(')[0]}"
    return f"{part.what}{protocol or ' ' + part.pretext.partition('(')[0]}"


def taken(path, out, jobs, environment):
    """Run a study; returns processor seconds by part."""
    from labeleff.reporting.effort.estimates import part_times
    from labeleff.reporting.results import load
    from labeleff.scheduling.overheads import report_name
    from labeleff.scheduling.speeds import read_speeds

    command = [sys.executable, "-m", "labeleff", "run", str(path), "--out", str(out), "--quiet", "--jobs", str(jobs)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{path}: exit status {process.returncode}"
    results = load(out)
    parts = {}
    for one in part_times(results):
        parts[named(one.part)] = parts.get(named(one.part), 0.0) + (one.processor or 0.0)
    report = 1 / read_speeds(Path(environment["LABELEFF_CACHE"]))[report_name(results.study)]
    whole = usage.ru_utime + usage.ru_stime
    return parts | {"report": report, "start and data": whole - report - sum(parts.values()), "all": whole}


def measure(name, jobs):
    """Plan and run one study; returns its rows."""
    with tempfile.TemporaryDirectory(prefix="estimates-") as place:
        folder = Path(place)
        path, out = write_study(name, folder), folder / "out"
        environment = os.environ | {"LABELEFF_CACHE": str(folder / "cache"), "LABELEFF_DATA": str(folder / "data")}
        command = [sys.executable, __file__, str(out), "--plan", str(path), "--jobs", str(jobs)]
        planned = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        before, after = json.loads(planned.splitlines()[-1]), taken(path, out, jobs, environment)
    for part, seconds in after.items():
        guess = before.get(part, 0.0)
        ratio = f"{guess / seconds:.3f}" if seconds else ""
        yield {
            "study": name,
            "jobs": jobs,
            "part": part,
            "expected": f"{guess:.3f}",
            "taken": f"{seconds:.3f}",
            "ratio": ratio,
        }


def document(rows):
    """Write the table in Markdown, with the median and the range of the ratios of whole commands."""
    ratios = [float(row["ratio"]) for row in rows if row["part"] == "all"]
    off = [abs(ratio - 1) for ratio in ratios]
    head = [
        "# Estimates of `plan --calibrate` beside what runs took",
        "    python benchmarks/estimates.py OUT --table reports/faults/estimates.md",
        "Processor seconds, as expected by a calibration of the study on the same machine, which did other work too, "
        "and as taken by the run. `all` is the whole command with its processes, from its start to the report.",
        f"**Whole commands: {len(ratios)} studies; off by {statistics.median(off):.0%} in the median, "
        f"ratios from {min(ratios):.2f} to {max(ratios):.2f}.**",
    ]
    table = ["| study | processes | part | expected | taken | expected / taken |", "|---|---:|---|---:|---:|---:|"]
    for row in rows:
        cells = row["study"], row["jobs"], row["part"], f"{float(row['expected']):.2f}", f"{float(row['taken']):.2f}"
        table.append(f"| {' | '.join(cells)} | {float(row['ratio'] or 'nan'):.2f} |")
    return "\n\n".join([*head, "\n".join(table)]) + "\n"


def read_rows(path):
    """Read the rows that are there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", help="names of studies, with commas (default: all but folder-100000)")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", type=Path, help="write the table in Markdown here")
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan:
        print(json.dumps(expected(options.plan, options.out, options.jobs)))
        return
    path = options.out / "estimates.csv"
    names = options.only.split(",") if options.only else [name for name in STUDIES if name != "folder-100000"]
    done = {(row["study"], int(row["jobs"])) for row in read_rows(path)}
    for name in names:
        if (name, options.jobs) not in done:
            rows = list(measure(name, options.jobs))
            append(path, rows)
            for row in rows:
                print(*row.values(), sep="\t", flush=True)
    if options.table:
        options.table.write_text(document(read_rows(path)), encoding="utf-8")


if __name__ == "__main__":
    main()
