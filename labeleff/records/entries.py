"""Entry types and the schema version."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter

from labeleff.catalogue.declaration import Frozen, Plugin
from labeleff.records.run_estimate import RunEstimate
from labeleff.records.training_log import ProbeCurve, Training
from labeleff.study.cell import Cell, Pretraining, Subset

SCHEMA = 1


class Conditions(Frozen):
    """What must be equal for two records to be compared as numbers of one experiment."""

    device: str
    """Kind of device: `cpu` or the accelerator's name."""
    precision: dict[str, str]
    """Arithmetic that `auto` stood for, by encoder name: `fp32` or `bf16`."""
    torch: str
    """Major and minor version of torch."""
    data: dict[str, str]
    """SHA-256 of each task's arrays, by task label."""
    plugins: dict[str, str] = Field(default_factory=dict)
    """Plug-ins of other packages, e.g. `pretext quadrant`: distribution, version, digest of the file of its code."""


class RunEntry(Frozen):
    """One start of the command: the study as it was run, the conditions and the environment."""

    type: Literal["run"] = "run"
    schema_version: int = SCHEMA
    run: str
    started: str
    command: list[str]
    study: dict[str, Any]
    conditions: Conditions
    tasks: dict[str, dict[str, Any]]
    """By task label: `classes`, `train`, `test`, `chance`, `metric`, `provenance`."""
    environment: dict[str, Any]
    plugins: dict[str, Plugin] = Field(default_factory=dict)
    """What plug-ins of other packages say of themselves, as in `conditions.plugins`, so that the records can be read
    where these aren't installed; empty in records of earlier versions."""
    estimate: RunEstimate | None = None
    """What it was expected to take, of what it had to do; None in records of earlier versions."""


class LabelsEntry(Frozen):
    """Which images one draw labels at one rung; cells refer to it by its hash, so the file is complete in itself."""

    type: Literal["labels"] = "labels"
    schema_version: int = SCHEMA
    task: str
    """The task's label."""
    draw: int
    n: int
    subset: Subset
    indices_sha256: str
    indices: list[int]
    """Sorted positions in the training split."""


class PretrainingRecord(Frozen):
    """A pretrained encoder: its key, its own metrics and how its training went."""

    type: Literal["pretraining"] = "pretraining"
    schema_version: int = SCHEMA
    run: str
    key: str
    pretraining: Pretraining
    status: Literal["ok", "failed"]
    reason: str | None = None
    detail: str | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    encoder_sha256: str | None = None
    training: Training | None = None
    cached: bool = False
    """True where the encoder came from the cache: its timing then belongs to an earlier run."""
    provenance: str | None = None
    """Weights from outside: where they came from and what was left out, in words."""
    weights_sha256: str | None = None
    """Weights from outside: SHA-256 over names, types, shapes and bytes of the tensors as they came."""
    peak_memory: int | None = None
    own_peak: bool = False
    """As in a cell's record."""
    probes: list[ProbeCurve] = Field(default_factory=list)
    """Linear probes while it was trained, a curve a task; none where the study asks for none."""

    @classmethod
    def failed(cls, run: str, asked: Pretraining, reason: str, detail: str | None = None) -> Self:
        """The record of a pretraining that gave no encoder."""
        return cls(run=run, key=asked.key, pretraining=asked, status="failed", reason=reason, detail=detail)


class Record(Frozen):
    """A finished or failed cell."""

    type: Literal["cell"] = "cell"
    schema_version: int = SCHEMA
    run: str
    key: str
    cell: Cell
    status: Literal["ok", "failed"]
    reason: str | None = None
    detail: str | None = None
    """The traceback, where a cell failed for a reason that nobody foresaw."""
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """The task's metrics on the whole test split, unrounded, e.g. `accuracy` in 0..1."""
    test_count: int | None = None
    test_loss: float | None = None
    """Mean of the goal's loss on the test split, of trained protocols; for looking at alone."""
    test_seconds: float | None = None
    """What scoring the test split took, of trained protocols."""
    indices_sha256: str | None = None
    """SHA-256 of the sorted label indices as little-endian int64."""
    missing_classes: list[str] = Field(default_factory=list)
    pretraining: str | None = None
    training: Training | None = None
    train_metrics: dict[str, float | None] = Field(default_factory=dict)
    peak_memory: int | None = None
    """Bytes: of the device where it counts them, else of the process."""
    own_peak: bool = False
    """Whether the peak is that of this cell, or of its frozen protocol's batch; else of the process or its pack."""
    seconds: float | None = None
    processor_seconds: float | None = None
    """All threads' seconds; `seconds` are of the clock on the wall. Both share out evenly what a batch of cells of a
    frozen protocol took, and every step of cells that are trained as one."""
    finished: str | None = None

    @classmethod
    def failed(cls, run: str, cell: Cell, reason: str, detail: str | None = None, **known: Any) -> Self:
        """The record of a cell that gave no number, with what else is known of it."""
        return cls(run=run, key=cell.key, cell=cell, status="failed", reason=reason, detail=detail, **known)


class StopEntry(Frozen):
    """A run that its time limit ended before all of its study was measured."""

    type: Literal["stop"] = "stop"
    schema_version: int = SCHEMA
    run: str
    time: str
    reason: Literal["time limit"] = "time limit"
    limit: float
    """Seconds that the run was given."""
    left: int
    """Cells of the study (or of the run's shard) that weren't measured when it stopped."""


Entry = RunEntry | LabelsEntry | PretrainingRecord | Record | StopEntry
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])
