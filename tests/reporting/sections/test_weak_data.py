"""What is weak in the data stands at the top of the report."""

from __future__ import annotations

import pytest
from support import factories

from labeleff.reporting.study_report import build


def text_of(tmp_path, **facts):
    of = factories.study()
    (label,) = [spec.label for spec in of.tasks]
    entry = factories.run_entry(of)
    tasks = {label: {**entry.tasks[label], **facts}}
    folder = factories.write(tmp_path, [factories.run_entry(of, tasks=tasks), *factories.cell_records(of)])
    return build(folder).read_text()


def test_a_leak_stands_above_the_verdict_and_first_among_weak_points(tmp_path):
    checks = {"test images in training": 60, "copies in training": 7, "copies among labelled": 2}
    text = text_of(tmp_path, checks={**checks, "equal images of different classes": 3})
    assert "60 of 1,000 test images are training images. See the first weak points." in text.partition("\n\n- ")[0]
    weak = text.partition("## Weak points")[2].strip().splitlines()
    assert weak[0].startswith(
        "- **Leak** in toy/classify(size=32, test=1000, train=2000): 60 of 1,000 test images (6.0%) are"
    )
    assert weak[1].startswith(
        "- **Contradicting labels** in toy/classify(size=32, test=1000, train=2000): 3 images are found"
    )
    assert "7 of 2,000 training and 0 of 1,000 test images repeat another" in weak[2]
    assert "up to 2 among its labelled ones" in weak[2]


@pytest.mark.parametrize(
    ("same", "words"),
    [
        (None, ", pixel by pixel,"),
        (60, ", 60 byte for byte,"),
        (0, ", 0 byte for byte and 60 more pixel for pixel,"),
        (45, ", 45 byte for byte and 15 more pixel for pixel,"),
    ],
)
def test_leaked_files_are_counted_apart_from_leaked_pixels(tmp_path, same, words):
    files = {} if same is None else {"test files in training": same}
    text = text_of(tmp_path, checks={"test images in training": 60}, **files)
    assert f"60 of 1,000 test images (6.0%) are also training images{words} so accuracies" in text
    above = text.partition("## Verdict")[0]
    assert f"60 of 1,000 test images are training images{words.rstrip(',') if same is not None else ''}. See" in above


def test_equal_images_modes_classes_and_files_are_flagged(tmp_path):
    text = text_of(
        tmp_path,
        **{
            "classes": ["a", "b", "c"],
            "all images equal": ["training"],
            "modes of some classes": {"I;16": ["a"]},
            "classes without test images": ["b", "c"],
            "not read": {"hidden in train": 3, "in val": 10},
        },
    )
    assert "all training images are equal; how an image is stored tells its class." in text
    assert "all 2,000 training images are the same, pixel by pixel" in text
    assert "training images are stored as I;16 in a alone" in text
    assert "2 of 3 classes have no test image and aren't tested: b, c." in text
    assert "**Files not read** of toy/classify(size=32, test=1000, train=2000): 3 hidden in train; 10 in val." in text


def test_records_without_these_facts_have_no_such_flag(tmp_path):
    text = text_of(tmp_path)
    assert "Mind the data" not in text
    assert "Leak" not in text
