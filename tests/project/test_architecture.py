"""The map in docs/architecture.md is the code's own: its tree, its layers, and the way to each of ten changes."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "reports", "examples", "findings", "benchmarks")
PAGES = [
    *(page for page in sorted(ROOT.glob("*.md")) if page.name != "CHANGELOG.md"),
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md"))),
]


def tree():
    spec = importlib.util.spec_from_file_location("tree", ROOT / "docs" / "tree.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tree_is_what_the_code_says_of_itself():
    """Mend a failure by `python docs/tree.py`."""
    module = tree()
    assert module.PAGE.read_text(encoding="utf-8") == module.page()


def test_every_module_says_what_it_is():
    module = tree()
    bare = [line for line in module.lines(ROOT / "labeleff") if len(line.split()) < 2]
    assert not bare


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_the_repository_that_a_page_names_are_there(page):
    named = re.findall(r"`((?:labeleff|tests|docs|benchmarks|findings)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_files_that_the_guides_name_are_there():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "docs/architecture.md"))
    text = text.partition("## The tree")[0]
    named = set(re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|toml|ini))`", text))
    assert {"labeleff/commands/cli.py", "study/schema.py"} <= named
    assert [n for n in sorted(named) if not (ROOT / n).exists() and not (ROOT / "labeleff" / n).exists()] == []
