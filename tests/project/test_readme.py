"""Promises of the README, and of the pages that it names, to a newcomer."""

import re
import shutil
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from support import third_party

import labeleff
from labeleff.study.loading import parse_study

NS = [50, 100, 200, 500]
RUNS = [[0.31, 0.33], [0.40, 0.42], [0.48, 0.50], [0.57, 0.58]]
ARM = {50: [0.41, 0.42], 100: [0.49, 0.50]}
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(p.read_text() for p in PAGES if p.name != "gallery.md" and p.parent.name != "guides")
"""Guides and the gallery have tests of their own."""


FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def blocks(language):
    return [text for found, text in FENCED if found == language]


def test_two_commands_set_everything_up():
    assert "pip install . && labeleff run quick\n" in blocks("")
    assert "pip install tox && tox\n" in blocks("")


def test_the_example_study_is_valid():
    [example] = blocks("toml")
    assert parse_study(tomllib.loads(example), "README.md").rungs == [50, 100, 200, 500, 1000]


def test_the_example_table_gives_what_is_quoted(command, tmp_path):
    """The command as written, on the table as committed; the quoted lines are whole lines of its output."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    [head] = blocks("csv")
    assert (ROOT / "examples" / "runs.csv").read_text().startswith(head)
    [written] = [text for text in blocks("") if text.startswith("labeleff utility examples")]
    done = command(*written.split()[1:])
    assert (done.returncode, done.stderr) == (0, "")
    quoted, saved = blocks("text")
    assert quoted in done.stdout
    priced = command(*written.split()[1:], "--cost-per-label", "0.35EUR", "--out", str(tmp_path / "priced"))
    assert saved.removesuffix(" ...\n") in priced.stdout
    assert quoted in (tmp_path / "runs" / "runs-utility" / "report.md").read_text()


def test_the_example_pilot_gives_what_is_quoted(command, tmp_path):
    """The command as written, on the table as committed, which is part of the other example."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    [written] = [text for text in blocks("") if text.startswith("labeleff forecast ")]
    done = command(*written.split()[1:])
    assert (done.returncode, done.stderr) == (0, "")
    [quoted] = blocks("output")
    assert quoted in done.stdout
    assert quoted in (tmp_path / "runs" / "pilot-forecast" / "report.md").read_text()
    whole = (ROOT / "examples" / "runs.csv").read_text().splitlines()
    assert set((ROOT / "examples" / "pilot.csv").read_text().splitlines()) <= set(whole)


def test_quotations_of_the_committed_report_are_in_it():
    quoted = re.findall(r"^> (- .*)$", TEXT, re.MULTILINE)
    assert quoted
    report = (ROOT / "reports" / "cifar10-small" / "report.md").read_text()
    assert set(quoted) <= set(re.sub(r"\[([^]]*)\]\(#words\)", r"\1", report).splitlines())


def test_python_gives_what_is_quoted():
    """The comments of the example have the rounded numbers of what it returns."""
    [code] = [text for text in blocks("python") if "labeleff.invert([" in text]
    found, points = labeleff.invert(NS, RUNS, 0.55), labeleff.utility(dict(zip(NS, RUNS, strict=True)), ARM)
    assert f"invert({NS}, [" in code
    assert f"n={found.n:.0f}, low={found.low:.0f}, high={found.high:.0f}, kind={found.kind!r}" in code
    assert f"utility={points[0].utility:.2f}, low={points[0].low:.2f}, high={points[0].high:.2f}" in code


STUDY_OF_THE_PRETEXT = """
name = "quarters"
tasks = [{ name = "toy/classify", train = 100, test = 50, size = 16 }]
encoders = [{ name = "resnet9", width = 0.0625, dim = 16 }]
arms = ["scratch/finetune", "quadrant/linear"]
rungs = [20, 40]
draws = 2

[budget.quadrant]
lr = 0.05
batch = 32
epochs = 1

[budget.finetune]
lr = 0.05
batch = 16
steps = { min = 2, max = 2 }
"""


def test_the_example_pretext_runs_as_quoted(command, tmp_path, monkeypatch):
    """Installed as written, it passes `labeleff check` and is an arm of a study."""
    [code] = [text for text in blocks("python") if "labeleff in one file" in text]
    assert len(code.splitlines()) <= 60
    [points] = [text for text in blocks("") if text.startswith("[project.entry-points")]
    [(name, value)] = tomllib.loads(points)["project"]["entry-points"]["labeleff.pretexts"].items()
    third_party.install(tmp_path / "packages", "quadrant", code, {"pretexts": {name: value}})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=":")
    done = command("check", "quadrant")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "0 failed, 0 warnings" in done.stdout
    (tmp_path / "quarters.toml").write_text(STUDY_OF_THE_PRETEXT)
    done = command("run", "quarters.toml", "--out", "out", "--offline", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "quadrant 0.1, quadrant.py" in (tmp_path / "out" / "details.md").read_text()
    _read_without_the_package(command, tmp_path, monkeypatch)


def _read_without_the_package(command, folder, monkeypatch):
    """Where the pretext isn't installed, its measurements are read all the same, and nothing more is run."""
    (folder / "packages").rename(folder / "elsewhere")
    monkeypatch.setenv("LABELEFF_CACHE", str(folder / "another cache"))
    kept = {p: p.read_bytes() for p in (folder / "out").rglob("*") if p.is_file()}
    for path in kept:
        if path.name != "records.jsonl":
            path.unlink()
    done = command("report", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert {p: p.read_bytes() for p in (folder / "out").rglob("*") if p.is_file()} == kept
    for arguments in (["compare", "out", "out"], ["history", "out"]):
        done = command(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
    done = command("run", "quarters.toml", "--out", "out", "--offline")
    assert done.returncode == 2
    assert "unknown pretext 'quadrant'" in done.stderr


def test_the_example_table_is_from_the_committed_report():
    example = pd.read_csv(ROOT / "examples" / "runs.csv")
    summary = pd.read_csv(ROOT / "reports" / "cifar10-small" / "summary.csv").set_index(["arm", "n"])["mean"]
    means = example.groupby(["arm", "n"])["accuracy"].mean()
    assert len(example) == 81
    assert means.to_dict() == pytest.approx(summary.loc[means.index].to_dict())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_page():
    named = set(re.findall(r"\]\((docs/[^)]+)\)", PAGES[0].read_text()))
    assert named == {page.relative_to(ROOT).as_posix() for page in PAGES[1:]}
