"""What the README promises to a newcomer."""

import re
import shutil
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from labeleff.study import parse_study

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


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
    [written] = [text for text in blocks("") if text.startswith("labeleff utility ")]
    done = command(*written.split()[1:])
    assert (done.returncode, done.stderr) == (0, "")
    [quoted] = blocks("text")
    assert quoted in done.stdout
    assert quoted in (tmp_path / "runs" / "runs-utility" / "report.md").read_text()


def test_the_example_table_is_from_the_committed_report():
    example = pd.read_csv(ROOT / "examples" / "runs.csv")
    summary = pd.read_csv(ROOT / "reports" / "cifar10-small" / "summary.csv").set_index(["arm", "n"])["mean"]
    means = example.groupby(["arm", "n"])["accuracy"].mean()
    assert len(example) == 81
    assert means.to_dict() == pytest.approx(summary.loc[means.index].to_dict())


def test_the_tree_names_every_module():
    tree = next(block for block in blocks("") if block.startswith("labeleff/\n"))
    listed = set(re.findall(r"([a-z0-9_]+\.py)", tree))
    top = {path.name for path in (ROOT / "labeleff").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert top <= listed
    assert listed - top == {"local.py"}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).exists(), target
