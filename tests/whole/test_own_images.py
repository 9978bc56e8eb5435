"""A user's folder of images from study to report: its data count, not its path."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import labeleff
from labeleff.errors import ConditionError, StudyError
from labeleff.records.jsonl import read_records
from labeleff.study.loading import load_study, parse_study

STUDY = """
name = "mine"
tasks = [{ name = "folder/classify", path = "images", size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune", "rotation/finetune"]
rungs = [4, 8]
draws = 2

[budget.rotation]
lr = 0.05
batch = 8
steps = { min = 2, max = 2 }

[budget.finetune]
lr = 0.05
batch = 8
steps = { min = 2, max = 2 }
"""


def made(place):
    """A study beside its images, of which every test image is a training image too."""
    rng = np.random.default_rng(0)
    for label in range(2):
        for split in ("train", "test"):
            (place / "images" / split / str(label)).mkdir(parents=True)
        for number in range(10):
            path = place / "images" / "train" / str(label) / f"{number}.png"
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)
            if number < 5:
                shutil.copy(path, place / "images" / "test" / str(label))
    (place / "mine.toml").write_text(STUDY)
    return place / "mine.toml"


def test_the_same_images_at_another_path_are_the_same_data(tmp_path, capsys, command):
    study, out = made(tmp_path / "here"), tmp_path / "out"
    labeleff.run(study, out)
    there = tmp_path / "there" / "deeper"
    shutil.copytree(study.parent, there)
    before = (out / "records.jsonl").read_bytes()
    labeleff.run(there / "mine.toml", out)
    assert (out / "records.jsonl").read_bytes() == before, "nothing is measured again"
    labeleff.run(there / "mine.toml", tmp_path / "again")
    rows = labeleff.compare(out, tmp_path / "again").rows
    differences = [row.change.difference for row in rows if row.change.subject.metric == "accuracy"]  # speeds are noise
    assert differences
    assert not any(differences)
    merged = command("merge", out, tmp_path / "again", "--out", tmp_path / "merged")
    assert merged.returncode == 0, merged.stderr
    history = command("history", out, tmp_path / "again", "--out", tmp_path / "history")
    assert history.returncode == 0, history.stderr
    run = read_records(out).runs[-1]
    assert list(run.tasks) == ["folder/classify(size=16)"]
    assert run.tasks["folder/classify(size=16)"]["path"] == str(study.parent / "images")
    text = (out / "report.md").read_text() if (out / "report.md").exists() else labeleff.report(out).read_text()
    assert "10 of 10 test images are training images" in text.partition("\n\n- ")[0]


def test_other_images_at_the_same_path_are_refused(tmp_path):
    study, out = made(tmp_path / "here"), tmp_path / "out"
    labeleff.run(study, out)
    Image.new("RGB", (16, 16)).save(study.parent / "images" / "train" / "0" / "0.png")
    with pytest.raises(ConditionError, match=r"measured with data of folder/classify\(size=16\) = "):
        labeleff.run(study, out)


def test_records_of_earlier_versions_that_name_tasks_by_path_are_read(tmp_path):
    study, out = made(tmp_path / "here"), tmp_path / "out"
    labeleff.run(study, out)
    lines = (
        (out / "records.jsonl").read_text().replace("folder/classify(size=16)", "folder/classify(path=images, size=16)")
    )
    old = [json.loads(line) for line in lines.splitlines()]
    for entry in old:
        if entry["type"] in {"cell", "pretraining"}:
            entry["key"] = "old" + entry["key"][3:]
    (out / "records.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in old))
    before = (out / "records.jsonl").read_bytes()
    results = labeleff.run(study, out)
    assert (out / "records.jsonl").read_bytes() == before
    assert len(results.cells) == 8
    assert "folder/classify(size=16)" in labeleff.report(out).read_text()


def test_two_folders_in_a_study_need_names(tmp_path):
    table = {**load_study(str(made(tmp_path))).model_dump(mode="json")}
    both = [{"name": "folder/classify", "path": path, "size": 16} for path in ("/a", "/b")]
    with pytest.raises(StudyError, match=r"/a and /b: found tasks that differ in their path alone, .*data = \"NAME\""):
        parse_study({**table, "tasks": both}, "s")
    named = parse_study({**table, "tasks": [{**one, "data": one["path"][1:]} for one in both]}, "s")
    assert [task.label for task in named.tasks] == [f"folder/classify(data={name}, size=16)" for name in "ab"]


def test_what_is_not_read_is_said_before_training(tmp_path, command):
    study = made(tmp_path)
    (tmp_path / "images" / "train" / "0" / ".hidden.png").write_bytes(b"")
    result = command("run", study, "--out", tmp_path / "out", "--quiet")
    assert result.returncode == 0, result.stderr
    first = result.stdout.splitlines()[0]
    assert first == (f"note: {tmp_path}/images/train: not read: 1 file, hidden, first train/0/.hidden.png")
    shutil.rmtree(tmp_path / "images" / "test")
    result = command("run", study, "--out", tmp_path / "out2", "--quiet")
    assert result.returncode == 2
    assert f"{tmp_path}/images/test: can't be listed: No such file or directory; found train there" in result.stderr
