"""Files of pytest-benchmark (`--benchmark-json`): their benchmarks as throughput, in calls a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labeleff.catalogue.declaration import first_error
from labeleff.comparison.history import Entry, Value
from labeleff.errors import RecordError
from labeleff.records.conditions import Origin
from labeleff.study.quantities import Subject


class _Read(BaseModel):
    """What of a table is needed; the rest is left alone."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Stats(_Read):
    median: float = Field(gt=0)
    q1: float = Field(gt=0)
    q3: float = Field(gt=0)


class _Benchmark(_Read):
    fullname: str
    stats: _Stats


class _Commit(_Read):
    id: str | None = None
    dirty: bool | None = None


class _Machine(_Read):
    system: str = "unknown"
    machine: str = "unknown"
    python_version: str = "unknown"
    cpu: dict[str, Any] = Field(default_factory=dict)


class _File(_Read):
    machine_info: _Machine
    commit_info: _Commit
    benchmarks: list[_Benchmark]
    datetime: str


def entry(path: Path) -> Entry:
    """One file's benchmarks: calls a second by the median, with quartiles.

    Clock rates are left out of what makes a machine: they change on one and the same. Raises RecordError for a file
    that can't be read or isn't one of pytest-benchmark's.
    """
    found = _read(path)
    info = found.machine_info
    brand, count = str(info.cpu.get("brand_raw", info.machine)), str(info.cpu.get("count", "unknown"))
    circumstances = (
        ("cpu", brand),
        ("cores", count),
        ("system", f"{info.system} {info.machine}"),
        ("python", ".".join(info.python_version.split(".")[:2])),
    )
    commit = found.commit_info.id if found.commit_info.id != "unversioned" else None
    origin = Origin(str(path), commit, bool(found.commit_info.dirty), found.datetime, f"{brand}, {count} cores")
    values = {
        Subject("throughput", None, item.fullname, "", ""): Value(
            1 / item.stats.median, 1 / item.stats.q3, 1 / item.stats.q1, circumstances
        )
        for item in found.benchmarks
    }
    return Entry(origin, values, None)


def _read(path: Path) -> _File:
    what = "not a file of pytest-benchmark --benchmark-json"
    try:
        return _File.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {what}: {first_error(error, _File)[:200]}") from error
    except ValueError as error:
        raise RecordError(f"{path}: {what}: {error}") from error
