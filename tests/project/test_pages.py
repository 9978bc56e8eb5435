"""Pages against the program: every command, key and table is explained in one, every option in them exists."""

import importlib.util
import re
from pathlib import Path

import click
import pytest
import typer

from labeleff.commands.cli import app
from labeleff.study.cell import Augment, Budget, Steps
from labeleff.study.schema import Study

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("examples/*.md"))]
OTHERS = re.compile(r"#SBATCH .*|--benchmark-json|pip install .*")
"""Calls of other programs."""
CALL = re.compile(r"(?<![\w/.-])labeleff ([a-z][^\n`|]*)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def commands(group, path=()):
    """Options of every command, by its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group) or hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            options = {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}
            yield " ".join((*path, name)), options | {"--help", "-h"}


COMMANDS = dict(commands(typer.main.get_command(app)))
ALL = {"--version", *(option for options in COMMANDS.values() for option in options)}


def calls(text):
    """(command, rest of the line) of every call of labeleff in a page; a line that ends in a backslash goes on."""
    for line in CALL.findall(OTHERS.sub("", text.replace("\\\n", " "))):
        for name in COMMANDS:
            if f"{line} ".startswith(f"{name} "):
                yield name, re.split(r" #| \|\| | && ", line.removeprefix(name))[0].strip()


def test_every_command_is_in_the_table_of_commands():
    named = {name for name, _ in calls((ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    code = OTHERS.sub("", "\n".join(spans(text)))
    wrong = [(name, o) for name, rest in calls(text) for o in OPTION.findall(rest) if o not in COMMANDS[name]]
    assert wrong == []
    assert [o for o in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code) if o not in ALL] == []


def spans(text):
    """Code of a page, blocks and what stands between backticks."""
    block = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [*block.findall(text), *re.findall(r"`([^`\n]+)`", block.sub("", text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("labeleff run quick --device cuda  # --none", [("run", "quick --device cuda")]),
        ("`labeleff data show shapes --size 3`", [("data show", "shapes --size 3")]),
        ("labeleff utility a.csv \\\n  --level 0.9", [("utility", "a.csv    --level 0.9")]),
        ("labeleff trains a baseline", []),
    ],
)
def test_calls_are_found(text, found):
    assert list(calls(text)) == found


@pytest.mark.parametrize("table", [Study, Budget, Steps, Augment], ids=lambda table: table.__name__)
def test_every_key_of_a_study_is_explained(table):
    named = set(re.findall(r"\w+", "\n".join(spans((ROOT / "docs" / "studies.md").read_text(encoding="utf-8")))))
    assert sorted(table.model_fields.keys() - named) == []


def test_every_table_of_a_report_is_in_the_readme():
    folders = [path.parent for path in (ROOT / "reports").glob("*/records.jsonl")]
    tables = {path.name for folder in folders for path in folder.glob("*.csv")}
    assert tables
    assert sorted(tables - set(spans(PAGES[0].read_text(encoding="utf-8")))) == []


def test_the_gallery_is_what_the_reports_say():
    """Mend a failure by `python docs/gallery.py`."""
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page()
