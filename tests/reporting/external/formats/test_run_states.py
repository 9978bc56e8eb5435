"""Exports of trackers: crashed runs, extremes, prefixes, lines of a chart."""

from __future__ import annotations

import pytest

from labeleff.errors import RunsError
from labeleff.reporting.external.formats.delimited import read
from labeleff.reporting.external.formats.run_states import tracked
from labeleff.reporting.external.reading import Reading

WANDB = """"Name","State","Tags","n","method","test/acc","test/acc__MIN","test/acc__MAX"
"a-1","finished","","50","ssl","0.6","0.1","0.6"
"a-2","crashed","","50","ssl","","",""
"a-3","running","","100","ssl","0.4","0.1","0.4"
"""


def grid(text, **options):
    how = Reading(**options)
    return tracked(read(text.encode(), "runs.csv", how), how)


def test_runs_that_didnt_finish():
    error = (
        r"^runs\.csv, line 3, column 'State': found 'crashed' \(2 runs of 3: crashed, running\), .*--skip-empty leaves"
    )
    with pytest.raises(RunsError, match=error):
        grid(WANDB)
    found = grid(WANDB, skip_empty=True)
    assert [row.cells for row in found.rows] == [("a-1", "finished", "", "50", "ssl", "0.6")]
    assert found.notes[1:] == (
        "2 columns of smallest and largest values (__MIN, __MAX) left out",
        "2 runs that didn't finish (crashed, running) left out",
    )
    with pytest.raises(RunsError, match=r"found no such run \(failed\), expected a run that finished"):
        grid(
            WANDB.replace("finished", "failed").replace("crashed", "failed").replace("running", "failed"),
            skip_empty=True,
        )


def test_states_that_are_no_runs():
    text = "state,n,acc\nOhio,50,0.6\nfinished,50,0.5\n"
    assert len(grid(text).rows) == 2


def test_extremes_alone_stay():
    assert grid("n,acc__MIN,acc__MAX\n5,0.1,0.2\n").fields == ("n", "acc__MIN", "acc__MAX")


def test_prefixes_of_mlflow():
    text = "run_id,status,params.n,params.acc,metrics.acc,metrics.f1,tags.x\n1,FINISHED,50,a,0.6,0.5,t\n"
    assert grid(text).fields == ("run_id", "status", "n", "params.acc", "metrics.acc", "f1", "x")
    assert grid(text, columns={"n": "params.n"}, value="metrics.f1").fields[2:6] == (
        *("params.n", "params.acc", "metrics.acc"),
        "metrics.f1",
    )
    assert grid("params.n,metrics.acc\n5,1\n").fields == ("params.n", "metrics.acc")


def test_a_charts_lines_are_arms():
    lines = [f"method: {arm} - test/acc" for arm in ("scratch", "sim-clr - v2")]
    header = ",".join(f'"{name}{end}"' for name in lines for end in ("", "__MIN", "__MAX"))
    found = grid(f'"n_labels",{header}\n50,0.6,0.5,0.7,0.7,0.6,0.8\n100,0.7,0.6,0.8,,,\n')
    assert found.fields == ("n_labels", "arm", "test/acc")
    assert [row.cells for row in found.rows] == [
        ("50", "scratch", "0.6"),
        ("50", "sim-clr - v2", "0.7"),
        ("100", "scratch", "0.7"),
    ]
    assert found.notes[-1] == "a chart's lines are arms, with 'test/acc' as their value"
    wide = "method,50 - acc,100 - acc\nssl,0.6,0.7\n"
    assert grid(wide).fields == ("method", "50 - acc", "100 - acc")
