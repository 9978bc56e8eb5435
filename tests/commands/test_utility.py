"""`labeleff utility` as users meet it: output, errors, exit status and files."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.malformed_tables import MALFORMED, table
from support.report_text import head_of


@pytest.fixture
def called(called_here):
    """Call the command in this process; returns its exit status, output and error."""
    return functools.partial(called_here, "utility")


def everything():
    """List every file and folder below the current one, but the cache."""
    return sorted(str(path) for path in Path().rglob("*") if path.parts[0] != "cache")


def test_a_table_as_a_process(command):
    Path("my runs.csv").write_text(table())
    done = command("utility", "my runs.csv", "--title", "Mine", "--chance", "0.1", "--test-count", "100")
    assert (done.returncode, done.stderr) == (0, "")
    text = Path("runs/my runs-utility/report.md").read_text()
    head = head_of(text).partition("\n\n![")[0]
    assert re.match(
        r"- rotation is worth labels: averaged over 100 to 200 labels, one label does the work of \S+ \[\S+, \S+\] of "
        r"scratch\. No crossing inside the ladder: .+\n- Most accurate: ",
        head,
    )
    assert done.stdout == (
        "read my runs.csv: 2 arms x 3 label counts x 2 runs, one value per row; fields are separated by comma; "
        "accuracies are in 0..1: none is over 1; no column draw: runs of different arms count as independent; the "
        "baseline is 'scratch', by its name\n"
        f"{head}\nreport: runs/my runs-utility/report.md\n"
    )
    assert text.startswith("# Mine\n")
    again = re.search(r"^## Reproduce\n\n```\n(.*)\n```$", text, re.MULTILINE)[1]
    assert again == "labeleff utility 'my runs.csv' --title Mine --chance 0.1 --test-count 100"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_that_the_terminal_cant_show(encoding, monkeypatch, command):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    Path("runs.csv").write_text(table().replace("rotation", "回転"), encoding="utf-8")
    done = command("utility", "runs.csv")
    assert done.returncode == 0
    assert done.stderr == "" or re.fullmatch(r"labeleff: no font here has \\u56de.*\n", done.stderr)
    assert r"\u56de\u8ee2 is worth" in done.stdout
    assert "回転 is worth" in Path("runs/runs-utility/report.md").read_text(encoding="utf-8")


def test_an_error_as_a_process(command):
    Path("runs.csv").write_text(table().replace("0.55", "0,55"))
    done = command("utility", "runs.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "labeleff: runs.csv, line 4, column '5': found 5 fields, expected 4 as in the header; quote fields that hold "
        "the delimiter, and write decimals with a point, not a comma\n"
    )
    assert everything() == ["runs.csv"]


@pytest.mark.parametrize("name", ["utility", "forecast"])
def test_commands_on_tables_never_import_torch_nor_figures_before_they_need_them(name):
    Path("runs.csv").write_text(table())
    Path("bad.csv").write_text("x")
    code = (
        "import sys; from labeleff.commands.cli import main\n"
        "def call(name):\n"
        f"    sys.argv = ['labeleff', '{name}', name]\n"
        "    try: main()\n"
        "    except SystemExit as e: return e.code or 0\n"
        "assert call('bad.csv') == 2\n"
        "assert not {'pandas', 'matplotlib', 'torch'} & set(sys.modules)\n"
        "assert call('runs.csv') == 0\n"
        "assert 'matplotlib' in sys.modules and 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_table_is_one_error_and_nothing_is_written(called, name):
    content, line, column, said = MALFORMED[name]
    Path("runs.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    status, output, error = called("runs.csv", "--out", "out")
    assert (status, output) == (2, "")
    place = column if column.startswith("character") else rf"column '?{column}'?"
    assert re.match(rf"labeleff: runs\.csv, line {line}, {place}: found ", error)
    assert said in error
    assert error.count("\n") == 1
    assert everything() == ["runs.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "nothing"], "runs.csv, column for arm: unknown baseline 'nothing'; did you mean 'rotation'?"),
        (["--column", "accuracy"], "--column: found 'accuracy', expected NAME=THEIRS"),
        (["--column", "accuracy=acc"], "line 1, column 'acc': found the columns"),
        (["--scale", "permille"], "unknown --scale 'permille'"),
        (["--delimiter", "|"], "unknown --delimiter '|' (known: comma, semicolon, tab)"),
        (["--delimiter", ";"], "line 1, column 'arm': found the columns 'arm,n,run,accuracy'"),
        (["--level", "90"], "--level: found 90"),
        (["--level", "high"], "--level"),
        (["--method", "spline"], "unknown --method 'spline'"),
        (
            ["--method", "mmf4"],
            "--method mmf4 has 4 parameters and needs as many label counts of the baseline, found 3",
        ),
        (["--target", "140"], "--target: found 140, expected an accuracy in 0..1, or over 1 in percent up to 100"),
        (["--target", "0.5", "--target", "50"], "--target: found 50 twice"),
        (["--cost-per-label", "0"], "--cost-per-label: found '0', expected a price over 0"),
        (["--cost-unit", "hours"], "--cost-unit: found no --cost-per-label"),
        (["--convention", "paper"], "unknown --convention 'paper'"),
        (["--chance", "10"], "--chance: found 10"),
        (["--test-count", "0"], "--test-count: found 0"),
        (["--title", ""], "--title: found ''"),
        (["--metric-name", "a\nb"], "--metric-name: found"),
        (["--out", "runs.csv"], "--out: runs.csv is a file, expected a folder"),
        (["--out", "study"], "--out: study holds a study's records.jsonl"),
        (["--out", "runs.csv/below"], "can't be written"),
        (["--out", "taken"], "taken/figures/utility-runs.png: can't be written"),
        (["--outt", "x"], "No such option"),
    ],
)
def test_options_that_cant_be_used(called, arguments, message):
    Path("runs.csv").write_text(table())
    Path("study").mkdir()
    Path("study/records.jsonl").touch()
    Path("taken").mkdir()
    Path("taken/figures").touch()
    before = everything()
    status, output, error = called("runs.csv", *arguments)
    assert (status, output) == (2, "")
    assert message in error
    assert "Traceback" not in error
    assert everything() == before


def test_files_that_arent_there(called):
    assert called("none.csv") == (2, "", "labeleff: none.csv: can't be read: No such file or directory\n")
    Path("folder.csv").mkdir()
    assert called("folder.csv")[0] == 2


def test_every_option_at_once(called):
    header, rows = ["method", "labels", "seed", "acc", "x"], []
    for line in table().splitlines()[1:]:
        arm, n, run, value = line.split(",")
        rows.append([arm, n, run, f"{100 * float(value):.1f}", "?"])
    Path("t.tsv").write_text(table(rows, header, "\t"))
    columns = ["arm=method", "n=labels", "run=seed", "accuracy=acc"]
    mapped = [word for column in columns for word in ("--column", column)]
    given = ["--baseline", "rotation", "--scale", "percent", "--delimiter", "tab", "--level", "0.8", "--method", "log"]
    named = ["--convention", "selfstudy", "--title", "All", "--metric-name", "top-1", "-o", "o"]
    status, output, error = called("t.tsv", *mapped, *given, *named)
    assert (status, error) == (0, "")
    assert "fields are separated by tab; columns not used: x; " in output
    assert "as given; no column draw" in output
    assert "the column seed isn't used; the baseline is 'rotation', as given" in output
    text = Path("o/report.md").read_text()
    for part in ("### Top-1 (%), mean", "straight pieces in ln n", "**Intervals** hold 80 %", "against rotation"):
        assert part in text
    assert Path("o/utility-selfstudy.csv").exists()


def test_the_head_opens_with_a_label_count_named_beforehand(called):
    Path("runs.csv").write_text(table())
    status, output, _ = called("runs.csv", "--headline-n", "200")
    assert status == 0
    expected = r"^- (Whether rotation is worth labels at 200 |At 200 labels, rotation is worth )"
    assert re.search(expected, output, re.MULTILINE)
    status, _, error = called("runs.csv", "--headline-n", "77", "--out", "other")
    assert (status, error) == (
        2,
        "labeleff: runs.csv: --headline-n: found 77, expected a label count of an arm: 100, 200\n",
    )
    assert not Path("other").exists()


def test_of_several_tasks_the_head_is_printed(called):
    lines = table().splitlines()
    content = [f"{lines[0]},task", *(f"{line},{task}" for task in ("a", "b") for line in lines[1:])]
    Path("runs.csv").write_text("\n".join(content))
    _, output, _ = called("runs.csv")
    printed = output.splitlines()
    assert printed[1].startswith(
        "- It can't be told whether what rotation is worth depends on the task: one label does the work of "
    )
    assert "](" not in output, "links are for the report"
    assert [line for line in printed[1:] if not line.startswith("- ")] == ["report: runs/runs-utility/report.md"]


def test_a_file_per_run(called):
    for at, line in enumerate(table().splitlines()[1:]):
        arm, n, run, value = line.split(",")
        Path(f"all/{arm}/{n}-{run}").mkdir(parents=True)
        Path(f"all/{arm}/{n}-{run}/out.json").write_text(f'{{"test": {{"acc": {value}, "loss": {at}}}}}')
    pattern = "all/{arm}/{n}-{run}/out.json"
    status, output, error = called("--from", pattern, "--value", "test.acc")
    assert (status, error) == (0, "")
    assert output.startswith(f"read {pattern}: ")
    assert Path("runs/all-utility/utility.csv").is_file()
    for arguments, message in [
        ((), "found no RUNS, expected tables of results, or --from with a pattern of paths"),
        (("--from", pattern), "found the values test.acc, test.loss, expected --value to name one of them"),
        (("--from", "all/out.json"), "--from: found 'all/out.json', expected names of columns in braces"),
        (("all/rotation/100-0/out.json", "--from", pattern), "--from: found the files all/rotation/100-0/out.json too"),
    ]:
        assert called(*arguments)[2].startswith("labeleff: ")
        assert message in called(*arguments)[2]
