"""Options of `labeleff report`: how to look at measurements otherwise than the study says; none of them changes one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labeleff.asked import Cost, check_folder


@dataclass(frozen=True)
class ReportOptions:
    """Values of the options; None or empty where the study decides."""

    baseline: str | None = None
    method: str | None = None
    level: float | None = None
    targets: tuple[float, ...] = ()
    """Accuracies in 0..1."""
    cost: Cost | None = None
    out: Path | None = None
    metrics: tuple[tuple[str, str], ...] = ()
    """Names of tasks with the metric to report on."""

    @property
    def changes(self) -> dict[str, Any]:
        """Keys of the study with their values."""
        found = {
            "baseline": self.baseline,
            "curve": self.method,
            "level": self.level,
            "targets": list(self.targets) or None,
            "cost": self.cost and self.cost.model_dump(),
            "metrics": dict(self.metrics) or None,
        }
        return {key: value for key, value in found.items() if value is not None}

    @property
    def text(self) -> str:
        """The options as they are given on the command line; empty where there are none."""
        words: list[str] = []
        for option, value in (("--baseline", self.baseline), ("--method", self.method), ("--level", self.level)):
            words += [] if value is None else [option, str(value)]
        for target in self.targets:
            words += ["--target", repr(target)]
        if self.cost is not None:
            words += ["--cost-per-label", repr(self.cost.per_label), "--cost-unit", self.cost.unit]
        for task, metric in self.metrics:
            words += ["--metric", f"{task}={metric}"]
        return shlex.join([*words, *(["--out", str(self.out)] if self.out else [])])

    def beside(self, records: Path) -> ReportOptions:
        """The same, in which `out` isn't the folder of records. Raises OptionError for a file and for other records."""
        if self.out is None or (self.out.exists() and records.exists() and self.out.samefile(records)):
            return replace(self, out=None)
        check_folder(self.out)
        return self
