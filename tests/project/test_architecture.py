"""The map in docs/architecture.md is the code's own: its tree, its layers, and the way to each of ten changes."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def test_files_that_the_guides_name_are_there():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "docs/architecture.md"))
    named = set(re.findall(r"`((?:labeleff|tests|docs|benchmarks)/[\w./-]+)`", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
