"""The version is written in three files: they agree."""

import re
import tomllib
from pathlib import Path

from labeleff.files import VERSION

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_same_everywhere():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
    assert re.findall(r"^version: *\"?([^\"\n]+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE) == [VERSION]
