"""Types of entries in a records file, and the schema version."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter

from labeleff.catalogue.declaration import Frozen, Plugin
from labeleff.catalogue.metrics import QUADRATIC
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
    libraries: dict[str, str] = Field(default_factory=dict)
    """Major and minor version of the optional packages that encoders and pretexts compute with, by package."""


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


class Trial(Frozen):
    """A training that tried one choice of a rate and a decay.

    It was judged on a part of a cell's labels or, of a pretraining, on held-out images.
    """

    lr: float
    """Multiple of the budget's rate."""
    weight_decay: float
    """Multiple of the budget's decay."""
    split: int
    """Number of the split of the labels."""
    steps: int
    trained: int | None = None
    """Labels that it trained on; None of a pretraining."""
    held_out: int | None = None
    """Labels that it was judged on; None of a pretraining."""
    score: float | None = None
    """The headline metric, or a pretext's accuracy, on what was held out; None where there is none or it failed."""
    loss: float | None = None
    reason: str | None = None
    """Why it failed, or doesn't count."""
    seconds: float
    """Seconds that it took, which the cell's contain."""
    processor_seconds: float


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
    former_cells: int = 0
    """Number of the file's cells that started from an earlier encoder of this key, whose weights were others."""
    provenance: str | None = None
    """Source of weights from outside and what was left out, in words."""
    weights_sha256: str | None = None
    """SHA-256 of weights from outside, over names, types, shapes and bytes of the original tensors."""
    peak_memory: int | None = None
    own_peak: bool = False
    """Whether the peak belongs to this pretraining alone, as in a cell's record."""
    probes: list[ProbeCurve] = Field(default_factory=list)
    """Linear probes during its training, one curve per task; empty where the study has no probe."""
    trials: list[Trial] = Field(default_factory=list)
    """Trials of its tuning, in order, judged on held-out images; their seconds come beside those of `training`."""
    tuned: dict[str, float] = Field(default_factory=dict)
    """What was chosen, as multiples of the budget's values; empty without tuning."""

    @property
    def seconds(self) -> float | None:
        """Seconds of its training with all trials; None where nothing was trained."""
        if self.training is None:
            return None
        return self.training.seconds + sum(trial.seconds for trial in self.trials)

    @classmethod
    def failed(cls, run: str, pretraining: Pretraining, reason: str, detail: str | None = None) -> Self:
        """The record of a pretraining that gave no encoder."""
        return cls(run=run, key=pretraining.key, pretraining=pretraining, status="failed", reason=reason, detail=detail)


class Asked(Frozen):
    """Examples whose labels a cell's model asked for, with which the next rung of its ladder is measured."""

    n: int
    """Label count of that rung: the cell's own labels and these."""
    indices: list[int]
    """Positions in the training split, in the order in which they were asked."""
    pool: int
    """Number of examples without a label that were scored."""
    seconds: float
    """Seconds of scoring them and of choosing, in none of the cells' seconds."""
    processor_seconds: float
    library: str | None = None
    """Name and version of another library that chose; None for this one."""


class Repeats(Frozen):
    """Equal questions among a cell's: those of the same story in the same words, as its reader sees both."""

    distinct: int
    """Number of labelled questions without repeats, of n."""
    seen: int
    """Number of test questions that are among the n labelled ones, trained on or set aside."""


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
    calibration: dict[str, float] = Field(default_factory=dict)
    """Calibration on the test split where an item has one class: `ece`, `brier`, `nll`, and `ece_scaled` and so on.

    The latter are after division of the scores by `temperature`, which was fitted on `temperature_labels` of the n
    labels. Empty in records of earlier versions; what a predictor doesn't give is left out.
    """
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
    asked: Asked | None = None
    """What its model asked for the next rung, where a selection was to be measured there."""
    repeats: Repeats | None = None
    """Equal questions, of tasks of stories; None in records of earlier versions."""
    wrong_labels: float | None = None
    """Share of its labels that noise has made wrong, in 0..1; None without noise."""
    pretraining: str | None = None
    training: Training | None = None
    train_metrics: dict[str, float | None] = Field(default_factory=dict)
    trials: list[Trial] = Field(default_factory=list)
    """Trials of its tuning, in order."""
    tuned: dict[str, float] = Field(default_factory=dict)
    """What was chosen, as multiples of the budget's values; empty without tuning."""
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

    def value(self, metric: str) -> float | None:
        """One metric on the test split; None where the record doesn't have it."""
        if metric == QUADRATIC:
            brier = self.calibration.get("brier")
            return None if brier is None else 1 - brier / 2
        return self.metrics.get(metric)

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
