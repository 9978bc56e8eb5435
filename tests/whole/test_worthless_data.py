"""Data from which nothing, or not what is meant, can be learned: the top of the report says so."""

import numpy as np
import pytest
from PIL import Image
from support.report_text import head_of

import labeleff
from labeleff.reporting import output_files

STUDY = """
name = "mine"
tasks = [{{ name = "folder/classify", path = "images", size = 16 }}]
encoders = [{{ name = "resnet9", width = 0.0625, dim = 16 }}]
arms = ["scratch/finetune", "scratch/linear"]
rungs = [8, 16, 32]
draws = {draws}
curve = "pchip"

[budget.finetune]
lr = 0.05
batch = 8
steps = {{ min = 20, max = 20 }}
"""
COUNTS = {"train": 24, "test": 16}


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(output_files, "draw", lambda *_: {})


def bars(label, dice):
    """A bright bar at a random place: upright for class 0, level for class 1."""
    levels = dice.integers(0, 60, (16, 16), np.uint8)
    place = dice.integers(0, 13)
    (levels if label == 0 else levels.T)[:, place : place + 3] += 180
    return levels


def noise(_, dice):
    return dice.integers(0, 256, (16, 16), np.uint8)


def shuffled(_, dice):
    """A picture of either class, whatever its label."""
    return bars(int(dice.integers(2)), dice)


def equal(_, __):
    return np.full((16, 16), 80, np.uint8)


def top(place, content, seed=0, *, draws=3, mode="L"):
    """The head of the report, for two classes of made pictures; class 1 is stored as `mode`."""
    dice = np.random.default_rng(seed)
    for split, count in COUNTS.items():
        for label in (0, 1):
            folder = place / "images" / split / "ab"[label]
            folder.mkdir(parents=True)
            for number in range(count):
                image = Image.fromarray(content(label, dice))
                (image.convert(mode) if label else image).save(folder / f"{number}.png")
    (place / "mine.toml").write_text(STUDY.format(draws=draws))
    labeleff.run(place / "mine.toml", place / "out")
    return head_of(labeleff.report(place / "out").read_text())


CHANCE = "Not to be trusted as it stands**: baseline at chance"


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("content", [noise, shuffled])
def test_what_says_nothing_of_its_class_is_at_chance(tmp_path, content, draws):
    assert CHANCE in top(tmp_path, content, draws=draws)


def test_equal_images_are_said_to_be_equal(tmp_path):
    text = top(tmp_path, equal)
    assert "all training images are equal; all test images are equal" in text
    assert CHANCE in text


def test_a_class_in_another_mode_is_said_to_be_told_by_it(tmp_path):
    assert "how an image is stored tells its class" in top(tmp_path, noise, mode="RGBA")


def test_what_can_be_learned_has_no_such_flag(tmp_path):
    text = top(tmp_path, bars)
    assert "chance" not in text
    assert "Mind the data" not in text
