"""The report from whole, partial and broken records: what it says, and that it always says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from support import factories
from support.report_text import unlinked

from labeleff.errors import LabeleffError, RecordError
from labeleff.records.entries import Conditions
from labeleff.reporting import study_report as report
from labeleff.reporting.figures.look import Look
from labeleff.reporting.findings import compare_arms
from labeleff.reporting.options import ReportOptions
from labeleff.reporting.results import load
from labeleff.reporting.sections.verdict import verdict
from labeleff.study.prices import Cost


def built(folder: Path) -> str:
    """The report's text, with figures put together but not rendered."""
    with mock.patch("labeleff.reporting.figures.style.render", return_value=b""):
        return unlinked(report.build(folder).read_text())


def whole(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_whole_report(tmp_path: Path) -> None:
    text = built(factories.folder(tmp_path))
    assert text.startswith("# Known curves\n\n- rotation/linear saves most: over 20 to 1,000 labels one of its labels ")
    opening = (
        r"\n- rotation/finetune is worth labels: averaged over 20 to 1,000 labels, one "
        r"label does the work of (.+?) \[(.+?), (.+?)\] of scratch/finetune\. Most certain at 20 labels: "
        r"U = (.+?) \[(.+?), (.+?)\]:"
    )
    found = re.search(opening, text)
    assert found
    mean, mean_low, mean_high, utility, low, high = map(float, found.groups())
    assert mean_low < mean < mean_high
    assert low < utility < high
    assert abs(utility - 5) < 1.5
    linear = next(line for line in text.splitlines() if line.startswith("- rotation/linear is worth labels"))
    assert re.search(r"U = \d+ \[.+\] \(extrapolated x[1-4]\.\d\): 20 labels do the work of about \d", linear)
    assert "measured is U >= 49.0, over 1,000, the last rung of scratch/finetune" in linear
    assert "**One pretraining seed**" in text
    assert re.search(r"\| rotation/linear   \| +\d+ \[.+?\] \(extrapolated x", text)
    assert "3 runs a rung: 3 draws of labels, 1 seed, crossed. Chance: 10.0 %." in text
    assert "held-out accuracy (%)" in text
    assert "labeleff run known --set 'draws=3'" in text or "labeleff run known --set draws=3" in text
    assert "Rehearsal" not in text
    assert "Incomplete" not in text
    images = [line.split("](")[1][:-1] for line in text.splitlines() if line.startswith("![")]
    assert images == ["figures/utility-toy-classify-resnet9.png"]
    assert (tmp_path / images[0]).exists()


def test_a_rebuild_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    folder = factories.folder(tmp_path, rungs=[20, 50, 100])
    report.build(folder)
    first = whole(folder)
    report.build(folder)
    assert whole(folder) == first
    assert {"report.md", "details.md", "summary.csv", "utility.csv", "throughput.csv"} < set(first)


def test_the_order_of_records_changes_nothing(tmp_path: Path) -> None:
    of = factories.study()
    entries = [*factories.pretrainings(of), *factories.cell_records(of)]
    one = factories.write(tmp_path / "one", [factories.run_entry(of), *entries])
    two = factories.write(tmp_path / "two", [factories.run_entry(of), *entries[::-1]])
    assert built(one) == built(two)


def test_failed_and_missing_cells_are_listed(tmp_path: Path) -> None:
    of = factories.study()
    records = factories.cell_records(of)[:-4]
    records[20] = factories.failed(records[20], "the loss became NaN\nin step | 12")
    text = built(factories.write(tmp_path, [factories.run_entry(of), *records]))
    assert "**Incomplete**: 49 of 54 cells have finished, 1 failed, 4 are still to be run." in text
    assert "## Failed cells" in text
    assert "the loss became NaN in step \\| 12" in text
    assert "(2 of 3)" in text
    assert "**Runs missing**: fewer than 3 runs: rotation/finetune at 20 labels; rotation/linear at " in text


@pytest.mark.parametrize("count", [0, 2, 6])
def test_partial_records_say_what_is_missing(tmp_path: Path, count: int) -> None:
    of = factories.study()
    text = built(factories.write(tmp_path, [factories.run_entry(of), *factories.cell_records(of)[:count]]))
    assert f"No utility can be given yet: {count} of 54 cells have finished" in text
    assert "**Incomplete**" in text


def test_arms_before_the_baseline(tmp_path: Path) -> None:
    of = factories.study()
    records = factories.cell_records(of, keep=lambda cell: cell.pretext.name == "rotation")
    text = built(factories.write(tmp_path, [factories.run_entry(of), *records]))
    assert "**No utility**: the baseline scratch/finetune has finished cells at 0 rungs" in text


def test_a_rehearsal_says_so_first(tmp_path: Path) -> None:
    text = built(factories.folder(tmp_path, smoke=True, draws=2))
    assert text.index("**Rehearsal.**") < text.index("\n- rotation/linear saves most")
    assert "**Few runs**: 2 a rung" in text


def test_one_run_a_rung_gives_intervals_from_learned_noise(tmp_path: Path) -> None:
    text = built(factories.folder(tmp_path, draws=1))
    assert "**One run a rung**: their spread isn't measured" in text
    assert "[" in text.split("### Utility")[1].split("\n## ")[0]


def test_one_run_a_rung_gives_no_interval_by_interpolation(tmp_path: Path) -> None:
    text = built(factories.folder(tmp_path, draws=1, curve="pchip"))
    assert "**One run a rung**" in text
    assert "(one run a rung: without an interval, nothing is certain)" in text
    assert "[" not in text.split("### Utility")[1].split("\n## ")[0]


def test_weak_baselines_are_flagged(tmp_path: Path) -> None:
    of = factories.study()
    records = []
    for record in factories.cell_records(of):
        value = record.metrics["accuracy"]
        assert value is not None
        if record.cell.pretext.name == "scratch":
            value = {20: value - 0.16, 200: value - 0.3}.get(record.cell.n, value)
        records.append(record.model_copy(update={"metrics": {"accuracy": value}}))
    text = built(factories.write(tmp_path, [factories.run_entry(of), *records]))
    assert re.search(
        r"## toy/classify, resnet9\n\n\*\*Not to be trusted as it stands\*\*: scratch/finetune falls from .+ % "
        r"at 100 labels to .+ % at 200 \(by .+, p < 0.001\), so label counts between these accuracies are ill-defined",
        text,
    )
    assert "**Near chance**: the baseline is less than 2 points over chance at 20 labels" in text


def test_unequal_budgets_and_mixed_conditions_are_flagged(tmp_path: Path) -> None:
    budget = {"lr": 0.05, "batch": 32, "steps": {"min": 8, "max": 8}}
    of = factories.study(budget={"rotation": budget, "finetune": budget, "rotation/finetune": budget | {"lr": 0.01}})
    other = Conditions(device="an accelerator", precision={}, torch="2.15", data={})
    records = factories.cell_records(of)
    moved = [record.model_copy(update={"run": "r0"}) for record in records[:3]]
    entries = [factories.run_entry(of, "r0", conditions=other), factories.run_entry(of), *moved, *records[3:]]
    text = built(factories.write(tmp_path, entries))
    assert "**Unequal budgets**" in text
    assert "**Mixed conditions**: the runs differ in device (see" in text
    assert "Untested device" not in text
    details = (tmp_path / "details.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in details.splitlines() if line.startswith("|")]
    assert ["run 1: device", "an accelerator"] in rows
    assert ["run 2: device", "cpu"] in rows
    assert ["torch", "2.15"] in rows, "what all runs share is told once"
    assert ["python", "3.12.1"] in rows


def test_rungs_that_were_hardly_learned_are_flagged(tmp_path: Path) -> None:
    of = factories.study()
    records = []
    for record in factories.cell_records(of):
        tested = record.metrics["accuracy"]
        assert tested is not None
        beyond = 0.01 if record.cell.arm == "scratch/finetune" and record.cell.n == 200 else 0.05
        records.append(record.model_copy(update={"train_metrics": {"accuracy": min(1.0, tested + beyond)}}))
    text = built(factories.write(tmp_path / "short", [factories.run_entry(of), *records]))
    assert "**Short training**: scratch/finetune at 200 labels: labelled examples are answered" in text
    learned = [record.model_copy(update={"train_metrics": {"accuracy": 0.97}}) for record in records]
    assert "**Short training**" not in built(factories.write(tmp_path / "long", [factories.run_entry(of), *learned]))


def test_untested_devices_are_flagged(tmp_path: Path) -> None:
    of = factories.study()
    run = factories.run_entry(of, conditions=Conditions(device="mps", precision={}, torch="2.15", data={}))
    assert "**Untested device**: mps is accepted" in built(
        factories.write(tmp_path, [run, *factories.cell_records(of)])
    )


def test_missing_classes_and_foreign_records_are_told(tmp_path: Path) -> None:
    of, other = factories.study(), factories.study(rungs=[30, 60])
    records = factories.cell_records(of)
    records[0] = records[0].model_copy(update={"missing_classes": ["ring", "star"]})
    entries = [factories.run_entry(of), *records, *factories.cell_records(other)[:5]]
    text = built(factories.write(tmp_path, entries))
    assert "**Missing classes**: some draws of 20 labels of toy/classify have no example of ring, star." in text
    assert "5 records in this folder belong to other studies" in text


def test_several_encoders_have_sections(tmp_path: Path) -> None:
    encoders = [{"name": "resnet9", "width": 0.25}, {"name": "resnet9", "width": 0.5}]
    folder = factories.folder(tmp_path, encoders=encoders, rungs=[20, 50, 100])
    text = report.build(folder, ReportOptions(look=Look(every=True))).read_text()
    assert text.count("### Utility against") == 2
    assert "## toy/classify, resnet9(width=0.5)" in text
    assert len(list((tmp_path / "figures").glob("*.png"))) == 6


def test_pretexts_of_one_name_have_rows_of_their_own(tmp_path: Path) -> None:
    arms = [
        "scratch/finetune",
        *({"pretext": {"name": "rotation", "holdout": share}, "protocol": "linear"} for share in (0.1, 0.2)),
    ]
    text = report.build(factories.folder(tmp_path, arms=arms)).read_text()
    names = ["rotation(holdout=0.1)", "rotation(holdout=0.2)"]
    assert {*names} <= {cell.strip() for line in text.splitlines() for cell in line.split("|")}
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert list(dict.fromkeys(summary.arm)) == ["scratch/finetune", *(f"{name}/linear" for name in names)]
    throughput = pd.read_csv(tmp_path / "throughput.csv")
    assert set(throughput[throughput.what == "pretraining"].arm) == {*names}


def test_verdicts_in_words(tmp_path: Path) -> None:
    results = load(factories.folder(tmp_path, curve="pchip"))
    words = {item.arm: verdict(item) for item in compare_arms(replace(results.measured, baseline="rotation/linear"))}
    assert words["scratch/finetune"].startswith("scratch/finetune costs labels: averaged over 20 to 1,000 labels, one ")
    assert words["scratch/finetune"].endswith("it is over rotation/linear at no rung.")
    few = {item.arm: verdict(item) for item in compare_arms(results.measured)}
    assert few["rotation/linear"].startswith("rotation/linear is worth labels: averaged over 20 to 1,000 labels, one ")
    assert "Most certain at 20 labels: at least U = 49.0 [" in few["rotation/linear"]
    assert few["rotation/finetune"].endswith("it is still over scratch/finetune at 1,000 labels.")


def test_the_same_records_looked_at_otherwise(tmp_path: Path) -> None:
    folder = factories.folder(tmp_path / "in", rungs=[20, 50, 100, 200])
    report.build(folder)
    before = whole(folder)
    options = ReportOptions("rotation/linear", "log", 0.8, (0.5,), Cost(per_label=2, unit="hours"), tmp_path / "out")
    with mock.patch("labeleff.reporting.figures.style.render", return_value=b""):
        text = report.build(folder, options).read_text()
    assert whole(folder) == before
    for part in (
        "### Utility against rotation/linear",
        "hold 80 %",
        "**Curve** (log)",
        "for 50 %",
        "### Saved (hours)",
    ):
        assert part in text
    assert f"\nlabeleff report DIR {options.text}\n```\n" in text
    assert set(pd.read_csv(tmp_path / "out" / "utility.csv").baseline) == {"rotation/linear"}
    report.build(folder, ReportOptions(level=0.8))
    report.build(folder, ReportOptions(out=folder))
    assert whole(folder) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ReportOptions(baseline="rotation/liner"),
            "with --baseline rotation/liner: unknown arm .* did you mean 'rotation/lin",
        ),
        (ReportOptions(method="pchp"), "did you mean 'pchip'"),
        (ReportOptions(method="mmf4"), "family mmf4 has 4 parameters"),
        (ReportOptions(level=0.3), "with --level 0.3: level: Input should be greater"),
        (ReportOptions(out=Path("file")), "--out: file is a file"),
        (ReportOptions(out=Path("other")), r"--out: other holds a study's records\.jsonl"),
    ],
)
def test_options_that_cannot_be_met_leave_nothing(tmp_path: Path, options: ReportOptions, message: str) -> None:
    Path("file").touch()
    folder = factories.folder(tmp_path / "in", rungs=[20, 50, 100])
    factories.folder(Path("other"), rungs=[20, 50])
    before = whole(Path())
    with pytest.raises(LabeleffError, match=message):
        report.build(folder, options)
    assert whole(Path()) == before
    assert set(whole(folder)) == {"records.jsonl"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = factories.folder(tmp_path)
    (folder / "figures").write_text("in the way")
    with pytest.raises(RecordError, match=r"figures/utility-.*: can't be written"):
        report.build(folder)
    assert not list(folder.glob(".*"))


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no run found"):
        report.build(tmp_path)


def test_reports_never_import_torch(tmp_path: Path) -> None:
    folder = factories.folder(tmp_path, rungs=[20, 50, 100])
    code = (
        "import sys, pathlib; from labeleff.reporting import study_report as report; "
        "assert 'pandas' not in sys.modules and 'matplotlib' not in sys.modules; "
        "report.build(pathlib.Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def hardly_trained(tmp_path: Path, images: int, steps: int, accuracy: float) -> str:
    """The report of a study whose rotation was trained like that."""
    of = factories.study()
    run = factories.run_entry(of)
    run = run.model_copy(update={"tasks": {name: {**task, "train": images} for name, task in run.tasks.items()}})
    training = factories.training().model_copy(update={"steps": steps})
    changes = {"training": training, "metrics": {"heldout_accuracy": accuracy}}
    pretrained = [item.model_copy(update=changes) for item in factories.pretrainings(of)]
    return built(factories.write(tmp_path, [run, *pretrained, *factories.cell_records(of)]))


@pytest.mark.parametrize(
    ("images", "steps", "accuracy", "reason"),
    [
        (2000, 14, 0.9, "14 steps of pretraining, expected some hundreds or more"),
        (2000, 900, 0.38, "38.0 % of 40 held-out images, which can't be told from chance, 25.0 %"),
        (180, 900, 0.75, "4 held-out images, too few to say what it learned"),
    ],
)
def test_a_pretext_that_was_hardly_trained_is_not_called_worthless(
    tmp_path: Path, images: int, steps: int, accuracy: float, reason: str
) -> None:
    text = hardly_trained(tmp_path, images, steps, accuracy)
    before = text.partition("\n\n- ")[0]
    assert f"> **Hardly trained**: rotation(holdout=0.02): {reason}" in before
    assert ("3 of 4 |" in text) is (images == 180)


def test_a_pretext_that_was_trained_has_no_such_flag(tmp_path: Path) -> None:
    assert "Hardly trained" not in hardly_trained(tmp_path, 2000, 100, 0.4)
