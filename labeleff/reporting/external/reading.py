"""How a table is to be read: what the user said of its columns, units and layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reading:
    """What the user gave of a table; None where it is to be recognised."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of the file's columns, by labeleff's names."""
    delimiter: str | None = None
    pattern: str | None = None
    """Path pattern whose fields in braces are columns: results/{arm}/train-{n}-{draw}/results.json."""
    value: str | None = None
    """Name of the value: dots go into nested JSON (test.accuracy)."""
    skip_empty: bool = False
    """Whether rows without a value, of runs that crashed, are left out and counted."""
    sheet: str | None = None
    """Name of the sheet, or number (from 1) of the table, where a file has several."""
