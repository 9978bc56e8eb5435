"""Types of entries in a records file, and the schema version."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter

from labeleff.catalogue.declaration import Frozen, Plugin
from labeleff.records.run_estimate import RunEstimate
from labeleff.records.training_log import ProbeCurve, Training
from labeleff.study.cell import Cell, Pretraining, Subset

SCHEMA = 1
"""Version of the entries' fields."""


class Conditions(Frozen):
    """Conditions that must be equal for two records to be numbers of one experiment."""

    device: str
    """Kind of device: `cpu` or the accelerator's name."""
    precision: dict[str, str]
    """Arithmetic that `auto` meant, by encoder name: `fp32` or `bf16`."""
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
    """Facts by task label: `classes`, `train`, `test`, `chance`, `metric`, `provenance`, and `weak_points` if any.

    Where cells have hits by class, `class_counts` are numbers of `train` and `test` items in the order of the classes.
    """
    environment: dict[str, Any]
    plugins: dict[str, Plugin] = Field(default_factory=dict)
    """Declarations of plug-ins of other packages, by the keys of `conditions.plugins`.

    With them the records can be read where those packages aren't installed; empty in records of earlier versions.
    """
    estimate: RunEstimate | None = None
    """Expected time of the jobs that the run began with; None in records of earlier versions."""


class LabelsEntry(Frozen):
    """The images that one draw labels at one rung; cells refer to it by its hash, so the file is self-contained."""

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
    """A pretrained encoder: its key, its metrics and the course of its training."""

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
    """Whether the encoder came from the cache, so that its timing belongs to an earlier run."""
    provenance: str | None = None
    """Source of weights from outside and what was left out, in words."""
    weights_sha256: str | None = None
    """SHA-256 of weights from outside, over names, types, shapes and bytes of the original tensors."""
    peak_memory: int | None = None
    own_peak: bool = False
    """Whether the peak belongs to this pretraining alone, as in a cell's record."""
    probes: list[ProbeCurve] = Field(default_factory=list)
    """Linear probes during its training, one curve per task; empty where the study has no probe."""

    @classmethod
    def failed(cls, run: str, pretraining: Pretraining, reason: str, detail: str | None = None) -> Self:
        """The record of a pretraining that gave no encoder."""
        return cls(run=run, key=pretraining.key, pretraining=pretraining, status="failed", reason=reason, detail=detail)


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
    """Traceback, where a cell failed for an unforeseen reason."""
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """The task's metrics on the whole test split, unrounded, e.g. `accuracy` in 0..1."""
    class_hits: list[int] = Field(default_factory=list)
    """Test items of each class classified correctly, of items with stored features of up to 100 classes; else empty."""
    test_count: int | None = None
    test_loss: float | None = None
    """Mean loss on the test split, of trained protocols; for information only."""
    test_seconds: float | None = None
    """Seconds of scoring the test split, of trained protocols."""
    indices_sha256: str | None = None
    """SHA-256 of the sorted label indices as little-endian int64."""
    missing_classes: list[str] = Field(default_factory=list)
    pretraining: str | None = None
    training: Training | None = None
    train_metrics: dict[str, float | None] = Field(default_factory=dict)
    peak_memory: int | None = None
    """Peak memory in bytes: of the device where it counts them, else of the process."""
    own_peak: bool = False
    """Whether the peak belongs to this cell, or to its frozen protocol's batch; else to the process or its pack."""
    seconds: float | None = None
    processor_seconds: float | None = None
    """Processor seconds of all threads; `seconds` are wall time.

    Both are even shares of the time of a batch of cells of a frozen protocol, and of every step of cells that are
    trained as one.
    """
    finished: str | None = None

    @classmethod
    def failed(cls, run: str, cell: Cell, reason: str, detail: str | None = None, **fields: Any) -> Self:
        """The record of a cell that gave no number, with other `fields` that are known."""
        return cls(run=run, key=cell.key, cell=cell, status="failed", reason=reason, detail=detail, **fields)


class StopEntry(Frozen):
    """A run that its time limit ended before all of its study was measured."""

    type: Literal["stop"] = "stop"
    schema_version: int = SCHEMA
    run: str
    time: str
    reason: Literal["time limit"] = "time limit"
    limit: float
    """Time limit of the run in seconds."""
    left: int
    """Number of cells of the study (or of the run's shard) that weren't measured when it stopped."""


Entry = RunEntry | LabelsEntry | PretrainingRecord | Record | StopEntry
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="type")])
