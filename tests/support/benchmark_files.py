"""Files of pytest-benchmark as runs of a history."""

from __future__ import annotations

import json
from pathlib import Path

CONTENT = {
    "machine_info": {
        "node": "somewhere",
        "machine": "x86_64",
        "python_version": "3.12.4",
        "system": "Linux",
        "cpu": {"brand_raw": "AMD EPYC", "count": 2, "hz_actual_friendly": "2.4 GHz"},
    },
    "commit_info": {"id": "abcdef0123456789", "dirty": True, "time": "2026-01-01T00:00:00Z", "branch": "main"},
    "benchmarks": [
        {
            "name": "test_a",
            "fullname": "test_x.py::test_a",
            "stats": {"median": 0.01, "q1": 0.008, "q3": 0.02, "min": 0},
        }
    ],
    "datetime": "2026-01-02T03:04:05.678+00:00",
    "version": "5.1.0",
}


def write(content) -> Path:
    path = Path("bench.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
