"""A few of the damaged inputs of benchmarks/mutations.py: each is a clear error or a correct result."""

import importlib.util
import sys
from pathlib import Path

import pytest
from support import factories

from labeleff.reporting import output_files

PATH = Path(__file__).parents[2] / "benchmarks" / "mutations.py"
SPEC = importlib.util.spec_from_file_location("mutations", PATH)
mutations = importlib.util.module_from_spec(SPEC)
sys.modules["mutations"] = mutations  # its dataclass looks itself up there
SPEC.loader.exec_module(mutations)
KINDS = ("study", "runs", "records", "merged", "stories")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutations")
    rungs = {"rungs": [20, 50], "draws": 2}
    mutations.lay_out(folder, (factories.folder(folder / "made", **rungs) / "records.jsonl").read_bytes())
    return folder


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("seed", range(2000, 2010))
def test_a_damaged_input_is_a_clear_error_or_a_right_result(place, monkeypatch, name, seed):
    monkeypatch.chdir(place)
    monkeypatch.setattr(output_files, "draw", lambda *_: {})
    kind = next(k for k in mutations.kinds((place / "good" / "records.jsonl").read_bytes()) if k.name == name)
    damage, status, complaint = mutations.mutate(place, kind, seed)
    assert mutations.problem(status, complaint) is None, f"{damage}: {complaint}"


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_damaged_is_read(place, monkeypatch, name):
    """Undamaged inputs are read: else a command could fail for another reason, and no damage would be tested."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(output_files, "draw", lambda *_: {})
    kind = next(k for k in mutations.kinds((place / "good" / "records.jsonl").read_bytes()) if k.name == name)
    (place / kind.place).write_bytes(kind.good)
    assert mutations.invoke(kind.command) == (0, "")


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (None, "ValueError: x"),
        (1, "Traceback (most recent call last)"),
        (2, ""),
        (2, "a\nb\nc"),
        (3, ""),
        (2, "x" * 3000),
    ],
)
def test_what_is_wrong_is_seen(status, complaint):
    assert mutations.problem(status, complaint) is not None
