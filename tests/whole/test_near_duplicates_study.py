"""Near-duplicates in a user's folder, from plan to report: counted under the same keys, or left out as other data."""

from __future__ import annotations

import pytest
from PIL import Image
from support.photographs import brightened, photographs, shifted

import labeleff
from labeleff.errors import RecordError
from labeleff.records.conditions import table_changes
from labeleff.records.jsonl import read_records
from labeleff.records.merge import merge, read_source
from labeleff.study.loading import load_study

STUDY = """
name = "mine"
tasks = [{ name = "folder/classify", path = "images"OPTION }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune"]
rungs = [4, 8]
draws = 1
budget.finetune = { lr = 0.05, batch = 8, steps = { min = 2, max = 2 } }
"""


def made(place):
    """Studies beside 20 training and 12 test images, of which three are training images moved or brightened."""
    train = photographs(20)
    test = [*photographs(9, seed=9), *shifted(train[:2]), *brightened(train[2:3])]
    for split, images in (("train", train), ("test", test)):
        for number, image in enumerate(images):
            folder = place / "images" / split / str(number % 2)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}.png")
    for how in ("", "count", "drop"):
        option = f', near_duplicates = "{how}"' if how else ""
        (place / f"study{how}.toml").write_text(STUDY.replace("OPTION", option))


def measured(place, how):
    out = place / f"out{how}"
    labeleff.run(place / f"study{how}.toml", out)
    records = read_records(out)
    ((label, facts),) = records.runs[-1].tasks.items()
    return out, records, label, facts, labeleff.report(out).read_text()


def test_counting_keeps_keys_and_dropping_is_other_data(tmp_path, command, capfd):
    made(tmp_path)
    plain = load_study(tmp_path / "study.toml")
    capfd.readouterr()
    count, records, counted, facts, report = measured(tmp_path, "count")
    told = "folder/classify: 3 of 12 test images (25.0%) have a near-duplicate among the training pool"
    assert f"note: {told}\n" in capfd.readouterr().out
    assert counted == plain.tasks[0].label
    assert records.cells.keys() == {cell.key for cell in plain.cells()}
    assert table_changes(records.runs[-1].study, plain.model_dump(mode="json")) == []
    assert facts["near-duplicates"] == {"found": 3, "of": 12, "equal": 0, "mirrored": 0, "left out": False}
    assert (
        f"- **Near-duplicates** in {counted}: 3 of 12 test images (25.0%) have a near-duplicate among the training "
        "pool, so accuracies also count what was nearly seen in training." in report
    )

    drop, others, dropped, facts, report = measured(tmp_path, "drop")
    assert dropped == "folder/classify(near_duplicates=drop, size=32)"
    assert facts["test"] == 9
    assert facts["near-duplicates"]["left out"] is True
    assert not others.cells.keys() & records.cells.keys()
    assert others.runs[-1].conditions.data[dropped] != records.runs[-1].conditions.data[counted]
    assert [one.indices for one in others.labels.values()] == [one.indices for one in records.labels.values()]
    assert "they are left out of the test split, so accuracies are of the others." in report
    with pytest.raises(RecordError, match="holds another study"):
        merge([read_source(count), read_source(drop)])

    planned = command("plan", tmp_path / "studydrop.toml", "--out", tmp_path / "new")
    assert planned.returncode == 0, planned.stderr
    assert f"note: {told}, and are left out of the test split\n" in planned.stdout
