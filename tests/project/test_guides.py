"""Every guide in docs/guides runs as written: its files are written, its commands run, its quotations are printed."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

GUIDES = sorted((Path(__file__).parents[2] / "docs" / "guides").glob("*.md"))
NAMED = re.compile(r"^# ([\w.-]+\.\w+)\n")
"""The first line of a block that is a file: a comment, or in Markdown a heading, with the file's name."""


def blocks(page):
    """(language, text) of every fenced block, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path, monkeypatch, with_charts, python_server):
    """Run lines of a guide by bash, with `labeleff` and `python` those of this process; gives what they print."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    python = shlex.join(python_server.python(os.environ))
    for name, words in (("python", ""), ("labeleff", "-m labeleff")):
        (programs / name).write_text(f'#!/bin/sh\nexec {python} {words} "$@"\n')
        (programs / name).chmod(0o755)

    def run(lines):
        done = subprocess.run(["bash", "-e", "-c", lines], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_there_are_guides():
    assert len(GUIDES) >= 4


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_a_guide_runs_as_written(page, shell, tmp_path):
    printed = ""
    for language, text in blocks(page):
        if named := NAMED.match(text):
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
        elif language == "text":
            assert text in printed
        else:
            assert not language, f"{page.name}: a block of {language} that is neither file, command nor output"
            printed = shell(text)
