"""`labeleff.run`, `report` and `compare` from Python: their results, and what they refuse."""

import re
import tomllib
from pathlib import Path

import pytest
from support import toy_study

import labeleff
from labeleff.errors import LabeleffError, OptionError, UnknownNameError

ROOT = Path(__file__).parents[2]
TABLE = tomllib.loads(toy_study.TEXT)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, labeleff.run(TABLE, folder / "a", overrides=["seeds=2", "pairing=zipped"], offline=True)


def test_a_run_gives_results(done):
    _, results = done
    assert isinstance(results, labeleff.Results)
    assert results.failed == []
    summary, utility = results.summary(), results.utility()
    assert set(summary["arm"]) == set(results.arms)
    assert (summary["runs"] == 2).all()
    assert set(utility["arm"]) == set(results.arms) - {results.study.baseline}


def test_what_is_recorded_is_not_measured_again(done):
    folder, results = done
    before = (folder / "a" / "records.jsonl").read_bytes()
    again = labeleff.run(results.study, folder / "a", offline=True)
    assert (folder / "a" / "records.jsonl").read_bytes() == before
    assert [r.key for r in again.cells] == [r.key for r in results.cells]


def test_a_report_of_it_is_the_commands(done, called_here):
    folder, _ = done
    path = labeleff.report(folder / "a")
    written = {p.name: p.read_bytes() for p in (folder / "a").iterdir() if p.is_file()}
    assert path == folder / "a" / "report.md"
    assert called_here("report", folder / "a")[0] == 0
    assert {p.name: p.read_bytes() for p in (folder / "a").iterdir() if p.is_file()} == written
    other = labeleff.report(folder / "a", out=folder / "other", level=0.8)
    assert other.read_text() != path.read_text()


def test_a_run_compared_with_itself_is_the_same(done):
    folder, results = done
    outcome = labeleff.compare(folder / "a", results)
    assert outcome.overall in {"same", "no regression found"}
    assert not [row for row in outcome.rows if row.verdict in {"better", "worse"}]


def test_mistakes_are_named_before_anything_is_trained(tmp_path):
    with pytest.raises(UnknownNameError, match=r"option of labeleff.run 'devise'.*device"):
        labeleff.run("smoke", tmp_path / "out", devise="cpu")
    with pytest.raises(LabeleffError, match="the study given to labeleff"):
        labeleff.run({**TABLE, "rungs": []}, tmp_path / "out")
    with pytest.raises(OptionError, match="--ray-address"):
        labeleff.run("smoke", tmp_path / "out", ray_address="auto")
    with pytest.raises(UnknownNameError, match=r"option of labeleff.report 'lvel'.*level"):
        labeleff.report(tmp_path, lvel=0.8)
    for option in ("jobs", "pack"):
        with pytest.raises(OptionError, match=f"{option}.*1 or more"):
            labeleff.run("smoke", tmp_path / "out", **{option: 0})
    with pytest.raises(LabeleffError, match="no run found"):
        labeleff.report(tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_page_on_python_is_ten_lines_that_run(tmp_path):
    """The first example of docs/python.md, as written except for its study, which is a smaller one."""
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (tmp_path / "toy.toml").write_text(toy_study.TEXT)
    exec(compile(code.replace('"smoke", ', '"toy.toml", '), "docs/python.md", "exec"), {})
    assert (tmp_path / "runs" / "smoke" / "report.md").is_file()
