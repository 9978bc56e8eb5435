"""A study over time: order, series of like conditions, headline numbers, changes, and the command with its files."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from support import benchmark_files, factories, run_pairs, story_records
from support.run_pairs import conditions
from support.run_pairs import on_day as run

from labeleff.comparison import benchmark_json, headlines, history_report
from labeleff.comparison.history import history
from labeleff.errors import OptionError, RecordError
from labeleff.reporting.measurements import Place
from labeleff.reporting.results import load

ARM = "accuracy[scratch/finetune]"


def series(found, name):
    return [item for item in found.series if item.subject.name == name]


def told(*folders):
    return history([headlines.entry(folder) for folder in folders])


def test_headlines_are_means_over_the_ladder_and_what_the_report_says():
    folder = run(1)
    found = {subject.name: value for subject, value in headlines.entry(folder).values.items()}
    results = load(folder)
    [place] = results.places
    means = [np.mean(list(rung.values())) for rung in results.arm_runs(place, "scratch/finetune").values()]
    assert found[ARM].value == pytest.approx(np.mean(means))
    assert found[ARM].low < found[ARM].value < found[ARM].high
    assert set(found) == {
        *(f"accuracy[{arm}]" for arm in factories.SAVED),
        "utility[rotation/finetune]",
        "utility[rotation/linear]",
        "throughput[rotation]",
        "throughput[scratch/finetune]",
        "throughput[rotation/finetune]",
        *(f"time[{arm}]" for arm in factories.SAVED),
    }
    assert found["throughput[scratch/finetune]"].value == pytest.approx(980, rel=0.03)


def test_an_arm_that_lacks_a_rung_has_no_headline():
    folder = run_pairs.folder(Path("run"), keep=lambda record: record.cell.n != 100 or "rotation" in record.cell.arm)
    names = {subject.name for subject in headlines.entry(folder).values}
    assert ARM not in names
    assert "utility[rotation/finetune]" not in names
    assert "accuracy[rotation/finetune]" in names


def test_stories_are_counted():
    of = story_records.study()
    records = [story_records.record(cell, 0.97 if "1" in cell.task.name else 0.5, 0.9) for cell in of.cells()]
    folder = factories.write(Path("stories"), [factories.run_entry(of), *records])
    found = {(s.metric, s.task.partition("(")[0]): v.value for s, v in headlines.entry(folder).values.items()}
    assert found["passed", "all tasks"] == 1
    assert found["error", "babi/qa1"] == pytest.approx(0.03)


def test_runs_are_in_order_of_time_and_one_series_where_nothing_changed():
    found = told(run(3), run(1), run(2))
    assert [entry.origin.name for entry in found.entries] == ["run01", "run02", "run03"]
    [item] = series(found, ARM)
    assert [point.run_index for point in item.points] == [0, 1, 2]
    assert item.condition_changes == ()


def test_other_conditions_begin_a_series_and_old_ones_go_on():
    found = told(run(1), run(2, conditions=conditions(torch="2.16")), run(3))
    first, second = series(found, ARM)
    assert [point.run_index for point in first.points] == [0, 2]
    assert [point.run_index for point in second.points] == [1]
    assert second.condition_changes == ("torch 2.15 -> 2.16",)
    assert history_report.new_series(found) == [
        "2026-01-02 00:00, commit 0000002: `accuracy[scratch/finetune]` and 10 more: torch 2.15 -> 2.16"
    ]


def test_another_machine_begins_series_of_speeds_alone():
    environment = factories.run_entry(factories.study()).environment | {"cpu": "another"}
    found = told(run(1), run(2, environment=environment))
    assert len(series(found, ARM)) == 1
    assert [item.condition_changes for item in series(found, "throughput[scratch/finetune]")] == [
        (),
        ("cpu a processor -> another",),
    ]


def test_a_changed_study_begins_series_of_what_it_bears_on():
    budget = {"lr": 0.01, "batch": 32, "steps": {"min": 8, "max": 8}}
    other = factories.study(budget={"rotation": factories.study().budget["rotation"].model_dump(), "finetune": budget})
    found = told(run(1), run(2, of=other))
    assert [item.condition_changes for item in series(found, ARM)] == [(), ("budget.finetune.lr 0.05 -> 0.01",)]
    assert len(series(found, "accuracy[rotation/linear]")) == 1
    assert len(series(found, "utility[rotation/linear]")) == 2


def test_more_draws_go_on_with_the_series():
    found = told(run(1), run(2, of=factories.study(draws=4)))
    assert len(series(found, ARM)) == 1


def test_a_drop_is_a_change_for_the_worse():
    found = told(*(run(number, -0.05 * (number > 5)) for number in range(1, 11)))
    [item] = series(found, ARM)
    [change] = item.changes
    assert change.place == 5
    assert not item.better(change)
    text = history_report.level_changes(found)
    assert any(line.startswith(f"**worse**: `{ARM}` ") and "commit 0000006" in line for line in text)


def test_slower_cells_are_worse_though_their_number_is_higher():
    def slower(record):
        return record.model_copy(update={"seconds": 2 * record.seconds + 0.01 * record.cell.draw})

    folders = [run(number) for number in range(1, 6)]
    for number in range(6, 11):
        fields = {"started": f"2026-01-{number:02d}T00:00:00+00:00"}
        folders.append(run_pairs.folder(Path(f"run{number:02d}"), slower, run=fields))
    [item] = series(told(*folders), "time[scratch/finetune]")
    assert [item.better(change) for change in item.changes] == [False]


def test_runs_that_repeat_to_the_last_digit_are_one_measurement():
    """Other rounding gives other numbers, every time the same: four nights of each are no evidence."""

    def nights(shift):
        return told(
            *(
                run_pairs.folder(
                    Path(f"{shift}-{day}"),
                    run_pairs.again(7 if day < 5 else 8, -shift * (day > 4), sd=0.003),
                    run={"started": f"2026-01-{day:02d}T00:00:00+00:00"},
                )
                for day in range(1, 9)
            )
        )

    [line] = [text for text in history_report.level_changes(nights(0)) if f"`{ARM}`" in text]
    assert line.startswith("**changed**: ")
    assert line.endswith("commit –, every run of a level the same, no intervals apart")
    [line] = [text for text in history_report.level_changes(nights(0.1)) if f"`{ARM}`" in text]
    assert line.startswith("**worse**: ")
    assert line.endswith("p 0.029")


def test_changes_by_chance_are_counted():
    assert history_report.by_chance(told(*(run(number) for number in range(1, 8)))) == ""
    found = told(*(run(number) for number in range(1, 9)))
    expected = f"of {len(found.series)} series of 8 runs or more, up to {0.05 * len(found.series):.2g} change by chance"
    assert history_report.by_chance(found).startswith(expected)
    assert f"\n\n{expected} alone.\n" in history_report.document(found, [])


def test_a_run_that_is_given_again_counts_once():
    found = told(run(1), run(2), run_pairs.on_day(1), run(1))
    assert [entry.origin.name for entry in found.entries] == ["run01", "run02"]


def test_other_libraries_begin_a_series():
    found = told(*(run(day, conditions=conditions(libraries={"lightly": f"1.{day}"})) for day in (1, 2)))
    assert [item.condition_changes for item in series(found, ARM)] == [(), ("lightly 1.1 -> 1.2",)]


def test_cells_that_failed_are_counted():
    def change(record):
        return factories.failed(record) if record.cell.n == 100 and record.cell.draw == 0 else record

    part = run_pairs.folder(Path("part"), change, keep=lambda record: record.cell.n > 20 or record.cell.draw == 0)
    document = history_report.document(told(part, run(3)), [])
    assert re.search(r"\| folder +\| cells missing or failed \|", document)
    assert re.search(r"\| part +\| 9 +\|", document)
    assert "cells missing" not in history_report.document(told(run(3)), [])


def test_studies_are_not_mixed():
    with pytest.raises(OptionError, match="found runs of the studies known, other, expected those of one study"):
        told(run(1), run(2, of=factories.study(name="other")))


def test_nothing_finished_and_unreadable_times():
    empty = factories.write(Path("empty"), [factories.run_entry(factories.study())])
    with pytest.raises(OptionError, match="found no finished number"):
        told(empty)
    with pytest.raises(RecordError, match="found the time 'yesterday', expected ISO 8601"):
        told(run(1, started="yesterday"))


def test_timings_join_as_throughput():
    found = history([headlines.entry(run(1)), benchmark_json.entry(benchmark_files.write(benchmark_files.CONTENT))])
    assert found.metrics == ["accuracy", "utility", "throughput", "time"]
    assert len(list(found.groups("throughput", 5))) == 2
    assert series(found, "throughput[test_x.py::test_a]")[0].points[0].value.value == pytest.approx(100)


def test_the_command_and_its_files(command):
    for number in range(1, 11):
        run(number, -0.05 * (number > 5), **({"conditions": conditions(torch="2.16")} if number == 10 else {}))
    benchmark_files.write(benchmark_files.CONTENT)
    folders = [f"run{number:02d}" for number in range(1, 11)]
    done = command("history", *folders, "bench.json", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("11 runs, 23 series\n")
    assert "worse: accuracy[scratch/finetune] " in done.stdout
    assert "new series: 2026-01-10 00:00, commit 0000010: accuracy[scratch/finetune] and 10 more: torch" in done.stdout
    names = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*") if path.is_file())
    figures = ["accuracy-1", "throughput-1", "throughput-2", "time-1", "utility-1"]
    drawn = [f"figures/history-{name}.png" for name in figures]
    assert names == sorted(["bigger.json", "history.csv", "history.md", "smaller.json", *drawn])
    rows = list(csv.DictReader(io.StringIO(Path("out/history.csv").read_text())))
    assert len(rows) == 10 * 11 + 1
    assert {row["series"] for row in rows if row["commit"].startswith("0000010")} == {"2"}
    text = Path("out/history.md").read_text()
    assert all(f"(figures/history-{name}.png)" in text for name in figures)
    assert " (2) |" in text
    bigger, smaller = (json.loads(Path(f"out/{name}.json").read_text()) for name in ("bigger", "smaller"))
    assert {item["name"].partition("[")[0] for item in bigger} == {"accuracy", "utility", "throughput"}
    assert {item["name"].partition("[")[0] for item in smaller} == {"time"}
    for item in bigger + smaller:
        assert set(item) <= {"name", "unit", "value", "range", "extra"}
        assert isinstance(item["value"], float)
        assert all(isinstance(item[key], str) for key in ("name", "unit"))


def test_one_run_has_no_figure(command):
    run(1)
    assert command("history", "run01", "--out", "out").returncode == 0
    assert not Path("out/figures").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'DIR...'"),
        (["nowhere"], "nowhere/records.jsonl: no run found"),
        (["none.json"], "none.json: can't be read"),
        (["run01", "--out", "run01"], "--out: run01 holds a study's records.jsonl"),
    ],
)
def test_mistakes_exit_2(command, arguments, message):
    run(1)
    done = command("history", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_places_have_names_of_their_own():
    place = Place("toy/classify(train=1)", "e")
    subjects = [headlines._subject("accuracy", (Place(task, "e"), "a/b")) for task in (place.task, "toy/pose(train=1)")]
    assert list(history_report.names_of(subjects).values()) == ["a/b (toy/classify)", "a/b (toy/pose)"]
    subjects[1] = headlines._subject("accuracy", (Place("toy/classify(train=2)", "e"), "a/b"))
    assert list(history_report.names_of(subjects).values()) == [
        "a/b (toy/classify(train=1))",
        "a/b (toy/classify(train=2))",
    ]


def test_an_installed_package_has_its_commit_or_its_hash():
    known = factories.run_entry(factories.study()).environment
    states = [
        {"git": {"commit": None, "dirty": None}, "package": {"version": "0.3", "commit": "ab" * 20, "sha256": None}},
        {"git": {"commit": None, "dirty": None}, "package": {"version": "0.3", "commit": None, "sha256": "cdef"}},
        {"git": {"commit": None, "dirty": None}, "package": {"version": "0.3", "commit": None, "sha256": None}},
    ]
    found = told(*(run(number, environment=known | state) for number, state in enumerate(states, 1)))
    assert [entry.origin.short for entry in found.entries] == ["abababa", "0.3 sha256 cdef", "0.3"]
    rows = list(csv.DictReader(io.StringIO(history_report.as_csv(found).decode())))
    assert {row["package"] for row in rows} == {"", "0.3 sha256 cdef", "0.3"}
    assert "2026-01-02 00:00 | 0.3 sha256 cdef | " in history_report.document(found, [])


def test_plug_ins_of_other_packages_are_named_with_their_builds():
    known = factories.run_entry(factories.study()).environment
    old = conditions(plugins={"pretext quadrant": "quadrants 0.1, quadrant.py 123"})
    new = {"environment": known | {"plugins": {"pretext quadrant": "quadrants 0.1, commit abc"}}}
    found = told(run(1, conditions=old), run(2, conditions=old, **new), run(3))
    assert [entry.origin.plugins for entry in found.entries] == [
        "pretext quadrant: quadrants 0.1, quadrant.py 123",
        "pretext quadrant: quadrants 0.1, commit abc, quadrant.py 123",
        "",
    ]
    document = history_report.document(found, [])
    assert re.search(r"\| folder +\| plug-ins +\|", document)
    assert "quadrants 0.1, commit abc, quadrant.py 123" in document
    assert "plug-ins" not in history_report.document(told(run(4)), [])


def test_speeds_are_by_both_clocks_where_cpus_recorded_both():
    def slowed(record):
        times = {"seconds": 8.0, "processor_seconds": 2.0}
        if record.training is not None:
            windows = [w.model_copy(update={"processor_seconds": w.seconds / 4}) for w in record.training.windows]
            times["training"] = record.training.model_copy(update={"windows": windows})
        return record.model_copy(update=times)

    folder = run_pairs.folder(Path("crowded"), slowed)
    found = {subject.name: value.value for subject, value in headlines.entry(folder).values.items()}
    assert found["processor_throughput[scratch/finetune]"] == pytest.approx(4 * found["throughput[scratch/finetune]"])
    assert "processor_throughput[rotation]" not in found, "of pretrainings it wasn't recorded"
    assert (found["time[scratch/finetune]"], found["processor_time[scratch/finetune]"]) == (8.0, 2.0)
    on_gpu = run_pairs.folder(Path("gpu"), slowed, run={"conditions": conditions(device="a GPU")})
    assert not any("processor" in subject.name for subject in headlines.entry(on_gpu).values)


def test_arms_of_one_name_have_numbers_of_their_own():
    arms = [
        "scratch/finetune",
        *({"pretext": {"name": "rotation", "holdout": share}, "protocol": "linear"} for share in (0.1, 0.2)),
    ]
    folder = run(1, of=factories.study(arms=arms))
    found = {subject.name for subject in headlines.entry(folder).values}
    assert {f"accuracy[rotation(holdout={share})/linear]" for share in (0.1, 0.2)} <= found
