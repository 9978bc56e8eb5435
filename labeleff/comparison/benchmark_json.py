"""Files of pytest-benchmark (`--benchmark-json`), read as calls per second."""

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


class _Table(BaseModel):
    """Table of which only the declared keys are read; others are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Stats(_Table):
    median: float = Field(gt=0)
    q1: float = Field(gt=0)
    q3: float = Field(gt=0)


class _Benchmark(_Table):
    fullname: str
    stats: _Stats


class _Commit(_Table):
    id: str | None = None
    dirty: bool | None = None


class _Machine(_Table):
    system: str = "unknown"
    machine: str = "unknown"
    processor: str = ""
    python_version: str = "unknown"
    cpu: dict[str, Any] = Field(default_factory=dict)


class _File(_Table):
    machine_info: _Machine
    commit_info: _Commit
    benchmarks: list[_Benchmark]
    datetime: str


def entry(path: Path) -> Entry:
    """Read one file's benchmarks: median calls per second, with quartiles.

    Clock rates aren't part of a machine's identity, since they change on the same machine. Raises RecordError for a
    file that can't be read or isn't one of pytest-benchmark's.
    """
    file = _read(path)
    info = file.machine_info
    named = info.cpu.get("brand_raw") or info.cpu.get("brand") or info.processor  # versions to 3.2 have the others
    brand, count = str(named or f"unknown in {path}"), str(info.cpu.get("count", "unknown"))
    circumstances = (
        ("cpu", brand),
        ("cores", count),
        ("system", f"{info.system} {info.machine}"),
        ("python", ".".join(info.python_version.split(".")[:2])),
    )
    commit = file.commit_info.id if file.commit_info.id != "unversioned" else None
    origin = Origin(str(path), commit, bool(file.commit_info.dirty), file.datetime, f"{brand}, {count} cores")
    values = {
        Subject("throughput", None, item.fullname, "", ""): Value(
            1 / item.stats.median, 1 / item.stats.q3, 1 / item.stats.q1, circumstances
        )
        for item in file.benchmarks
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
