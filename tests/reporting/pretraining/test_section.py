"""Points of pretraining in a report: known worths give known ratios, sentences, pretraining.csv and figures."""

import json

import numpy as np
import pandas as pd
import pytest
from support import factories

from labeleff.records.training_log import until
from labeleff.reporting.findings import find
from labeleff.reporting.output_files import draw
from labeleff.reporting.pretraining.courses import courses
from labeleff.reporting.pretraining.section import section, sentence
from labeleff.reporting.results import load
from labeleff.seeding import stream_seed

WORTH = {0.2: 1.5, 0.8: 2.4, None: 2.4}
"""Labels of the baseline that a label is worth after every share of the steps, on all images; two thirds on 500."""
FEW = 2 / 3


def value(cell):
    worth = 1.0 if cell.pretrain is None else WORTH[cell.pretrain_share] * (FEW if cell.pretrain_images else 1)
    noise = np.random.default_rng(stream_seed(cell.key)).standard_normal()
    return factories.accuracy(worth * cell.n) + 0.003 * noise


def folder(path, pretraining, **changes):
    arms = ["scratch/finetune", "rotation/linear"]
    table = {"arms": arms, "rungs": [50, 100, 200, 500], "draws": 4} | changes
    of = factories.study(pretraining=pretraining, **table)
    wholes = factories.pretrainings(of)
    points = [
        whole.model_copy(
            update={"key": item.key, "pretraining": item, "training": until(whole.training, round(5 * item.share))}
        )
        for whole in wholes
        for item in of.saved_points.get(whole.key, ())
    ]
    cells = [
        record.model_copy(
            update={
                "metrics": {"accuracy": value(record.cell)},
                "pretraining": record.cell.pretraining.key if record.cell.pretrain else None,
            }
        )
        for record in factories.cell_records(of)
    ]
    return factories.write(path, [factories.run_entry(of), *wholes, *points, *cells])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load(folder(tmp_path_factory.mktemp("points"), {"at": [0.2, 0.8, 1.0], "images": [500, "all"]}))


def test_known_worths_lie_in_their_intervals_and_sentences_say_what_is_shown(results):
    steps, all_steps, images = courses(results, results.measured)
    assert [item.axis for item in (steps, all_steps, images)] == ["steps", "steps", "images"]
    assert all_steps.home == images.home == results.places[-1]
    every = [WORTH[share] for share in WORTH]
    for item, worths in ((steps, [FEW * one for one in every]), (all_steps, every), (images, [FEW * 2.4, 2.4])):
        for stop, worth in zip(item.stops, worths, strict=True):
            mean = stop.comparison.mean
            assert mean.joint_low <= worth <= mean.joint_high
            assert (mean.above, mean.below) == (0, 0)
    assert [gain.sign for gain in all_steps.gains] == [1, 0]
    text = sentence(all_steps)
    assert text.startswith(
        "rotation/linear: from 20 to 80 % of the steps: what n labels are worth rises by a factor of "
    )
    assert "; the last 20 % of the steps: nothing that can be told is added (x" in text
    assert "from 500 images to all images: what n labels are worth rises by a factor of " in sentence(images)
    assert [(stop.steps, stop.drawn) for stop in steps.stops] == [(20, 640), (80, 2560), (100, 3200)]
    assert steps.stops[0].seconds < steps.stops[1].seconds < steps.stops[2].seconds == factories.training().seconds


def test_the_section_has_tables_a_table_of_numbers_and_figures(results, tmp_path):
    made = section(results, find(results.measured).measured)
    text = "\n".join(made.paragraphs)
    assert text.count("### Along the steps of a pretraining: ") == 2
    assert text.count("### By the number of images without labels: ") == 1
    assert "| rotation/linear | 20 % of the steps |    20 |" in text
    assert "| rotation/linear | all images  |   100 |" in text
    (tmp_path / "pretraining.csv").write_bytes(made.files["pretraining.csv"])
    table = pd.read_csv(tmp_path / "pretraining.csv")
    assert len(table) == (3 + 3 + 2) * 4
    last = table[(table.axis == "steps") & table.images.isna() & (table.share == 1.0) & (table.n == 50)].iloc[0]
    assert last.gain_low <= 1 <= last.gain_high
    assert last.utility == pytest.approx(1.4, abs=0.4)
    assert set(made.figures) == {name for name in made.figures if f"(figures/{name}.png)" in text}
    assert len(made.figures) == 3
    assert all(content.startswith(b"\x89PNG") for content in draw(made.figures, results.measured.look).values())


def test_the_headline_alone_is_shown_and_what_is_missing_is_left_out(tmp_path):
    path = folder(tmp_path, {"at": [0.2, 0.8, 1.0]}, headline=200)
    file = path / "records.jsonl"
    kept = [line for line in file.read_text().splitlines() if '"pretrain_share":0.8' not in line.replace(": ", ":")]
    file.write_text("\n".join([*kept, ""]))
    made = section(load(path), load(path).measured)
    text = "\n".join(made.paragraphs)
    assert "U, n = 200" in text
    assert "U, n = 50 " not in text
    assert "from 20 to 100 %" not in text
    assert "the last 80 % of the steps: what n labels are worth rises" in text
    assert "80 % of the steps |" not in text


def test_a_course_goes_on_where_its_last_point_has_no_runs_of_any_arm(tmp_path):
    path = folder(tmp_path, {"at": [0.2, 0.8, 1.0]})
    file = path / "records.jsonl"
    lines = [(line, json.loads(line)) for line in file.read_text().splitlines()]
    cells = [(line, entry.get("cell") or {}) for line, entry in lines]
    kept = [line for line, cell in cells if not cell.get("pretrain") or cell.get("pretrain_share")]
    assert len(kept) < len(lines)
    file.write_text("\n".join([*kept, ""]))
    results = load(path)
    [course] = courses(results, results.measured)
    assert [stop.point.share for stop in course.stops] == [0.2, 0.8]
    assert "from 20 to 80 % of the steps" in sentence(course)


def test_a_study_without_points_has_no_section(tmp_path):
    results = load(factories.folder(tmp_path))
    assert section(results, results.measured).paragraphs == ()
