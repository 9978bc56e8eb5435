"""Files of pytest-benchmark as runs of a history."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.benchmark_files import CONTENT, write

from labeleff.comparison import benchmark_json
from labeleff.errors import RecordError
from labeleff.study.quantities import Subject


def test_a_benchmark_is_calls_a_second():
    found = benchmark_json.entry(write(CONTENT))
    [(subject, value)] = found.values.items()
    assert subject == Subject("throughput", None, "test_x.py::test_a", "", "")
    assert (value.value, value.low, value.high) == pytest.approx((100, 50, 125))
    assert dict(value.circumstances) == {"cpu": "AMD EPYC", "cores": "2", "system": "Linux x86_64", "python": "3.12"}
    assert (found.origin.short, found.origin.date, found.origin.machine) == (
        "abcdef0+",
        "2026-01-02 03:04",
        "AMD EPYC, 2 cores",
    )
    assert found.study is None


def test_without_version_control_there_is_no_commit():
    assert benchmark_json.entry(write(CONTENT | {"commit_info": {"id": "unversioned"}})).origin.commit is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "bench.json: not a file of pytest-benchmark --benchmark-json: Expecting property name"),
        ("[]", "bench.json: not a file of pytest-benchmark --benchmark-json"),
        ({key: value for key, value in CONTENT.items() if key != "benchmarks"}, "benchmarks: is missing"),
        (
            CONTENT | {"benchmarks": [{"fullname": "x", "stats": {"median": 0, "q1": 1, "q3": 1}}]},
            "greater than 0; found 0",
        ),
    ],
)
def test_other_files_are_refused_with_the_place(content, said):
    with pytest.raises(RecordError) as caught:
        benchmark_json.entry(write(content))
    assert said in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(RecordError, match=r"none\.json: can't be read: No such file"):
        benchmark_json.entry(Path("none.json"))


def test_older_files_name_their_processor_and_unknown_ones_are_unlike():
    def cpu(**machine):
        content = CONTENT | {"machine_info": {"system": "Linux", "machine": "x86_64", **machine}}
        [value] = benchmark_json.entry(write(content)).values.values()
        return dict(value.circumstances)["cpu"]

    assert cpu(cpu={"brand": "AMD EPYC"}) == cpu(processor="AMD EPYC") == "AMD EPYC"
    assert cpu() == "unknown in bench.json"
